/* Interrupts: only a clock tick and a reason to wake up. All work is done in the main loop. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

#define TICKS_PER_SECOND 100

/* Call after the devices are bound: their interrupt lines are opened here. */
void interrupts_init(void);

/* Ticks since interrupts_init. */
uint64_t now(void);

#endif
