/* row_count.c - counters: INCR and the length that APPEND makes. See rows.h.
 *
 * Each asker adds one and is told what came out. In the row `moments` each is
 * for every addition a client of its own, which may be executed at that moment
 * only, and asks twice in it. */
#include "tests/sim/rows.h"

#include <stdlib.h>

enum { APPEND_MAX = 6000 };

struct counting {
    uint64_t floor;
    bool append;
};

struct counters {
    const char *number_key, *length_key;
    struct tally number[CLUSTER_GROUPS_MAX], length[CLUSTER_GROUPS_MAX];
    struct counting of[ASKERS_OF_ROW_MAX];
};

static struct tally *tally_of(struct counters *s, uint32_t group, bool append)
{
    return append ? &s->length[group] : &s->number[group];
}

static struct slice key_of(const struct counters *s, const struct rows *r,
                           uint32_t group, bool append)
{
    return rows_key(r, group, "%s", append ? s->length_key : s->number_key);
}

static void init(struct rows *r UNUSED, void *row)
{
    struct counters *s = row;

    s->number_key = "count";
    s->length_key = "length";
}

static void init_moments(struct rows *r UNUSED, void *row)
{
    struct counters *s = row;

    s->number_key = "count-moment";
    s->length_key = "length-moment";
}

static void next(struct asker *x)
{
    struct counters *s = x->row;
    struct counting *k = &s->of[x->number];
    uint32_t group = rows_group(x);
    struct tally *t;
    struct operation o = {.op = OP_INCR, .argument = 1};

    k->append = !asker_below(x, 3);
    t = tally_of(s, group, k->append);
    if (k->append && t->begun >= APPEND_MAX)
        k->append = false;
    t = tally_of(s, group, k->append);
    o.key = key_of(s, x->of, group, k->append);
    if (k->append)
        o = (struct operation){.op = OP_APPEND, .key = o.key,
                               .value = slice_str("x")};
    if (!asker_below(x, 4))
        o = (struct operation){.op = OP_GET, .key = o.key};
    else
        t->begun++;
    k->floor = t->heard;
    asker_ask(x, group, &o);
}

static void told(struct asker *x, const struct reply *r)
{
    struct counters *s = x->row;
    struct counting *k = &s->of[x->number];
    struct tally *t = tally_of(s, x->group, k->append);

    if (r->status == STATUS_EXPIRED)
        t->maybe++;
    else if (x->o.op == OP_GET)
        tally_read(t, x, k->floor,
                   k->append ? r->value.size
                             : (uint64_t)rows_number(x->of, r->value));
    else if (r->status != STATUS_OK)
        rows_fail(x, "told %s", status_name(r->status));
    else
        tally_added(t, x, k->floor,
                    k->append ? r->argument
                              : (uint64_t)rows_number(x->of, r->value));
}

static void quiet(struct rows *r, void *row)
{
    struct counters *s = row;
    struct layout_value v;

    for (uint32_t g = 1; g <= r->c->o.groups; g++) {
        rows_stored(r, g, key_of(s, r, g, false), &v);
        tally_is(&s->number[g], r, g, "additions",
                 (uint64_t)rows_number(r, v.bytes));
        rows_stored(r, g, key_of(s, r, g, true), &v);
        tally_is(&s->length[g], r, g, "bytes appended", v.bytes.size);
    }
}

static void release(void *row)
{
    struct counters *s = row;

    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++) {
        tally_release(&s->number[g]);
        tally_release(&s->length[g]);
    }
}

const struct row_kind row_counters = {
    .asker = {next, told}, .bytes = sizeof(struct counters), .init = init,
    .quiet = quiet, .release = release,
};

const struct row_kind row_moments = {
    .asker = {next, told, .momentary = true},
    .bytes = sizeof(struct counters), .init = init_moments,
    .quiet = quiet, .release = release,
};
