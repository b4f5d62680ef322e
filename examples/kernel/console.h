/* The serial console, and the two ways to end. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdnoreturn.h>

void console_init(void);
void print(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* Ends the machine. The console line says how; QEMU's own exit code is always 83. */
noreturn void kernel_exit(int status);
noreturn void kernel_abort(void);

/* Says what was found and what was expected, then aborts. */
noreturn void panic(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

#endif
