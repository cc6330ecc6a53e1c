/* row_condition.c - compare and set. See rows.h.
 *
 * A number is read, and set to the next one if it is still what was read: by
 * its version, by its value, or by its absence. Of all who try from one number
 * exactly one may succeed, so numbers are given out one by one. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum step { STEP_NOTHING, STEP_READ, STEP_SET };

struct comparing {
    enum step step;
    uint64_t floor, number, version; /* what was read */
};

struct conditions {
    struct tally tally[CLUSTER_GROUPS_MAX];
    struct comparing of[ASKERS_OF_ROW_MAX];
};

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

static struct slice key_of(const struct rows *r, uint32_t group)
{
    return rows_key(r, group, "compared");
}

static void next(struct asker *x)
{
    struct conditions *s = x->row;
    struct comparing *k = &s->of[x->number];
    uint32_t group = rows_group(x);
    struct operation o = {.op = OP_GET, .key = key_of(x->of, group)};

    k->step = STEP_READ;
    k->floor = s->tally[group].heard;
    asker_ask(x, group, &o);
}

static void compare_and_set(struct asker *x, bool absent)
{
    struct conditions *s = x->row;
    struct comparing *k = &s->of[x->number];
    char before[24], after[24];
    struct operation o = {.op = OP_SET, .key = key_of(x->of, x->group)};

    snprintf(before, sizeof before, "%" PRIu64, k->number);
    snprintf(after, sizeof after, "%" PRIu64, k->number + 1);
    o.value = slice_str(after);
    if (absent && asker_below(x, 2)) {
        o.flags = OPERATION_IF_ABSENT;
    } else if (absent || asker_below(x, 2)) {
        o.flags = OPERATION_IF_VERSION;
        o.if_version = k->version;
    } else {
        o.flags = OPERATION_IF_VALUE;
        o.if_value = slice_str(before);
    }
    if (asker_below(x, 2))
        o.flags |= OPERATION_PREVIOUS;
    k->step = STEP_SET;
    k->floor = s->tally[x->group].heard;
    s->tally[x->group].begun++;
    asker_ask(x, x->group, &o);
}

static void told_set(struct asker *x, const struct reply *r)
{
    struct conditions *s = x->row;
    struct comparing *k = &s->of[x->number];
    struct tally *t = &s->tally[x->group];
    bool previous = x->o.flags & OPERATION_PREVIOUS && r->has_value;
    uint64_t was = previous ? (uint64_t)rows_number(x->of, r->value) : 0;

    switch (r->status) {
    case STATUS_EXPIRED:
        t->maybe++;
        break;
    case STATUS_OK:
        if (r->version <= k->version)
            rows_fail(x, "version %" PRIu64 " behind %" PRIu64, r->version,
                      k->version);
        if (previous && was != k->number)
            rows_fail(x, "set from %" PRIu64 ", but %" PRIu64 " was there",
                      k->number, was);
        tally_added(t, x, k->floor, k->number + 1);
        break;
    case STATUS_NOT_MET:
        if (r->version <= k->version)
            rows_fail(x, "not met by version %" PRIu64 ", %" PRIu64
                      " was read", r->version, k->version);
        if (previous && was <= k->number)
            rows_fail(x, "not met by number %" PRIu64 ", %" PRIu64
                      " was read", was, k->number);
        break;
    default:
        rows_fail(x, "told %s", status_name(r->status));
    }
}

static void told(struct asker *x, const struct reply *r)
{
    struct conditions *s = x->row;
    struct comparing *k = &s->of[x->number];

    if (k->step == STEP_SET) {
        k->step = STEP_NOTHING;
        told_set(x, r);
        return;
    }
    k->number = (uint64_t)rows_number(x->of, r->value);
    k->version = r->version;
    tally_read(&s->tally[x->group], x, k->floor, k->number);
    compare_and_set(x, r->status == STATUS_NOT_FOUND);
}

static void quiet(struct rows *r, void *row)
{
    struct conditions *s = row;
    struct layout_value v;

    for (uint32_t g = 1; g <= r->c->o.groups; g++) {
        rows_stored(r, g, key_of(r, g), &v);
        tally_is(&s->tally[g], r, g, "steps by comparing",
                 (uint64_t)rows_number(r, v.bytes));
    }
}

static void release(void *row)
{
    struct conditions *s = row;

    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++)
        tally_release(&s->tally[g]);
}

const struct row_kind row_conditions = {
    {next, told}, sizeof(struct conditions), init, quiet, release,
};
