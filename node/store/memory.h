/* memory.h - having memory come before it is looked at.
 *
 * A record that nobody has read lately is in no cache of the processor: each
 * step towards it (slot or node, then record) waits for memory, as long as a
 * hundred instructions. Who knows several keys that come next asks for the
 * first step of all of them, then for the second: they wait together. */
#ifndef NODE_STORE_MEMORY_H
#define NODE_STORE_MEMORY_H

#include <stddef.h>

enum {
    EXPECT_MAX = 8,     /* keys at once: what a processor can have under way */
    EXPECT_BYTES = 256, /* of a record: a small one is there as a whole */
    MEMORY_LINE = 64,   /* of the processor's cache */
};

/* Ask for these bytes. They need not be there: nothing is read. */
static inline void memory_prefetch(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i += MEMORY_LINE)
        __builtin_prefetch((const char *)at + i);
}

#endif
