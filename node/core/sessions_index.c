/* sessions_index.c - the sessions table's hashes and its heap.
 *
 * Both hashes are open addressing with linear probing; a removal moves later
 * rows back instead of leaving marks, so they never wear out. The seeds keep
 * clients from choosing collisions. */
#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

#include "node/core/sessions_impl.h"

/* ---- clients by id ---- */

static uint32_t *id_place(const struct sessions *s, const uint8_t *id,
                          uint64_t hash)
{
    uint32_t mask = s->by_id_size - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        uint32_t at = s->by_id[i];
        if (!at || (s->clients[at - 1].hash == hash &&
                    !memcmp(s->clients[at - 1].id, id, 16)))
            return &s->by_id[i];
    }
}

uint32_t session_find(struct sessions *s, const uint8_t *id)
{
    uint32_t at;

    /* A batch mostly is of one client. */
    if (s->last && !memcmp(s->clients[s->last - 1].id, id, 16))
        return s->last - 1;
    if (!s->n_clients)
        return SESSION_NOBODY;
    at = *id_place(s, id, XXH3_64bits_withSeed(id, 16, s->seed));
    if (!at)
        return SESSION_NOBODY;
    s->last = at;
    return at - 1;
}

static void ids_grow(struct sessions *s)
{
    free(s->by_id);
    s->by_id_size = s->by_id_size ? s->by_id_size * 2 : 16;
    s->by_id = xcalloc(s->by_id_size, sizeof *s->by_id);
    for (uint32_t i = 0; i < s->n_clients; i++) {
        const struct session_client *c = &s->clients[s->by_time[i]];
        *id_place(s, c->id, c->hash) = s->by_time[i] + 1;
    }
}

static void id_remove(struct sessions *s, const struct session_client *c)
{
    uint32_t mask = s->by_id_size - 1;
    uint32_t hole = (uint32_t)(id_place(s, c->id, c->hash) - s->by_id);

    for (uint32_t i = (hole + 1) & mask; s->by_id[i]; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)s->clients[s->by_id[i] - 1].hash & mask;
        /* May row i move to the hole? Not if its home lies behind it. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->by_id[hole] = s->by_id[i];
        hole = i;
    }
    s->by_id[hole] = 0;
}

/* ---- clients by time ---- */

/* The id decides between equals, or replicas would not agree. */
static bool earlier(const struct sessions *s, uint32_t a, uint32_t b)
{
    const struct session_client *x = &s->clients[a], *y = &s->clients[b];

    if (x->not_after_max != y->not_after_max)
        return x->not_after_max < y->not_after_max;
    return memcmp(x->id, y->id, 16) < 0;
}

static void time_put(struct sessions *s, uint32_t at, uint32_t client)
{
    s->by_time[at] = client;
    s->clients[client].time_at = at;
}

static void time_up(struct sessions *s, uint32_t at)
{
    uint32_t client = s->by_time[at];

    while (at && earlier(s, client, s->by_time[(at - 1) / 2])) {
        time_put(s, at, s->by_time[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    time_put(s, at, client);
}

static void time_down(struct sessions *s, uint32_t at)
{
    uint32_t client = s->by_time[at];

    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= s->n_clients)
            break;
        if (child + 1 < s->n_clients &&
            earlier(s, s->by_time[child + 1], s->by_time[child]))
            child++;
        if (!earlier(s, s->by_time[child], client))
            break;
        time_put(s, at, s->by_time[child]);
        at = child;
    }
    time_put(s, at, client);
}

void session_later(struct sessions *s, uint32_t client)
{
    time_down(s, s->clients[client].time_at);
}

uint32_t session_first(const struct sessions *s)
{
    return s->n_clients ? s->by_time[0] : SESSION_NOBODY;
}

/* ---- clients ---- */

static uint32_t slab_take(struct sessions *s)
{
    uint32_t at;

    if (s->free_client) {
        at = s->free_client - 1;
        s->free_client = s->clients[at].next_free;
        return at;
    }
    if (s->used_clients == s->cap_clients) {
        s->cap_clients = s->cap_clients ? s->cap_clients * 2 : 16;
        s->clients =
            xrealloc(s->clients, s->cap_clients * sizeof *s->clients);
        s->by_time =
            xrealloc(s->by_time, s->cap_clients * sizeof *s->by_time);
    }
    return s->used_clients++;
}

uint32_t session_add(struct sessions *s, const uint8_t *id)
{
    uint32_t at = slab_take(s);
    struct session_client *c = &s->clients[at];

    *c = (struct session_client){
        .hash = XXH3_64bits_withSeed(id, 16, s->seed)};
    memcpy(c->id, id, 16);
    if ((s->n_clients + 1) * 2 > s->by_id_size)
        ids_grow(s);
    *id_place(s, id, c->hash) = at + 1;
    s->by_time[s->n_clients] = at;
    s->n_clients++;
    time_up(s, s->n_clients - 1);
    s->bytes += CLIENT_OVERHEAD;
    s->last = at + 1;
    return at;
}

void session_remove(struct sessions *s, uint32_t client)
{
    struct session_client *c = &s->clients[client];
    uint32_t at = c->time_at, moved;

    assert(!c->head && !c->touched);
    id_remove(s, c);
    moved = s->by_time[--s->n_clients];
    if (moved != client) {
        time_put(s, at, moved);
        time_up(s, at);
        time_down(s, s->clients[moved].time_at);
    }
    c->next_free = s->free_client;
    s->free_client = client + 1;
    s->bytes -= CLIENT_OVERHEAD;
    s->last = 0;
}

/* ---- results by client and sequence ---- */

enum { ROWS_MIN = 64, RUN = 16 };

/* RUN sequences stand side by side: what a client has under way are numbers
 * close to each other, so a few lines of the cache hold its rows. */
static uint32_t row_hash(const struct sessions *s, uint32_t client,
                         uint64_t sequence)
{
    uint64_t h = (sequence / RUN ^ s->seed) * UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ (h >> 32) ^ client) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h >> 32) + (uint32_t)(sequence % RUN);
}

static struct session_row *row_place(const struct sessions *s,
                                     uint32_t client, uint64_t sequence)
{
    uint32_t mask = s->rows_size - 1;

    for (uint32_t i = row_hash(s, client, sequence) & mask;;
         i = (i + 1) & mask) {
        struct session_row *r = &s->rows[i];
        if (!r->record || (r->sequence == sequence && r->client == client))
            return r;
    }
}

struct session_row *session_row(const struct sessions *s, uint32_t client,
                                uint64_t sequence)
{
    struct session_row *r;

    if (!s->n_rows)
        return NULL;
    r = row_place(s, client, sequence);
    return r->record ? r : NULL;
}

static void rows_resize(struct sessions *s, uint32_t size)
{
    struct session_row *old = s->rows;
    uint32_t old_size = s->rows_size;

    s->rows_size = size;
    s->rows = xcalloc(size, sizeof *s->rows);
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].record)
            *row_place(s, old[i].client, old[i].sequence) = old[i];
    free(old);
}

void session_row_add(struct sessions *s, const struct session_row *row)
{
    if ((s->n_rows + 1) * 2 > s->rows_size)
        rows_resize(s, s->rows_size ? s->rows_size * 2 : ROWS_MIN);
    *row_place(s, row->client, row->sequence) = *row;
    s->n_rows++;
}

void session_row_remove(struct sessions *s, uint32_t client,
                        uint64_t sequence)
{
    uint32_t mask = s->rows_size - 1, hole;
    struct session_row *r = session_row(s, client, sequence);

    assert(r);
    hole = (uint32_t)(r - s->rows);
    for (uint32_t i = (hole + 1) & mask; s->rows[i].record;
         i = (i + 1) & mask) {
        uint32_t home =
            row_hash(s, s->rows[i].client, s->rows[i].sequence) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->rows[hole] = s->rows[i];
        hole = i;
    }
    s->rows[hole].record = NULL;
    s->n_rows--;
    /* A burst shall not leave a table behind that is never in the cache: each
     * write asks it several times, on every replica. */
    if (s->rows_size > ROWS_MIN && s->n_rows * 8 < s->rows_size)
        rows_resize(s, s->rows_size / 2);
}
