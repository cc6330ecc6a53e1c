/* machine_transact.c - TRANSACT: compare, then one of two lists, or nothing.
 *
 * What the lists write goes straight into the step; rows that they change are
 * saved before, so that a list that fails can be taken back whole. */
#include "node/core/machine_state.h"
#include "proto/base/planted.h"


/* Where the step stood. */
struct mark {
    size_t records, out;
    uint32_t count;
    unsigned n_made;
    uint64_t keys, bytes; /* of a counted keyspace */
};

static struct mark mark(struct doing *d)
{
    struct machine_step *s = d->s;
    const struct group_keyspace *g =
        keyspaces_find(&d->m->keyspaces, d->keyspace);

    s->n_saved = 0;
    s->saving = true;
    return (struct mark){s->set.records.size, s->out.size, s->set.count,
                         s->n_made, g ? g->keys : 0, g ? g->bytes : 0};
}

static void take_back(struct doing *d, const struct mark *m)
{
    struct machine_step *s = d->s;
    struct group_keyspace *g = keyspaces_find(&d->m->keyspaces, d->keyspace);

    if (g && !PLANTED(COUNTED_ALL_THE_SAME)) {
        g->keys = m->keys;
        g->bytes = m->bytes;
    }
    /* Backwards: a row may have been saved twice. */
    for (unsigned i = 0, n = s->n_saved; i < n; i++) {
        unsigned at = PLANTED(TAKEN_BACK_FORWARDS) ? i : n - 1 - i;
        s->view.rows[s->saved[at].row].now = s->saved[at].state;
    }
    s->n_saved = 0;
    s->set.records.size = m->records;
    s->set.count = m->count;
    s->out.size = m->out;
    s->n_made = m->n_made;
}

/* ---- compares ---- */

static bool relation_holds(enum operation_relation relation, int order)
{
    switch (relation) {
    case RELATION_EQUAL:
        return order == 0;
    case RELATION_NOT_EQUAL:
        return order != 0;
    case RELATION_LESS:
        return order < 0;
    case RELATION_GREATER:
        return order > 0;
    }
    return false;
}

/* Of the value only as many bytes are known as the other one has. */
static int compare_value(const struct current *c, struct slice with)
{
    size_t n = MIN_OF(MIN_OF(c->v.bytes.size, (size_t)c->size), with.size);
    int order = n ? memcmp(c->v.bytes.data, with.data, n) : 0;

    return order ? order : (c->size > with.size) - (c->size < with.size);
}

static enum status compare(struct doing *d, struct slice route,
                           const struct compare *c, bool *holds)
{
    struct current now;
    uint64_t version;

    if (!machine_owns_key(d->m, route, c->key))
        return STATUS_CROSS_GROUP;
    machine_current(d, c->key, &now);
    if (c->what == COMPARE_VERSION) {
        version = now.present ? now.v.version : 0;
        *holds = relation_holds(c->relation, (version > c->version) -
                                                 (version < c->version));
        return STATUS_OK;
    }
    if (!now.present) {
        *holds = c->relation == RELATION_NOT_EQUAL;
        return STATUS_OK;
    }
    if (now.v.bytes.size < MIN_OF((size_t)now.size, c->value.size))
        return STATUS_BUSY; /* cut off */
    *holds = relation_holds(c->relation, compare_value(&now, c->value));
    return STATUS_OK;
}

/* ---- operations ---- */

void machine_get(struct doing *d, const struct operation *o, struct result *r)
{
    struct current c;

    if (!machine_begin(d, o, &c, r))
        return;
    if (!c.present)
        r->status = STATUS_NOT_FOUND;
    else if (o->flags & OPERATION_META)
        r->argument = c.size;
    else
        r->value = c.value;
}

/* Put one operation's reply behind those before it. */
static void reply(struct machine_step *s, const struct result *r)
{
    struct operation_reply m = {
        .status = r->status,
        .version = r->version,
        .expire_at = r->expire_at,
        .clock = r->clock,
        .argument = r->argument,
        .has_value = r->value.where != PIECE_NONE,
        .value = machine_bytes(s, r->value),
    };

    buf_u32(&s->replies, (uint32_t)operation_reply_bytes(&m));
    operation_reply_encode(&m, &s->replies);
}

/* May the replies grow by `size`? Each transaction's have to fit into a frame,
 * all of an entry's into memory. */
static enum status reply_room(const struct machine_step *s, size_t size)
{
    enum { REPLY_AT_MOST = 128 }; /* without its value */

    if (s->replies.size + size > VALUE_BYTES_MAX)
        return STATUS_TOO_LARGE;
    return machine_reply_room(s, s->replies.size + size + REPLY_AT_MOST)
               ? STATUS_OK
               : STATUS_BUSY;
}

/* Both lists, also the one that is not executed: else it would depend on the
 * data whether the keys are found to be in several groups. */
static enum status one_group(struct doing *d, struct slice route,
                             const struct transaction *t, unsigned *place)
{
    struct reader list = t->operations;

    for (unsigned i = 0; i < t->n_then + t->n_else; i++) {
        struct operation o;
        *place = i < t->n_then ? i : i - t->n_then;
        if (operation_decode(&list, &o) != STATUS_OK)
            return STATUS_CORRUPT; /* machine_needs() has read it */
        if (!machine_owns_key(d->m, route, o.key))
            return STATUS_CROSS_GROUP;
    }
    *place = 0;
    return STATUS_OK;
}

/* `*place`: of the operation that failed. */
static enum status run(struct doing *d, struct reader *list, unsigned n,
                       unsigned *place)
{
    for (*place = 0; *place < n; ++*place) {
        struct operation o;
        struct result r = {.clock = d->s->clock_ms};
        if (operation_decode(list, &o) != STATUS_OK)
            return STATUS_CORRUPT;
        machine_execute(d, &o, &r);
        if (r.status == STATUS_OK)
            r.status = reply_room(d->s, r.value.size);
        if (r.status != STATUS_OK && r.status != STATUS_NOT_FOUND)
            return r.status;
        reply(d->s, &r);
    }
    return STATUS_OK;
}

static enum status decide(struct doing *d, struct slice route,
                          struct transaction *t, bool *holds)
{
    *holds = true;
    for (unsigned i = 0; i < t->n_compares; i++) {
        struct compare c;
        bool one = false;
        enum status st = transaction_compare(&t->compares, &c);
        if (st == STATUS_OK)
            st = compare(d, route, &c, &one);
        if (st != STATUS_OK)
            return st;
        *holds &= one;
    }
    return STATUS_OK;
}

static enum status execute(struct doing *d, struct slice route,
                           struct transaction *t, unsigned *place)
{
    struct buf *replies = &d->s->replies;
    bool holds;
    unsigned n;
    enum status st = decide(d, route, t, &holds);
    struct operation skipped;

    if (st == STATUS_OK)
        st = one_group(d, route, t, place);
    if (st != STATUS_OK)
        return st;
    n = holds ? t->n_then : t->n_else;
    for (unsigned i = 0; !holds && i < t->n_then; i++)
        if (operation_decode(&t->operations, &skipped) != STATUS_OK)
            return STATUS_CORRUPT;
    buf_u8(replies, holds);
    buf_u8(replies, 0);
    buf_u16(replies, (uint16_t)n);
    return run(d, &t->operations, n, place);
}

void machine_transact(struct doing *d, const struct operation *o,
                      struct result *r)
{
    struct machine_step *s = d->s;
    struct transaction t;
    unsigned place = 0;
    enum status st = transaction_decode(o->value, &t);
    struct mark m = mark(d);

    buf_clear(&s->replies);
    if (st == STATUS_OK)
        st = execute(d, o->key, &t, &place);
    s->saving = false;
    r->status = st;
    if (st != STATUS_OK) {
        if (!PLANTED(TRANSACTION_BY_HALF))
            take_back(d, &m);
        r->argument = place;
        return;
    }
    r->version = d->version;
    r->value = (struct piece){.where = PIECE_OUT,
                              .size = (uint32_t)s->replies.size,
                              .offset = s->out.size};
    buf_append(&s->out, s->replies.data, s->replies.size);
}
