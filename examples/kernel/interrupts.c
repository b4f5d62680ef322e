#include "interrupts.h"

#include "console.h"
#include "manifest.h"
#include "virtio.h"
#include "x86.h"

#define CODE_SELECTOR  0x08
#define INTERRUPT_GATE 0x8e

/* The two 8259 interrupt controllers, remapped above the processor's 32 exceptions. */
#define PIC1           0x20
#define PIC2           0xa0
#define PIC_INIT       0x11 /* edge mode, cascaded, four command words follow */
#define PIC_8086       0x01
#define PIC_DONE       0x20
#define IRQ_VECTOR     32
#define IRQ_TIMER      0
#define IRQ_CASCADE    2

/* 8254 timer: channel 0, rate generator, input clock 1.193182 MHz. */
#define PIT_COMMAND    0x43
#define PIT_CHANNEL0   0x40
#define PIT_RATE       0x34
#define PIT_DIVISOR    (1193182 / TICKS_PER_SECOND)

/* Local APIC registers, Intel SDM volume 3, chapter "APIC". */
#define APIC_SPURIOUS        0xfee000f0
#define APIC_LINT0           0xfee00350
#define APIC_ENABLE          0x100
#define APIC_SPURIOUS_VECTOR 0xff
#define APIC_EXTINT          0x700

struct interrupt_frame {
    uint64_t rip, cs, flags, rsp, ss;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

static struct gate gates[256] __attribute__((aligned(16)));
static volatile uint64_t ticks;

uint64_t now(void)
{
    return ticks;
}

static noreturn void fault(const struct interrupt_frame *frame, uint64_t error)
{
    uint64_t address;

    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    panic("processor exception at 0x%lx, error 0x%lx, address 0x%lx", frame->rip, error, address);
}

__attribute__((interrupt)) static void on_exception(struct interrupt_frame *frame)
{
    fault(frame, 0);
}

__attribute__((interrupt)) static void on_exception_with_error(struct interrupt_frame *frame,
                                                               uint64_t error)
{
    fault(frame, error);
}

__attribute__((interrupt)) static void on_tick(struct interrupt_frame *frame)
{
    (void)frame;
    ticks++;
    outb(PIC1, PIC_DONE);
}

/*
 * One handler for every device line. The devices must be told before the controller is: PCI lines
 * are level-triggered and would fire again at once.
 */
__attribute__((interrupt)) static void on_device(struct interrupt_frame *frame)
{
    (void)frame;
    for (unsigned i = 0; i < MANIFEST_DEVICES; i++)
        if (manifest_devices[i].attached)
            virtio_acknowledge_interrupt(&manifest_devices[i]);
    outb(PIC2, PIC_DONE);
    outb(PIC1, PIC_DONE);
}

__attribute__((interrupt)) static void on_spurious(struct interrupt_frame *frame)
{
    (void)frame;
}

static void set_gate(unsigned vector, const void *handler)
{
    uint64_t address = (uint64_t)handler;

    gates[vector] = (struct gate){
        .offset_low = (uint16_t)address,
        .selector = CODE_SELECTOR,
        .type = INTERRUPT_GATE,
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

static void set_gates(void)
{
    /* Exceptions that push an error code: 8, 10 to 14, 17, 21, 29, 30. */
    const uint32_t with_error = 1u << 8 | 0x1fu << 10 | 1u << 17 | 1u << 21 | 3u << 29;

    for (unsigned v = 0; v < 32; v++)
        set_gate(v, with_error >> v & 1 ? (void *)on_exception_with_error : (void *)on_exception);
    for (unsigned v = IRQ_VECTOR; v < IRQ_VECTOR + 16; v++)
        set_gate(v, on_device);
    set_gate(IRQ_VECTOR + IRQ_TIMER, on_tick);
    set_gate(APIC_SPURIOUS_VECTOR, on_spurious);

    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, (uint64_t)gates};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void set_pic(uint16_t open_lines)
{
    outb(PIC1, PIC_INIT);
    outb(PIC2, PIC_INIT);
    outb(PIC1 + 1, IRQ_VECTOR);
    outb(PIC2 + 1, IRQ_VECTOR + 8);
    outb(PIC1 + 1, 1 << IRQ_CASCADE);
    outb(PIC2 + 1, IRQ_CASCADE);
    outb(PIC1 + 1, PIC_8086);
    outb(PIC2 + 1, PIC_8086);
    outb(PIC1 + 1, (uint8_t)~open_lines); /* a set bit masks the line */
    outb(PIC2 + 1, (uint8_t)(~open_lines >> 8));
}

void interrupts_init(void)
{
    uint16_t lines = 1 << IRQ_TIMER | 1 << IRQ_CASCADE;

    for (unsigned i = 0; i < MANIFEST_DEVICES; i++)
        if (manifest_devices[i].attached)
            lines |= (uint16_t)(1 << (manifest_devices[i].irq & 15));
    set_gates();
    set_pic(lines);
    outb(PIT_COMMAND, PIT_RATE);
    outb(PIT_CHANNEL0, PIT_DIVISOR & 0xff);
    outb(PIT_CHANNEL0, PIT_DIVISOR >> 8);

    /*
     * Between the 8259 and the processor sits the local APIC. SeaBIOS opens its LINT0 pin, qboot
     * (QEMU's microvm) leaves it masked, and HLT would then sleep for ever.
     */
    *(volatile uint32_t *)APIC_SPURIOUS = APIC_ENABLE | APIC_SPURIOUS_VECTOR;
    *(volatile uint32_t *)APIC_LINT0 = APIC_EXTINT;
    interrupts_on();
}
