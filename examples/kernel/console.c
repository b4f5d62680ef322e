#include "console.h"

#include "text.h"
#include "x86.h"

/* 16550 UART, first serial port of a PC. */
#define UART 0x3f8
enum { UART_DATA = 0, UART_INTERRUPTS = 1, UART_FIFO = 2, UART_LINE = 3, UART_STATUS = 5 };
#define UART_EIGHT_BITS    0x03
#define UART_FIFO_ON_CLEAR 0x07
#define UART_CAN_SEND      0x20

/* QEMU's isa-debug-exit device at its default port. */
#define DEBUG_EXIT_PORT  0x501
#define DEBUG_EXIT_VALUE 41

/* Longest line: a file name of 511 bytes and the words around it. */
#define LINE_MAX 1024

void console_init(void)
{
    outb(UART + UART_INTERRUPTS, 0);
    outb(UART + UART_LINE, UART_EIGHT_BITS);
    outb(UART + UART_FIFO, UART_FIFO_ON_CLEAR);
}

static void put(char c)
{
    while (!(inb(UART + UART_STATUS) & UART_CAN_SEND))
        relax();
    outb(UART + UART_DATA, (uint8_t)c);
}

static void put_line(const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            put('\r');
        put(*s);
    }
}

static void print_list(const char *pattern, va_list arguments)
{
    char line[LINE_MAX];

    format_list(line, sizeof line, pattern, arguments);
    put_line(line);
}

void print(const char *pattern, ...)
{
    va_list arguments;

    va_start(arguments, pattern);
    print_list(pattern, arguments);
    va_end(arguments);
}

/*
 * The order of Solo5's virtio bindings: first the debug device, whose value 41 makes QEMU exit with
 * 41 * 2 + 1 = 83 whether all went well or not, and where that device is absent, halt for ever.
 * Whoever watches must read the console line printed before.
 */
static noreturn void machine_off(void)
{
    outw(DEBUG_EXIT_PORT, DEBUG_EXIT_VALUE);
    print("Solo5: Halted\n");
    interrupts_off();
    for (;;)
        __asm__ volatile("hlt");
}

noreturn void kernel_exit(int status)
{
    print("Solo5: solo5_exit(%d) called\n", status);
    machine_off();
}

noreturn void kernel_abort(void)
{
    print("Solo5: solo5_abort() called\n");
    machine_off();
}

noreturn void panic(const char *pattern, ...)
{
    va_list arguments;

    interrupts_off();
    print("panic: ");
    va_start(arguments, pattern);
    print_list(pattern, arguments);
    va_end(arguments);
    print("\n");
    kernel_abort();
}
