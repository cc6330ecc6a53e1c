/* bytes.c - see bytes.h. */
#include "proto/base/bytes.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"

int slice_compare(struct slice a, struct slice b)
{
    size_t n = MIN_OF(a.size, b.size);
    int rv = n ? memcmp(a.data, b.data, n) : 0;
    if (rv)
        return rv;
    return a.size < b.size ? -1 : a.size > b.size;
}

void out_of_memory(size_t bytes)
{
    log_error("out_of_memory", "bytes=%zu", bytes);
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

char *xstrdup(const char *text)
{
    size_t n = strlen(text) + 1;
    return memcpy(xmalloc(n), text, n);
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

uint8_t *buf_reserve(struct buf *b, size_t more)
{
    size_t cap = b->cap;

    assert(more <= SIZE_MAX / 4);
    if (b->cap - b->size >= more)
        return b->data + b->size;
    if (cap < 64)
        cap = 64;
    while (cap - b->size < more)
        cap *= 2;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
    return b->data + b->size;
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
    uint8_t *at = buf_reserve(b, n);
    b->size += n;
    return at;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
    if (size)
        memcpy(buf_grow(b, size), data, size);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->size);
    b->size -= n;
    if (n && b->size)
        memmove(b->data, b->data + n, b->size);
}

struct slice reader_bytes(struct reader *r, size_t n)
{
    struct slice s = {r->at, n};
    if (r->failed || reader_left(r) < n) {
        r->failed = true;
        return (struct slice){r->end, 0};
    }
    r->at += n;
    return s;
}

uint8_t reader_u8(struct reader *r)
{
    struct slice s = reader_bytes(r, 1);
    return s.size ? s.data[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
    struct slice s = reader_bytes(r, 2);
    return s.size ? get_u16(s.data) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    struct slice s = reader_bytes(r, 4);
    return s.size ? get_u32(s.data) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    struct slice s = reader_bytes(r, 8);
    return s.size ? get_u64(s.data) : 0;
}
