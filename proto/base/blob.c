/* blob.c - see blob.h. */
#include "proto/base/blob.h"

#include <assert.h>
#include <stdlib.h>

struct blob *blob_new(size_t size)
{
    struct blob *b;
    assert(size <= UINT32_MAX);
    b = xmalloc(sizeof *b + size);
    atomic_init(&b->refs, 1);
    b->size = (uint32_t)size;
    return b;
}

struct blob *blob_copy(struct slice s)
{
    struct blob *b = blob_new(s.size);
    if (s.size)
        memcpy(b->data, s.data, s.size);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (b)
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob *b)
{
    unsigned before;
    if (!b)
        return;
    before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(b);
}
