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
    buf_u32(out, f->remaining_ms);
    buf_u32(out, f->seen);
    buf_u32(out, f->keyspace);
    buf_u32(out, f->session.sequence ? SESSION_BYTES : 0);
    if (f->session.sequence)
        session_encode(&f->session, out);
    operation_encode(&f->operation, out);
    item_end(out, begun);
}

bool forward_decode(struct slice body, struct forward *out)
{
    struct reader r = reader_of(body);
    struct slice session;

    out->id = reader_u64(&r);
    out->remaining_ms = reader_u32(&r);
    out->seen = reader_u32(&r);
    out->keyspace = reader_u32(&r);
    session = reader_bytes(&r, reader_u32(&r));
    return !r.failed && session_decode(session, &out->session) == STATUS_OK &&
           operation_decode(&r, &out->operation) == STATUS_OK &&
           !reader_left(&r);
}

void forward_reply_encode(struct buf *out, uint64_t id, uint32_t refused,
                          const struct reply *r)
{
    size_t begun = item_begin(out, ITEM_FORWARD_REPLY);
    struct operation_reply m = {
        .status = r->status,
        .version = r->version,
        .expire_at = r->expire_at,
        .clock = r->clock,
        .argument = r->argument,
        .has_value = r->has_value,
        .value = r->value,
    };

    buf_u64(out, id);
    buf_u32(out, r->hint_group);
    buf_u32(out, r->hint_node);
    buf_u32(out, refused);
    operation_reply_encode(&m, out);
    item_end(out, begun);
}

bool forward_reply_decode(struct slice body, uint64_t *id, uint32_t *refused,
                          struct reply *out)
{
    struct reader r = reader_of(body);
    struct operation_reply m;

    *out = (struct reply){0};
    *id = reader_u64(&r);
    out->hint_group = reader_u32(&r);
    out->hint_node = reader_u32(&r);
    *refused = reader_u32(&r);
    if (r.failed ||
        operation_reply_decode(reader_bytes(&r, reader_left(&r)), &m))
        return false;
    out->status = status_known(m.status) ? m.status : STATUS_UNKNOWN;
    out->has_value = m.has_value;
    out->value = m.value;
    out->version = m.version;
    out->expire_at = m.expire_at;
    out->clock = m.clock;
    out->argument = m.argument;
    return true;
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
