/* command.c - see command.h. */
#include "node/core/command.h"

#include <assert.h>

#include "proto/limits.h"

size_t command_bytes(const struct command *c)
{
    return COMMAND_HEADER_BYTES + c->key.size + c->value.size;
}

void entry_begin(struct buf *out)
{
    assert(out->size == 0);
    memset(buf_grow(out, ENTRY_HEADER_BYTES), 0, ENTRY_HEADER_BYTES);
    out->data[0] = COMMAND_LEVEL;
}

void entry_end(struct buf *out, uint32_t count, uint64_t clock_ms)
{
    assert(out->size >= ENTRY_HEADER_BYTES);
    put_u32(out->data + 4, count);
    put_u64(out->data + 8, clock_ms);
}

void command_append(struct buf *out, const struct command *c)
{
    size_t bytes = command_bytes(c);
    uint8_t *at = buf_grow(out, bytes);

    assert(c->key.size <= KEY_BYTES_MAX && c->value.size <= VALUE_BYTES_MAX);
    put_u32(at, (uint32_t)bytes);
    at[4] = (uint8_t)c->op;
    at[5] = 0;
    put_u16(at + 6, c->slot);
    put_u32(at + 8, c->keyspace);
    put_u16(at + 12, (uint16_t)c->key.size);
    put_u16(at + 14, 0);
    put_u32(at + 16, (uint32_t)c->value.size);
    if (c->key.size) /* a command of the node's own has none */
        memcpy(at + COMMAND_HEADER_BYTES, c->key.data, c->key.size);
    if (c->value.size)
        memcpy(at + COMMAND_HEADER_BYTES + c->key.size, c->value.data,
               c->value.size);
}

struct entry_reader entry_reader_of(struct slice entry)
{
    struct entry_reader r = {.bytes = reader_of(entry)};
    uint8_t level = reader_u8(&r.bytes);

    reader_u8(&r.bytes);
    reader_u16(&r.bytes);
    r.left = reader_u32(&r.bytes);
    r.clock_ms = reader_u64(&r.bytes);
    r.position = UINT32_MAX;
    if (r.bytes.failed)
        r.status = STATUS_CORRUPT;
    else if (level != COMMAND_LEVEL)
        r.status = STATUS_WRONG_VERSION;
    if (r.status)
        r.left = 0;
    return r;
}

bool entry_next(struct entry_reader *r, struct command *out)
{
    uint32_t size, value_size;
    uint16_t key_size;

    if (!r->left) {
        if (r->status == STATUS_OK && reader_left(&r->bytes))
            r->status = STATUS_CORRUPT;
        return false;
    }
    size = reader_u32(&r->bytes);
    out->op = reader_u8(&r->bytes);
    reader_u8(&r->bytes);
    out->slot = reader_u16(&r->bytes);
    out->keyspace = reader_u32(&r->bytes);
    key_size = reader_u16(&r->bytes);
    reader_u16(&r->bytes);
    value_size = reader_u32(&r->bytes);
    out->key = reader_bytes(&r->bytes, key_size);
    out->value = reader_bytes(&r->bytes, value_size);
    if (r->bytes.failed || size != command_bytes(out) ||
        out->slot >= SLOT_COUNT) {
        r->status = STATUS_CORRUPT;
        r->left = 0;
        return false;
    }
    r->left--;
    r->position++;
    return true;
}
