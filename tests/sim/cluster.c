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

uint64_t cluster_draw(struct cluster *c, enum cluster_stream stream,
                      uint64_t max)
{
    return rng_below(&c->rng[stream], max + 1);
}

bool cluster_odds(struct cluster *c, enum cluster_stream stream,
                  unsigned in_1000)
{
    return cluster_draw(c, stream, 999) < in_1000;
}

bool cluster_chance(struct cluster *c, unsigned in_1000)
{
    return cluster_odds(c, STREAM_WORLD, in_1000);
}

uint64_t cluster_random(struct cluster *c, uint64_t max)
{
    return cluster_draw(c, STREAM_WORLD, max);
}

/* ---- clocks ---- */

enum { MILLION = 1000000 };

instant cluster_clock(const struct cluster *c, const struct sim_node *n)
{
    uint64_t passed = c->now - n->clock_world_ms;
    uint64_t rate = (uint64_t)(MILLION + n->drift_ppm);

    return (instant){n->clock_own_ms + passed * rate / MILLION};
}

uint64_t cluster_until(const struct cluster *c, const struct sim_node *n,
                       instant at)
{
    uint64_t now = cluster_clock(c, n).ms;
    uint64_t rate = (uint64_t)(MILLION + n->drift_ppm);

    if (at.ms <= now)
        return 0;
    if (at.ms - now > 1u << 30)
        return 1u << 30;
    return ((at.ms - now) * MILLION + rate - 1) / rate;
}

/* Wall clocks are far enough from zero to be set back. They go on while a
 * machine is off. */
enum { WALL_MS = 1000000 };

uint64_t cluster_wall(const struct cluster *c, const struct sim_node *n)
{
    int64_t passed = (int64_t)(c->now - n->clock_world_ms);

    return (uint64_t)((int64_t)c->now + passed * n->drift_ppm / MILLION +
                      WALL_MS + n->wall_skew_ms);
}

uint64_t cluster_wall_max(const struct cluster *c, const struct sim_node *n)
{
    return (uint64_t)((int64_t)(c->now + c->now / 50) + WALL_MS +
                      n->wall_skew_max);
}

void cluster_skew(struct sim_node *n, int64_t ms)
{
    n->wall_skew_ms = ms;
    n->wall_skew_max = MAX_OF(n->wall_skew_max, ms);
}

void cluster_drift(struct cluster *c, struct sim_node *n, int64_t ppm)
{
    n->clock_own_ms = cluster_clock(c, n).ms;
    n->clock_world_ms = c->now;
    n->drift_ppm = ppm;
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

static void add_task(struct cluster *c, struct sim_loop *l, uint64_t due,
                     uint64_t seq, task_fn *run, void *arg)
{
    struct task t = {
        .due = due,
        .seq = seq,
        .node = l ? l->node->place : CLUSTER_NOBODY,
        .loop = l ? l->index : 0,
        .boot = l ? l->node->boot : 0,
        .run = run,
        .arg = arg,
    };

    heap_push(c, t);
}

/* Those ahead have the lower numbers. */
enum { AHEAD_MAX = 1 << 30 };

void cluster_later(struct cluster *c, struct sim_loop *l, uint64_t delay,
                   task_fn *run, void *arg)
{
    add_task(c, l, c->now + delay, AHEAD_MAX + c->next_seq++, run, arg);
}

void cluster_ahead(struct cluster *c, struct sim_loop *l, task_fn *run,
                   void *arg)
{
    assert(c->next_ahead < AHEAD_MAX);
    add_task(c, l, c->now, c->next_ahead++, run, arg);
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

void cluster_calm(struct cluster *c)
{
    c->loss = 0;
    c->resend = c->again = 0;
    c->delay_max = 2;
    c->disk_max = 3;
    c->store_max = 1;
    c->mail_max = 1;
    c->stall = 0;
    c->log_reads_fail = false;
}

/* When the last node goes on that stands still, or its disk does. */
static uint64_t all_go_on(const struct cluster *c)
{
    uint64_t when = c->now;

    for (unsigned i = 0; i < c->o.nodes; i++) {
        when = MAX_OF(when, c->nodes[i].paused_until);
        when = MAX_OF(when, c->nodes[i].slow_disk_until);
    }
    return when;
}

void cluster_heal(struct cluster *c)
{
    for (unsigned i = 0; i < c->o.nodes; i++)
        c->nodes[i].crash_after = c->nodes[i].lost_until = 0;
    /* A pause ends when it ends: what was to happen in it happens then. That
     * may be another pause, which had been waiting for its moment. */
    do
        cluster_run(c, all_go_on(c));
    while (all_go_on(c) > c->now);
    cluster_say(c, "healed");
    c->heals++;
    cluster_calm(c);
    for (unsigned i = 0; i < c->o.nodes; i++)
        for (unsigned j = 0; j < c->o.nodes; j++) {
            network_block(c, i, j, false, false);
            network_slow(c, i, j, 0);
            network_lag(c, i, j, 0);
        }
    network_hurry(c);
    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        n->nearly_full = n->deaf = false;
        n->disk.full = n->disk.sync_fails = false;
        if (n->stopping)
            start_leave(c, n);
        if (!n->up && n->map)
            start_node(c, n);
    }
}

/* ---- life ---- */

void cluster_init(struct cluster *c, const struct cluster_options *o,
                  const struct cluster_judge *judge)
{
    *c = (struct cluster){.o = *o};
    if (judge)
        c->judge = *judge;
    for (unsigned i = 0; i < STREAMS; i++)
        rng_init(&c->rng[i],
                 (o->seed * STREAMS + i) * 0x2545f4914f6cdd1du + 1);
    cluster_calm(c);
    c->now = 1000;
    c->initial = sample_map(o->nodes, o->groups, o->replicas);
    assert(c->initial);
    if (o->contiguous)
        for (unsigned i = 0; i < SLOT_COUNT; i++)
            c->initial->owner[i] = (uint32_t)(1 + i * o->groups / SLOT_COUNT);
    for (unsigned i = 0; i < o->nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        n->place = i;
        n->id = c->initial->nodes[i].id;
        n->victim = i < o->victims;
        memcpy(n->directory, c->initial->nodes[i].directory, ID_BYTES);
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
        boots_release(&n->boots);
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
