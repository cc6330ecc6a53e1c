/* layout.c - see layout.h. */
#include "node/store/layout.h"

#include <assert.h>

#include "proto/crc.h"

/* The group record: format:u8 zero:u8 members_size:u16 format_level:u32
 * applied_index:u64 applied_term:u64 change_index:u64 clock_ms:u64 members,
 * then the CRC32C of all before it. */
enum {
    GROUP_FORMAT = 1,
    GROUP_HEADER_BYTES = 40,
    GROUP_CRC_BYTES = 4,
};

struct slice layout_single_key(enum layout_kind kind)
{
    switch (kind) {
    case LAYOUT_GROUP:
        return slice_of("g", 1);
    case LAYOUT_REMEMBER:
        return slice_of("h", 1);
    case LAYOUT_MAP:
        return slice_of("m", 1);
    case LAYOUT_SLOTS:
        return slice_of("s", 1);
    case LAYOUT_DATA:
    case LAYOUT_DEADLINE:
    case LAYOUT_FENCE:
    case LAYOUT_KEYSPACE:
    case LAYOUT_SESSION:
        break;
    }
    assert(!"this kind has many records");
    return slice_of("", 0);
}

void layout_data_key_append(struct buf *out, uint32_t keyspace,
                            struct slice user_key)
{
    layout_data_key(buf_grow(out, LAYOUT_DATA_PREFIX_BYTES + user_key.size),
                    keyspace, user_key);
}

void layout_fence_key_append(struct buf *out, uint32_t keyspace,
                             struct slice user_key)
{
    size_t begun = out->size;

    layout_data_key_append(out, keyspace, user_key);
    out->data[begun] = LAYOUT_FENCE;
}

void layout_fence_write(uint8_t *at, const struct layout_fence *f)
{
    memset(at, 0, 8);
    at[0] = LAYOUT_FENCE_FORMAT;
    put_u64(at + 8, f->fence);
    put_u64(at + 16, f->drop_after_ms);
}

enum status layout_fence_parse(struct slice value, struct layout_fence *out)
{
    if (value.size < LAYOUT_FENCE_BYTES)
        return STATUS_CORRUPT;
    if (value.data[0] != LAYOUT_FENCE_FORMAT)
        return STATUS_WRONG_VERSION;
    if (value.size != LAYOUT_FENCE_BYTES)
        return STATUS_CORRUPT;
    out->fence = get_u64(value.data + 8);
    out->drop_after_ms = get_u64(value.data + 16);
    return STATUS_OK;
}

enum status layout_data_key_parse(struct slice key, uint32_t *keyspace,
                                  struct slice *user_key)
{
    if (key.size <= LAYOUT_DATA_PREFIX_BYTES ||
        key.size > LAYOUT_DATA_PREFIX_BYTES + KEY_BYTES_MAX ||
        key.data[0] != LAYOUT_DATA)
        return STATUS_CORRUPT;
    *keyspace = get_be32(key.data + 1);
    *user_key = slice_of(key.data + LAYOUT_DATA_PREFIX_BYTES,
                         key.size - LAYOUT_DATA_PREFIX_BYTES);
    return STATUS_OK;
}

void layout_deadline_key_append(struct buf *out,
                                const struct layout_deadline *d)
{
    uint8_t *at =
        buf_grow(out, LAYOUT_DEADLINE_PREFIX_BYTES + d->user_key.size);

    at[0] = LAYOUT_DEADLINE;
    put_be64(at + 1, d->deadline);
    at[9] = d->kind;
    put_be32(at + 10, d->keyspace);
    if (d->user_key.size)
        memcpy(at + LAYOUT_DEADLINE_PREFIX_BYTES, d->user_key.data,
               d->user_key.size);
}

enum status layout_deadline_key_parse(struct slice key,
                                      struct layout_deadline *d)
{
    if (key.size <= LAYOUT_DEADLINE_PREFIX_BYTES ||
        key.size > LAYOUT_KEY_BYTES_MAX || key.data[0] != LAYOUT_DEADLINE)
        return STATUS_CORRUPT;
    d->deadline = get_be64(key.data + 1);
    d->kind = key.data[9];
    d->keyspace = get_be32(key.data + 10);
    d->user_key = slice_of(key.data + LAYOUT_DEADLINE_PREFIX_BYTES,
                           key.size - LAYOUT_DEADLINE_PREFIX_BYTES);
    return STATUS_OK;
}

void layout_prefix_end(struct buf *out, struct slice prefix)
{
    size_t n = prefix.size;
    uint8_t *at;

    /* Bytes 0xff cannot be counted up: the byte before them is. */
    while (n > 0 && prefix.data[n - 1] == 0xff)
        n--;
    assert(n > 0);
    at = buf_grow(out, n);
    memcpy(at, prefix.data, n);
    at[n - 1]++;
}

void layout_keyspace_end(struct buf *out, uint32_t keyspace)
{
    uint8_t prefix[LAYOUT_DATA_PREFIX_BYTES];

    layout_data_key(prefix, keyspace, slice_of("", 0));
    layout_prefix_end(out, slice_of(prefix, sizeof prefix));
}

enum status layout_value_parse(struct slice value, struct layout_value *out)
{
    if (value.size < LAYOUT_VALUE_HEADER_BYTES)
        return STATUS_CORRUPT;
    if (value.data[0] != LAYOUT_VALUE_FORMAT)
        return STATUS_WRONG_VERSION;
    out->type = value.data[1];
    out->flags = get_u16(value.data + 2);
    out->version = get_u64(value.data + 4);
    out->expire_at_ms = get_u64(value.data + 12);
    out->bytes = slice_of(value.data + LAYOUT_VALUE_HEADER_BYTES,
                          value.size - LAYOUT_VALUE_HEADER_BYTES);
    return STATUS_OK;
}

size_t group_record_bytes(const struct group_record *r)
{
    return GROUP_HEADER_BYTES + r->members.size + GROUP_CRC_BYTES;
}

void group_record_write(uint8_t *at, const struct group_record *r)
{
    size_t body = GROUP_HEADER_BYTES + r->members.size;

    assert(r->members.size <= LAYOUT_MEMBERS_BYTES_MAX);
    at[0] = GROUP_FORMAT;
    at[1] = 0;
    put_u16(at + 2, (uint16_t)r->members.size);
    put_u32(at + 4, r->format_level);
    put_u64(at + 8, r->applied_index);
    put_u64(at + 16, r->applied_term);
    put_u64(at + 24, r->change_index);
    put_u64(at + 32, r->clock_ms);
    if (r->members.size)
        memcpy(at + GROUP_HEADER_BYTES, r->members.data, r->members.size);
    put_u32(at + body, crc32c(0, at, body));
}

void group_record_encode(const struct group_record *r, struct buf *out)
{
    group_record_write(buf_grow(out, group_record_bytes(r)), r);
}

enum status group_record_decode(struct slice bytes, struct group_record *out)
{
    size_t body, members;

    if (bytes.size < GROUP_HEADER_BYTES + GROUP_CRC_BYTES)
        return STATUS_CORRUPT;
    /* The format first: a newer one may keep its CRC elsewhere. */
    if (bytes.data[0] != GROUP_FORMAT)
        return STATUS_WRONG_VERSION;
    members = get_u16(bytes.data + 2);
    body = GROUP_HEADER_BYTES + members;
    if (members > LAYOUT_MEMBERS_BYTES_MAX || bytes.data[1] != 0 ||
        bytes.size != body + GROUP_CRC_BYTES)
        return STATUS_CORRUPT;
    if (get_u32(bytes.data + body) != crc32c(0, bytes.data, body))
        return STATUS_CORRUPT;
    out->format_level = get_u32(bytes.data + 4);
    out->applied_index = get_u64(bytes.data + 8);
    out->applied_term = get_u64(bytes.data + 16);
    out->change_index = get_u64(bytes.data + 24);
    out->clock_ms = get_u64(bytes.data + 32);
    out->members = slice_of(bytes.data + GROUP_HEADER_BYTES, members);
    return STATUS_OK;
}
