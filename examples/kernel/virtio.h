/*
 * What a virtio transport offers to the drivers. Two files implement it and one of them is linked:
 * virtio-pci.c (legacy PCI, Solo5's virtio target) and virtio-mmio.c (QEMU's microvm).
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "virtqueue.h"

/* Device numbers, virtio 1.1 section 5. */
enum virtio_type { VIRTIO_NET = 1, VIRTIO_BLOCK = 2 };

struct virtio_device {
    bool attached;
    bool modern; /* virtio 1.x; else the legacy interface of 0.9.5 */
    enum virtio_type type;
    uint64_t base; /* first I/O port, or address of the registers */
    unsigned irq;
};

extern const char transport_name[];

/* Finds the devices and attaches them to the application manifest. */
void transport_discover(void);

/*
 * The order of calls is the initialisation sequence of virtio 1.1 section 3.1: negotiate, set up
 * each queue, then ready. Of `wanted` (feature bits 0 to 31) the device takes those it offers.
 */
void virtio_negotiate(struct virtio_device *device, uint32_t wanted);
void virtio_set_up_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue);
void virtio_ready(struct virtio_device *device);

void virtio_notify(struct virtio_device *device, uint16_t queue_index);
void virtio_acknowledge_interrupt(struct virtio_device *device);

/* Device-specific configuration space. */
uint8_t virtio_config8(struct virtio_device *device, unsigned offset);
uint32_t virtio_config32(struct virtio_device *device, unsigned offset);

/* Device status bits, virtio 1.1 section 2.1. */
enum {
    STATUS_RESET = 0,
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
};

#endif
