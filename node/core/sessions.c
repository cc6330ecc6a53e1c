/* sessions.c - see sessions.h. */
#include "node/core/sessions.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core/sessions_impl.h"
#include "node/store/layout.h"
#include "proto/base/planted.h"

void sessions_init(struct sessions *s, uint64_t seed)
{
    *s = (struct sessions){
        .seed = seed,
        .clients_max = SESSION_CLIENTS_MAX,
        .bytes_max = SESSION_TABLE_BYTES_MAX,
        .client_bytes_max = SESSION_CLIENT_BYTES_MAX,
    };
}

static void records_free(struct session_record *r)
{
    while (r) {
        struct session_record *next = r->next;
        buf_release(&r->bytes);
        free(r);
        r = next;
    }
}

void sessions_clear(struct sessions *s)
{
    for (uint32_t i = 0; i < s->n_clients; i++)
        records_free(s->clients[s->by_time[i]].head);
    free(s->clients);
    free(s->by_id);
    free(s->rows);
    free(s->by_time);
    free(s->touched);
    *s = (struct sessions){
        .seed = s->seed,
        .clients_max = s->clients_max,
        .bytes_max = s->bytes_max,
        .client_bytes_max = s->client_bytes_max,
    };
}

void sessions_release(struct sessions *s)
{
    sessions_clear(s);
}

/* ---- records ---- */

static void key_write(uint8_t *at, const struct session_client *c,
                      const struct session_record *r)
{
    at[0] = LAYOUT_SESSION;
    memcpy(at + 1, c->id, 16);
    put_be64(at + 17, r->index);
    at[25] = (uint8_t)(r->part >> 8);
    at[26] = (uint8_t)r->part;
}

static size_t record_cost(const struct session_record *r)
{
    return r->bytes.size + RECORD_OVERHEAD;
}

static struct session_record *record_append(struct sessions *s,
                                            struct session_client *c)
{
    struct session_record *r = xcalloc(1, sizeof *r);

    if (c->tail)
        c->tail->next = r;
    else
        c->head = r;
    c->tail = r;
    memset(buf_grow(&r->bytes, RECORD_HEADER), 0, RECORD_HEADER);
    s->bytes += record_cost(r);
    c->bytes += record_cost(r);
    return r;
}

/* Forget the client's oldest record. */
static void head_drop(struct sessions *s, uint32_t client,
                      struct write_set *set)
{
    struct session_client *c = &s->clients[client];
    struct session_record *r = c->head;
    struct reader in = reader_of(buf_slice(&r->bytes));
    uint8_t key[SESSION_KEY_BYTES];

    reader_bytes(&in, RECORD_HEADER);
    for (unsigned i = 0; i < r->n; i++) {
        session_row_remove(s, client, reader_u64(&in));
        reader_u64(&in);
        reader_bytes(&in, reader_u32(&in));
    }
    key_write(key, c, r);
    write_set_delete(set, slice_of(key, sizeof key));
    s->bytes -= record_cost(r);
    c->bytes -= record_cost(r);
    c->head = r->next;
    if (!c->head)
        c->tail = NULL;
    buf_release(&r->bytes);
    free(r);
}

/* ---- looking up ---- */

static void touch(struct sessions *s, uint32_t client, uint64_t acknowledged)
{
    struct session_client *c = &s->clients[client];

    if (!c->touched) {
        c->touched = true;
        c->told = 0;
        if (s->n_touched == s->cap_touched) {
            s->cap_touched = s->cap_touched ? s->cap_touched * 2 : 16;
            s->touched =
                xrealloc(s->touched, s->cap_touched * sizeof *s->touched);
        }
        s->touched[s->n_touched++] = client;
    }
    c->told = MAX_OF(c->told, acknowledged);
}

static bool full(const struct sessions *s, uint32_t client)
{
    if (s->bytes >= s->bytes_max)
        return true;
    if (client == SESSION_NOBODY)
        return s->n_clients >= s->clients_max;
    return s->clients[client].bytes >= s->client_bytes_max;
}

enum status sessions_look(struct sessions *s, const struct session *q,
                          uint64_t clock, struct slice *reply)
{
    const struct session_row *row;
    uint32_t client;

    if (clock > q->not_after && !PLANTED(LATE_IS_EXECUTED))
        return STATUS_EXPIRED;
    if (q->not_after > clock + SESSION_AHEAD_MAX_MS)
        return STATUS_INVALID;
    client = session_find(s, q->client);
    if (client != SESSION_NOBODY) {
        touch(s, client, q->acknowledged);
        row = session_row(s, client, q->sequence);
        if (row) {
            const uint8_t *at = row->record->bytes.data + row->offset;
            *reply = slice_of(at + RESULT_HEADER, get_u32(at + 16));
            return STATUS_EXISTS;
        }
        if (q->sequence < s->clients[client].acknowledged)
            return STATUS_STALE_REQUEST;
    }
    return full(s, client) ? STATUS_BUSY : STATUS_OK;
}

struct buf *sessions_remember(struct sessions *s, const struct session *q)
{
    uint32_t client = session_find(s, q->client);
    struct session_client *c;
    struct session_record *r;

    if (client == SESSION_NOBODY)
        client = session_add(s, q->client);
    touch(s, client, q->acknowledged);
    c = &s->clients[client];
    r = c->open ? c->tail : NULL;
    if (!r || r->bytes.size >= RECORD_FULL) {
        uint16_t part = r ? (uint16_t)(r->part + 1) : 0;
        r = record_append(s, c);
        r->part = part;
        if (!c->open)
            c->open = r;
    }
    s->bytes -= record_cost(r); /* counted again when it is whole */
    c->bytes -= record_cost(r);
    session_row_add(s, &(struct session_row){q->sequence, client,
                                             (uint32_t)r->bytes.size, r});
    s->result_at = r->bytes.size;
    buf_u64(&r->bytes, q->sequence);
    buf_u64(&r->bytes, q->not_after);
    buf_u32(&r->bytes, 0);
    return &r->bytes;
}

void sessions_remembered(struct sessions *s, const struct session *q)
{
    uint32_t client = session_find(s, q->client);
    struct session_client *c = &s->clients[client];
    struct session_record *r = c->tail;
    size_t at = s->result_at;

    put_u32(r->bytes.data + at + 16,
            (uint32_t)(r->bytes.size - at - RESULT_HEADER));
    assert(r->n < UINT16_MAX);
    r->n++;
    r->sequence_max = MAX_OF(r->sequence_max, q->sequence);
    r->not_after = MAX_OF(r->not_after, q->not_after);
    s->bytes += record_cost(r);
    c->bytes += record_cost(r);
}

/* ---- the end of an entry ---- */

/* Can nothing any more be executed that is not after this? At that very moment
 * it still can: several entries may be of one millisecond. */
static bool is_over(uint64_t not_after, uint64_t clock)
{
    return clock + PLANTED(FORGOTTEN_EARLY) > not_after;
}

/* May the oldest record go? Not the newest: it holds what was acknowledged. */
static bool droppable(const struct session_client *c, uint64_t clock,
                      const struct session_record *newest)
{
    const struct session_record *r = c->head;

    return r != newest && (!r->n || r->sequence_max < c->acknowledged ||
                           is_over(r->not_after, clock));
}

/* The bytes were grown by doubling, and may stay for minutes. */
static void trim(struct buf *b)
{
    if (b->cap - b->size > b->size / 4 + 64) {
        b->data = xrealloc(b->data, b->size);
        b->cap = b->size;
    }
}

static void record_put(struct session_record *r,
                       const struct session_client *c, uint64_t index,
                       struct write_set *set)
{
    uint8_t key[SESSION_KEY_BYTES], *at = r->bytes.data;

    r->index = index;
    at[0] = RECORD_FORMAT;
    put_u16(at + 2, r->n);
    put_u64(at + 8, c->acknowledged);
    put_u64(at + 16, c->not_after_max);
    key_write(key, c, r);
    write_set_put(set, slice_of(key, sizeof key), buf_slice(&r->bytes));
    trim(&r->bytes);
}

static void client_end(struct sessions *s, uint32_t client, uint64_t index,
                       uint64_t clock, struct write_set *set)
{
    struct session_client *c = &s->clients[client];
    struct session_record *first;

    c->touched = false;
    /* Also a client that is refused says what it has: else a full table could
     * not become less full. */
    if (!c->open && c->told > c->acknowledged)
        c->open = record_append(s, c);
    first = c->open;
    if (!first)
        return;
    c->open = NULL;
    c->acknowledged = MAX_OF(c->acknowledged, c->told);
    for (struct session_record *r = first; r; r = r->next)
        c->not_after_max = MAX_OF(c->not_after_max, r->not_after);
    session_later(s, client);
    for (struct session_record *r = first; r; r = r->next)
        record_put(r, c, index, set);
    for (unsigned i = 0;
         i < DROP_PER_ENTRY && droppable(c, clock, first); i++)
        head_drop(s, client, set);
}

void sessions_entry_end(struct sessions *s, uint64_t index, uint64_t clock,
                        struct write_set *set)
{
    for (uint32_t i = 0; i < s->n_touched; i++)
        client_end(s, s->touched[i], index, clock, set);
    s->n_touched = 0;
    for (unsigned i = 0; i < DROP_BY_TIME; i++) {
        uint32_t client = session_first(s);
        if (client == SESSION_NOBODY ||
            !is_over(s->clients[client].not_after_max, clock))
            break;
        head_drop(s, client, set);
        if (!s->clients[client].head)
            session_remove(s, client);
    }
}

/* ---- from the store ---- */

static bool key_read(struct slice key, uint8_t *id, uint64_t *index,
                     uint16_t *part)
{
    if (key.size != SESSION_KEY_BYTES || key.data[0] != LAYOUT_SESSION)
        return false;
    memcpy(id, key.data + 1, 16);
    *index = get_be64(key.data + 17);
    *part = (uint16_t)(key.data[25] << 8 | key.data[26]);
    return true;
}

/* Is it what machine_session_remember() writes? What is not would be found out
 * only by the client that sends again, perhaps on one replica alone. */
static bool result_fits(const struct session_row *row, uint64_t not_after,
                        struct slice reply, uint64_t not_after_max)
{
    struct operation_reply m;

    return row->sequence && not_after <= not_after_max &&
           operation_reply_decode(reply, &m) == STATUS_OK &&
           status_known((unsigned)m.status) &&
           status_retry(m.status) != RETRY_SAFE;
}

/* Count the results in; the record's bytes are whole. */
static bool results_load(struct sessions *s, uint32_t client,
                         struct session_record *r, unsigned n)
{
    struct reader in = reader_of(buf_slice(&r->bytes));

    uint64_t not_after_max = get_u64(r->bytes.data + 16);

    reader_bytes(&in, RECORD_HEADER);
    for (unsigned i = 0; i < n; i++) {
        struct session_row row = {
            .client = client, .record = r,
            .offset = (uint32_t)(in.at - r->bytes.data)};
        uint64_t not_after;
        struct slice reply;
        row.sequence = reader_u64(&in);
        not_after = reader_u64(&in);
        reply = reader_bytes(&in, reader_u32(&in));
        if (in.failed || !result_fits(&row, not_after, reply, not_after_max) ||
            session_row(s, client, row.sequence))
            return false;
        session_row_add(s, &row);
        r->n++;
        r->sequence_max = MAX_OF(r->sequence_max, row.sequence);
        r->not_after = MAX_OF(r->not_after, not_after);
    }
    return !reader_left(&in);
}

enum status sessions_load(struct sessions *s, struct slice key,
                          struct slice value)
{
    struct session_client *c;
    struct session_record *r, *before;
    uint8_t id[16];
    uint64_t index;
    uint16_t part;
    uint32_t client;

    if (!key_read(key, id, &index, &part) || value.size < RECORD_HEADER)
        return STATUS_CORRUPT;
    if (value.data[0] != RECORD_FORMAT)
        return STATUS_WRONG_VERSION;
    if (value.data[1] || get_u32(value.data + 4))
        return STATUS_CORRUPT;
    client = session_find(s, id);
    if (client == SESSION_NOBODY)
        client = session_add(s, id);
    c = &s->clients[client];
    before = c->tail;
    if (before && (before->index > index ||
                   (before->index == index && before->part >= part)))
        return STATUS_CORRUPT;
    r = record_append(s, c);
    r->index = index;
    r->part = part;
    buf_append(&r->bytes, value.data + RECORD_HEADER,
               value.size - RECORD_HEADER);
    memcpy(r->bytes.data, value.data, RECORD_HEADER);
    trim(&r->bytes);
    s->bytes += value.size - RECORD_HEADER;
    c->bytes += value.size - RECORD_HEADER;
    c->acknowledged = MAX_OF(c->acknowledged, get_u64(value.data + 8));
    c->not_after_max = MAX_OF(c->not_after_max, get_u64(value.data + 16));
    session_later(s, client);
    return results_load(s, client, r, get_u16(value.data + 2))
               ? STATUS_OK
               : STATUS_CORRUPT;
}
