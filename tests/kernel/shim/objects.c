#include "objects.h"
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void objects_lock(void) { pthread_mutex_lock(&lock); }

void objects_unlock(void) { pthread_mutex_unlock(&lock); }

static size_t bucket_of(const void *address)
{
    /* malloc aligns to 16, so the low bits tell nothing. */
    return ((uintptr_t)address >> 4) % TABLE_BUCKETS;
}

struct object *table_find(const struct table *table, const void *address)
{
    struct object *each = table->buckets[bucket_of(address)];
    while (each != NULL && each->address != address) each = each->next;
    return each;
}

struct object *table_get(struct table *table, const void *address, size_t size)
{
    struct object *found = table_find(table, address);
    if (found == NULL) {
        found = calloc(1, size);
        if (found == NULL) abort();
        struct object **bucket = &table->buckets[bucket_of(address)];
        found->address = address;
        found->next = *bucket;
        *bucket = found;
    }
    return found;
}

int table_count(const struct table *table, int (*condition)(const struct object *))
{
    int count = 0;
    for (size_t index = 0; index < TABLE_BUCKETS; index++) {
        for (const struct object *each = table->buckets[index]; each != NULL; each = each->next) count += condition(each);
    }
    return count;
}
