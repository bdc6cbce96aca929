/* libusb's functions as the program sees them: checked, altered on demand, forwarded. */
#define _GNU_SOURCE
#include "callbacks.h"
#include "handles.h"
#include "memory.h"
#include "objects.h"
#include "orders.h"
#include "pumps.h"
#include "real.h"
#include "report.h"
#include "transfers.h"
#include "untold.h"
#include <stdarg.h>

/* The header declares the functions without it. */
#pragma GCC visibility push(default)

#define PLAIN(type, name, parameters, arguments) \
    type libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        return real.name arguments; \
    }
PLAIN_FUNCTIONS(PLAIN)

#define DEVICE(type, name, parameters, arguments) \
    type libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        device_check(device, #name); \
        return real.name arguments; \
    }
DEVICE_FUNCTIONS(DEVICE)

#define CONTEXT(type, name, parameters, arguments) \
    type libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        context_enter(context, #name); \
        type result = real.name arguments; \
        context_leave(context); \
        return result; \
    }
CONTEXT_FUNCTIONS(CONTEXT)

#define VOID_CONTEXT(type, name, parameters, arguments) \
    void libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        context_enter(context, #name); \
        real.name arguments; \
        context_leave(context); \
    }
VOID_CONTEXT_FUNCTIONS(VOID_CONTEXT)

#define PUMP(type, name, parameters, arguments) \
    int libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        callback_must_not_block(#name); \
        context_enter(context, #name); \
        pump_enter(); \
        struct verdict verdict = order_for(SHIM_HANDLE_EVENTS); \
        int code = verdict.is_altered && verdict.action == SHIM_ANSWER ? verdict.code : real.name arguments; \
        if (verdict.is_altered && verdict.action == SHIM_ANSWER_AFTER) code = verdict.code; \
        pump_leave(); \
        context_leave(context); \
        return code; \
    }
PUMP_FUNCTIONS(PUMP)

#define HANDLE(type, name, parameters, arguments) \
    type libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        handle_enter(handle, #name); \
        type result = real.name arguments; \
        handle_leave(handle); \
        return result; \
    }
HANDLE_FUNCTIONS(HANDLE)

#define BLOCKING(type, name, parameters, arguments) \
    int libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        callback_must_not_block(#name); \
        handle_enter(handle, #name); \
        int code = real.name arguments; \
        handle_leave(handle); \
        return code; \
    }
BLOCKING_FUNCTIONS(BLOCKING)

static void must_not_be_posted(enum rule rule, libusb_device_handle *handle, int endpoint, const char *function)
{
    objects_lock();
    int posted = transfers_posted(handle, endpoint);
    if (posted > 0) broken(rule, function, "%d transfers of handle %p", posted, (void *)handle);
    objects_unlock();
}

#define CHANGING(type, name, parameters, arguments) \
    int libusb_##name parameters \
    { \
        tally(COUNT_CALLS); \
        callback_must_not_block(#name); \
        handle_enter(handle, #name); \
        must_not_be_posted(RULE_CHANGE_POSTED, handle, ANY_ENDPOINT, #name); \
        int code = real.name arguments; \
        handle_leave(handle); \
        return code; \
    }
CHANGING_FUNCTIONS(CHANGING)

int libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint)
{
    tally(COUNT_CALLS);
    callback_must_not_block("clear_halt");
    handle_enter(handle, "clear_halt");
    must_not_be_posted(RULE_CLEAR_POSTED, handle, endpoint, "clear_halt");
    struct verdict verdict = order_for(SHIM_CLEAR_HALT);
    int code = verdict.is_altered && verdict.action == SHIM_ANSWER ? verdict.code : real.clear_halt(handle, endpoint);
    if (verdict.is_altered && verdict.action == SHIM_ANSWER_AFTER) code = verdict.code;
    handle_leave(handle);
    return code;
}

int libusb_reset_device(libusb_device_handle *handle)
{
    tally(COUNT_CALLS);
    callback_must_not_block("reset_device");
    handle_enter(handle, "reset_device");
    must_not_be_posted(RULE_RESET_POSTED, handle, ANY_ENDPOINT, "reset_device");
    int code = real.reset_device(handle);
    handle_leave(handle);
    return code;
}

/* ---- Contexts and handles. ---- */

int libusb_init(libusb_context **context)
{
    tally(COUNT_CALLS);
    int code = real.init(context);
    if (code == LIBUSB_SUCCESS) context_initialised(context != NULL ? *context : NULL);
    return code;
}

void libusb_exit(libusb_context *context)
{
    tally(COUNT_CALLS);
    context_exiting(context, "exit");
    real.exit(context);
}

int libusb_set_option(libusb_context *context, enum libusb_option option, ...)
{
    tally(COUNT_CALLS);
    context_enter(context, "set_option");
    int code;
    if (option == LIBUSB_OPTION_LOG_LEVEL) {
        va_list arguments;
        va_start(arguments, option);
        code = real.set_option(context, option, va_arg(arguments, int));
        va_end(arguments);
    } else {
        code = real.set_option(context, option);
    }
    context_leave(context);
    return code;
}

ssize_t libusb_get_device_list(libusb_context *context, libusb_device ***list)
{
    tally(COUNT_CALLS);
    context_enter(context, "get_device_list");
    ssize_t found = real.get_device_list(context, list);
    for (ssize_t index = 0; index < found; index++) device_listed(context, (*list)[index]);
    context_leave(context);
    return found;
}

int libusb_get_port_path(libusb_context *context, libusb_device *device, uint8_t *path, uint8_t length)
{
    tally(COUNT_CALLS);
    device_check(device, "get_port_path");
    return real.get_port_path(context, device, path, length);
}

int libusb_open(libusb_device *device, libusb_device_handle **handle)
{
    tally(COUNT_CALLS);
    libusb_context *context = device_context(device);
    context_enter(context, "open");
    int code = real.open(device, handle);
    if (code == LIBUSB_SUCCESS) handle_opened(*handle, context);
    context_leave(context);
    return code;
}

int libusb_wrap_sys_device(libusb_context *context, intptr_t device, libusb_device_handle **handle)
{
    tally(COUNT_CALLS);
    context_enter(context, "wrap_sys_device");
    int code = real.wrap_sys_device(context, device, handle);
    if (code == LIBUSB_SUCCESS) handle_opened(*handle, context);
    context_leave(context);
    return code;
}

libusb_device_handle *libusb_open_device_with_vid_pid(libusb_context *context, uint16_t vendor, uint16_t product)
{
    tally(COUNT_CALLS);
    context_enter(context, "open_device_with_vid_pid");
    libusb_device_handle *handle = real.open_device_with_vid_pid(context, vendor, product);
    if (handle != NULL) handle_opened(handle, context);
    context_leave(context);
    return handle;
}

void libusb_close(libusb_device_handle *handle)
{
    tally(COUNT_CALLS);
    if (handle != NULL) handle_closing(handle, "close");
    real.close(handle);
}

/* ---- Device memory. ---- */

unsigned char *libusb_dev_mem_alloc(libusb_device_handle *handle, size_t length)
{
    tally(COUNT_CALLS);
    handle_enter(handle, "dev_mem_alloc");
    unsigned char *start = order_for(SHIM_MEMORY_ALLOC).is_altered ? NULL : real.dev_mem_alloc(handle, length);
    if (start != NULL) memory_allocated(handle, start, length);
    handle_leave(handle);
    return start;
}

int libusb_dev_mem_free(libusb_device_handle *handle, unsigned char *start, size_t length)
{
    tally(COUNT_CALLS);
    handle_enter(handle, "dev_mem_free");
    memory_freeing(handle, start, length, "dev_mem_free");
    int code = real.dev_mem_free(handle, start, length);
    handle_leave(handle);
    return code;
}

/* ---- Transfers. ---- */

static void LIBUSB_CALL completed(struct libusb_transfer *transfer)
{
    transfer_verify(transfer);
    struct verdict verdict = {0};
    if (transfer_is_in(transfer)) verdict = order_for(SHIM_COMPLETION);
    if (verdict.is_altered && (verdict.action == SHIM_SWALLOW || verdict.action == SHIM_HOLD)) {
        untold_keep(transfer, verdict.action == SHIM_HOLD);
        return;
    }
    if (verdict.is_altered && verdict.action == SHIM_ALTER) {
        if (verdict.code != SHIM_AS_IS) transfer->status = (enum libusb_transfer_status)verdict.code;
        if (verdict.length != SHIM_AS_IS) transfer->actual_length = verdict.length;
    }
    transfer_tell(transfer);
}

struct libusb_transfer *libusb_alloc_transfer(int packets)
{
    tally(COUNT_CALLS);
    struct libusb_transfer *transfer = order_for(SHIM_ALLOC_TRANSFER).is_altered ? NULL : real.alloc_transfer(packets);
    if (transfer != NULL) transfer_allocated(transfer);
    return transfer;
}

void libusb_free_transfer(struct libusb_transfer *transfer)
{
    tally(COUNT_CALLS);
    if (transfer != NULL) transfer_freeing(transfer, "free_transfer");
    real.free_transfer(transfer);
}

int libusb_submit_transfer(struct libusb_transfer *transfer)
{
    tally(COUNT_CALLS);
    tally(COUNT_SUBMITS);
    transfer_submitting(transfer, completed, "submit_transfer");
    struct verdict verdict = {0};
    if (transfer_is_in(transfer)) verdict = order_for(SHIM_SUBMIT);
    int code = verdict.is_altered && verdict.action == SHIM_ANSWER ? verdict.code : real.submit_transfer(transfer);
    transfer_submitted(transfer, code);
    return code;
}

int libusb_cancel_transfer(struct libusb_transfer *transfer)
{
    tally(COUNT_CALLS);
    tally(COUNT_CANCELS);
    transfer_cancelling(transfer, "cancel_transfer");
    struct verdict verdict = {0};
    if (transfer_is_in(transfer)) verdict = order_for(SHIM_CANCEL);
    int code = verdict.is_altered && verdict.action == SHIM_ANSWER ? verdict.code : real.cancel_transfer(transfer);
    if (verdict.is_altered && verdict.action == SHIM_ANSWER_AFTER) code = verdict.code;
    transfer_cancelled(transfer);
    return code;
}

#pragma GCC visibility pop
