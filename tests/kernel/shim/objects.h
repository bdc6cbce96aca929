/* Records of what a program holds of libusb, found by its address. They are never freed, so a stale address is still known for what it was. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stddef.h>

/* The first member of every record. */
struct object {
    const void *address;
    struct object *next;
};

enum { TABLE_BUCKETS = 1024 };

struct table {
    struct object *buckets[TABLE_BUCKETS];
};

/* One lock guards every record of every table. */
void objects_lock(void);
void objects_unlock(void);

/* The record of an address, or NULL. */
struct object *table_find(const struct table *table, const void *address);

/* The record of an address; a new one of this size is all zeroes. */
struct object *table_get(struct table *table, const void *address, size_t size);

/* How many records satisfy the condition. */
int table_count(const struct table *table, int (*condition)(const struct object *));

#endif
