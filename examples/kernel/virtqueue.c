#include "virtqueue.h"

#include "console.h"
#include "x86.h"

void virtqueue_init(struct virtqueue *q, unsigned size)
{
    if (size == 0 || size > VIRTQUEUE_SIZE_MAX)
        panic("virtqueue of %u entries; from 1 to %u are supported", size, VIRTQUEUE_SIZE_MAX);
    q->size = (uint16_t)size;
    q->used_seen = 0;
    q->descriptors = (void *)q->memory;
    q->avail = (void *)(q->memory + size * sizeof(struct descriptor));
    q->used = (void *)(q->memory + VIRTQUEUE_USED_OFFSET(size));
}

/* A chain's descriptors are neighbours here, so "next" is always the one after. */
void virtqueue_describe(struct virtqueue *q, uint16_t index, void *at, size_t length,
                        uint16_t flags)
{
    q->descriptors[index] = (struct descriptor){
        .address = (uint64_t)at,
        .length = (uint32_t)length,
        .flags = flags,
        .next = (uint16_t)(index + 1),
    };
}

void virtqueue_offer(struct virtqueue *q, uint16_t head)
{
    q->avail->heads[q->avail->index % q->size] = head;
    compiler_barrier(); /* the device must not see the new index before the entry */
    q->avail->index++;
}

/* Without a full barrier the flag could be read before our index is visible: a lost wake-up. */
bool virtqueue_wants_notice(struct virtqueue *q)
{
    full_barrier();
    return !(q->used->flags & USED_NO_NOTIFY);
}

bool virtqueue_has_used(const struct virtqueue *q)
{
    return q->used->index != q->used_seen;
}

struct used_element virtqueue_take(struct virtqueue *q)
{
    compiler_barrier(); /* the entry is valid only once the index has been seen to move */
    volatile struct used_element *e = &q->used->elements[q->used_seen++ % q->size];
    struct used_element taken = {e->head, e->length};

    if (taken.head >= q->size)
        panic("device handed back descriptor %u of %u", taken.head, q->size);
    return taken;
}
