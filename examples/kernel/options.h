/* The kernel's arguments. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

/* Deliberate misbehaviour, for testing whatever watches over the kernel. See README.md. */
enum fault {
    FAULT_NONE,
    FAULT_PANIC,
    FAULT_NEVER_LISTEN,
    FAULT_STATUS,
    FAULT_HANG,
    FAULT_FLOOD,
    FAULT_EXIT,
};

struct options {
    uint8_t address[4];
    uint8_t prefix;
    uint8_t gateway[4];
    enum fault fault;
};

extern struct options options;

/* Panics on an argument it does not know or cannot read. */
void options_parse(const char *command_line);

#endif
