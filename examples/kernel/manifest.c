#include "manifest.h"

#include "console.h"

/*
 * Solo5's MFT1 note, byte for byte (Solo5 include/mft_abi.h): the structure is 8-aligned, so four
 * bytes of padding follow the note's 20-byte header and are counted in its description size. The
 * code below reads its device order from this very table, so that what we tell tools about the
 * kernel and what the kernel does cannot differ.
 */
enum { TYPE_BLOCK = 1, TYPE_NET = 2, TYPE_RESERVED_FIRST = 1 << 30 };

struct entry {
    char name[68];
    uint32_t type;
    uint64_t properties[2]; /* filled in by a tender; zero in the file */
    uint64_t handle;
    uint8_t attached;
    uint8_t padding[7];
};

struct manifest_note {
    uint32_t name_size, description_size, note_type;
    char owner[8];
    uint32_t padding;
    uint32_t version, entry_count;
    struct entry entries[1 + MANIFEST_DEVICES];
};

_Static_assert(sizeof(struct entry) == 104, "Solo5 fixes the size of an entry");
_Static_assert(__builtin_offsetof(struct manifest_note, entries) == 32, "and where they start");

static const struct manifest_note note
    __attribute__((section(".note.solo5.manifest"), aligned(4), used)) = {
        .name_size = sizeof "Solo5",
        .description_size = sizeof note - 20,
        .note_type = 0x3154464d, /* "MFT1" */
        .owner = "Solo5",
        .version = 1,
        .entry_count = 1 + MANIFEST_DEVICES,
        .entries =
            {
                {.type = TYPE_RESERVED_FIRST},
                [1 + DEVICE_NETWORK] = {.name = "service", .type = TYPE_NET},
                [1 + DEVICE_STORAGE] = {.name = "storage", .type = TYPE_BLOCK},
            },
};

struct virtio_device manifest_devices[MANIFEST_DEVICES];

static bool has_type(const struct entry *e, enum virtio_type type)
{
    return e->type == (type == VIRTIO_NET ? TYPE_NET : TYPE_BLOCK);
}

static struct virtio_device *attach(unsigned i, enum virtio_type type, const char *where)
{
    struct virtio_device *device = &manifest_devices[i];

    if (i >= MANIFEST_DEVICES || !has_type(&note.entries[1 + i], type)) {
        print("Solo5: Virtio %s: %s not in manifest\n", type == VIRTIO_NET ? "net" : "blk", where);
        print("Solo5: %s enumeration failed. Aborting.\n", transport_name);
        kernel_abort();
    }
    device->attached = true;
    device->type = type;
    return device;
}

struct virtio_device *manifest_attach_next(enum virtio_type type, const char *where)
{
    unsigned i = 0;

    while (i < MANIFEST_DEVICES && manifest_devices[i].attached)
        i++;
    return attach(i, type, where);
}

struct virtio_device *manifest_attach_by_type(enum virtio_type type, const char *where)
{
    unsigned i = 0;

    while (i < MANIFEST_DEVICES
           && (manifest_devices[i].attached || !has_type(&note.entries[1 + i], type)))
        i++;
    return attach(i, type, where);
}

void manifest_check(void)
{
    bool missing = false;

    for (unsigned i = 0; i < MANIFEST_DEVICES; i++) {
        const struct entry *e = &note.entries[1 + i];
        if (manifest_devices[i].attached)
            continue;
        print("Solo5: Device '%s' of type %s not attached.\n", e->name,
              e->type == TYPE_NET ? "NET_BASIC" : "BLOCK_BASIC");
        missing = true;
    }
    if (missing) {
        print("Solo5: All declared devices must be attached. Aborting.\n");
        kernel_abort();
    }
}
