/* virtio 1.1 section 5.1; the legacy differences are in its subsections. */
#include "net.h"

#include "console.h"
#include "text.h"

#define FEATURE_MAC  (1u << 5)
#define CONFIG_MAC   0

enum { RECEIVE_QUEUE = 0, TRANSMIT_QUEUE = 1 };

/*
 * Each packet is a chain of two descriptors, the virtio header and the frame: a legacy device may
 * insist on the header being apart (virtio 1.1 section 5.1.6.6). We use none of the offloads the
 * header could ask for, so all packets sent share one header of zeros, and all those received drop
 * theirs into the same place.
 */
#define HEADER_LEGACY 10
#define HEADER_MODERN 12
#define BUFFERS       128
#define BUFFER_BYTES  2048

static struct virtio_device *device;
static struct virtqueue receive_queue, transmit_queue;
static uint8_t receive_data[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static uint8_t transmit_data[BUFFERS][BUFFER_BYTES] __attribute__((aligned(4096)));
static uint8_t zero_header[HEADER_MODERN], ignored_header[HEADER_MODERN];
static size_t header_bytes;
static uint16_t free_buffers[BUFFERS];
static unsigned free_count;
static bool unannounced;

uint8_t net_mac[MAC_BYTES];

static unsigned buffers_for(const struct virtqueue *queue)
{
    if (queue->size < 2)
        panic("network queue of %u entries; a packet takes 2", queue->size);
    return queue->size / 2 < BUFFERS ? queue->size / 2 : BUFFERS;
}

void net_init(struct virtio_device *which)
{
    device = which;
    header_bytes = device->modern ? HEADER_MODERN : HEADER_LEGACY;
    virtio_negotiate(device, FEATURE_MAC);
    virtio_set_up_queue(device, RECEIVE_QUEUE, &receive_queue);
    virtio_set_up_queue(device, TRANSMIT_QUEUE, &transmit_queue);
    for (unsigned i = 0; i < MAC_BYTES; i++)
        net_mac[i] = virtio_config8(device, CONFIG_MAC + i);

    for (uint16_t i = 0; i < buffers_for(&receive_queue); i++) {
        virtqueue_describe(&receive_queue, (uint16_t)(2 * i), ignored_header, header_bytes,
                           DESCRIPTOR_NEXT | DESCRIPTOR_DEVICE_WRITES);
        virtqueue_describe(&receive_queue, (uint16_t)(2 * i + 1), receive_data[i], BUFFER_BYTES,
                           DESCRIPTOR_DEVICE_WRITES);
        virtqueue_offer(&receive_queue, (uint16_t)(2 * i));
    }
    for (uint16_t i = 0; i < buffers_for(&transmit_queue); i++) {
        virtqueue_describe(&transmit_queue, (uint16_t)(2 * i), zero_header, header_bytes,
                           DESCRIPTOR_NEXT);
        free_buffers[free_count++] = i;
    }
    transmit_queue.avail->flags = AVAIL_NO_INTERRUPT; /* buffers are collected when needed */
    virtio_ready(device);
    virtio_notify(device, RECEIVE_QUEUE);
}

static void collect_sent(void)
{
    while (virtqueue_has_used(&transmit_queue))
        free_buffers[free_count++] = (uint16_t)(virtqueue_take(&transmit_queue).head / 2);
}

uint8_t *net_buffer(void)
{
    if (free_count == 0)
        collect_sent();
    /* Taken off the list only by net_send, so a caller may change its mind. */
    return free_count ? transmit_data[free_buffers[free_count - 1]] : NULL;
}

void net_send(uint8_t *frame, size_t length)
{
    uint16_t i = free_buffers[--free_count];

    if (length < FRAME_MIN) {
        memset(frame + length, 0, FRAME_MIN - length);
        length = FRAME_MIN;
    }
    virtqueue_describe(&transmit_queue, (uint16_t)(2 * i + 1), frame, length, 0);
    virtqueue_offer(&transmit_queue, (uint16_t)(2 * i));
    unannounced = true;
}

/* Each notification leaves the guest, the dearest thing it can do: one for a batch of frames. */
void net_flush(void)
{
    if (unannounced && virtqueue_wants_notice(&transmit_queue))
        virtio_notify(device, TRANSMIT_QUEUE);
    unannounced = false;
}

void net_receive(void (*input)(const uint8_t *frame, size_t length))
{
    bool any = false;

    while (virtqueue_has_used(&receive_queue)) {
        struct used_element e = virtqueue_take(&receive_queue);

        if (e.length > header_bytes && e.length <= header_bytes + BUFFER_BYTES)
            input(receive_data[e.head / 2], e.length - header_bytes);
        virtqueue_offer(&receive_queue, (uint16_t)e.head);
        any = true;
    }
    if (any && virtqueue_wants_notice(&receive_queue))
        virtio_notify(device, RECEIVE_QUEUE);
}

bool net_is_idle(void)
{
    collect_sent();
    return free_count && !virtqueue_has_used(&receive_queue);
}
