/* command.c - see command.h. */
#include "node/core/command.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/limits.h"

enum {
    PLACES = 1024, /* at least twice ENTRY_COMMANDS_MAX, a power of two */
    CLIENT_ID_BYTES = 16,
    KEEP_BYTES = 1 << 20,
};
_Static_assert(PLACES >= 2 * ENTRY_COMMANDS_MAX, "a table half empty");

size_t command_bytes(const struct command *c)
{
    size_t n = COMMAND_HEADER_BYTES + operation_bytes(&c->operation);

    return c->session.sequence ? n + COMMAND_SESSION_BYTES + ENTRY_CLIENT_BYTES
                               : n;
}

void entry_writer_release(struct entry_writer *w)
{
    buf_release(&w->bytes);
    buf_release(&w->clients);
    free(w->places);
    *w = (struct entry_writer){0};
}

void entry_writer_clear(struct entry_writer *w)
{
    if (w->clients.size)
        memset(w->places, 0, PLACES * sizeof *w->places);
    buf_clear(&w->bytes);
    if (w->bytes.cap > KEEP_BYTES)
        buf_release(&w->bytes);
    buf_clear(&w->clients);
    w->count = 0;
}

static uint8_t *row_at(const struct entry_writer *w, unsigned row)
{
    return w->clients.data + (size_t)row * ENTRY_CLIENT_BYTES;
}

/* The row of a session's client, made if it is new. Ids are random: their own
 * bits are the hash; who chooses them badly finds his own table slow. */
static uint16_t client_row(struct entry_writer *w, const struct session *s)
{
    unsigned rows = (unsigned)(w->clients.size / ENTRY_CLIENT_BYTES);
    unsigned at = (unsigned)get_u64(s->client) & (PLACES - 1);
    uint8_t *row;

    if (w->last < rows &&
        !memcmp(row_at(w, w->last), s->client, CLIENT_ID_BYTES))
        return w->last;
    if (!w->places)
        w->places = xcalloc(PLACES, sizeof *w->places);
    for (; w->places[at]; at = (at + 1) & (PLACES - 1))
        if (!memcmp(row_at(w, w->places[at] - 1u), s->client,
                    CLIENT_ID_BYTES))
            return w->last = (uint16_t)(w->places[at] - 1u);
    row = buf_grow(&w->clients, ENTRY_CLIENT_BYTES);
    memcpy(row, s->client, CLIENT_ID_BYTES);
    put_u64(row + CLIENT_ID_BYTES, 0);
    w->places[at] = (uint16_t)(rows + 1);
    return w->last = (uint16_t)rows;
}

void entry_writer_add(struct entry_writer *w, const struct command *c)
{
    bool session = c->session.sequence != 0;
    uint16_t row = session ? client_row(w, &c->session) : COMMAND_NO_CLIENT;
    size_t bytes = COMMAND_HEADER_BYTES + operation_bytes(&c->operation) +
                   (session ? COMMAND_SESSION_BYTES : 0);
    uint8_t *at;

    assert(w->count < ENTRY_COMMANDS_MAX && bytes <= UINT32_MAX);
    if (!w->bytes.size)
        memset(buf_grow(&w->bytes, ENTRY_HEADER_BYTES), 0,
               ENTRY_HEADER_BYTES);
    at = buf_grow(&w->bytes, bytes);
    put_u32(at, (uint32_t)bytes);
    put_u16(at + 4, c->slot);
    put_u16(at + 6, row);
    put_u32(at + 8, c->keyspace);
    at += COMMAND_HEADER_BYTES;
    if (session) {
        uint8_t *known = row_at(w, row) + CLIENT_ID_BYTES;
        put_u64(at, c->session.sequence);
        put_u64(at + 8, c->session.not_after);
        at += COMMAND_SESSION_BYTES;
        if (c->session.acknowledged > get_u64(known))
            put_u64(known, c->session.acknowledged);
    }
    operation_write(&c->operation, at);
    w->count++;
}

void entry_writer_write(struct entry_writer *w, uint64_t clock_ms, uint8_t *at)
{
    uint8_t *header = w->bytes.data;

    assert(w->count);
    header[0] = COMMAND_LEVEL;
    put_u16(header + 2, (uint16_t)(w->clients.size / ENTRY_CLIENT_BYTES));
    put_u32(header + 4, w->count);
    put_u64(header + 8, clock_ms);
    memcpy(at, w->bytes.data, w->bytes.size);
    if (w->clients.size)
        memcpy(at + w->bytes.size, w->clients.data, w->clients.size);
}

/* ---- reading ---- */

struct entry_reader entry_reader_of(struct slice entry)
{
    struct entry_reader r = {.bytes = reader_of(entry)};
    uint8_t level = reader_u8(&r.bytes);
    size_t table;

    reader_u8(&r.bytes);
    table = (size_t)reader_u16(&r.bytes) * ENTRY_CLIENT_BYTES;
    r.left = reader_u32(&r.bytes);
    r.clock_ms = reader_u64(&r.bytes);
    r.position = UINT32_MAX;
    if (r.bytes.failed)
        r.status = STATUS_CORRUPT;
    else if (level != COMMAND_LEVEL)
        r.status = STATUS_WRONG_VERSION;
    else if (table > reader_left(&r.bytes) || r.left > ENTRY_COMMANDS_MAX)
        r.status = STATUS_CORRUPT;
    if (r.status) {
        r.left = 0;
        return r;
    }
    r.bytes.end -= table;
    r.clients = slice_of(r.bytes.end, table);
    return r;
}

unsigned entry_clients(const struct entry_reader *r)
{
    return (unsigned)(r->clients.size / ENTRY_CLIENT_BYTES);
}

struct slice entry_client(const struct entry_reader *r, unsigned row,
                          uint64_t *acknowledged)
{
    const uint8_t *at =
        r->clients.data + (size_t)row * ENTRY_CLIENT_BYTES;

    assert(row < entry_clients(r));
    *acknowledged = get_u64(at + CLIENT_ID_BYTES);
    return slice_of(at, CLIENT_ID_BYTES);
}

static bool session_of(struct entry_reader *r, struct reader *in, unsigned row,
                       struct session *out)
{
    *out = (struct session){0};
    if (row == COMMAND_NO_CLIENT)
        return true;
    if (row >= entry_clients(r))
        return false;
    memcpy(out->client, entry_client(r, row, &out->acknowledged).data,
           CLIENT_ID_BYTES);
    out->sequence = reader_u64(in);
    out->not_after = reader_u64(in);
    return out->sequence != 0;
}

/* Was this written by a program that knows more than this one? */
static bool newer(const struct reader *in)
{
    return reader_left(in) >= OPERATION_HEADER_BYTES &&
           (in->at[0] > OP_LAST ||
            get_u32(in->at + 4) & ~(uint32_t)OPERATION_FLAGS_ALL);
}

bool entry_next(struct entry_reader *r, struct command *out)
{
    uint32_t size;
    uint16_t row;
    struct reader in;

    if (!r->left) {
        if (r->status == STATUS_OK && reader_left(&r->bytes))
            r->status = STATUS_CORRUPT;
        return false;
    }
    size = reader_u32(&r->bytes);
    in = reader_of(reader_bytes(&r->bytes, size < 4 ? 0 : size - 4));
    out->slot = reader_u16(&in);
    row = reader_u16(&in);
    out->keyspace = reader_u32(&in);
    if (r->bytes.failed || !session_of(r, &in, row, &out->session)) {
        r->status = STATUS_CORRUPT;
    } else if (newer(&in)) {
        r->status = STATUS_WRONG_VERSION;
    } else if (operation_decode(&in, &out->operation) != STATUS_OK ||
        reader_left(&in) || out->slot >= SLOT_COUNT) {
        r->status = STATUS_CORRUPT;
    }
    if (r->status != STATUS_OK) {
        r->left = 0;
        return false;
    }
    r->left--;
    r->position++;
    return true;
}
