/* rows.c - see rows.h. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/invariants.h"

const char *const row_names[ROW_KINDS] = {
#define X(name) #name,
    ROW_LIST(X)
#undef X
};

static const struct row_kind *const kinds[ROW_KINDS] = {
#define X(name) &row_##name,
    ROW_LIST(X)
#undef X
};

static void add_askers(struct rows *r, enum row_number k, unsigned n)
{
    n = MIN_OF(n, (unsigned)ASKERS_OF_ROW_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct asker *x = &r->asker[r->n];
        asker_init(x, r, ASKER_PLACE + r->n, &kinds[k]->asker, r->row[k], i,
                   i && r->c->o.seed % 2 ? x - i : NULL);
        r->n++;
    }
}

void rows_init(struct rows *r, struct cluster *c, struct clients *clients,
               const unsigned *askers, unsigned pause_max)
{
    *r = (struct rows){.c = c, .clients = clients, .pause_max = pause_max};
    for (unsigned k = 0; k < ROW_KINDS; k++) {
        if (!askers[k])
            continue;
        r->row[k] = xcalloc(1, kinds[k]->bytes);
        kinds[k]->init(r, r->row[k]);
        if (kinds[k]->start)
            kinds[k]->start(r, r->row[k], askers[k]);
        else
            add_askers(r, k, askers[k]);
    }
}

void rows_release(struct rows *r)
{
    for (unsigned i = 0; i < r->n; i++)
        asker_release(&r->asker[i]);
    for (unsigned k = 0; k < ROW_KINDS; k++) {
        if (r->row[k] && kinds[k]->release)
            kinds[k]->release(r->row[k]);
        free(r->row[k]);
    }
    *r = (struct rows){0};
}

void rows_run(struct rows *r)
{
    r->running = true;
    for (unsigned i = 0; i < r->n; i++)
        asker_run(&r->asker[i]);
}

void rows_stop(struct rows *r)
{
    r->running = false;
}

unsigned rows_waiting(const struct rows *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n; i++)
        n += r->asker[i].busy;
    return n;
}

void rows_waited(const struct rows *r)
{
    const struct asker *x = r->asker;

    while (!x->busy)
        x++;
    rows_fail(x, "waited in vain for an answer to op %d, key %.*s: %u times, "
              "the last refusal was %s",
              (int)x->o.op, (int)MIN_OF(x->o.key.size, (size_t)40),
              (const char *)x->o.key.data, x->attempts, status_name(x->last));
}

void rows_quiet(struct rows *r)
{
    for (unsigned k = 0; k < ROW_KINDS; k++)
        if (r->row[k])
            kinds[k]->quiet(r, r->row[k]);
}

/* ---- the judge's hooks ---- */

bool rows_replied(struct rows *r, struct sim_node *n, const struct effect *e)
{
    uint32_t at = (uint32_t)e->reply.to.conn - ASKER_PLACE;

    if (at < r->n) {
        asker_replied(&r->asker[at], n, e);
        return true;
    }
    for (unsigned k = 0; k < ROW_KINDS; k++)
        if (r->row[k] && kinds[k]->replied &&
            kinds[k]->replied(r, r->row[k], n, e))
            return true;
    return false;
}

uint64_t rows_part(struct rows *r, struct sim_node *n, const struct effect *e)
{
    for (unsigned k = 0; k < ROW_KINDS; k++)
        if (r->row[k] && kinds[k]->part)
            return kinds[k]->part(r, r->row[k], n, e);
    return 0;
}

void rows_died(struct rows *r, struct sim_node *n)
{
    for (unsigned i = 0; i < r->n; i++)
        asker_died(&r->asker[i], n);
    for (unsigned k = 0; k < ROW_KINDS; k++)
        if (r->row[k] && kinds[k]->died)
            kinds[k]->died(r, r->row[k], n);
}

/* A clock that is ahead of all others does not matter where others can be
 * asked: the second of them, at its furthest, bounds the groups' clocks. */
static uint64_t bound_of_clocks(const struct rows *r)
{
    uint64_t first = 0, second = 0;

    for (unsigned i = 0; i < r->c->o.nodes; i++) {
        uint64_t wall = cluster_wall_max(r->c, &r->c->nodes[i]);
        second = MAX_OF(second, MIN_OF(first, wall));
        first = MAX_OF(first, wall);
    }
    return r->c->o.nodes < 3 ? first : second;
}

void rows_applying(struct rows *r, struct sim_node *n, struct sim_replica *x)
{
    for (unsigned k = 0; k < ROW_KINDS; k++)
        if (r->row[k] && kinds[k]->applying)
            kinds[k]->applying(r, r->row[k], n, x);
}

void rows_applied(struct rows *r, struct sim_node *n, struct sim_replica *x)
{
    enum { TICK_MS = 1000 };
    uint64_t clock, bound;

    if (!r->n)
        return;
    clock = mem_table_record(&x->open->live).clock_ms;
    r->clock[x->group] = MAX_OF(r->clock[x->group], clock);
    bound = bound_of_clocks(r);
    if (clock > bound + TICK_MS)
        cluster_fail(r->c, "node %u group %u: its clock is %" PRIu64
                     ", all but one clock were below %" PRIu64,
                     n->id, x->group, clock, bound);
}

/* ---- for rows and askers ---- */

static enum row_number row_of(const struct asker *x)
{
    enum row_number k = 0;

    while (&kinds[k]->asker != x->kind)
        k++;
    return k;
}

const char *rows_name(const struct asker *x)
{
    return row_names[row_of(x)];
}

void rows_count(struct asker *x, enum status st)
{
    if (st != STATUS_EXPIRED)
        x->of->count.row[row_of(x)]++;
}

void rows_fail(const struct asker *x, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cluster_fail(x->of->c, "%s: asker %u, group %u, sequence %" PRIu64 ": %s",
                 rows_name(x), x->place, x->group, x->session.sequence, text);
}

void rows_heard(struct rows *r, uint32_t group, const struct reply *m)
{
    struct heard *h = &r->heard[group];

    if (m->clock > h->clock) {
        h->clock = m->clock;
        h->at = r->c->now;
    }
    h->index = MAX_OF(h->index, m->version >> 10);
}

struct slice rows_key(const struct rows *r, uint32_t group, const char *fmt,
                      ...)
{
    enum { KEPT = 16 };
    static char kept[KEPT][64];
    static unsigned next;
    char *text = kept[next++ % KEPT];
    va_list args;
    int n = snprintf(text, sizeof kept[0], "{%s}",
                     r->clients->keys[(group - 1) * KEYS_PER_GROUP]);

    va_start(args, fmt);
    vsnprintf(text + n, sizeof kept[0] - (size_t)n, fmt, args);
    va_end(args);
    return slice_str(text);
}

uint32_t rows_group(struct asker *x)
{
    return 1 + (uint32_t)asker_below(x, x->of->c->o.groups);
}

const struct mem_table *rows_table(struct rows *r, uint32_t group)
{
    for (unsigned i = 0; i < r->c->o.nodes; i++) {
        struct sim_node *n = &r->c->nodes[i];
        struct sim_replica *x = cluster_replica(n, group);
        if (n->up && x && invariants_counts(n, group))
            return &x->open->live;
    }
    cluster_fail(r->c, "group %u has no replica", group);
}

bool rows_stored(struct rows *r, uint32_t group, struct slice key,
                 struct layout_value *out)
{
    return rows_stored_in(r, group, 0, key, out);
}

bool rows_stored_in(struct rows *r, uint32_t group, uint32_t keyspace,
                    struct slice key, struct layout_value *out)
{
    const struct mem_table *t = rows_table(r, group);
    const struct mem_row *row;
    struct buf k = {0};

    layout_data_key_append(&k, keyspace, key);
    row = mem_table_get(t, buf_slice(&k));
    buf_release(&k);
    *out = (struct layout_value){0};
    if (!row)
        return false;
    if (layout_value_parse(mem_row_value(row), out) != STATUS_OK)
        cluster_fail(r->c, "group %u: a record that cannot be read", group);
    return machine_live(out->expire_at_ms, mem_table_record(t).clock_ms);
}

int64_t rows_number(const struct rows *r, struct slice text)
{
    char copy[24] = {0}, *end;
    int64_t n;

    if (!text.size)
        return 0;
    if (text.size >= sizeof copy)
        cluster_fail(r->c, "a number of %zu bytes", text.size);
    memcpy(copy, text.data, text.size);
    n = strtoll(copy, &end, 10);
    if (*end)
        cluster_fail(r->c, "'%s' is no number", copy);
    return n;
}

/* ---- numbers that are given out one by one ---- */

void tally_release(struct tally *t)
{
    free(t->told);
}

void tally_added(struct tally *t, const struct asker *x, uint64_t floor,
                 uint64_t n)
{
    if (n <= floor)
        rows_fail(x, "got %" PRIu64 ", but %" PRIu64 " was there before it "
                  "was asked", n, floor);
    if (n > t->begun)
        rows_fail(x, "got %" PRIu64 " of %" PRIu64 " additions", n, t->begun);
    if (n >= t->cap) {
        uint64_t cap = MAX_OF(n + 1, t->cap * 2);
        t->told = xrealloc(t->told, cap);
        memset(t->told + t->cap, 0, cap - t->cap);
        t->cap = cap;
    }
    if (t->told[n])
        rows_fail(x, "got %" PRIu64 ", as another did", n);
    t->told[n] = 1;
    t->done++;
    t->heard = MAX_OF(t->heard, n);
}

void tally_read(struct tally *t, const struct asker *x, uint64_t floor,
                uint64_t n)
{
    if (n < floor)
        rows_fail(x, "read %" PRIu64 ", but %" PRIu64 " was there before it "
                  "was asked", n, floor);
    if (n > t->begun)
        rows_fail(x, "read %" PRIu64 " of %" PRIu64 " additions", n,
                  t->begun);
    t->heard = MAX_OF(t->heard, n);
}

void tally_is(const struct tally *t, const struct rows *r, uint32_t group,
              const char *what, uint64_t n)
{
    if (n < t->done || n > t->done + t->maybe || n < t->heard)
        cluster_fail(r->c, "group %u: %s are %" PRIu64 ", but %" PRIu64
                     " were done and %" PRIu64 " are unknown",
                     group, what, n, t->done, t->maybe);
}
