/* row_lock.c - locks, as client/lock.c makes them: a key with a deadline that
 * is set if it is absent; its version is the holder's token. See rows.h.
 *
 * Tokens only grow; by the group's clock there is one holder at a time; a
 * write behind a token is refused once a higher one was presented, so what a
 * late holder writes never follows what a later one wrote. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum lock_step { LOCK_TAKE, LOCK_KEEP, LOCK_WRITE, LOCK_LEAVE };

/* A lock that was taken. */
struct taken {
    uint64_t token, clock; /* when */
    uint64_t until;        /* as far as its holder was told */
    uint64_t left;         /* version of the unlock; 0: it was not */
    bool unsure;           /* an unlock or a keep came to nobody knows what */
};

/* A guarded write that was done, or a lock that was found taken. */
struct version_and_token {
    uint64_t version, token;
};

struct pairs {
    struct version_and_token *v;
    size_t n, cap;
};

struct lock {
    struct taken *taken;
    size_t n, cap;
    uint64_t highest;      /* token anybody was told */
    struct pairs written;  /* behind fences */
    struct pairs found;    /* in whose hands others found it */
    bool unsure;           /* a taking came to nobody knows what */
};

struct holder {
    enum lock_step step;
    bool holds;
    uint32_t group;
    size_t at;             /* which of `taken` */
    uint64_t floor;        /* highest token when it was asked */
};

struct locks {
    struct lock of_group[CLUSTER_GROUPS_MAX];
    struct holder of[ASKERS_OF_ROW_MAX];
};

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

static void add_pair(struct pairs *p, uint64_t version, uint64_t token)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->v = xrealloc(p->v, p->cap * sizeof *p->v);
    }
    p->v[p->n++] = (struct version_and_token){version, token};
}

/* ---- what is asked ---- */

static void next(struct asker *x)
{
    struct locks *s = x->row;
    struct holder *k = &s->of[x->number];
    struct lock *l;
    struct operation o = {.op = OP_SET, .value = slice_str("holder")};
    uint64_t token;

    if (!k->holds)
        k->group = rows_group(x);
    l = &s->of_group[k->group];
    token = k->holds ? l->taken[k->at].token : 0;
    k->step = LOCK_TAKE;
    if (k->holds)
        k->step = asker_below(x, 8) == 0   ? LOCK_LEAVE
                  : asker_below(x, 4) == 0 ? LOCK_KEEP
                                           : LOCK_WRITE;
    k->floor = l->highest;
    o.key = rows_key(x->of, k->group,
                     k->step == LOCK_WRITE ? "guarded" : "lock");
    switch (k->step) {
    case LOCK_TAKE:
        o.flags = OPERATION_IF_ABSENT | OPERATION_TTL;
        o.expire = 100 + asker_below(x, 1500);
        break;
    case LOCK_KEEP:
        o.op = OP_EXPIRE;
        o.flags = OPERATION_IF_VERSION | OPERATION_TTL;
        o.if_version = token;
        o.expire = 100 + asker_below(x, 1500);
        o.value = slice_of(NULL, 0);
        break;
    case LOCK_WRITE:
        o.flags = OPERATION_IF_FENCE;
        o.fence = token;
        break;
    case LOCK_LEAVE:
        o.op = OP_DELETE;
        o.flags = OPERATION_IF_VERSION;
        o.if_version = token;
        o.value = slice_of(NULL, 0);
        break;
    }
    asker_ask(x, k->group, &o);
}

/* ---- what comes of it ---- */

static void told_take(struct asker *x, struct holder *k, struct lock *l,
                      const struct reply *r)
{
    if (r->status == STATUS_EXPIRED) {
        l->unsure = true;
        return;
    }
    if (r->status == STATUS_NOT_MET) {
        add_pair(&l->found, r->version, 0);
        x->rest = 20 + asker_below(x, 200);
        return;
    }
    if (r->status != STATUS_OK)
        rows_fail(x, "told %s", status_name(r->status));
    if (r->version <= k->floor)
        rows_fail(x, "token %" PRIu64 ", but %" PRIu64 " was given before",
                  r->version, k->floor);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->taken = xrealloc(l->taken, l->cap * sizeof *l->taken);
    }
    k->holds = true;
    k->at = l->n;
    l->taken[l->n++] = (struct taken){r->version, r->clock,
                                      r->clock + x->o.expire, 0, false};
    l->highest = MAX_OF(l->highest, r->version);
}

static void told_held(struct asker *x, struct holder *k, struct lock *l,
                      const struct reply *r)
{
    struct taken *t = &l->taken[k->at];
    bool write = k->step == LOCK_WRITE;

    if (r->status == STATUS_EXPIRED) {
        t->unsure |= !write;
        return;
    }
    switch (r->status) {
    case STATUS_OK:
        if (write) {
            add_pair(&l->written, r->version, t->token);
            break;
        }
        if (r->clock >= t->until && !t->unsure)
            rows_fail(x, "still held at clock %" PRIu64 ", it was until %"
                      PRIu64, r->clock, t->until);
        if (k->step == LOCK_KEEP) {
            t->until = r->clock + x->o.expire;
        } else {
            t->left = r->version;
            k->holds = false;
        }
        break;
    case STATUS_NOT_MET:
        if (write || (r->clock < t->until && !t->unsure))
            rows_fail(x, "lost at clock %" PRIu64 ", it was until %" PRIu64,
                      r->clock, t->until);
        k->holds = asker_below(x, 3); /* or it goes on without knowing */
        break;
    case STATUS_FENCED:
        if (!write || (l->highest <= t->token && !l->unsure))
            rows_fail(x, "token %" PRIu64 " is refused, the highest is %"
                      PRIu64, t->token, l->highest);
        k->holds = false;
        break;
    default:
        rows_fail(x, "told %s", status_name(r->status));
    }
}

static void told(struct asker *x, const struct reply *r)
{
    struct locks *s = x->row;
    struct holder *k = &s->of[x->number];
    struct lock *l = &s->of_group[x->group];

    if (k->step == LOCK_TAKE)
        told_take(x, k, l, r);
    else
        told_held(x, k, l, r);
    if (k->holds && !asker_below(x, 10))
        x->rest = asker_below(x, 2500); /* holds it and sleeps */
}

/* ---- all of it together ---- */

static int by_token(const void *a, const void *b)
{
    const struct taken *x = a, *y = b;

    return x->token < y->token ? -1 : x->token > y->token;
}

static int by_version(const void *a, const void *b)
{
    const struct version_and_token *x = a, *y = b;

    return x->version < y->version ? -1 : x->version > y->version;
}

static void one_holder_at_a_time(struct rows *r, uint32_t group,
                                 const struct lock *l)
{
    for (size_t i = 1; i < l->n; i++) {
        const struct taken *a = &l->taken[i - 1], *b = &l->taken[i];
        if (a->unsure || l->unsure)
            continue;
        if ((!a->left || a->left > b->token) && b->clock < a->until)
            cluster_fail(r->c, "group %u: lock %" PRIu64 " is held until %"
                         PRIu64 ", %" PRIu64 " was taken at %" PRIu64,
                         group, a->token, a->until, b->token, b->clock);
    }
}

static void fences_hold(struct rows *r, uint32_t group,
                        const struct pairs *written)
{
    for (size_t i = 1; i < written->n; i++)
        if (written->v[i].token < written->v[i - 1].token)
            cluster_fail(r->c, "group %u: %" PRIu64 " was written by token %"
                         PRIu64 " behind a write by token %" PRIu64,
                         group, written->v[i].version, written->v[i].token,
                         written->v[i - 1].token);
}

/* Whoever had it was told so. */
static void found_was_taken(struct rows *r, uint32_t group,
                            const struct lock *l)
{
    for (size_t i = 0; i < l->found.n && !l->unsure; i++) {
        struct taken key = {.token = l->found.v[i].version};
        if (!bsearch(&key, l->taken, l->n, sizeof *l->taken, by_token))
            cluster_fail(r->c, "group %u: lock %" PRIu64 " was found taken, "
                         "but nobody got it", group, key.token);
    }
}

static void quiet(struct rows *r, void *row)
{
    struct locks *s = row;

    for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++)
        s->of[i].holds = false; /* `at` is about to move */
    for (uint32_t g = 1; g <= r->c->o.groups; g++) {
        struct lock *l = &s->of_group[g];
        if (l->n)
            qsort(l->taken, l->n, sizeof *l->taken, by_token);
        if (l->written.n)
            qsort(l->written.v, l->written.n, sizeof *l->written.v,
                  by_version);
        one_holder_at_a_time(r, g, l);
        fences_hold(r, g, &l->written);
        found_was_taken(r, g, l);
    }
}

static void release(void *row)
{
    struct locks *s = row;

    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++) {
        free(s->of_group[g].taken);
        free(s->of_group[g].written.v);
        free(s->of_group[g].found.v);
    }
}

const struct row_kind row_locks = {
    {next, told}, sizeof(struct locks), init, quiet, release,
};
