/*
 * What marks the file as built for Solo5's virtio target: the ABI1 note (Solo5 include/elf_abi.h)
 * and an ELF interpreter that cannot exist, so that a host that runs the file by mistake is
 * refused by its own kernel.
 */
#include <stdint.h>

#define TARGET_VIRTIO 3

struct abi_note {
    uint32_t name_size, description_size, note_type;
    char owner[8];
    uint32_t target, version, reserved[2];
};

_Static_assert(sizeof(struct abi_note) == 36, "Solo5 fixes the size of the note");

static const struct abi_note note
    __attribute__((section(".note.solo5.abi"), aligned(4), used)) = {
        .name_size = sizeof "Solo5",
        .description_size = sizeof note - 20,
        .note_type = 0x31494241, /* "ABI1" */
        .owner = "Solo5",
        .target = TARGET_VIRTIO,
        .version = 1, /* always 1 on virtio, which has no tender to agree with */
};

static const char interpreter[24] __attribute__((section(".interp"), used)) =
    "/nonexistent/solo5/";
