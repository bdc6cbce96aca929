#include "handles.h"
#include "callbacks.h"
#include "memory.h"
#include "objects.h"
#include "report.h"
#include "transfers.h"

struct context {
    struct object object;
    int uses; /* the default context counts its initialisations */
    int inside;
    int handles;
};

struct device {
    struct object object;
    libusb_context *context;
};

struct handle {
    struct object object;
    int open;
    int inside;
    libusb_context *context;
};

static struct table contexts, devices, handles;

/* The default context's address is not known to its users. */
static const char default_context;

static const void *key_of(const libusb_context *context) { return context != NULL ? (const void *)context : &default_context; }

static struct context *context_of(libusb_context *context) { return (struct context *)table_get(&contexts, key_of(context), sizeof(struct context)); }

static struct handle *handle_of(libusb_device_handle *handle) { return (struct handle *)table_get(&handles, handle, sizeof(struct handle)); }

int context_exists(libusb_context *context) { return context_of(context)->uses > 0; }

void context_initialised(libusb_context *context)
{
    objects_lock();
    context_of(context)->uses++;
    objects_unlock();
}

void context_exiting(libusb_context *context, const char *function)
{
    callback_must_not_block(function);
    objects_lock();
    struct context *exiting = context_of(context);
    if (exiting->uses == 0) broken(RULE_CONTEXT_EXITED, function, "context %p", (void *)context);
    else if (--exiting->uses == 0) {
        if (exiting->handles > 0) broken(RULE_EXIT_OPEN, function, "%d handles of context %p", exiting->handles, (void *)context);
        if (exiting->inside > 0) broken(RULE_EXIT_IN_USE, function, "%d calls in context %p", exiting->inside, (void *)context);
    }
    objects_unlock();
}

void context_enter(libusb_context *context, const char *function)
{
    objects_lock();
    struct context *entered = context_of(context);
    if (entered->uses == 0) broken(RULE_CONTEXT_EXITED, function, "context %p", (void *)context);
    entered->inside++;
    objects_unlock();
}

void context_leave(libusb_context *context)
{
    objects_lock();
    context_of(context)->inside--;
    objects_unlock();
}

void device_listed(libusb_context *context, libusb_device *device)
{
    objects_lock();
    ((struct device *)table_get(&devices, device, sizeof(struct device)))->context = context;
    objects_unlock();
}

void device_check(libusb_device *device, const char *function)
{
    objects_lock();
    const struct device *known = (const struct device *)table_find(&devices, device);
    if (known != NULL && !context_exists(known->context)) broken(RULE_CONTEXT_EXITED, function, "device %p of context %p", (void *)device, (void *)known->context);
    objects_unlock();
}

libusb_context *device_context(libusb_device *device)
{
    objects_lock();
    const struct device *known = (const struct device *)table_find(&devices, device);
    libusb_context *context = known != NULL ? known->context : NULL;
    objects_unlock();
    return context;
}

void handle_opened(libusb_device_handle *handle, libusb_context *context)
{
    objects_lock();
    struct handle *opened = handle_of(handle);
    opened->open = 1;
    opened->context = context;
    context_of(context)->handles++;
    objects_unlock();
}

void handle_closing(libusb_device_handle *handle, const char *function)
{
    callback_must_not_block(function);
    objects_lock();
    struct handle *closing = handle_of(handle);
    if (!closing->open) broken(RULE_HANDLE_CLOSED, function, "handle %p", (void *)handle);
    else {
        int posted = transfers_posted(handle, ANY_ENDPOINT), mapped = mappings_of(handle);
        if (!context_exists(closing->context)) broken(RULE_CONTEXT_EXITED, function, "handle %p of context %p", (void *)handle, (void *)closing->context);
        if (posted > 0) broken(RULE_CLOSE_POSTED, function, "%d transfers of handle %p", posted, (void *)handle);
        if (mapped > 0) broken(RULE_MEMORY_OPEN, function, "%d mappings of handle %p", mapped, (void *)handle);
        if (closing->inside > 0) broken(RULE_CLOSE_IN_USE, function, "%d calls with handle %p", closing->inside, (void *)handle);
        closing->open = 0;
        context_of(closing->context)->handles--;
        transfers_orphan(handle);
    }
    objects_unlock();
}

void handle_enter(libusb_device_handle *handle, const char *function)
{
    objects_lock();
    struct handle *entered = handle_of(handle);
    if (!entered->open) broken(RULE_HANDLE_CLOSED, function, "handle %p", (void *)handle);
    else if (!context_exists(entered->context)) broken(RULE_CONTEXT_EXITED, function, "handle %p of context %p", (void *)handle, (void *)entered->context);
    entered->inside++;
    objects_unlock();
}

void handle_leave(libusb_device_handle *handle)
{
    objects_lock();
    handle_of(handle)->inside--;
    objects_unlock();
}

libusb_context *handle_context(libusb_device_handle *handle)
{
    objects_lock();
    libusb_context *context = handle_of(handle)->context;
    objects_unlock();
    return context;
}

static int is_open(const struct object *object) { return ((const struct handle *)object)->open; }

static int exists(const struct object *object) { return ((const struct context *)object)->uses > 0; }

int handles_left(void) { return table_count(&handles, is_open); }

int contexts_left(void) { return table_count(&contexts, exists); }
