/* The network card: Ethernet frames out of and into a virtio network device. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio.h"

#define MAC_BYTES     6
#define FRAME_MAX     1514 /* Ethernet header and 1500 bytes; the device adds the checksum */
#define FRAME_MIN     60

extern uint8_t net_mac[MAC_BYTES];

void net_init(struct virtio_device *device);

/* A buffer of FRAME_MAX bytes to fill and hand to net_send, or NULL when all are on their way. */
uint8_t *net_buffer(void);

/* Queues a frame from net_buffer. It leaves with the next net_flush. */
void net_send(uint8_t *frame, size_t length);
void net_flush(void);

/* Calls `input` for each frame received, then gives the buffers back. */
void net_receive(void (*input)(const uint8_t *frame, size_t length));

/* Whether waiting for an interrupt is safe: nothing to receive and room to send. */
bool net_is_idle(void);

#endif
