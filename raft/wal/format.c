/* format.c - see format.h. All integers are little-endian. */
#include "raft/wal/format.h"

#include <assert.h>

#include "proto/base/planted.h"
#include "proto/crc.h"

/* Byte offsets in a header. The checksum, the level and the magic stay where
 * they are in every later format, so that any program can tell what it does
 * not know from what is damaged. */
enum {
    H_CRC = 0,
    H_LEVEL = 4,
    H_MAGIC = 8,
    H_LOG_ID = 16,
    H_SEGMENT = 32,
    H_NUMBER = 40,
    H_OFFSET = 48,
    H_LENGTH = 52,
    H_BODY = 56,
    H_RECORDS = 60,
    H_BODY_CRC = 64,
    H_GROUPS = 68,
    H_TABLE_CRC = 72,
    H_FLAGS = 76,
    H_PREV_END = 80,
    H_ROWS = 88,
};
_Static_assert(H_ROWS + WAL_HEADER_GROUPS * WAL_ROW_BYTES <= WAL_HEADER_BYTES,
               "the rows fit into the header");

enum {
    R_CRC = 0,
    R_SIZE = 4,
    R_GROUP = 8,
    R_KIND = 12,
    R_FLAGS = 13,
    R_TYPE = 14,
    R_INDEX = 16,
    R_TERM = 24,
    R_PREV_TERM = 32,
};

static const uint8_t magic[8] = "COATWAL\n";

void wal_header_encode(uint8_t *at, const struct wal_header *h)
{
    put_u32(at + H_LEVEL, WAL_FORMAT_LEVEL);
    memcpy(at + H_MAGIC, magic, sizeof magic);
    memcpy(at + H_LOG_ID, h->log_id, WAL_LOG_ID_BYTES);
    put_u64(at + H_SEGMENT, h->segment);
    put_u64(at + H_NUMBER, h->number);
    put_u32(at + H_OFFSET, h->offset);
    put_u32(at + H_LENGTH, h->length);
    put_u32(at + H_BODY, h->body);
    put_u32(at + H_RECORDS, h->records);
    put_u32(at + H_BODY_CRC, h->body_crc);
    put_u32(at + H_GROUPS, h->groups);
    put_u32(at + H_TABLE_CRC, h->table_crc);
    put_u32(at + H_FLAGS, h->flags);
    put_u32(at + H_PREV_END, h->prev_end);
    put_u32(at + H_PREV_END + 4, 0);
    put_u32(at + H_CRC, crc32c(0, at + 4, WAL_HEADER_BYTES - 4));
}

static bool header_fits(const struct wal_header *h)
{
    uint64_t used = (uint64_t)WAL_HEADER_BYTES + h->body;

    if (h->groups > h->records || h->body % 8)
        return false;
    if (h->groups > WAL_HEADER_GROUPS)
        used += (uint64_t)(h->groups - WAL_HEADER_GROUPS) * WAL_ROW_BYTES;
    if ((uint64_t)h->records * WAL_RECORD_BYTES > h->body)
        return false;
    return h->length % WAL_BLOCK == 0 && h->offset % WAL_BLOCK == 0 &&
           used <= h->length && h->number > 0 && h->number < WAL_NUMBER_MAX;
}

enum wal_header_kind wal_header_decode(struct slice block,
                                       struct wal_header *h)
{
    const uint8_t *at = block.data;

    if (block.size < WAL_HEADER_BYTES ||
        memcmp(at + H_MAGIC, magic, sizeof magic))
        return WAL_HEADER_NONE;
    if (get_u32(at + H_CRC) != crc32c(0, at + 4, WAL_HEADER_BYTES - 4))
        return WAL_HEADER_NONE;
    memcpy(h->log_id, at + H_LOG_ID, WAL_LOG_ID_BYTES);
    if (get_u32(at + H_LEVEL) > WAL_FORMAT_LEVEL)
        return WAL_HEADER_NEWER;
    h->segment = get_u64(at + H_SEGMENT);
    h->number = get_u64(at + H_NUMBER);
    h->offset = get_u32(at + H_OFFSET);
    h->length = get_u32(at + H_LENGTH);
    h->body = get_u32(at + H_BODY);
    h->records = get_u32(at + H_RECORDS);
    h->body_crc = get_u32(at + H_BODY_CRC);
    h->groups = get_u32(at + H_GROUPS);
    h->table_crc = get_u32(at + H_TABLE_CRC);
    h->flags = get_u32(at + H_FLAGS);
    h->prev_end = get_u32(at + H_PREV_END);
    return header_fits(h) ? WAL_HEADER_OURS : WAL_HEADER_NONE;
}

uint32_t wal_row_at(uint32_t i, uint32_t body)
{
    if (i < WAL_HEADER_GROUPS)
        return H_ROWS + i * WAL_ROW_BYTES;
    return WAL_HEADER_BYTES + body + (i - WAL_HEADER_GROUPS) * WAL_ROW_BYTES;
}

void wal_row_encode(uint8_t *at, struct wal_row row)
{
    put_u32(at, row.group);
    put_u32(at + 4, 0);
    put_u64(at + 8, row.prev);
}

struct wal_row wal_row_decode(const uint8_t *at)
{
    return (struct wal_row){.group = get_u32(at), .prev = get_u64(at + 8)};
}

uint32_t wal_rows_behind(uint32_t groups)
{
    if (groups <= WAL_HEADER_GROUPS)
        return 0;
    return (groups - WAL_HEADER_GROUPS) * WAL_ROW_BYTES;
}

bool wal_rows_good(const struct wal_header *h, const uint8_t *batch)
{
    uint32_t behind = wal_rows_behind(h->groups);

    return !behind ||
           crc32c(0, batch + WAL_HEADER_BYTES + h->body, behind) ==
               h->table_crc;
}

uint64_t wal_key(const uint8_t *log_id)
{
    uint64_t b = get_u64(log_id + 8);
    return get_u64(log_id) ^ (b << 17 | b >> 47);
}

/* A number that depends on every bit of log, segment and place: bytes of
 * another log, of the file's earlier life or written to a wrong place do not
 * pass. The mixing steps are those of splitmix64. */
static uint32_t salt(uint64_t key, uint64_t segment, uint32_t offset)
{
    uint64_t z = key + segment * 0x9e3779b97f4a7c15u + offset;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

uint32_t wal_record_encode(uint8_t *at, const struct wal_record *r,
                           uint64_t key, uint64_t segment, uint32_t offset)
{
    uint32_t used = WAL_RECORD_BYTES + (uint32_t)r->data.size;
    uint32_t crc;

    put_u32(at + R_SIZE, (uint32_t)r->data.size);
    put_u32(at + R_GROUP, r->group);
    at[R_KIND] = r->kind;
    at[R_FLAGS] = r->flags;
    put_u16(at + R_TYPE, r->type);
    put_u64(at + R_INDEX, r->index);
    put_u64(at + R_TERM, r->term);
    put_u64(at + R_PREV_TERM, r->prev_term);
    if (r->data.size)
        memcpy(at + WAL_RECORD_BYTES, r->data.data, r->data.size);
    memset(at + used, 0, wal_record_size(r->data.size) - used);
    crc = crc32c(0, at + 4, used - 4) ^ salt(key, segment, offset);
    put_u32(at + R_CRC, crc);
    return crc;
}

/* Does the record say something that we write? Its size is checked already. */
static bool record_fits(const struct wal_record *r)
{
    if (r->flags & ~WAL_RECORD_REWRITTEN ||
        (r->flags && r->kind != WAL_ENTRY))
        return false;
    if (r->term >= WAL_NUMBER_MAX || r->prev_term >= WAL_NUMBER_MAX)
        return false;
    if (r->kind != WAL_VOTE && r->index >= WAL_NUMBER_MAX)
        return false;
    switch (r->kind) {
    case WAL_ENTRY:
        return r->index > 0 && r->term > 0 && r->prev_term <= r->term &&
               (r->index == 1) == (r->prev_term == 0);
    case WAL_TRUNCATE:
        return !r->data.size && r->index > 0 &&
               (r->index == 1) == (r->prev_term == 0);
    case WAL_VOTE:
    case WAL_FORGET:
        return !r->data.size;
    case WAL_RESET:
        return r->data.size == WAL_INSTALL_ID_BYTES &&
               (r->index == 0) == (r->term == 0);
    case WAL_STATE:
        return r->data.size == WAL_STATE_BYTES;
    case WAL_FOOT:
        return r->data.size == WAL_FOOT_BYTES;
    default:
        return false;
    }
}

uint32_t wal_record_read(struct slice bytes, struct wal_record *out)
{
    const uint8_t *at = bytes.data;
    uint32_t size;

    if (bytes.size < WAL_RECORD_BYTES)
        return 0;
    size = get_u32(at + R_SIZE);
    if (size > WAL_ENTRY_BYTES_MAX || wal_record_size(size) > bytes.size)
        return 0;
    out->group = get_u32(at + R_GROUP);
    out->kind = at[R_KIND];
    out->flags = at[R_FLAGS];
    out->type = get_u16(at + R_TYPE);
    out->index = get_u64(at + R_INDEX);
    out->term = get_u64(at + R_TERM);
    out->prev_term = get_u64(at + R_PREV_TERM);
    out->data = slice_of(at + WAL_RECORD_BYTES, size);
    return record_fits(out) ? wal_record_size(size) : 0;
}

uint32_t wal_record_decode(struct slice bytes, uint64_t key, uint64_t segment,
                           uint32_t offset, struct wal_record *out,
                           uint32_t *crc)
{
    uint32_t n = wal_record_read(bytes, out);
    uint32_t good;

    if (!n)
        return 0;
    *crc = get_u32(bytes.data + R_CRC);
    good = crc32c(0, bytes.data + 4, WAL_RECORD_BYTES - 4 + out->data.size) ^
           salt(key, segment, offset);
    return *crc == good ? n : 0;
}

bool wal_body_good(const struct wal_header *h, const uint8_t *batch,
                   uint64_t key)
{
    uint32_t at = WAL_HEADER_BYTES, end = WAL_HEADER_BYTES + h->body;
    uint32_t chain = 0, records = 0;

    if (PLANTED(BODY_UNCHECKED))
        return true;
    while (at < end) {
        struct wal_record r;
        uint32_t crc;
        uint32_t n = wal_record_decode(slice_of(batch + at, end - at), key,
                                       h->segment, h->offset + at, &r, &crc);
        if (!n)
            return false;
        chain = crc32c(chain, &crc, sizeof crc);
        records++;
        at += n;
    }
    return records == h->records && chain == h->body_crc &&
           wal_rows_good(h, batch);
}

enum { STATE_QUARANTINED = 1 };

void wal_state_encode(uint8_t *at, const struct wal_state *s)
{
    put_u64(at, s->batch);
    put_u64(at + 8, s->term);
    put_u64(at + 16, s->vote);
    put_u64(at + 24, s->base);
    put_u64(at + 32, s->base_term);
    put_u64(at + 40, s->last);
    put_u64(at + 48, s->last_term);
    put_u64(at + 56, s->reset_index);
    put_u64(at + 64, s->reset_term);
    memcpy(at + 72, s->install_id, WAL_INSTALL_ID_BYTES);
    put_u64(at + 88, s->quarantined ? STATE_QUARANTINED : 0);
}

void wal_state_decode(const uint8_t *at, struct wal_state *s)
{
    s->batch = get_u64(at);
    s->term = get_u64(at + 8);
    s->vote = get_u64(at + 16);
    s->base = get_u64(at + 24);
    s->base_term = get_u64(at + 32);
    s->last = get_u64(at + 40);
    s->last_term = get_u64(at + 48);
    s->reset_index = get_u64(at + 56);
    s->reset_term = get_u64(at + 64);
    memcpy(s->install_id, at + 72, WAL_INSTALL_ID_BYTES);
    s->quarantined = get_u64(at + 88) & STATE_QUARANTINED;
}

void wal_foot_encode(uint8_t *at, const struct wal_foot *f)
{
    put_u64(at, f->first);
    put_u64(at + 8, f->last);
    put_u64(at + 16, f->count);
}

void wal_foot_decode(const uint8_t *at, struct wal_foot *f)
{
    f->first = get_u64(at);
    f->last = get_u64(at + 8);
    f->count = get_u64(at + 16);
}
