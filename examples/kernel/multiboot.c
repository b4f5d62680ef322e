/* Multiboot information structure, Multiboot 1 specification section 3.3. */
#include "console.h"
#include "loader.h"

#define LOADER_MAGIC      0x2badb002
#define HAS_MEMORY        (1 << 0)
#define HAS_COMMAND_LINE  (1 << 2)
#define MIB               0x100000

struct multiboot_info {
    uint32_t flags;
    uint32_t memory_lower; /* KiB from 0 */
    uint32_t memory_upper; /* KiB from 1 MiB */
    uint32_t boot_device;
    uint32_t command_line;
};

struct loader_info loader_read(uint32_t address, uint32_t magic)
{
    const struct multiboot_info *info = (const void *)(uintptr_t)address;
    struct loader_info result = {"", 0};

    if (magic != LOADER_MAGIC)
        panic("started by something other than a Multiboot 1 loader (magic 0x%x)", magic);
    if (info->flags & HAS_MEMORY)
        result.memory_end = MIB + (uint64_t)info->memory_upper * 1024;
    if (info->flags & HAS_COMMAND_LINE) {
        /* The first word is the loader's name for the file and means nothing to us. */
        const char *s = (const char *)(uintptr_t)info->command_line;
        while (*s && *s != ' ')
            s++;
        result.command_line = s;
    }
    return result;
}
