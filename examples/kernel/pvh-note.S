/*
 * The PVH entry point: an ELF note of owner "Xen" and type 18 (XEN_ELFNOTE_PHYS32_ENTRY) whose
 * value is the physical address to jump to. Xen, QEMU, Firecracker and Cloud Hypervisor read it.
 */
    .section .note.Xen, "a", @note
    .balign 4
    .long   4                       /* size of the owner's name */
    .long   8                       /* size of the value: in an ELF64 file, QEMU reads 8 bytes */
    .long   18
    .asciz  "Xen"
    .quad   start32

    .section .note.GNU-stack, "", @progbits
