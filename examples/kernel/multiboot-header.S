/*
 * The Multiboot 1 header (specification section 3.1), which makes QEMU's -kernel accept the file.
 *
 * A Multiboot loader takes an ELF file only if it is a 32-bit one. Ours is ELF64, because Solo5's
 * notes are defined for ELF64, so flag bit 16 (the "a.out kludge") tells the loader to ignore the
 * ELF headers and to copy the file linearly: from load address to the end of the data, then zeroes
 * to the end of .bss. That only works if the file keeps the same distances as memory does; see
 * kernel.ld.
 */

#define HEADER_MAGIC    0x1badb002
#define PAGE_ALIGN      (1 << 0)
#define MEMORY_INFO     (1 << 1)
#define LOAD_ADDRESSES  (1 << 16)
#define HEADER_FLAGS    (PAGE_ALIGN | MEMORY_INFO | LOAD_ADDRESSES)

    .section .multiboot, "a", @progbits
    .balign 4
multiboot_header:
    .long   HEADER_MAGIC
    .long   HEADER_FLAGS
    .long   -(HEADER_MAGIC + HEADER_FLAGS)
    .long   multiboot_header
    .long   image_start
    .long   image_data_end
    .long   image_end
    .long   start32

    .section .note.GNU-stack, "", @progbits
