/* Memory and text helpers: what a C library would have supplied. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The compiler calls these four by itself, whatever -ffreestanding says. */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
char lower_case(char c);

/*
 * A small printf: %s %c %d %u %x %lu %lx %%, with zero padding and a width (%02x). Writes at most
 * `room` bytes including the final NUL and returns the length written.
 */
size_t format(char *out, size_t room, const char *pattern, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_list(char *out, size_t room, const char *pattern, va_list arguments);

/* Network byte order is big-endian. */
static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void put32(uint8_t *p, uint32_t value)
{
    put16(p, (uint16_t)(value >> 16));
    put16(p + 2, (uint16_t)value);
}

#endif
