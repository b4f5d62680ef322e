/*
 * The split virtqueue: a table of descriptors, a ring in which we offer chains of them to the
 * device, and a ring in which it hands them back. Virtio 0.9.5 section 2.3, virtio 1.1 section 2.6.
 */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A legacy PCI device dictates the size of its queues; QEMU's largest is this. */
#define VIRTQUEUE_SIZE_MAX  1024
/* Where the driver may choose: enough for 128 packets of two descriptors. */
#define VIRTQUEUE_SIZE_WISH 256
#define VIRTQUEUE_ALIGN     4096

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_DEVICE_WRITES = 2 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct avail_ring {
    uint16_t flags;
    uint16_t index;
    uint16_t heads[];
};

struct used_element {
    uint32_t head;
    uint32_t length;
};

struct used_ring {
    uint16_t flags;
    uint16_t index;
    struct used_element elements[];
};

#define ALIGN_UP(n, to) (((n) + (to) - 1) / (to) * (to))
#define VIRTQUEUE_USED_OFFSET(size) \
    ALIGN_UP((size) * sizeof(struct descriptor) + sizeof(struct avail_ring) + ((size) + 1) * 2, \
             VIRTQUEUE_ALIGN)
#define VIRTQUEUE_BYTES(size) \
    (VIRTQUEUE_USED_OFFSET(size) + sizeof(struct used_ring) \
     + (size) * sizeof(struct used_element) + 2)

/* The rings lie as the legacy interface wants them, in one piece; the modern one does not care. */
struct virtqueue {
    uint8_t memory[VIRTQUEUE_BYTES(VIRTQUEUE_SIZE_MAX)] __attribute__((aligned(VIRTQUEUE_ALIGN)));
    uint16_t size;
    uint16_t used_seen;
    struct descriptor *descriptors;
    volatile struct avail_ring *avail;
    volatile struct used_ring *used;
};

/* Lays the rings out for `size` descriptors; panics if it is 0 or beyond VIRTQUEUE_SIZE_MAX. */
void virtqueue_init(struct virtqueue *queue, unsigned size);

void virtqueue_describe(struct virtqueue *queue, uint16_t index, void *at, size_t length,
                        uint16_t flags);

/* Offers the chain that starts at descriptor `head` to the device. */
void virtqueue_offer(struct virtqueue *queue, uint16_t head);

/* Whether the device wants to be told about the chains offered. */
bool virtqueue_wants_notice(struct virtqueue *queue);

/* Whether the device has handed anything back that virtqueue_take has not returned yet. */
bool virtqueue_has_used(const struct virtqueue *queue);

/* The next chain handed back; only after virtqueue_has_used said yes. */
struct used_element virtqueue_take(struct virtqueue *queue);

#endif
