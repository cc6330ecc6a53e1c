/* cluster.c - time, tasks, weather; see cluster.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/cluster.h"
#include "tests/sim/fail.h"
#include "tests/unit/proto/map_sample.h"

void cluster_fail(struct cluster *c, const char *fmt, ...)
{
    char what[512], text[640];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    snprintf(text, sizeof text,
             "seed %" PRIu64 " (%u nodes, %u groups, %u replicas) at %" PRIu64
             " ms: %s",
             c->o.seed, c->o.nodes, c->o.groups, c->o.replicas, c->now, what);
    sim_fail(text);
}

void cluster_say(struct cluster *c, const char *fmt, ...)
{
    va_list args;

    if (!c->o.verbose)
        return;
    va_start(args, fmt);
    printf("%8" PRIu64 " ", c->now);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

bool cluster_chance(struct cluster *c, unsigned in_1000)
{
    return rng_below(&c->rng, 1000) < in_1000;
}

uint64_t cluster_random(struct cluster *c, uint64_t max)
{
    return rng_below(&c->rng, max + 1);
}

/* ---- tasks: a heap by time, then by the order of asking ---- */

static bool before(const struct task *a, const struct task *b)
{
    return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void heap_push(struct cluster *c, struct task t)
{
    unsigned i = c->n_tasks++;

    if (c->n_tasks > c->cap_tasks) {
        c->cap_tasks = c->cap_tasks ? c->cap_tasks * 2 : 256;
        c->heap = xrealloc(c->heap, c->cap_tasks * sizeof *c->heap);
    }
    for (; i > 0 && before(&t, &c->heap[(i - 1) / 2]); i = (i - 1) / 2)
        c->heap[i] = c->heap[(i - 1) / 2];
    c->heap[i] = t;
}

static struct task heap_pop(struct cluster *c)
{
    struct task top = c->heap[0], last = c->heap[--c->n_tasks];
    unsigned i = 0, child;

    while ((child = 2 * i + 1) < c->n_tasks) {
        if (child + 1 < c->n_tasks &&
            before(&c->heap[child + 1], &c->heap[child]))
            child++;
        if (!before(&c->heap[child], &last))
            break;
        c->heap[i] = c->heap[child];
        i = child;
    }
    c->heap[i] = last;
    return top;
}

void cluster_later(struct cluster *c, struct sim_loop *l, uint64_t delay,
                   task_fn *run, void *arg)
{
    struct task t = {
        .due = c->now + delay,
        .seq = c->next_seq++,
        .node = l ? l->node->place : CLUSTER_NOBODY,
        .loop = l ? l->index : 0,
        .boot = l ? l->node->boot : 0,
        .run = run,
        .arg = arg,
    };

    heap_push(c, t);
}

static void run_task(struct cluster *c, struct task *t)
{
    struct sim_node *n =
        t->node == CLUSTER_NOBODY ? NULL : &c->nodes[t->node];

    if (!n) {
        t->run(c, NULL, t->arg, false);
        return;
    }
    if (!n->up || n->boot != t->boot) {
        t->run(c, &n->loops[t->loop], t->arg, true);
        return;
    }
    if (n->paused_until > c->now) {
        t->due = n->paused_until; /* keeps its place among the others */
        heap_push(c, *t);
        return;
    }
    t->run(c, &n->loops[t->loop], t->arg, false);
}

void cluster_run(struct cluster *c, uint64_t until)
{
    while (c->n_tasks && c->heap[0].due <= until) {
        struct task t = heap_pop(c);
        c->now = t.due;
        run_task(c, &t);
    }
    c->now = until;
}

/* ---- nodes ---- */

struct sim_node *cluster_node(struct cluster *c, uint32_t id)
{
    for (unsigned i = 0; i < c->o.nodes; i++)
        if (c->nodes[i].id == id)
            return &c->nodes[i];
    return NULL;
}

struct sim_replica *cluster_replica(struct sim_node *n, uint32_t group)
{
    for (unsigned i = 0; i < n->n_replicas; i++)
        if (n->replicas[i].group == group)
            return &n->replicas[i];
    return NULL;
}

/* ---- weather ---- */

static void gentle(struct cluster *c)
{
    c->loss = 0;
    c->delay_max = 2;
    c->disk_max = 3;
    c->store_max = 1;
    c->mail_max = 1;
    c->stall = 0;
}

static void rough(struct cluster *c)
{
    c->loss = (unsigned)cluster_random(c, 8);
    c->delay_max = 1 + (unsigned)cluster_random(c, 60);
    c->disk_max = 1 + (unsigned)cluster_random(c, 40);
    c->store_max = (unsigned)cluster_random(c, 20);
    c->mail_max = (unsigned)cluster_random(c, 10);
    c->stall = (unsigned)cluster_random(c, 100);
}

static void restart(struct cluster *c, struct sim_node *n)
{
    if (!n->up)
        start_node(c, n);
}

static void partition(struct cluster *c)
{
    unsigned cut = 1 + (unsigned)cluster_random(c, (1u << c->o.nodes) - 2);
    bool both = cluster_chance(c, 700), now = cluster_chance(c, 500);

    cluster_say(c, "partition %x %s", cut, both ? "both ways" : "one way");
    for (unsigned i = 0; i < c->o.nodes; i++) {
        for (unsigned j = 0; j < c->o.nodes; j++) {
            bool across = i != j && (cut >> i & 1) != (cut >> j & 1);
            if (across && (both || cut >> i & 1))
                network_block(c, i, j, true, now);
        }
    }
}

static void unblock(struct cluster *c)
{
    for (unsigned i = 0; i < c->o.nodes; i++)
        for (unsigned j = 0; j < c->o.nodes; j++)
            network_block(c, i, j, false, false);
}

static void stop(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_STOP};

    if (!n->up || n->stopping || n->paused_until > c->now)
        return;
    cluster_say(c, "stop node %u", n->id);
    n->stopping = true;
    c->count.stops++;
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_post_event(c, &n->loops[0], &n->loops[i], &e);
}

/* What a person may ask for: any leader, any target. */
static void transfer(struct cluster *c, struct sim_node *n)
{
    struct sim_loop *l;

    if (!n->up || n->paused_until > c->now)
        return;
    l = &n->loops[cluster_random(c, n->n_loops - 1)];
    for (unsigned i = 0; i < l->shard->n_replicas; i++) {
        struct replica *r = l->shard->replicas[i];
        struct event none = {.type = EVENT_DISK};
        if (!r->raft || r->role != GROUP_LEADER ||
            group_transfer(r->raft, (instant){c->now}, 0,
                           &l->shard->raft_fx) != STATUS_OK)
            continue;
        cluster_say(c, "transfer group %u from node %u", r->group, n->id);
        c->count.transfers++;
        replica_carry(l->shard, r, &l->fx);
        loop_step(c, l, &none);
        return;
    }
}

static void misfortune_of(struct cluster *c, struct sim_node *n)
{
    uint64_t ms = 100 + cluster_random(c, 2000);

    switch (cluster_random(c, 5)) {
    case 0:
        if (n->up)
            start_crash(c, n);
        break;
    case 1:
        stop(c, n);
        break;
    case 2:
        cluster_say(c, "pause node %u for %" PRIu64, n->id, ms);
        n->paused_until = MAX_OF(n->paused_until, c->now + ms);
        break;
    case 3:
        cluster_say(c, "disk of node %u hangs for %" PRIu64, n->id, ms);
        n->slow_disk_until = c->now + ms;
        break;
    case 4:
        n->nearly_full = !n->nearly_full;
        break;
    case 5:
        n->wall_skew_ms = (int64_t)cluster_random(c, 200000) - 100000;
        break;
    }
}

void cluster_misfortune(struct cluster *c)
{
    struct sim_node *n = &c->nodes[cluster_random(c, c->o.nodes - 1)];
    struct sim_node *m = &c->nodes[cluster_random(c, c->o.nodes - 1)];

    switch (cluster_random(c, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        misfortune_of(c, n);
        break;
    case 4:
    case 5:
    case 6:
        restart(c, n);
        break;
    case 7:
        if (c->o.nodes > 1)
            partition(c);
        break;
    case 8:
        unblock(c);
        break;
    case 9:
        if (n != m)
            network_break(c, n->place, m->place,
                          cluster_chance(c, 500) ? CHANNEL_BULK
                                                 : CHANNEL_CONTROL);
        break;
    case 10:
        transfer(c, n);
        break;
    default:
        rough(c);
        break;
    }
}

void cluster_heal(struct cluster *c)
{
    uint64_t when = c->now;

    /* A pause ends when it ends: what was to happen in it happens then. */
    for (unsigned i = 0; i < c->o.nodes; i++) {
        when = MAX_OF(when, c->nodes[i].paused_until);
        when = MAX_OF(when, c->nodes[i].slow_disk_until);
    }
    cluster_run(c, when);
    cluster_say(c, "healed");
    gentle(c);
    unblock(c);
    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        n->nearly_full = false;
        if (n->stopping)
            start_leave(c, n);
        restart(c, n);
    }
}

/* ---- life ---- */

void cluster_init(struct cluster *c, const struct cluster_options *o,
                  const struct cluster_judge *judge)
{
    *c = (struct cluster){.o = *o};
    if (judge)
        c->judge = *judge;
    rng_init(&c->rng, o->seed * 0x2545f4914f6cdd1du + 1);
    gentle(c);
    c->now = 1000;
    c->initial = sample_map(o->nodes, o->groups, o->replicas);
    assert(c->initial);
    for (unsigned i = 0; i < o->nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        n->place = i;
        n->id = c->initial->nodes[i].id;
        for (unsigned k = 0; k < CLUSTER_LOOPS_MAX; k++) {
            n->loops[k].node = n;
            n->loops[k].index = k;
        }
        start_create(c, n);
    }
    network_init(c);
    for (unsigned i = 0; i < o->nodes; i++)
        start_node(c, &c->nodes[i]);
}

void cluster_release(struct cluster *c)
{
    c->judge = (struct cluster_judge){0};
    c->o.verbose = false;
    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        if (n->up)
            start_crash(c, n);
        for (unsigned k = 0; k < n->n_replicas; k++)
            mem_store_free(n->replicas[k].current);
        disk_release(&n->disk);
        map_free(n->map);
        for (unsigned k = 0; k < CLUSTER_LOOPS_MAX; k++) {
            effects_release(&n->loops[k].fx);
            free(n->loops[k].pins);
        }
    }
    while (c->n_tasks) {
        struct task t = heap_pop(c);
        t.run(c,
              t.node == CLUSTER_NOBODY ? NULL
                                       : &c->nodes[t.node].loops[t.loop],
              t.arg, true);
    }
    network_release(c);
    map_free(c->initial);
    free(c->heap);
}
