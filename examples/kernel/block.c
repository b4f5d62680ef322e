#include "block.h"

#include "console.h"
#include "text.h"
#include "x86.h"

/*
 * Reading 64 KiB costs little more than reading 512 bytes: the price is the request. One chunk for
 * each connection means that two readers never take the chunk from each other.
 */
#define CHUNK_BYTES 65536
#define CHUNKS      64

/* virtio 1.1 section 5.2; capacity is in 512-byte sectors whatever the device's block size is. */
#define SECTOR_BYTES    512
#define CONFIG_CAPACITY 0
#define REQUEST_IN      0
#define STATUS_OK       0

struct request_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

static struct virtio_device *device;
static struct virtqueue queue;
static uint64_t capacity;

static uint8_t chunk_data[CHUNKS][CHUNK_BYTES] __attribute__((aligned(4096)));
static struct {
    uint64_t number; /* chunk number + 1; 0 when empty */
    uint64_t used_at;
} chunk_info[CHUNKS];
static uint64_t use_count;
static unsigned last_used;

void block_init(struct virtio_device *which)
{
    device = which;
    virtio_negotiate(device, 0);
    virtio_set_up_queue(device, 0, &queue);
    if (queue.size < 3)
        panic("block queue of %u entries; a request takes 3", queue.size);
    queue.avail->flags = AVAIL_NO_INTERRUPT; /* read_sectors watches the ring instead */
    virtio_ready(device);
    capacity = ((uint64_t)virtio_config32(device, CONFIG_CAPACITY + 4) << 32
                | virtio_config32(device, CONFIG_CAPACITY)) * SECTOR_BYTES;
}

uint64_t block_capacity(void)
{
    return capacity;
}

/*
 * One request at a time, and the processor waits for it. Overlapping reads with network work would
 * be faster on a slow disk and much harder to follow.
 */
static void read_sectors(void *to, uint64_t sector, size_t bytes)
{
    static struct request_header header;
    static volatile uint8_t status;

    header = (struct request_header){.type = REQUEST_IN, .sector = sector};
    status = 0xff;
    virtqueue_describe(&queue, 0, &header, sizeof header, DESCRIPTOR_NEXT);
    virtqueue_describe(&queue, 1, to, bytes, DESCRIPTOR_NEXT | DESCRIPTOR_DEVICE_WRITES);
    virtqueue_describe(&queue, 2, (void *)&status, 1, DESCRIPTOR_DEVICE_WRITES);
    virtqueue_offer(&queue, 0);
    if (virtqueue_wants_notice(&queue))
        virtio_notify(device, 0);
    while (!virtqueue_has_used(&queue))
        relax();
    virtqueue_take(&queue);
    compiler_barrier();
    if (status != STATUS_OK)
        panic("block device failed to read %lu bytes at sector %lu: status %u", bytes, sector,
              status);
}

static const uint8_t *chunk(uint64_t number)
{
    unsigned victim = 0;

    if (chunk_info[last_used].number == number + 1)
        return chunk_data[last_used];
    for (unsigned i = 0; i < CHUNKS; i++) {
        if (chunk_info[i].number == number + 1) {
            chunk_info[i].used_at = ++use_count;
            last_used = i;
            return chunk_data[i];
        }
        if (chunk_info[i].used_at < chunk_info[victim].used_at)
            victim = i;
    }
    uint64_t rest = capacity - number * CHUNK_BYTES;
    chunk_info[victim].number = number + 1;
    chunk_info[victim].used_at = ++use_count;
    last_used = victim;
    read_sectors(chunk_data[victim], number * (CHUNK_BYTES / SECTOR_BYTES),
                 rest < CHUNK_BYTES ? rest : CHUNK_BYTES);
    return chunk_data[victim];
}

void block_read(void *to, uint64_t offset, size_t length)
{
    uint8_t *t = to;

    if (offset > capacity || length > capacity - offset)
        panic("read of %lu bytes at %lu goes past the volume's end at %lu", length, offset,
              capacity);
    while (length) {
        size_t start = offset % CHUNK_BYTES;
        size_t n = CHUNK_BYTES - start < length ? CHUNK_BYTES - start : length;

        memcpy(t, chunk(offset / CHUNK_BYTES) + start, n);
        t += n;
        offset += n;
        length -= n;
    }
}
