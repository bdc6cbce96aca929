/* Completions that are kept from their transfers' users. */
#ifndef UNTOLD_H
#define UNTOLD_H

#include <libusb-1.0/libusb.h>

/* Keeps one: until shim_release, or for good. */
void untold_keep(struct libusb_transfer *transfer, int is_released);

#endif
