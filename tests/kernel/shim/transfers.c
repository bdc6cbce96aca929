#include "transfers.h"
#include "callbacks.h"
#include "handles.h"
#include "memory.h"
#include "objects.h"
#include "report.h"
#include <stdint.h>
#include <string.h>

/*
 * freed --alloc--> idle --submit--> posted --completion--> idle --free--> freed
 *                                   posted --the handle closes--> orphaned --free--> freed
 */
enum state { FREED, IDLE, POSTED, ORPHANED };

struct transfer {
    struct object object;
    enum state state;
    int was_submitted;
    int inside; /* threads in a submit or a cancel of it */
    libusb_device_handle *handle;
    libusb_context *context;
    unsigned char endpoint;
    libusb_transfer_cb_fn callback;

    /* What is posted: the whole buffer, and what of it is checked at the completion. */
    unsigned char *buffer;
    size_t length;
    size_t sent; /* bytes at its beginning that only the user writes */
    uint64_t sum; /* of those */
    int poisoned; /* the rest is POISON where the device writes nothing */

    struct transfer *next, *previous; /* of those posted */
};

static struct table transfers;
static struct transfer *posted;

static struct transfer *transfer_of(const struct libusb_transfer *transfer) { return (struct transfer *)table_get(&transfers, transfer, sizeof(struct transfer)); }

static void link_posted(struct transfer *each)
{
    each->previous = NULL;
    each->next = posted;
    if (posted != NULL) posted->previous = each;
    posted = each;
}

static void unlink_posted(struct transfer *each)
{
    if (each->previous != NULL) each->previous->next = each->next;
    else posted = each->next;
    if (each->next != NULL) each->next->previous = each->previous;
}

static uint64_t sum_of(const unsigned char *bytes, size_t length)
{
    /* FNV-1a */
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t index = 0; index < length; index++) sum = (sum ^ bytes[index]) * 0x100000001b3u;
    return sum;
}

int transfer_is_in(const struct libusb_transfer *transfer)
{
    return (transfer->endpoint & LIBUSB_ENDPOINT_IN) != 0 && (transfer->type == LIBUSB_TRANSFER_TYPE_BULK || transfer->type == LIBUSB_TRANSFER_TYPE_INTERRUPT);
}

/* How many bytes at the buffer's beginning the device only reads. */
static size_t bytes_sent(const struct libusb_transfer *transfer)
{
    if (transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL) {
        int is_in = transfer->length > 0 && (transfer->buffer[0] & LIBUSB_ENDPOINT_IN) != 0;
        return is_in ? LIBUSB_CONTROL_SETUP_SIZE : (size_t)transfer->length;
    }
    return (transfer->endpoint & LIBUSB_ENDPOINT_IN) != 0 ? 0 : (size_t)transfer->length;
}

void transfer_allocated(struct libusb_transfer *transfer)
{
    objects_lock();
    struct transfer *made = transfer_of(transfer);
    made->state = IDLE;
    made->was_submitted = 0;
    objects_unlock();
}

void transfer_freeing(struct libusb_transfer *transfer, const char *function)
{
    objects_lock();
    struct transfer *freed = transfer_of(transfer);
    if (freed->state == FREED) broken(RULE_FREE_TWICE, function, "transfer %p", (void *)transfer);
    if (freed->state == POSTED) {
        broken(RULE_FREE_POSTED, function, "transfer %p at endpoint 0x%02x", (void *)transfer, freed->endpoint);
        unlink_posted(freed);
    }
    if (freed->inside > 0) broken(RULE_FREE_IN_USE, function, "transfer %p", (void *)transfer);
    /* It drops a reference on its device, which reaches into the context. */
    if (freed->was_submitted && !context_exists(freed->context)) broken(RULE_CONTEXT_EXITED, function, "transfer %p of context %p", (void *)transfer, (void *)freed->context);
    freed->state = FREED;
    objects_unlock();
}

void transfer_submitting(struct libusb_transfer *transfer, libusb_transfer_cb_fn completed, const char *function)
{
    handle_enter(transfer->dev_handle, function);
    libusb_context *context = handle_context(transfer->dev_handle);
    size_t length = (size_t)transfer->length;
    size_t sent = bytes_sent(transfer);
    uint64_t sum = sum_of(transfer->buffer, sent);
    objects_lock();
    struct transfer *submitted = transfer_of(transfer);
    if (submitted->state == FREED) broken(RULE_SUBMIT_FREED, function, "transfer %p", (void *)transfer);
    if (submitted->state == POSTED) broken(RULE_SUBMIT_POSTED, function, "transfer %p at endpoint 0x%02x", (void *)transfer, transfer->endpoint);
    const void *other = transfer_posted_in(transfer->buffer, length);
    if (other != NULL) broken(RULE_BUFFER_SHARED, function, "%zu bytes at %p, posted by transfer %p too", length, (void *)transfer->buffer, other);
    enum memory_kind kind = memory_kind_of(transfer->dev_handle, transfer->buffer, length);
    if (kind == MEMORY_PART) broken(RULE_MEMORY_PARTLY, function, "%zu bytes at %p", length, (void *)transfer->buffer);

    submitted->was_submitted = 1;
    submitted->inside++;
    submitted->handle = transfer->dev_handle;
    submitted->context = context;
    submitted->endpoint = transfer->endpoint;
    submitted->callback = transfer->callback;
    submitted->buffer = transfer->buffer;
    submitted->length = length;
    submitted->sent = sent;
    submitted->sum = sum;
    /* Device memory is the hardware's to write at any time. */
    submitted->poisoned = transfer_is_in(transfer) && kind == MEMORY_NONE;
    if (submitted->state != POSTED) link_posted(submitted);
    submitted->state = POSTED;
    objects_unlock();

    if (transfer_is_in(transfer)) memset(transfer->buffer, POISON, length);
    transfer->callback = completed;
}

void transfer_submitted(struct libusb_transfer *transfer, int code)
{
    objects_lock();
    struct transfer *submitted = transfer_of(transfer);
    libusb_device_handle *handle = submitted->handle;
    submitted->inside--;
    if (code != LIBUSB_SUCCESS && submitted->state == POSTED) {
        unlink_posted(submitted);
        submitted->state = IDLE;
        transfer->callback = submitted->callback;
    }
    objects_unlock();
    handle_leave(handle);
}

void transfer_cancelling(struct libusb_transfer *transfer, const char *function)
{
    objects_lock();
    struct transfer *cancelled = transfer_of(transfer);
    if (cancelled->state == FREED) broken(RULE_CANCEL_FREED, function, "transfer %p", (void *)transfer);
    else if (!cancelled->was_submitted) broken(RULE_CANCEL_UNSUBMITTED, function, "transfer %p", (void *)transfer);
    else if (cancelled->state == ORPHANED) broken(RULE_CANCEL_CLOSED, function, "transfer %p of handle %p", (void *)transfer, (void *)cancelled->handle);
    cancelled->inside++;
    libusb_device_handle *handle = cancelled->handle;
    objects_unlock();
    handle_enter(handle, function);
}

void transfer_cancelled(struct libusb_transfer *transfer)
{
    objects_lock();
    struct transfer *cancelled = transfer_of(transfer);
    libusb_device_handle *handle = cancelled->handle;
    cancelled->inside--;
    objects_unlock();
    handle_leave(handle);
}

/* The first byte that is not POISON; length where there is none. */
static size_t first_foreign(const unsigned char *bytes, size_t length)
{
    /* Every byte is the one before it: the C library compares faster than a loop does. */
    if (length == 0 || (bytes[0] == POISON && memcmp(bytes, bytes + 1, length - 1) == 0)) return length;
    size_t index = 0;
    while (bytes[index] == POISON) index++;
    return index;
}

void transfer_verify(const struct libusb_transfer *transfer)
{
    objects_lock();
    struct transfer done = *transfer_of(transfer);
    objects_unlock();
    size_t received = transfer->actual_length > 0 ? (size_t)transfer->actual_length : 0;
    size_t foreign = done.poisoned && received < done.length ? received + first_foreign(done.buffer + received, done.length - received) : done.length;
    int was_sent = sum_of(done.buffer, done.sent) == done.sum;
    if (was_sent && foreign == done.length) return;
    objects_lock();
    if (!was_sent) {
        broken(RULE_BUFFER_WRITTEN, "completion", "transfer %p at endpoint 0x%02x sent other bytes than it was submitted with", (const void *)transfer, done.endpoint);
    } else {
        broken(RULE_BUFFER_WRITTEN, "completion", "transfer %p at endpoint 0x%02x, status %d: byte %zu of %zu, of which the device sent %d", (const void *)transfer,
               done.endpoint, (int)transfer->status, foreign, done.length, transfer->actual_length);
    }
    objects_unlock();
}

void transfer_tell(struct libusb_transfer *transfer)
{
    objects_lock();
    struct transfer *done = transfer_of(transfer);
    libusb_transfer_cb_fn callback = done->callback;
    int is_freed_by_libusb = (transfer->flags & LIBUSB_TRANSFER_FREE_TRANSFER) != 0;
    if (done->state == POSTED) unlink_posted(done);
    done->state = IDLE;
    transfer->callback = callback;
    objects_unlock();

    tally(COUNT_COMPLETIONS);
    callback_begin();
    callback(transfer);
    callback_end();
    if (is_freed_by_libusb) {
        objects_lock();
        done->state = FREED;
        objects_unlock();
    }
}

void transfers_orphan(libusb_device_handle *handle)
{
    struct transfer *next;
    for (struct transfer *each = posted; each != NULL; each = next) {
        next = each->next;
        if (each->handle == handle) {
            unlink_posted(each);
            each->state = ORPHANED;
        }
    }
}

int transfers_posted(libusb_device_handle *handle, int endpoint)
{
    int count = 0;
    for (const struct transfer *each = posted; each != NULL; each = each->next) {
        count += each->handle == handle && (endpoint == ANY_ENDPOINT || each->endpoint == endpoint);
    }
    return count;
}

const void *transfer_posted_in(const unsigned char *start, size_t length)
{
    for (const struct transfer *each = posted; each != NULL; each = each->next) {
        if (start < each->buffer + each->length && each->buffer < start + length) return each->object.address;
    }
    return NULL;
}

static int is_allocated(const struct object *object) { return ((const struct transfer *)object)->state != FREED; }

int transfers_left(void) { return table_count(&transfers, is_allocated); }
