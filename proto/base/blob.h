/* blob.h - reference-counted bytes that do not change once shared.
 *
 * A log entry's payload is one blob, referenced by the tail, the wal's pending
 * batch and outgoing messages, copied by none of them. References are counted
 * atomically, so a blob may travel between threads in a letter. */
#ifndef PROTO_BASE_BLOB_H
#define PROTO_BASE_BLOB_H

#include <stdatomic.h>
#include <stdint.h>

#include "proto/base/bytes.h"

struct blob {
    atomic_uint refs;
    uint32_t size;
    uint8_t data[];
};

/* A blob of `size` bytes, not initialised, with one reference. */
struct blob *blob_new(size_t size);
/* The same with a copy of `s`. */
struct blob *blob_copy(struct slice s);
/* One more reference; gives `b` back. NULL is legal. */
struct blob *blob_ref(struct blob *b);
/* Give one reference back; the last frees. NULL is legal. */
void blob_unref(struct blob *b);

static inline struct slice blob_slice(const struct blob *b)
{
    return b ? slice_of(b->data, b->size) : slice_of("", 0);
}

#endif
