/*
 * Legacy virtio over PCI: virtio 0.9.5 section 2.2, in PCI configuration mechanism 1. Devices that
 * offer only the modern interface appear as an unknown subsystem and are left alone, as Solo5's
 * bindings do.
 */
#include "console.h"
#include "manifest.h"
#include "text.h"
#include "virtio.h"
#include "x86.h"

#define CONFIG_ADDRESS   0xcf8
#define CONFIG_DATA      0xcfc
#define CONFIG_ENABLE    0x80000000u
#define BUSES            256
#define SLOTS_PER_BUS    32

/* Offsets in configuration space. */
#define PCI_IDENTITY     0x00
#define PCI_COMMAND      0x04
#define PCI_BAR0         0x10
#define PCI_SUBSYSTEM    0x2c
#define PCI_INTERRUPT    0x3c

#define COMMAND_IO         (1 << 0)
#define COMMAND_BUS_MASTER (1 << 2)
#define BAR_IS_IO          (1 << 0)
#define VENDOR_VIRTIO      0x1af4

/* The virtio header in BAR 0, section 2.2.2. */
enum {
    DEVICE_FEATURES = 0x00,
    DRIVER_FEATURES = 0x04,
    QUEUE_PAGE = 0x08,
    QUEUE_SIZE = 0x0c,
    QUEUE_SELECT = 0x0e,
    QUEUE_NOTIFY = 0x10,
    DEVICE_STATUS = 0x12,
    INTERRUPT_STATUS = 0x13,
    DEVICE_CONFIG = 0x14, /* without MSI-X, which we never enable */
};

const char transport_name[] = "PCI";

static void select_register(unsigned bus, unsigned slot, unsigned offset)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | bus << 16 | slot << 11 | offset);
}

static uint32_t config_read(unsigned bus, unsigned slot, unsigned offset)
{
    select_register(bus, slot, offset);
    return inl(CONFIG_DATA);
}

static void enable(unsigned bus, unsigned slot)
{
    uint32_t command = config_read(bus, slot, PCI_COMMAND) & 0xffff;

    /* The firmware lets only devices it boots from become bus masters. */
    select_register(bus, slot, PCI_COMMAND);
    outl(CONFIG_DATA, command | COMMAND_IO | COMMAND_BUS_MASTER);
}

static void attach(unsigned bus, unsigned slot)
{
    char where[16];
    uint32_t type = config_read(bus, slot, PCI_SUBSYSTEM) >> 16;
    uint32_t bar0 = config_read(bus, slot, PCI_BAR0);
    unsigned irq = config_read(bus, slot, PCI_INTERRUPT) & 0xff;

    format(where, sizeof where, "PCI:%02x:%02x", bus, slot);
    if (type != VIRTIO_NET && type != VIRTIO_BLOCK) {
        print("Solo5: %s: unknown virtio device (0x%x)\n", where, type);
        return;
    }
    print("Solo5: %s: virtio-%s device, base=0x%x, irq=%u\n", where,
          type == VIRTIO_NET ? "net" : "block", bar0 & ~3u, irq);
    if (!(bar0 & BAR_IS_IO))
        panic("%s has no I/O ports in BAR 0: not a legacy virtio device", where);

    struct virtio_device *device = manifest_attach_next(type, where);
    device->base = bar0 & ~3u;
    device->irq = irq;
    enable(bus, slot);
}

void transport_discover(void)
{
    for (unsigned bus = 0; bus < BUSES; bus++)
        for (unsigned slot = 0; slot < SLOTS_PER_BUS; slot++)
            if ((config_read(bus, slot, PCI_IDENTITY) & 0xffff) == VENDOR_VIRTIO)
                attach(bus, slot);
}

static uint16_t port(const struct virtio_device *device, unsigned offset)
{
    return (uint16_t)(device->base + offset);
}

void virtio_negotiate(struct virtio_device *device, uint32_t wanted)
{
    outb(port(device, DEVICE_STATUS), STATUS_RESET);
    outb(port(device, DEVICE_STATUS), STATUS_ACKNOWLEDGE);
    outb(port(device, DEVICE_STATUS), STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    outl(port(device, DRIVER_FEATURES), inl(port(device, DEVICE_FEATURES)) & wanted);
}

void virtio_set_up_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
    outw(port(device, QUEUE_SELECT), index);
    virtqueue_init(queue, inw(port(device, QUEUE_SIZE)));
    outl(port(device, QUEUE_PAGE), (uint32_t)((uint64_t)queue->memory / VIRTQUEUE_ALIGN));
}

void virtio_ready(struct virtio_device *device)
{
    outb(port(device, DEVICE_STATUS), STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
}

void virtio_notify(struct virtio_device *device, uint16_t queue_index)
{
    outw(port(device, QUEUE_NOTIFY), queue_index);
}

void virtio_acknowledge_interrupt(struct virtio_device *device)
{
    (void)inb(port(device, INTERRUPT_STATUS)); /* reading clears it and lowers the line */
}

uint8_t virtio_config8(struct virtio_device *device, unsigned offset)
{
    return inb(port(device, DEVICE_CONFIG + offset));
}

uint32_t virtio_config32(struct virtio_device *device, unsigned offset)
{
    return inl(port(device, DEVICE_CONFIG + offset));
}
