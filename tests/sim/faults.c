/* faults.c - the schedule, and what several faults need. See faults.h. */
#include "tests/sim/faults_impl.h"

#include <stdlib.h>
#include <string.h>

const char *const fault_names[FAULT_KINDS] = {
#define X(name, weight) #name,
    FAULT_LIST(X)
    FAULT_STRANGE_LIST(X)
#undef X
};

static const unsigned weights[FAULT_KINDS] = {
#define X(name, weight) weight,
    FAULT_LIST(X)
    FAULT_STRANGE_LIST(X)
#undef X
};

/* ---- what several need ---- */

struct sim_node *any_node(struct happening *h)
{
    return &h->c->nodes[draw(h, h->c->o.nodes - 1)];
}

struct sim_node *any_victim(struct happening *h)
{
    struct sim_node *n;

    if (!h->c->o.victims)
        return NULL;
    n = &h->c->nodes[draw(h, h->c->o.victims - 1)];
    return n->wiped ? NULL : n;
}

struct replica *leader_on(struct sim_node *n, uint32_t group)
{
    struct replica *r =
        n->up ? shard_find(loop_of(n, group)->shard, group) : NULL;

    return r && r->raft && r->role == GROUP_LEADER ? r : NULL;
}

struct sim_node *any_leader(struct happening *h, uint32_t *group)
{
    unsigned first = (unsigned)draw(h, h->c->o.nodes - 1);

    *group = (uint32_t)draw(h, h->c->o.groups);
    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        struct sim_node *n = &h->c->nodes[(first + i) % h->c->o.nodes];
        if (leader_on(n, *group))
            return n;
    }
    return NULL;
}

void rise(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
          bool dropped)
{
    struct sim_node *n = arg;

    if (dropped)
        return;
    if (n->up && (n->crash_after || n->disk.sync_fails || n->stopping)) {
        cluster_later(c, NULL, 200, rise, n);
        return;
    }
    if (!n->up && n->map)
        start_node(c, n);
}

void rise_later(struct happening *h, struct sim_node *n)
{
    uint64_t ms = draw(h, 4) ? 50 + draw(h, 1500) : 50 + draw(h, 8000);

    cluster_later(h->c, NULL, ms, rise, n);
}

void flush_node(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_FLUSH_WANTED};

    if (n->paused_until > c->now)
        return; /* a process that stands still does nothing */
    for (unsigned i = 0; n->up && i < n->n_replicas; i++) {
        e.flush_wanted.group = n->replicas[i].group;
        loop_post_event(c, &n->loops[0], loop_of(n, e.flush_wanted.group),
                        &e);
    }
}

/* ---- weather ---- */

struct spell {
    unsigned *what;
    unsigned was;
};

static void spell_ends(struct cluster *c UNUSED, struct sim_loop *none UNUSED,
                       void *arg, bool dropped)
{
    struct spell *s = arg;

    if (!dropped)
        *s->what = s->was;
    free(s);
}

void spell(struct happening *h, unsigned *what, uint64_t to, uint64_t usual)
{
    struct spell *s = xmalloc(sizeof *s);

    *s = (struct spell){what, (unsigned)usual};
    *what = (unsigned)to;
    cluster_later(h->c, NULL, 200 + draw(h, 4000), spell_ends, s);
}

/* ---- the schedule ---- */

static void (*const functions[FAULT_KINDS])(struct happening *h) = {
#define X(name, weight) fault_##name,
    FAULT_LIST(X)
    FAULT_STRANGE_LIST(X)
#undef X
};

static void strike(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                   bool dropped)
{
    struct fault *f = arg;
    struct happening h = {.c = c, .heals = c->heals};

    if (dropped)
        return;
    rng_init(&h.rng, f->seed);
    f->of->count[f->kind]++;
    cluster_say(c, "fault %u: %s", f->number, fault_names[f->kind]);
    functions[f->kind](&h);
}

/* One of kinds first .. end - 1. */
static enum fault_kind any_kind(struct rng *rng, const unsigned *of,
                                unsigned first, unsigned end)
{
    unsigned sum = 0, at;

    for (unsigned i = first; i < end; i++)
        sum += of[i];
    at = (unsigned)rng_below(rng, sum);
    for (unsigned i = first;; i++) {
        if (at < of[i])
            return (enum fault_kind)i;
        at -= of[i];
    }
}

/* This seed's mix. */
static void choose_weights(struct faults *f)
{
    enum { OFTEN = 60 };
    unsigned favourites = (unsigned)rng_below(&f->rng, 4);

    memcpy(f->weights, weights, sizeof f->weights);
    if (rng_below(&f->rng, 2))
        return;
    for (unsigned i = 0; i < FAULT_USUAL; i++)
        if (rng_below(&f->rng, 2))
            f->weights[i] = 0;
    for (unsigned i = 0; i <= favourites; i++)
        f->weights[rng_below(&f->rng, FAULT_USUAL)] = OFTEN;
}

void cluster_misfortune(struct cluster *c)
{
    struct happening h = {.c = c, .heals = c->heals};
    enum fault_kind kind =
        any_kind(&c->rng[STREAM_WORLD], weights, 0, FAULT_USUAL);

    rng_init(&h.rng, rng_next(&c->rng[STREAM_WORLD]));
    cluster_say(c, "fault: %s", fault_names[kind]);
    functions[kind](&h);
}

void faults_init(struct faults *f, struct cluster *c)
{
    const uint8_t *skip = f->skip;
    unsigned n_skip = f->n_skip;

    *f = (struct faults){.c = c, .skip = skip, .n_skip = n_skip};
    rng_init(&f->rng, c->o.seed * 0x9e3779b97f4a7c15u + 77);
    choose_weights(f);
    rng_init(&f->strange, c->o.seed * 0xd1342543de82ef95u + 55);
    f->with_strange = rng_below(&f->strange, 3) == 0;
    rng_init(&f->last, c->o.seed * 0xd1342543de82ef95u + 99);
}

void faults_release(struct faults *f)
{
    for (unsigned i = 0; i < f->n; i++)
        free(f->v[i]);
    f->n = 0;
}

/* `kind` at `at` from now. */
static void plan(struct faults *f, enum fault_kind kind, uint64_t at,
                 uint64_t seed)
{
    struct fault *x = xmalloc(sizeof *x);

    *x = (struct fault){.of = f, .number = f->n, .kind = kind,
                        .at = f->c->now + at, .seed = seed};
    f->v[f->n++] = x;
    if (x->number < f->n_skip && f->skip[x->number])
        return;
    cluster_later(f->c, NULL, at, strike, x);
}

static void plan_from(struct faults *f, struct rng *rng, unsigned first,
                      unsigned end, uint64_t ms, uint64_t every)
{
    uint64_t at = 0;

    while (f->n < FAULTS_MAX) {
        enum fault_kind kind;
        at += 1 + rng_below(rng, 2 * every);
        if (at >= ms)
            return;
        kind = any_kind(rng, f->weights, first, end);
        plan(f, kind, at, rng_next(rng));
    }
}

void faults_plan(struct faults *f, uint64_t ms, uint64_t every)
{
    plan_from(f, &f->rng, 0, FAULT_USUAL, ms, every);
    if (f->with_strange)
        plan_from(f, &f->strange, FAULT_USUAL, FAULT_KINDS, ms, 2 * every);
}

void faults_finale(struct faults *f, uint64_t ms)
{
    static const enum fault_kind slow[] = {
        FAULT_alone,  FAULT_deaf,     FAULT_behind,
        FAULT_change, FAULT_transfer, FAULT_hung_disk,
    };
    enum { EVERY_MS = 1500, OTHER = 5 };
    enum fault_kind kind = slow[rng_below(&f->last, ARRAY_LEN(slow))];
    uint64_t at = 0;

    while ((at += 1 + rng_below(&f->last, 2 * EVERY_MS)) < ms &&
           f->n < FAULTS_MAX) {
        bool other = rng_below(&f->last, OTHER) == 0;
        plan(f,
             other ? any_kind(&f->last, weights, 0, FAULT_USUAL) : kind, at,
             rng_next(&f->last));
    }
}
