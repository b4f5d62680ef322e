/*
 * The application manifest: which devices this kernel declares, in which order, and which of them
 * the machine supplied. On Solo5's virtio target nothing but the order says which is which.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "virtio.h"

enum { DEVICE_NETWORK, DEVICE_STORAGE, MANIFEST_DEVICES };

extern struct virtio_device manifest_devices[MANIFEST_DEVICES];

/* Takes the next entry in order. Aborts if there is none or if it is of another type. */
struct virtio_device *manifest_attach_next(enum virtio_type type, const char *where);

/* Takes the first free entry of this type, for machines whose device order is an accident. */
struct virtio_device *manifest_attach_by_type(enum virtio_type type, const char *where);

/* Aborts, naming what is missing, unless every declared device is attached. */
void manifest_check(void);

#endif
