/*
 * The archive format is POSIX.1-1988 "ustar" with GNU's 'L' records for names that do not fit.
 * Everything else (directories, links, pax headers, base-256 numbers) is refused rather than
 * guessed at: a site that is served wrongly is worse than one that does not boot.
 */
#include "tar.h"

#include "block.h"
#include "console.h"
#include "text.h"

#define BLOCK            512
#define TYPE_FILE        '0'
#define TYPE_FILE_V7     '\0'
#define TYPE_LONG_NAME   'L'

struct header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[100];
    char magic[6];
    char version[2];
    char user[32], group[32];
    char device_major[8], device_minor[8];
    char prefix[155];
    char padding[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

struct entry {
    struct file file;
    uint32_t name; /* offset in names */
    uint32_t name_length;
};

static struct entry entries[TAR_FILES_MAX];
static unsigned entry_count;
static char names[TAR_NAME_BYTES_MAX];
static size_t names_used;

/* Open addressing at most half full; a slot holds entry number + 1. */
#define SLOTS (2 * TAR_FILES_MAX)
static uint16_t slots[SLOTS];
_Static_assert(TAR_FILES_MAX < 65536, "entry number + 1 must fit a slot");

/* FNV-1a. */
static uint32_t hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u;

    while (n--)
        h = (h ^ (uint8_t)*s++) * 16777619u;
    return h;
}

/* The slot where the name is, or the empty one where it would go. */
static uint16_t *find_slot(const char *name, size_t length)
{
    for (uint32_t i = hash(name, length);; i++) {
        uint16_t *slot = &slots[i % SLOTS];
        if (!*slot)
            return slot;
        const struct entry *e = &entries[*slot - 1];
        if (e->name_length == length && memcmp(names + e->name, name, length) == 0)
            return slot;
    }
}

bool tar_find(const char *name, size_t length, struct file *file)
{
    uint16_t slot = *find_slot(name, length);

    if (slot)
        *file = entries[slot - 1].file;
    return slot;
}

unsigned tar_file_count(void)
{
    return entry_count;
}

static void add(const char *name, size_t length, uint64_t offset, uint64_t size)
{
    uint16_t *slot = find_slot(name, length);

    if (*slot)
        panic("malformed tar: two files named %s", name);
    if (entry_count == TAR_FILES_MAX)
        panic("index full: the volume has more than %u files", TAR_FILES_MAX);
    if (length > sizeof names - names_used)
        panic("index full: the names take more than %u bytes", TAR_NAME_BYTES_MAX);
    memcpy(names + names_used, name, length);
    entries[entry_count] = (struct entry){
        .file = {offset, size},
        .name = (uint32_t)names_used,
        .name_length = (uint32_t)length,
    };
    names_used += length;
    *slot = (uint16_t)++entry_count;
}

static bool is_zero(const struct header *h)
{
    const char *p = (const char *)h;

    for (unsigned i = 0; i < BLOCK; i++)
        if (p[i])
            return false;
    return true;
}

/* Octal digits, with spaces or a NUL around them. */
static uint64_t octal(const char *field, size_t length, uint64_t at)
{
    uint64_t value = 0;
    size_t i = 0;

    while (i < length && field[i] == ' ')
        i++;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(field[i] - '0');
    if (i < length && field[i] != ' ' && field[i] != '\0')
        panic("malformed tar: header at byte %lu has a number that is not octal", at);
    return value;
}

/* The sum of all bytes, those of the checksum field itself counted as spaces. */
static void check_header(const struct header *h, uint64_t at)
{
    const uint8_t *bytes = (const uint8_t *)h;
    uint64_t total = 0;

    for (unsigned i = 0; i < BLOCK; i++)
        total += bytes[i];
    for (unsigned i = 0; i < sizeof h->checksum; i++)
        total += (uint64_t)' ' - (uint8_t)h->checksum[i];
    if (memcmp(h->magic, "ustar", 5) != 0)
        panic("malformed tar: no ustar header at byte %lu", at);
    if (total != octal(h->checksum, sizeof h->checksum, at))
        panic("malformed tar: header at byte %lu has a wrong checksum", at);
}

static size_t copy_field(char *to, const char *field, size_t most)
{
    size_t n = 0;

    while (n < most && field[n]) {
        to[n] = field[n];
        n++;
    }
    return n;
}

/* The name in the header itself: prefix "/" name. GNU's own magic has other things in prefix. */
static size_t short_name(const struct header *h, char name[TAR_NAME_MAX + 1])
{
    size_t n = 0;

    if (memcmp(h->magic, "ustar", 6) == 0)
        n = copy_field(name, h->prefix, sizeof h->prefix);
    if (n)
        name[n++] = '/';
    n += copy_field(name + n, h->name, sizeof h->name);
    name[n] = 0;
    return n;
}

static size_t long_name(uint64_t at, uint64_t size, char name[TAR_NAME_MAX + 1])
{
    if (size < 2 || size > TAR_NAME_MAX + 1)
        panic("malformed tar: long name of %lu bytes at byte %lu; at most %u are supported", size,
              at, TAR_NAME_MAX);
    block_read(name, at, size);
    if (name[size - 1])
        panic("malformed tar: long name at byte %lu does not end in NUL", at);
    return text_length(name);
}

/* One zero block ends nothing: an archive ends with two. */
static bool at_end(const struct header *h, uint64_t at)
{
    struct header second;

    if (!is_zero(h))
        return false;
    if (at + BLOCK + BLOCK <= block_capacity()) {
        block_read(&second, at + BLOCK, BLOCK);
        if (is_zero(&second))
            return true;
    }
    panic("malformed tar: a single zero block at byte %lu; an archive ends with two", at);
}

void tar_index(void)
{
    static char name[TAR_NAME_MAX + 1];
    size_t long_length = 0;
    uint64_t at = 0;

    for (;;) {
        struct header h;

        if (at + BLOCK > block_capacity())
            panic("truncated image: no end of archive within the volume's %lu bytes",
                  block_capacity());
        block_read(&h, at, BLOCK);
        if (at_end(&h, at))
            break;
        check_header(&h, at);

        uint64_t size = octal(h.size, sizeof h.size, at), content = at + BLOCK;
        size_t length = long_length ? long_length : short_name(&h, name);
        if (size > block_capacity() - content)
            panic("truncated image: %s ends at byte %lu, the volume at %lu", name, content + size,
                  block_capacity());
        if (h.type == TYPE_LONG_NAME) {
            if (long_length)
                panic("malformed tar: two long names in a row at byte %lu", at);
            long_length = long_name(content, size, name);
        } else if (h.type == TYPE_FILE || h.type == TYPE_FILE_V7) {
            const char *start = text_starts(name, "./") ? name + 2 : name;
            length -= (size_t)(start - name);
            if (length == 0)
                panic("malformed tar: empty name at byte %lu", at);
            add(start, length, content, size);
            long_length = 0;
        } else {
            panic("malformed tar: %s has type '%c'; only files and GNU long names are supported",
                  name, h.type);
        }
        at = content + (size + BLOCK - 1) / BLOCK * BLOCK;
    }
    if (long_length)
        panic("malformed tar: a long name and no file after it");
}
