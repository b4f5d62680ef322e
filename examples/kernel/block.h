/* The volume: a read-only virtio block device behind a small cache. */
#ifndef BLOCK_H
#define BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "virtio.h"

void block_init(struct virtio_device *device);

/* Bytes on the device: a multiple of 512. */
uint64_t block_capacity(void);

/* Copies any byte range; panics beyond the end of the device or if a read fails. */
void block_read(void *to, uint64_t offset, size_t length);

#endif
