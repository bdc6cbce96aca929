/* The libusb behind the shim. */
#ifndef REAL_H
#define REAL_H

#include "functions.h"

#define REAL_POINTER(type, name, parameters, arguments) __typeof__(libusb_##name) *name;
#define REAL_CUSTOM(name) __typeof__(libusb_##name) *name;
struct real {
    ALL_FUNCTIONS(REAL_POINTER, REAL_CUSTOM)
};
#undef REAL_POINTER
#undef REAL_CUSTOM

/* Filled when the shim is loaded. A function that the real library lacks ends the process when it is called. */
extern struct real real;

#endif
