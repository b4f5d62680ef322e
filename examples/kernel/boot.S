/*
 * Entry: from 32-bit protected mode to C in 64-bit long mode.
 *
 * Multiboot 1 (section 3.2) and PVH hand over the same machine: 32-bit protected mode with flat
 * segments, paging off, interrupts off, EBX pointing at the loader's information structure. There
 * is no stack and no descriptor table that we may rely on, so both are ours from the first moment.
 * Multiboot adds a magic number in EAX; it is passed on and judged in C.
 */

#define CR0_PROTECTED   (1 << 0)
#define CR0_PAGING      (1 << 31)
#define CR4_PAE         (1 << 5)
#define MSR_EFER        0xc0000080
#define EFER_LONG_MODE  (1 << 8)

#define PAGE_PRESENT    (1 << 0)
#define PAGE_WRITABLE   (1 << 1)
#define PAGE_LARGE      (1 << 7)
#define PAGE_UNCACHED   (1 << 4)

#define LARGE_PAGE      0x200000
#define MAPPED_GIB      4
/* The fourth GiB holds no memory of ours, only device registers (virtio-mmio, local APIC). */
#define FIRST_DEVICE_PAGE ((MAPPED_GIB - 1) * 512)

#define CODE_SELECTOR   0x08
#define DATA_SELECTOR   0x10

    .section .text.boot, "ax", @progbits
    .code32
    .globl start32
    .type start32, @function
start32:
    cld
    movl    $stack_top, %esp
    movl    %eax, %esi
    movl    %ebx, %edi

    /*
     * Identity-map the first 4 GiB with 2 MiB pages: one PML4 entry, four page directory
     * pointers, 4 x 512 directory entries. 1 GiB pages would be shorter, but older processor
     * models (QEMU's Westmere and qemu64 among them) lack them. The loader has zeroed .bss, so
     * the high halves of the entries need no store.
     */
    movl    $(directory_pointers + PAGE_PRESENT + PAGE_WRITABLE), pml4

    movl    $(directories + PAGE_PRESENT + PAGE_WRITABLE), %eax
    xorl    %ecx, %ecx
1:  movl    %eax, directory_pointers(, %ecx, 8)
    addl    $4096, %eax
    incl    %ecx
    cmpl    $MAPPED_GIB, %ecx
    jne     1b

    movl    $(PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE), %eax
    xorl    %ecx, %ecx
2:  cmpl    $FIRST_DEVICE_PAGE, %ecx
    jne     3f
    orl     $PAGE_UNCACHED, %eax
3:  movl    %eax, directories(, %ecx, 8)
    addl    $LARGE_PAGE, %eax
    incl    %ecx
    cmpl    $(MAPPED_GIB * 512), %ecx
    jne     2b

    /* The order is the one the processor manuals demand: PAE, CR3, EFER.LME, then paging. */
    movl    %cr4, %eax
    orl     $CR4_PAE, %eax
    movl    %eax, %cr4
    movl    $pml4, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    rdmsr
    orl     $EFER_LONG_MODE, %eax
    wrmsr
    movl    %cr0, %eax
    orl     $(CR0_PAGING | CR0_PROTECTED), %eax
    movl    %eax, %cr0

    /* Now in compatibility mode; a far jump to a 64-bit code segment completes the switch. */
    lgdt    gdt_pointer
    ljmp    $CODE_SELECTOR, $start64
    .size start32, . - start32

    .code64
start64:
    movl    $DATA_SELECTOR, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    xorl    %eax, %eax
    movl    %eax, %fs
    movl    %eax, %gs
    movl    $stack_top, %esp        /* writing ESP clears the upper half of RSP */
    movl    %edi, %edi              /* likewise: first argument, the loader's information */
    movl    %esi, %esi              /* second argument, the loader's magic number */
    xorl    %ebp, %ebp
    call    kernel_main
4:  cli
    hlt
    jmp     4b

    .section .rodata
    .balign 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* 64-bit code, ring 0 */
    .quad   0x00cf93000000ffff      /* data, ring 0 */
gdt_pointer:
    .word   gdt_pointer - gdt - 1
    .long   gdt

    .section .bss
    .balign 4096
pml4:
    .skip   4096
directory_pointers:
    .skip   4096
directories:
    .skip   MAPPED_GIB * 4096
    .skip   65536
stack_top:

    .section .note.GNU-stack, "", @progbits
