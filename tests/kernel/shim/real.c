#define _GNU_SOURCE
#include "real.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct real real;

static void missing(void)
{
    fputs("shim: the real libusb lacks a function that was called\n", stderr);
    abort();
}

static void fail(const char *what)
{
    fprintf(stderr, "shim: %s: %s\n", what, dlerror());
    abort();
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    return found != NULL ? found : (void *)missing;
}

__attribute__((constructor)) static void load(void)
{
    /*
     * By a path: the shim has the real one's soname, so the name would find the shim again. A copy with a name of its own, because a program may look for two
     * libraries of libusb's name in itself. Locally, so that the real one's calls to itself stay its own.
     */
    const char *path = getenv("SHIM_LIBUSB");
    void *library = dlopen(path != NULL ? path : "$ORIGIN/real.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fail("the real libusb cannot be loaded");
    void *init = dlsym(library, "libusb_init");
    if (init == NULL || init == (void *)libusb_init) fail("SHIM_LIBUSB names no libusb other than the shim");

#define LOAD(type, name, parameters, arguments) real.name = (__typeof__(real.name))symbol(library, "libusb_" #name);
#define LOAD_CUSTOM(name) LOAD(, name, , )
    ALL_FUNCTIONS(LOAD, LOAD_CUSTOM)
}
