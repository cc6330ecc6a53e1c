/* bytes.h - slices, growable buffers, bounds-checked reading, endianness.
 *
 * On disk and on the wire all integers are little-endian, except inside store
 * keys, which are big-endian so that byte order is number order. */
#ifndef PROTO_BASE_BYTES_H
#define PROTO_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/macros.h"

/* Borrowed bytes; never owns. */
struct slice {
    const uint8_t *data;
    size_t size;
};

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){data, size};
}

static inline struct slice slice_str(const char *text)
{
    return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

/* Byte order; a prefix sorts before what it is a prefix of. */
int slice_compare(struct slice a, struct slice b);

static inline void put_u16(void *at, uint16_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void put_u32(void *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void put_u64(void *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline uint16_t get_u16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint32_t get_u32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint64_t get_u64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "only little-endian machines are supported");

static inline void put_be32(void *at, uint32_t v)
{
    put_u32(at, __builtin_bswap32(v));
}
static inline uint32_t get_be32(const void *at)
{
    return __builtin_bswap32(get_u32(at));
}
static inline void put_be64(void *at, uint64_t v)
{
    put_u64(at, __builtin_bswap64(v));
}
static inline uint64_t get_be64(const void *at)
{
    return __builtin_bswap64(get_u64(at));
}

/* A growable byte buffer. Zero-initialised is empty and valid. Running out of
 * memory aborts the process: what we buffer is bounded by limits. */
struct buf {
    uint8_t *data;
    size_t size;
    size_t cap;
};

void buf_release(struct buf *b);
/* Room for `more` bytes behind the end; the pointer is valid until the next
 * call that may grow. Does not change `size`. */
uint8_t *buf_reserve(struct buf *b, size_t more);
/* Reserve and count `n` bytes; gives a pointer to them, not initialised. */
uint8_t *buf_grow(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t size);
/* Drop the first `n` bytes, moving the rest down. */
void buf_consume(struct buf *b, size_t n);
static inline void buf_clear(struct buf *b)
{
    b->size = 0;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->size);
}
static inline void buf_u8(struct buf *b, uint8_t v)
{
    *buf_grow(b, 1) = v;
}
static inline void buf_u16(struct buf *b, uint16_t v)
{
    put_u16(buf_grow(b, 2), v);
}
static inline void buf_u32(struct buf *b, uint32_t v)
{
    put_u32(buf_grow(b, 4), v);
}
static inline void buf_u64(struct buf *b, uint64_t v)
{
    put_u64(buf_grow(b, 8), v);
}

/* A bounds-checked reader over a slice: after a read past the end `failed` is
 * set, every read gives zero, and stays so. Check once, at the end. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){s.data, s.data + s.size, false};
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}
/* The next `n` bytes, borrowed from the slice; empty when there are fewer. */
struct slice reader_bytes(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* Say so in the log and abort (docs/decisions/0006). */
__attribute__((noreturn)) void out_of_memory(size_t bytes);
/* Memory that aborts instead of failing; for bounded sizes only. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);

#endif
