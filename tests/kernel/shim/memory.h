/* Device memory: mappings of libusb_dev_mem_alloc. */
#ifndef MEMORY_H
#define MEMORY_H

#include <libusb-1.0/libusb.h>

enum memory_kind { MEMORY_NONE, MEMORY_WHOLE, MEMORY_PART };

void memory_allocated(libusb_device_handle *handle, unsigned char *start, size_t length);
void memory_freeing(libusb_device_handle *handle, unsigned char *start, size_t length, const char *function);

/* Whether a buffer lies in a mapping of the handle, and wholly. With the objects' lock held. */
enum memory_kind memory_kind_of(libusb_device_handle *handle, const unsigned char *start, size_t length);

/* Mappings of a handle, and of all of them. With the objects' lock held. */
int mappings_of(libusb_device_handle *handle);
int mappings_left(void);

#endif
