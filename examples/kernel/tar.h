/* The site: an index of the tar volume, built once at boot. */
#ifndef TAR_H
#define TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits. Beyond them the kernel panics at boot and says which one it was. */
#define TAR_FILES_MAX      32768
#define TAR_NAME_BYTES_MAX (2 * 1024 * 1024)
#define TAR_NAME_MAX       511

struct file {
    uint64_t offset; /* of the content, from the start of the volume */
    uint64_t size;
};

/* Reads the volume's headers. Panics on anything but the profile in README.md. */
void tar_index(void);

unsigned tar_file_count(void);

/* Finds a file by its exact name; `name` need not end in NUL. */
bool tar_find(const char *name, size_t length, struct file *file);

#endif
