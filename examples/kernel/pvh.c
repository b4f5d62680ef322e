/* PVH start of day, Xen's public/arch-x86/hvm/start_info.h. */
#include "console.h"
#include "loader.h"

#define START_MAGIC 0x336ec578
#define MEMORY_RAM  1
#define MIB         0x100000

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t acpi_rsdp;
    uint64_t memory_map; /* this and the next exist from version 1 */
    uint32_t memory_map_count;
    uint32_t reserved;
};

struct memory_map_entry {
    uint64_t start, size;
    uint32_t type, reserved;
};

struct loader_info loader_read(uint32_t address, uint32_t magic)
{
    const struct start_info *info = (const void *)(uintptr_t)address;
    struct loader_info result = {"", 0};

    (void)magic; /* EAX means nothing in PVH */
    if (info->magic != START_MAGIC)
        panic("started by something other than a PVH loader (magic 0x%x)", info->magic);
    if (info->command_line)
        result.command_line = (const char *)info->command_line;
    if (info->version >= 1) {
        const struct memory_map_entry *map = (const void *)info->memory_map;
        for (uint32_t i = 0; i < info->memory_map_count; i++)
            if (map[i].type == MEMORY_RAM && map[i].start <= MIB
                && map[i].start + map[i].size > MIB)
                result.memory_end = map[i].start + map[i].size;
    }
    return result;
}
