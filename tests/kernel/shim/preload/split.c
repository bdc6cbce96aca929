/*
 * Loaded before everything else (LD_PRELOAD), it hides from libusb that the host controller takes a long transfer in one request. libusb then splits it
 * into requests of 16 KiB, as it does on controllers without scatter and gather (dwc2, for one).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/usbdevice_fs.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

int ioctl(int file, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    if (next == NULL) next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    int result = next(file, request, argument);
    if (request == USBDEVFS_GET_CAPABILITIES && result == 0) *(uint32_t *)argument &= ~(uint32_t)(USBDEVFS_CAP_BULK_SCATTER_GATHER | USBDEVFS_CAP_NO_PACKET_SIZE_LIM);
    return result;
}
