/* loop.c - one loop: events in, effects out, one turn after the other. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/shell/post.h"
#include "proto/base/log.h"

enum {
    LETTERS_MAX = 1 << 20,
    LETTER_BYTES = 256,            /* of one that holds nothing: about */
    POST_FULL = 16 << 20,          /* siblings pass on no more */
    POST_BEHIND = 64 << 20,        /* doors refuse */
    TICK_MS = 100,
    CLIENT_PENDING_MAX = 48 << 20, /* three of the largest replies */
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

instant node_now(void)
{
    return (instant){clock_ns(CLOCK_MONOTONIC) / 1000000u};
}

wal_instant node_now_us(void)
{
    return (wal_instant){clock_ns(CLOCK_MONOTONIC) / 1000u};
}

uint64_t node_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000u;
}

void node_die(const char *what, const char *detail)
{
    log_error("node_dies", "what=%s detail=\"%s\"", what, detail);
    fflush(stderr);
    _exit(1);
}

struct loop *loop_of(struct node *n, uint32_t group)
{
    return &n->loops[group % n->n_loops];
}

/* ---- letters ---- */

static size_t cost(const struct post *p)
{
    return LETTER_BYTES + p->bytes;
}

void post_to(struct loop *from, struct loop *to, struct post *p)
{
    if (from == to) {
        p->run(to, p);
        return;
    }
    atomic_fetch_add(&to->waiting, cost(p));
    letters_push(&from->outbox[to->index], &p->letter);
    from->posting = true;
    /* A write of the log must not wait until a long drain has ended. */
    if (!from->draining || ++from->posted >= POST_MANY)
        post_flush(from);
}

void post_flush(struct loop *from)
{
    if (!from->posting)
        return;
    from->posting = false;
    from->posted = 0;
    for (unsigned i = 0; i < from->node->n_loops; i++)
        if (from->outbox[i].count &&
            mailbox_post_all(from->node->loops[i].mailbox,
                             &from->outbox[i]) == STATUS_BUSY)
            node_die("mailbox", "a loop does not keep up");
}

static void on_letters(struct mailbox *m, struct letters *in, void *user)
{
    struct loop *l = user;
    struct letter *one;

    (void)m;
    while ((one = letters_pop(in))) {
        struct post *p = CONTAINER_OF(one, struct post, letter);
        size_t bytes = cost(p);
        p->run(l, p);
        atomic_fetch_sub(&l->waiting, bytes);
    }
}

size_t post_waiting(const struct loop *to)
{
    return atomic_load_explicit(&to->waiting, memory_order_relaxed);
}

bool post_behind(const struct node *n)
{
    for (unsigned i = 0; n->n_loops > 1 && i < n->n_loops; i++)
        if (post_waiting(&n->loops[i]) > POST_BEHIND)
            return true;
    return false;
}

void post_tell_full(struct loop *l)
{
    struct node *n = l->node;

    for (unsigned i = 0; l->shard && i < n->n_loops; i++) {
        size_t waiting = post_waiting(&n->loops[i]);
        bool was = l->told_full[i];
        bool full = was ? waiting > POST_FULL / 4 : waiting > POST_FULL;
        struct event e = {.type = EVENT_PEER_FULL, .now = node_now()};
        if (i == l->index || full == was)
            continue;
        l->told_full[i] = full;
        e.peer.node = n->id;
        e.peer.shard = i;
        e.peer.channel = CHANNEL_BULK;
        e.peer.full = full;
        loop_step(l, &e);
    }
}

struct event_post {
    struct post post;
    struct event event;
};

static void run_event(struct loop *to, struct post *p)
{
    struct event_post *e = CONTAINER_OF(p, struct event_post, post);

    e->event.now = node_now();
    loop_step(to, &e->event);
    free(e);
}

void loop_post_event(struct loop *from, struct loop *to,
                     const struct event *e)
{
    struct event_post *p;

    if (from == to) {
        loop_step(to, e);
        return;
    }
    p = xcalloc(1, sizeof *p);
    p->post.run = run_event;
    p->event = *e;
    post_to(from, to, &p->post);
}

/* ---- effects ---- */

struct map_post {
    struct post post;
    struct cluster_map *map;
};

static void run_save_map(struct loop *to, struct post *p)
{
    struct map_post *m = CONTAINER_OF(p, struct map_post, post);

    node_save_map(to->node, m->map);
    map_free(m->map);
    free(m);
}

static void save_map(struct loop *l, const struct effect *e)
{
    struct map_post *p = xcalloc(1, sizeof *p);

    p->post.run = run_save_map;
    p->map = e->map_save.give ? e->map_save.map : map_copy(e->map_save.map);
    post_to(l, &l->node->loops[0], &p->post);
}

static void run_stopped(struct loop *to, struct post *p)
{
    node_loop_stopped(to->node);
    free(p);
}

static void shard_stopped(struct loop *l)
{
    struct post *p;

    if (l->stopped)
        return;
    l->stopped = true;
    p = xcalloc(1, sizeof *p);
    p->run = run_stopped;
    post_to(l, &l->node->loops[0], p);
}

struct group_post {
    struct post post;
    uint32_t group;
};

static void run_rewrite(struct loop *to, struct post *p)
{
    struct group_post *g = CONTAINER_OF(p, struct group_post, post);

    relief_rewrite(to->node, g->group);
    free(g);
}

static void rewrite(struct loop *l, const struct effect *e)
{
    struct group_post *p = xcalloc(1, sizeof *p);

    p->post.run = run_rewrite;
    p->group = e->group;
    post_to(l, &l->node->loops[0], &p->post);
}

static void carry_out(struct loop *l, const struct effect *e)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
    case EFFECT_PERSIST_TRUNCATE:
    case EFFECT_PERSIST_ENTRIES:
    case EFFECT_RELEASE:
        disk_persist(l, e);
        break;
    case EFFECT_SEND:
        links_send(l, e->send.node, e->send.shard, e->send.channel,
                   e->send.number, e->send.items);
        break;
    case EFFECT_BREAK:
        links_break(l, e);
        break;
    case EFFECT_FETCH:
        stores_fetch(l, e);
        break;
    case EFFECT_APPLY:
        stores_apply(l, e);
        break;
    case EFFECT_READ:
        if (!doors_hold_read(l, e))
            stores_read(l, e);
        break;
    case EFFECT_WATCH:
        watch_part(l, e);
        break;
    case EFFECT_SCAN:
        scans_begin(l, e);
        break;
    case EFFECT_DUE:
        duelook_begin(l, e);
        break;
    case EFFECT_REPLY:
        if (e->reply.op == OP_WATCH)
            watch_reply(l, e);
        else
            doors_reply(l, e);
        break;
    case EFFECT_FLUSH:
        stores_flush(l, e);
        break;
    case EFFECT_LOG_READ:
        logread_entries(l, e);
        break;
    case EFFECT_CHECKPOINT:
        checkpoints_make(l, e);
        break;
    case EFFECT_CHECKPOINT_DROP:
        checkpoints_drop(l, e);
        break;
    case EFFECT_SERVE_CHUNK:
        checkpoints_serve(l, e);
        break;
    case EFFECT_INSTALL_BEGIN:
    case EFFECT_INSTALL_CHUNK:
    case EFFECT_INSTALL_COMMIT:
        checkpoints_install(l, e);
        break;
    case EFFECT_MAP_SAVE:
        save_map(l, e);
        break;
    case EFFECT_RESTART:
        stores_restart_wanted(l, e->group);
        break;
    case EFFECT_REWRITE:
        rewrite(l, e);
        break;
    case EFFECT_STOPPED:
        shard_stopped(l);
        break;
    }
}

void loop_drain(struct loop *l)
{
    unsigned expected = 0; /* effects in front of it */

    l->draining = true;
    for (unsigned i = 0; i < l->fx.n; i++) {
        struct effect one = l->fx.v[i]; /* the vector may move */
        if (one.type == EFFECT_READ && i >= expected)
            expected = i + stores_expect(l, &l->fx.v[i], l->fx.n - i);
        carry_out(l, &one);
    }
    l->fx.n = 0;
    l->draining = false;
    post_flush(l);
}

void loop_step_replies(struct loop *l, const struct event *e)
{
    unsigned begin = l->fx.n, kept = l->fx.n;

    assert(l->draining);
    if (!l->shard)
        return;
    shard_step(l->shard, e, &l->fx);
    for (unsigned i = begin; i < l->fx.n; i++) {
        struct effect one = l->fx.v[i];
        if (one.type == EFFECT_REPLY && one.reply.op != OP_WATCH)
            doors_reply(l, &one);
        else
            l->fx.v[kept++] = one;
    }
    l->fx.n = kept;
}

void loop_read(struct loop *l, const struct effect *e)
{
    bool inside = l->draining;

    l->draining = true;
    stores_read(l, e);
    l->draining = inside;
    if (!inside)
        loop_drain(l);
}

void loop_step(struct loop *l, const struct event *e)
{
    if (!l->shard)
        return;
    shard_step(l->shard, e, &l->fx);
    if (!l->draining) /* else it is further up the stack and goes on */
        loop_drain(l);
}

void loop_begin(struct loop *l)
{
    l->shard = l->prepared;
    l->prepared = NULL;
    loop_drain(l);
}

/* ---- the turn ---- */

static void arm(struct loop *l)
{
    struct wal *wal = l->index == 0 ? l->node->journal.wal : NULL;
    instant wake = l->shard ? shard_wake_at(l->shard) : INSTANT_NEVER;
    wal_instant log = wal ? wal_wake_at(wal) : WAL_NEVER;

    if (doors_want_turn(l))
        wake = (instant){0};
    if (log.us != WAL_NEVER.us)
        wake = instant_min(wake, (instant){(log.us + 999) / 1000});
    if (wake.ms == UINT64_MAX) {
        turns_unset(&l->turns);
        return;
    }
    turns_within(&l->turns, instant_since(wake, node_now()).ms);
}

static void turn(void *loop)
{
    struct loop *l = loop;
    struct node *n = l->node;
    struct event e = {.type = EVENT_TURN, .now = node_now(),
                      .wall_ms = node_wall_ms()};

    post_tell_full(l);
    loop_step(l, &e);
    if (l->index == 0) {
        links_turn(n);
        conn_set_flush(n->peer_conns); /* followers write while we do */
        conn_set_flush(l->conns);
        if (disk_pump(n)) {            /* what waited for it can go now */
            e.now = node_now();
            loop_step(l, &e);
        }
        conn_set_flush(n->peer_conns);
    }
    conn_set_flush(l->conns);
    doors_turn(l);
    watch_turn(l);
    conn_set_flush(l->conns);
    arm(l);
}

static void on_tick(uv_timer_t *t)
{
    struct loop *l = t->data;

    l->ticks++;
    doors_tick(l);
    if (l->shard)
        stores_tick(l);
}

/* ---- life ---- */

void loop_init(struct loop *l, struct node *n, unsigned index)
{
    struct conn_options clients = conn_options_default();

    l->node = n;
    l->index = index;
    if (index) {
        if (uv_loop_init(&l->own))
            node_die("loop", "cannot make one");
        l->uv = &l->own;
    } else {
        l->uv = uv_default_loop();
    }
    l->mailbox = mailbox_new(l->uv, LETTERS_MAX, on_letters, l);
    clients.pending_max = CLIENT_PENDING_MAX;
    l->conns = conn_set_new(l->uv, clients);
    l->native = native_new(l);
    l->redis = redis_new(l);
    l->watch_door = watch_door_new();
    l->stores = stores_new(l);
    l->checkpoints = checkpoints_new(l);
    turns_init(&l->turns, l->uv, turn, l);
    uv_timer_init(l->uv, &l->tick);
    l->tick.data = l;
    uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
}

static void unref(uv_handle_t *h, void *arg)
{
    (void)arg;
    uv_unref(h);
}

void loop_quiesce(struct loop *l)
{
    enum { TRIES = 100, TRY_US = 20000 };

    doors_stop(l);
    l->ended = l->shard; /* what workers still point to lives on */
    l->shard = NULL;
    uv_walk(l->uv, unref, NULL);
    for (unsigned i = 0; i < TRIES && uv_loop_alive(l->uv); i++) {
        uv_run(l->uv, UV_RUN_NOWAIT);
        if (uv_loop_alive(l->uv))
            usleep(TRY_US);
    }
}

void loop_release(struct loop *l)
{
    if (l->ended)
        stores_close(l);
    shard_free(l->ended);
    l->ended = NULL;
    doors_release(l);
    effects_release(&l->fx);
    watch_door_free(l->watch_door);
    l->watch_door = NULL;
}
