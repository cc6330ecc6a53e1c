/* course.c - see course.h. */
#include "tests/sim/course.h"

#include <inttypes.h>
#include <string.h>

enum {
    FIRST_MS = 1500,        /* leaders are elected */
    PROGRESS_MS = 10 * 500, /* ten election timeouts */
    ANSWERED_MS = 4000,     /* beyond the longest deadline */
    AGAIN_MS = 10000,       /* an asker has waited for nothing, asks again */
    READ_MS = 2000,
    CONVERGED_MS = 15000,
};

/* ---- what a seed means ---- */

/* What was added later has draws of its own, and is not in every trial: so most
 * seeds still mean what they meant. */
static void draw_more(struct course *x, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed * 0xd1342543de82ef95u + 6);
    if (!rng_below(&rng, 4))
        x->askers[ROW_tenants] = 1 + (unsigned)rng_below(
                                         &rng, ASKERS_OF_ROW_MAX);
    if (!rng_below(&rng, 4))
        x->askers[ROW_moments] = 1 + (unsigned)rng_below(
                                         &rng, ASKERS_OF_ROW_MAX);
}

struct course course_of(uint64_t seed)
{
    static const unsigned nodes[] = {3, 3, 5, 3, 1, 5, 3, 5};
    struct rng rng;
    struct course x = {.o.seed = seed};
    struct cluster_options *o = &x.o;

    rng_init(&rng, seed * 0xd1342543de82ef95u + 5);
    o->nodes = nodes[rng_below(&rng, ARRAY_LEN(nodes))];
    o->loops = 1 + (unsigned)rng_below(&rng, 3);
    o->groups = 1 + (unsigned)rng_below(&rng, 4);
    if (rng_below(&rng, 8) == 0)
        o->groups = CLUSTER_GROUPS_MAX - 1;
    o->replicas = o->nodes == 1 ? 1 : 3;
    if (o->nodes == 5 && rng_below(&rng, 2))
        o->replicas = 5;
    o->flush_bytes = 2000 + rng_below(&rng, 7) * 5000;
    o->trailing = 1 + (unsigned)rng_below(&rng, 5) * 10;
    if (rng_below(&rng, 4) == 0) { /* logs are cut all the time */
        o->flush_bytes = 200;
        o->trailing = rng_below(&rng, 2) ? 1 : o->trailing;
    }
    o->padding_bytes = rng_below(&rng, 6) ? 100 : 600000;
    o->clocks = rng_below(&rng, 2) ? 1000000 : 0;
    o->contiguous = rng_below(&rng, 8) > 0;
    if (rng_below(&rng, 2))
        o->victims = (o->replicas - 1) / 2;
    x.clients = CLUSTER_NODES_MAX + (unsigned)rng_below(&rng, 4);
    x.callers = (unsigned)rng_below(&rng, CALLERS_MAX + 1);
    x.depth = 1 + (unsigned)rng_below(&rng, 6);
    x.pause_max = 20 + (unsigned)rng_below(&rng, 120);
    x.rounds = 1 + (unsigned)rng_below(&rng, 3);
    x.storm_ms = 6000 + (unsigned)rng_below(&rng, 14000);
    x.every_ms = 100u << rng_below(&rng, 5);
    x.registers = rng_below(&rng, 2);
    x.asker_pause_max = 10 + (unsigned)rng_below(&rng, 100);
    for (unsigned i = 0; i < ROW_tenants; i++)
        x.askers[i] = (unsigned)rng_below(&rng, ASKERS_OF_ROW_MAX + 1);
    o->recent_bytes = rng_below(&rng, 2) ? 0 : 200 << 10;
    if (o->nodes > 1)
        x.finale_ms = 3000 + (unsigned)rng_below(&rng, 6000);
    draw_more(&x, seed);
    return x;
}

struct course course_large(uint64_t seed)
{
    struct course x = course_of(seed);

    x.o.nodes = 5;
    x.o.groups = 8;
    x.o.replicas = 3;
    x.o.victims = (unsigned)(seed % 2);
    return x;
}

/* ---- after a storm ---- */

/* How every replica of a group is. */
static void say_group(struct trial *t, uint32_t group)
{
    for (unsigned i = 0; i < t->c.o.nodes; i++) {
        struct sim_node *n = &t->c.nodes[i];
        struct replica *r = n->up ? trial_replica(n, group) : NULL;
        if (!r)
            continue;
        cluster_say(&t->c,
                    "group %u on node %u: replica %" PRIu64 " %s, mode %d, "
                    "role %d, term %" PRIu64 ", leader %" PRIu64
                    ", log ..%" PRIu64 ", committed %" PRIu64
                    ", applied %" PRIu64 ", members at %" PRIu64
                    ", %zu wait, %u in flight",
                    group, n->id, r->id,
                    !r->raft                              ? "out"
                    : group_is_voter(r->raft, r->id)      ? "voter"
                                                          : "standby",
                    (int)r->mode, (int)r->role, r->term, r->leader,
                    r->raft ? group_last(r->raft) : 0, r->committed,
                    r->applied, r->change_index, (size_t)r->proposals.waiting,
                    proposals_in_flight(&r->proposals));
    }
}

static _Noreturn void no_progress(struct trial *t, const size_t *asked,
                                  unsigned probes)
{
    const struct history *h = &t->clients.h;
    unsigned bad = 0;

    network_say(&t->c);
    for (unsigned i = 0; i < probes; i++) {
        const struct past *p = asked[i] < h->n ? &h->v[asked[i]] : NULL;
        if (t->c.nodes[i % t->c.o.nodes].wiped)
            continue;
        if (p && p->state == PAST_ANSWERED && p->status == STATUS_OK)
            continue;
        if (!bad++)
            say_group(t, i / t->c.o.nodes + 1);
        cluster_say(&t->c, "no progress: node %u, group %u: %s",
                    t->c.nodes[i % t->c.o.nodes].id, i / t->c.o.nodes + 1,
                    !p                              ? "not asked"
                    : p->state == PAST_ANSWERED     ? status_name(p->status)
                                                    : "no answer");
    }
    cluster_fail(&t->c, "no progress: %u of %u probes", bad, probes);
}

/* Sets through each node to each group until all succeed. */
static void progress(struct trial *t)
{
    unsigned probes = t->c.o.nodes * t->c.o.groups, good = 0;
    size_t asked[CLUSTER_NODES_MAX * CLUSTER_GROUPS_MAX];
    uint64_t end = t->c.now + PROGRESS_MS;
    struct history *h = &t->clients.h;

    memset(asked, 0xff, sizeof asked);
    while (good < probes) {
        if (t->c.now >= end)
            no_progress(t, asked, probes);
        for (unsigned i = 0; i < probes; i++) {
            unsigned at = i % t->c.o.nodes;
            struct sim_node *n = &t->c.nodes[at];
            unsigned key = i / t->c.o.nodes * KEYS_PER_GROUP;
            const struct past *p = asked[i] < h->n ? &h->v[asked[i]] : NULL;
            if (n->wiped || (p && (p->state == PAST_PENDING ||
                                   p->status == STATUS_OK)))
                continue;
            if (p)
                cluster_say(&t->c, "probe of group %u by node %u: %s",
                            i / t->c.o.nodes + 1, n->id,
                            status_name(p->status));
            if (t->clients.v[at].outstanding < CLIENT_DEPTH_MAX)
                asked[i] = clients_ask(&t->clients, at, n, OP_SET,
                                       READ_LINEARIZABLE, key);
        }
        cluster_run(&t->c, t->c.now + 50);
        good = 0;
        for (unsigned i = 0; i < probes; i++)
            good += t->c.nodes[i % t->c.o.nodes].wiped ||
                    (asked[i] < h->n && h->v[asked[i]].status == STATUS_OK &&
                     h->v[asked[i]].state == PAST_ANSWERED);
    }
}

static void converge(struct trial *t)
{
    uint64_t end = t->c.now + CONVERGED_MS;

    while (!invariants_converged(&t->invariants)) {
        if (t->c.now >= end) {
            network_say(&t->c);
            for (uint32_t g = 0; g <= t->c.o.groups; g++)
                say_group(t, g);
            cluster_fail(&t->c, "waited in vain: equal replicas");
        }
        trial_run(t, 1);
    }
}

static void answer_askers(struct trial *t)
{
    uint64_t end = t->c.now + AGAIN_MS;

    while (rows_waiting(&t->rows)) {
        if (t->c.now >= end)
            rows_waited(&t->rows);
        trial_run(t, 1);
    }
}

static void calm(struct trial *t)
{
    cluster_heal(&t->c);
    clients_stop(&t->clients);
    rows_stop(&t->rows);
    progress(t);
    cluster_run(&t->c, t->c.now + ANSWERED_MS);
    if (clients_waiting(&t->clients))
        cluster_fail(&t->c, "%u requests were never answered",
                     clients_waiting(&t->clients));
    answer_askers(t);
    converge(t);
    rows_quiet(&t->rows);
}

/* ---- the end ---- */

/* A node that still belongs to the cluster. */
static struct sim_node *some_node(struct trial *t)
{
    unsigned first = (unsigned)cluster_random(&t->c, t->c.o.nodes - 1);
    struct sim_node *n;

    do
        n = &t->c.nodes[first++ % t->c.o.nodes];
    while (n->wiped);
    return n;
}

static bool was_read(struct trial *t, size_t number)
{
    const struct past *p = &t->clients.h.v[number];

    return p->state == PAST_ANSWERED &&
           (p->status == STATUS_OK || p->status == STATUS_NOT_FOUND);
}

/* Every key, from several nodes at once. A store that turns out to be damaged
 * only now costs its group a new leader. */
static void read_everything(struct trial *t)
{
    enum { TRIES = 6 };
    size_t asked[CLIENT_KEYS_MAX];
    unsigned left = t->clients.n_keys;

    memset(asked, 0xff, sizeof asked);
    for (unsigned try = 0; left && try < TRIES; try++) {
        for (unsigned key = 0; key < t->clients.n_keys; key++) {
            struct sim_node *n = some_node(t);
            if (asked[key] != SIZE_MAX && was_read(t, asked[key]))
                continue;
            asked[key] = clients_ask(&t->clients, n->place, n, OP_GET,
                                     READ_LINEARIZABLE, key);
            if (key % 6 == 5)
                cluster_run(&t->c, t->c.now + 200);
        }
        cluster_run(&t->c, t->c.now + READ_MS);
        left = 0;
        for (unsigned key = 0; key < t->clients.n_keys; key++)
            left += !was_read(t, asked[key]);
        if (left && !t->c.o.victims)
            break;
    }
    if (left)
        cluster_fail(&t->c, "%u keys cannot be read in calm weather", left);
}

/* Everybody asks, and what was planned goes wrong; then all is well again. */
static void storm(struct trial *t, unsigned ms)
{
    clients_run(&t->clients);
    rows_run(&t->rows);
    trial_run(t, ms);
    calm(t);
}

void course_run(struct trial *t, const struct course *x)
{
    t->faults.skip = x->skip;
    t->faults.n_skip = x->n_skip;
    trial_init(t, &x->o);
    t->clients.n = x->clients;
    t->clients.depth = x->depth;
    t->clients.pause_max = x->pause_max;
    t->clients.registers = x->registers;
    t->clients.begun_max = x->operations_max;
    clients_callers(&t->clients, x->callers);
    rows_init(&t->rows, &t->c, &t->clients, x->askers, x->asker_pause_max);
    trial_run(t, FIRST_MS);
    for (unsigned round = 0; round < x->rounds; round++) {
        faults_plan(&t->faults, x->storm_ms, x->every_ms);
        storm(t, x->storm_ms);
    }
    if (x->finale_ms) {
        faults_finale(&t->faults, x->finale_ms);
        storm(t, x->finale_ms);
    }
    read_everything(t);
    trial_judge(t);
}
