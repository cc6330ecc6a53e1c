/* batch.c - see batch.h. */
#include "raft/wal/batch.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/crc.h"

enum { BATCH_CAP_MIN = 64 * 1024 };

/* Room for `size` bytes in all. Grows to double, so copying stays linear. */
static void batch_reserve(struct wal_batch *b, uint64_t size)
{
    uint64_t cap = b->cap ? b->cap : BATCH_CAP_MIN;
    uint8_t *data;

    if (size <= b->cap)
        return;
    while (cap < size)
        cap *= 2;
    assert(cap <= (uint64_t)WAL_SEGMENT_MAX * 2);
    data = aligned_alloc(WAL_BLOCK, cap);
    if (!data)
        abort();
    if (b->size)
        memcpy(data, b->data, b->size);
    free(b->data);
    b->data = data;
    b->cap = (uint32_t)cap;
}

struct wal_batch *wal_batch_new(struct wal_batch *old, uint64_t segment,
                                uint32_t offset, uint64_t number)
{
    struct wal_batch *b = old ? old : xcalloc(1, sizeof *b);
    struct buf rows = b->rows;
    uint8_t *data = b->data;
    uint32_t cap = b->cap;

    buf_clear(&rows);
    *b = (struct wal_batch){
        .data = data,
        .cap = cap,
        .rows = rows,
        .segment = segment,
        .offset = offset,
        .number = number,
        .pin = UINT64_MAX,
        .first_at = WAL_NEVER,
    };
    batch_reserve(b, WAL_HEADER_BYTES);
    b->size = WAL_HEADER_BYTES;
    memset(b->data, 0, WAL_HEADER_BYTES);
    return b;
}

void wal_batch_free(struct wal_batch *b)
{
    if (!b)
        return;
    buf_release(&b->rows);
    free(b->data);
    free(b);
}

void wal_batch_name(struct wal_batch *b, struct wal_row row)
{
    uint32_t i = b->groups++;

    assert(!b->closed);
    if (i < WAL_HEADER_GROUPS)
        wal_row_encode(b->data + wal_row_at(i, 0), row);
    else
        wal_row_encode(buf_grow(&b->rows, WAL_ROW_BYTES), row);
}

uint32_t wal_batch_add(struct wal_batch *b, const struct wal_record *r,
                       uint64_t key)
{
    uint32_t at = b->size, n = wal_record_size(r->data.size);
    uint32_t crc;

    assert(!b->closed);
    batch_reserve(b, (uint64_t)at + n);
    crc = wal_record_encode(b->data + at, r, key, b->segment, b->offset + at);
    b->body_crc = crc32c(b->body_crc, &crc, sizeof crc);
    b->size += n;
    b->records++;
    return b->offset + at;
}

uint64_t wal_batch_length(const struct wal_batch *b, uint64_t more,
                          uint32_t names)
{
    return wal_blocks(b->size + more + wal_rows_behind(b->groups + names));
}

void wal_batch_close(struct wal_batch *b, const uint8_t *log_id)
{
    uint32_t used = b->size + (uint32_t)b->rows.size;
    struct wal_header h = {
        .segment = b->segment,
        .number = b->number,
        .offset = b->offset,
        .length = wal_blocks(used),
        .body = wal_batch_body(b),
        .records = b->records,
        .body_crc = b->body_crc,
        .groups = b->groups,
        .table_crc = crc32c(0, b->rows.data, b->rows.size),
        .flags = b->flags,
        .prev_end = b->prev_end,
    };

    assert(!b->closed && b->rows.size == wal_rows_behind(b->groups));
    batch_reserve(b, h.length);
    if (b->rows.size)
        memcpy(b->data + b->size, b->rows.data, b->rows.size);
    /* Not only tidy: memory of this process must not reach the disk. */
    memset(b->data + used, 0, h.length - used);
    memcpy(h.log_id, log_id, WAL_LOG_ID_BYTES);
    wal_header_encode(b->data, &h);
    b->length = h.length;
    b->closed = true;
}
