/* What the boot loader tells us; multiboot.c and pvh.c each know one dialect. */
#ifndef LOADER_H
#define LOADER_H

#include <stdint.h>

struct loader_info {
    const char *command_line; /* the arguments, without the kernel's own name */
    uint64_t memory_end;      /* end of the memory that starts at 1 MiB; 0 if not told */
};

/* `address` and `magic` are what EBX and EAX held at entry. Panics if they make no sense. */
struct loader_info loader_read(uint32_t address, uint32_t magic);

#endif
