#include "memory.h"
#include "objects.h"
#include "report.h"
#include "transfers.h"
#include <stdlib.h>

/* One for each address there ever was. */
struct mapping {
    unsigned char *start;
    size_t length; /* 0: freed */
    libusb_device_handle *handle;
    struct mapping *next;
};

static struct mapping *mappings;

static struct mapping *mapping_at(const unsigned char *start)
{
    struct mapping *each = mappings;
    while (each != NULL && each->start != start) each = each->next;
    return each;
}

void memory_allocated(libusb_device_handle *handle, unsigned char *start, size_t length)
{
    objects_lock();
    struct mapping *made = mapping_at(start);
    if (made == NULL) {
        made = calloc(1, sizeof *made);
        if (made == NULL) abort();
        made->start = start;
        made->next = mappings;
        mappings = made;
    }
    made->handle = handle;
    made->length = length;
    objects_unlock();
}

void memory_freeing(libusb_device_handle *handle, unsigned char *start, size_t length, const char *function)
{
    objects_lock();
    struct mapping *freed = mapping_at(start);
    if (freed == NULL || freed->length != length || freed->handle != handle) broken(RULE_MEMORY_UNKNOWN, function, "%zu bytes at %p", length, (void *)start);
    else {
        const void *transfer = transfer_posted_in(start, length);
        if (transfer != NULL) broken(RULE_MEMORY_POSTED, function, "transfer %p at %p", transfer, (void *)start);
        freed->length = 0;
    }
    objects_unlock();
}

enum memory_kind memory_kind_of(libusb_device_handle *handle, const unsigned char *start, size_t length)
{
    for (const struct mapping *each = mappings; each != NULL; each = each->next) {
        /* A freed mapping may have begun in the middle of what is mapped there now. */
        if (each->length > 0 && each->handle == handle && start < each->start + each->length && each->start < start + length) {
            return start >= each->start && start + length <= each->start + each->length ? MEMORY_WHOLE : MEMORY_PART;
        }
    }
    return MEMORY_NONE;
}

int mappings_of(libusb_device_handle *handle)
{
    int count = 0;
    for (const struct mapping *each = mappings; each != NULL; each = each->next) count += each->handle == handle && each->length > 0;
    return count;
}

int mappings_left(void)
{
    int count = 0;
    for (const struct mapping *each = mappings; each != NULL; each = each->next) count += each->length > 0;
    return count;
}
