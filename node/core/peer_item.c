/* peer_item.c - see peer_item.h. */
#include "node/core/peer_item.h"

#include <assert.h>

#include "proto/limits.h"

size_t item_begin(struct buf *out, enum item_type type)
{
    size_t begun = out->size;
    uint8_t *at = buf_grow(out, ITEM_HEADER_BYTES);

    put_u32(at, 0);
    at[4] = (uint8_t)type;
    at[5] = at[6] = at[7] = 0;
    return begun;
}

void item_end(struct buf *out, size_t begun)
{
    put_u32(out->data + begun,
            (uint32_t)(out->size - begun - ITEM_HEADER_BYTES));
}

bool item_next(struct reader *r, enum item_type *type, struct slice *body)
{
    uint32_t size;

    if (!reader_left(r))
        return false;
    size = reader_u32(r);
    *type = reader_u8(r);
    reader_bytes(r, 3);
    *body = reader_bytes(r, size);
    return !r->failed;
}

void forward_encode(struct buf *out, const struct forward *f)
{
    size_t begun = item_begin(out, ITEM_FORWARD);

    buf_u64(out, f->id);
    buf_u8(out, (uint8_t)f->op);
    buf_u8(out, (uint8_t)f->mode);
    buf_u16(out, (uint16_t)f->key.size);
    buf_u32(out, f->remaining_ms);
    buf_u32(out, f->keyspace);
    buf_u32(out, (uint32_t)f->value.size);
    buf_append(out, f->key.data, f->key.size);
    buf_append(out, f->value.data, f->value.size);
    item_end(out, begun);
}

bool forward_decode(struct slice body, struct forward *out)
{
    struct reader r = reader_of(body);
    uint16_t key_size;
    uint32_t value_size;

    out->id = reader_u64(&r);
    out->op = reader_u8(&r);
    out->mode = reader_u8(&r);
    key_size = reader_u16(&r);
    out->remaining_ms = reader_u32(&r);
    out->keyspace = reader_u32(&r);
    value_size = reader_u32(&r);
    out->key = reader_bytes(&r, key_size);
    out->value = reader_bytes(&r, value_size);
    return !r.failed && !reader_left(&r) && value_size <= VALUE_BYTES_MAX &&
           ((out->op >= OP_GET && out->op <= OP_NODE_UPDATE) ||
            out->op == OP_SCAN) &&
           out->mode <= READ_STALE;
}

void forward_reply_encode(struct buf *out, uint64_t id, const struct reply *r)
{
    size_t begun = item_begin(out, ITEM_FORWARD_REPLY);

    buf_u64(out, id);
    buf_u16(out, (uint16_t)r->status);
    buf_u16(out, 0);
    buf_u32(out, r->hint_group);
    buf_u64(out, r->version);
    buf_u32(out, r->hint_node);
    buf_u32(out, (uint32_t)r->value.size);
    buf_append(out, r->value.data, r->value.size);
    item_end(out, begun);
}

bool forward_reply_decode(struct slice body, uint64_t *id, struct reply *out)
{
    struct reader r = reader_of(body);
    uint16_t status;

    *out = (struct reply){0};
    *id = reader_u64(&r);
    status = reader_u16(&r);
    reader_u16(&r);
    out->hint_group = reader_u32(&r);
    out->version = reader_u64(&r);
    out->hint_node = reader_u32(&r);
    out->value = reader_bytes(&r, reader_u32(&r));
    out->status = status_known(status) ? (enum status)status : STATUS_UNKNOWN;
    return !r.failed && !reader_left(&r);
}

void snapshot_ask_encode(struct buf *out, const struct snapshot_ask *a)
{
    size_t begun = item_begin(out, ITEM_SNAPSHOT_ASK);

    buf_u32(out, a->group);
    buf_u32(out, a->file);
    buf_u64(out, a->replica);
    buf_u64(out, a->index);
    buf_u64(out, a->ask);
    buf_u64(out, a->offset);
    buf_u32(out, a->size_max);
    item_end(out, begun);
}

bool snapshot_ask_decode(struct slice body, struct snapshot_ask *out)
{
    struct reader r = reader_of(body);

    out->group = reader_u32(&r);
    out->file = reader_u32(&r);
    out->replica = reader_u64(&r);
    out->index = reader_u64(&r);
    out->ask = reader_u64(&r);
    out->offset = reader_u64(&r);
    out->size_max = reader_u32(&r);
    return !r.failed && !reader_left(&r);
}

void snapshot_chunk_encode(struct buf *out, const struct snapshot_chunk *c)
{
    size_t begun = item_begin(out, ITEM_SNAPSHOT_CHUNK);

    buf_u32(out, c->group);
    buf_u32(out, c->file);
    buf_u64(out, c->replica);
    buf_u64(out, c->index);
    buf_u64(out, c->ask);
    buf_u64(out, c->offset);
    buf_u32(out, (uint32_t)c->status);
    buf_u32(out, (uint32_t)c->bytes.size);
    buf_append(out, c->bytes.data, c->bytes.size);
    item_end(out, begun);
}

bool snapshot_chunk_decode(struct slice body, struct snapshot_chunk *out)
{
    struct reader r = reader_of(body);
    uint32_t status;

    out->group = reader_u32(&r);
    out->file = reader_u32(&r);
    out->replica = reader_u64(&r);
    out->index = reader_u64(&r);
    out->ask = reader_u64(&r);
    out->offset = reader_u64(&r);
    status = reader_u32(&r);
    out->status = status_known(status) ? (enum status)status : STATUS_INTERNAL;
    out->bytes = reader_bytes(&r, reader_u32(&r));
    return !r.failed && !reader_left(&r);
}

void manifest_encode(struct buf *out, uint64_t index, uint64_t term,
                     uint64_t members_index, struct slice members,
                     const struct snapshot_file *files, unsigned n)
{
    buf_u64(out, index);
    buf_u64(out, term);
    buf_u64(out, members_index);
    buf_u32(out, (uint32_t)members.size);
    buf_append(out, members.data, members.size);
    buf_u32(out, n);
    for (unsigned i = 0; i < n; i++) {
        size_t size = strlen(files[i].name);
        assert(size < sizeof files[i].name);
        buf_u8(out, (uint8_t)size);
        buf_append(out, files[i].name, size);
        buf_u64(out, files[i].size);
    }
}

static bool file_name_safe(struct slice name)
{
    if (!name.size || name.size >= sizeof ((struct snapshot_file *)0)->name)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                     (c == '.' && i > 0);
        if (!plain)
            return false;
    }
    return true;
}

bool manifest_decode(struct slice bytes, uint64_t *index, uint64_t *term,
                     uint64_t *members_index, struct slice *members,
                     struct snapshot_file *files, unsigned max, unsigned *n)
{
    struct reader r = reader_of(bytes);

    *index = reader_u64(&r);
    *term = reader_u64(&r);
    *members_index = reader_u64(&r);
    *members = reader_bytes(&r, reader_u32(&r));
    *n = reader_u32(&r);
    if (r.failed || *n > max)
        return false;
    for (unsigned i = 0; i < *n; i++) {
        struct slice name = reader_bytes(&r, reader_u8(&r));
        if (!file_name_safe(name))
            return false;
        memcpy(files[i].name, name.data, name.size);
        files[i].name[name.size] = 0;
        files[i].size = reader_u64(&r);
    }
    return !r.failed && !reader_left(&r);
}
