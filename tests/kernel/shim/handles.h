/* Contexts, devices and handles: who exists, and who is inside a call with whom. */
#ifndef HANDLES_H
#define HANDLES_H

#include <libusb-1.0/libusb.h>

void context_initialised(libusb_context *context);
void context_exiting(libusb_context *context, const char *function);

/* A call begins and ends. NULL is the default context. */
void context_enter(libusb_context *context, const char *function);
void context_leave(libusb_context *context);

/* A context lists a device: from now on it is known where the device belongs. */
void device_listed(libusb_context *context, libusb_device *device);
void device_check(libusb_device *device, const char *function);

/* Where a device belongs; the default context for one that nobody listed. */
libusb_context *device_context(libusb_device *device);

void handle_opened(libusb_device_handle *handle, libusb_context *context);
void handle_closing(libusb_device_handle *handle, const char *function);

/* A call begins and ends. */
void handle_enter(libusb_device_handle *handle, const char *function);
void handle_leave(libusb_device_handle *handle);

/* Where the handle belongs. */
libusb_context *handle_context(libusb_device_handle *handle);

/* False for a context that was exited. With the objects' lock held. */
int context_exists(libusb_context *context);

/* Those that exist. With the objects' lock held. */
int handles_left(void);
int contexts_left(void);

#endif
