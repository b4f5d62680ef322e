/*
 * Virtio over memory-mapped registers, virtio 1.1 section 4.2, in both its versions: 2 (modern) and
 * 1 (legacy, section 4.2.4), which QEMU up to 7.2 presents unless told
 * `-global virtio-mmio.force-legacy=false`.
 */
#include "console.h"
#include "manifest.h"
#include "text.h"
#include "virtio.h"

/*
 * QEMU's microvm: slots of 512 bytes, 8 of them (24 with an IO-APIC of its own), filled from the
 * last one down. Interrupt 5 + slot number on the 8259, as `acpi=off` wires it.
 */
#define SLOT_BASE   0xfeb00000ul
#define SLOT_BYTES  512
#define SLOTS       24
#define FIRST_IRQ   5

#define MAGIC_VALUE 0x74726976 /* "virt" */

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SELECT = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SELECT = 0x024,
    GUEST_PAGE_SIZE = 0x028, /* legacy only */
    QUEUE_SELECT = 0x030,
    QUEUE_SIZE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_ALIGN = 0x03c, /* legacy only */
    QUEUE_PAGE = 0x040,  /* legacy only */
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACKNOWLEDGE = 0x064,
    DEVICE_STATUS = 0x070,
    QUEUE_DESCRIPTORS = 0x080,
    QUEUE_AVAIL = 0x090,
    QUEUE_USED = 0x0a0,
    DEVICE_CONFIG = 0x100,
};

/* Feature bit 32, the first of the second word: "I speak virtio 1.x". */
#define VERSION_1_WORD 1
#define VERSION_1_BIT  1

const char transport_name[] = "MMIO";

static volatile uint32_t *reg(uint64_t base, unsigned offset)
{
    return (volatile uint32_t *)(base + offset);
}

static uint32_t read(const struct virtio_device *device, unsigned offset)
{
    return *reg(device->base, offset);
}

static void write(const struct virtio_device *device, unsigned offset, uint32_t value)
{
    *reg(device->base, offset) = value;
}

static void write64(const struct virtio_device *device, unsigned offset, uint64_t value)
{
    write(device, offset, (uint32_t)value);
    write(device, offset + 4, (uint32_t)(value >> 32));
}

void transport_discover(void)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        char where[16];
        uint64_t base = SLOT_BASE + slot * SLOT_BYTES;
        uint32_t type = *reg(base, DEVICE_ID);

        if (*reg(base, MAGIC) != MAGIC_VALUE || type == 0)
            continue;
        format(where, sizeof where, "MMIO:%02x", slot);
        if (type != VIRTIO_NET && type != VIRTIO_BLOCK) {
            print("Solo5: %s: unknown virtio device (0x%x)\n", where, type);
            continue;
        }
        uint32_t version = *reg(base, VERSION);
        if (version != 1 && version != 2)
            panic("%s has virtio-mmio version %u; 1 and 2 are supported", where, version);
        print("Solo5: %s: virtio-%s device, base=0x%lx, irq=%u\n", where,
              type == VIRTIO_NET ? "net" : "block", base, FIRST_IRQ + slot);

        struct virtio_device *device = manifest_attach_by_type(type, where);
        device->base = base;
        device->irq = FIRST_IRQ + slot;
        device->modern = version == 2;
    }
}

void virtio_negotiate(struct virtio_device *device, uint32_t wanted)
{
    uint32_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

    write(device, DEVICE_STATUS, STATUS_RESET);
    write(device, DEVICE_STATUS, STATUS_ACKNOWLEDGE);
    write(device, DEVICE_STATUS, status);
    write(device, DEVICE_FEATURES_SELECT, 0);
    write(device, DRIVER_FEATURES_SELECT, 0);
    write(device, DRIVER_FEATURES, read(device, DEVICE_FEATURES) & wanted);
    if (!device->modern) {
        write(device, GUEST_PAGE_SIZE, VIRTQUEUE_ALIGN);
        return;
    }
    write(device, DEVICE_FEATURES_SELECT, VERSION_1_WORD);
    if (!(read(device, DEVICE_FEATURES) & VERSION_1_BIT))
        panic("device does not offer VIRTIO_F_VERSION_1");
    write(device, DRIVER_FEATURES_SELECT, VERSION_1_WORD);
    write(device, DRIVER_FEATURES, VERSION_1_BIT);
    write(device, DEVICE_STATUS, status | STATUS_FEATURES_OK);
    if (!(read(device, DEVICE_STATUS) & STATUS_FEATURES_OK))
        panic("device refused the negotiated features");
}

void virtio_set_up_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
    write(device, QUEUE_SELECT, index);
    uint32_t most = read(device, QUEUE_SIZE_MAX);
    virtqueue_init(queue, most < VIRTQUEUE_SIZE_WISH ? most : VIRTQUEUE_SIZE_WISH);
    write(device, QUEUE_SIZE, queue->size);
    if (device->modern) {
        write64(device, QUEUE_DESCRIPTORS, (uint64_t)queue->descriptors);
        write64(device, QUEUE_AVAIL, (uint64_t)queue->avail);
        write64(device, QUEUE_USED, (uint64_t)queue->used);
        write(device, QUEUE_READY, 1);
    } else {
        write(device, QUEUE_ALIGN, VIRTQUEUE_ALIGN);
        write(device, QUEUE_PAGE, (uint32_t)((uint64_t)queue->memory / VIRTQUEUE_ALIGN));
    }
}

void virtio_ready(struct virtio_device *device)
{
    write(device, DEVICE_STATUS, read(device, DEVICE_STATUS) | STATUS_DRIVER_OK);
}

void virtio_notify(struct virtio_device *device, uint16_t queue_index)
{
    write(device, QUEUE_NOTIFY, queue_index);
}

void virtio_acknowledge_interrupt(struct virtio_device *device)
{
    uint32_t pending = read(device, INTERRUPT_STATUS);

    if (pending)
        write(device, INTERRUPT_ACKNOWLEDGE, pending);
}

uint8_t virtio_config8(struct virtio_device *device, unsigned offset)
{
    return *(volatile uint8_t *)(device->base + DEVICE_CONFIG + offset);
}

uint32_t virtio_config32(struct virtio_device *device, unsigned offset)
{
    return read(device, DEVICE_CONFIG + offset);
}
