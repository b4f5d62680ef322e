#include "text.h"

/* May be loaded from any address and may alias any object. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    /* Words, not "rep movsb": an emulated processor runs the latter one byte at a time. */
    for (; n >= sizeof(word); n -= sizeof(word), t += sizeof(word), f += sizeof(word))
        *(word *)t = *(const word *)f;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (t <= f)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *t = to;

    while (n--)
        *t++ = (uint8_t)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t text_length(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

bool text_equal(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a == *b;
}

bool text_starts(const char *s, const char *prefix)
{
    for (; *prefix; s++, prefix++)
        if (*s != *prefix)
            return false;
    return true;
}

bool text_ends(const char *s, const char *suffix)
{
    size_t n = text_length(s), k = text_length(suffix);

    return n >= k && text_equal(s + n - k, suffix);
}

char lower_case(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

struct output {
    char *at;
    size_t length, room;
};

static void emit(struct output *out, char c)
{
    if (out->length + 1 < out->room)
        out->at[out->length++] = c;
}

static void emit_number(struct output *out, uint64_t value, unsigned base, char pad, int width)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (; width > n; width--)
        emit(out, pad);
    while (n)
        emit(out, digits[--n]);
}

size_t format_list(char *buffer, size_t room, const char *p, va_list arguments)
{
    struct output out = {buffer, 0, room};

    for (; *p; p++) {
        if (*p != '%') {
            emit(&out, *p);
            continue;
        }
        char pad = ' ';
        int width = 0;
        bool is_long = false;
        if (*++p == '0')
            pad = *p++;
        for (; *p >= '0' && *p <= '9'; p++)
            width = width * 10 + (*p - '0');
        if (*p == 'l') {
            is_long = true;
            p++;
        }
        if (*p == 's') {
            for (const char *s = va_arg(arguments, const char *); *s; s++)
                emit(&out, *s);
        } else if (*p == 'c') {
            emit(&out, (char)va_arg(arguments, int));
        } else if (*p == 'd') {
            long v = is_long ? va_arg(arguments, long) : va_arg(arguments, int);
            if (v < 0)
                emit(&out, '-');
            emit_number(&out, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, pad, width);
        } else if (*p == 'u' || *p == 'x') {
            uint64_t v = is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            emit_number(&out, v, *p == 'x' ? 16 : 10, pad, width);
        } else {
            emit(&out, *p);
        }
    }
    if (room)
        buffer[out.length] = 0;
    return out.length;
}

size_t format(char *buffer, size_t room, const char *pattern, ...)
{
    va_list arguments;

    va_start(arguments, pattern);
    size_t n = format_list(buffer, room, pattern, arguments);
    va_end(arguments);
    return n;
}
