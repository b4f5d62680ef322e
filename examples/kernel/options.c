#include "options.h"

#include "console.h"
#include "text.h"

/* The address QEMU's user network gives to its first guest, and its gateway. */
struct options options = {
    .address = {10, 0, 2, 15},
    .prefix = 24,
    .gateway = {10, 0, 2, 2},
};

static const char *const fault_names[] = {
    [FAULT_NONE] = "none",     [FAULT_PANIC] = "panic", [FAULT_NEVER_LISTEN] = "never-listen",
    [FAULT_STATUS] = "status", [FAULT_HANG] = "hang",   [FAULT_FLOOD] = "flood",
    [FAULT_EXIT] = "exit",
};

/* Reads a number up to `most` and moves on; NULL if there is none. */
static const char *read_number(const char *s, unsigned most, uint8_t *value)
{
    unsigned n = 0;

    if (!s || *s < '0' || *s > '9')
        return NULL;
    for (; *s >= '0' && *s <= '9'; s++) {
        n = n * 10 + (unsigned)(*s - '0');
        if (n > most)
            return NULL;
    }
    *value = (uint8_t)n;
    return s;
}

static const char *read_address(const char *s, uint8_t address[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && (!s || *s++ != '.'))
            return NULL;
        s = read_number(s, 255, &address[i]);
    }
    return s;
}

static const char *read_fault(const char *s)
{
    for (unsigned i = 0; i < sizeof fault_names / sizeof *fault_names; i++)
        if (text_equal(s, fault_names[i])) {
            options.fault = i;
            return s + text_length(s);
        }
    return NULL;
}

static void parse_word(const char *word)
{
    const char *end = NULL;

    if (text_starts(word, "--ipv4=")) {
        end = read_address(word + sizeof "--ipv4=" - 1, options.address);
        end = end && *end == '/' ? read_number(end + 1, 32, &options.prefix) : NULL;
    } else if (text_starts(word, "--ipv4-gateway=")) {
        end = read_address(word + sizeof "--ipv4-gateway=" - 1, options.gateway);
    } else if (text_starts(word, "--fault=")) {
        end = read_fault(word + sizeof "--fault=" - 1);
    } else if (!text_starts(word, "--")) {
        return; /* the machine's own words: microvm appends virtio_mmio.device=... */
    }
    if (!end || *end)
        panic("cannot use argument '%s'; known are --ipv4=A.B.C.D/N, --ipv4-gateway=A.B.C.D and "
              "--fault=NAME",
              word);
}

void options_parse(const char *s)
{
    char word[256];

    for (;;) {
        size_t n = 0;

        while (*s == ' ')
            s++;
        if (!*s)
            return;
        for (; *s && *s != ' '; s++)
            if (n + 1 < sizeof word)
                word[n++] = *s;
        word[n] = 0;
        parse_word(word);
    }
}
