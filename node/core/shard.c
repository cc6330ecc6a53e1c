/* shard.c - life of a shard, dispatch of events, the end of a turn. */
#include "node/core/shard_state.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"

static void defaults(struct shard_options *o)
{
    if (!o->shards)
        o->shards = 1;
    if (!o->election.ms)
        o->election = MS(500);
    if (!o->heartbeat.ms)
        o->heartbeat = MS(100);
    if (!o->pending_bytes_max)
        o->pending_bytes_max = 64u << 20;
    if (!o->entry_bytes_max)
        o->entry_bytes_max = ENTRY_BYTES_MAX;
    if (!o->reads_max)
        o->reads_max = 65536;
    if (!o->forwards_max)
        o->forwards_max = 65536;
    if (!o->read_key_bytes_max)
        o->read_key_bytes_max = 32u << 20;
    if (!o->forwards_bytes_max)
        o->forwards_bytes_max = 32u << 20;
    if (!o->tail_bytes_max)
        o->tail_bytes_max = 64u << 20;
    if (!o->group_flush_bytes)
        o->group_flush_bytes = 32u << 20;
    if (!o->node_flush_bytes)
        o->node_flush_bytes = 128u << 20;
    if (!o->log_trailing)
        o->log_trailing = LOG_TRAILING;
}

struct shard *shard_new(const struct shard_options *o,
                        const struct cluster_map *map)
{
    struct shard *s = xcalloc(1, sizeof *s);

    s->o = *o;
    defaults(&s->o);
    rng_init(&s->rng, o->seed);
    s->map = map_copy(map);
    s->tail_budget.bytes_max = s->o.tail_bytes_max;
    s->earliest = INSTANT_NEVER;
    s->next_deadline = INSTANT_NEVER;
    s->next_hedge = INSTANT_NEVER;
    s->next_stall = INSTANT_NEVER;
    s->next_reap = INSTANT_NEVER;
    s->next_use = INSTANT_NEVER;
    s->next_remember = INSTANT_NEVER;
    s->watches.next_progress = INSTANT_NEVER;
    s->parked.until = INSTANT_NEVER;
    read_pool_init(&s->read_pool, s->o.reads_max, s->o.read_key_bytes_max);
    forwards_init(&s->forwards, s->o.forwards_max, s->o.forwards_bytes_max,
                  (uint32_t)rng_next(&s->rng));
    peers_expect(s, o->node, s->o.shards);
    return s;
}

void shard_free(struct shard *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n_replicas; i++)
        replica_free(s, s->replicas[i]);
    free(s->replicas);
    watches_free(s);
    replica_bury(s);
    free(s->dead);
    for (unsigned i = 0; i < s->n_peers; i++)
        peers_release(&s->peers[i]);
    free(s->peers);
    for (unsigned i = 0; i < s->n_conns; i++)
        free(s->conns[i].seq);
    free(s->conns);
    group_effects_release(&s->raft_fx);
    read_pool_release(&s->read_pool);
    forwards_release(&s->forwards);
    quotas_release(&s->quotas);
    parked_release(s);
    chains_release(&s->chains);
    map_free(s->map);
    free(s);
}

struct replica *shard_find(const struct shard *s, uint32_t group)
{
    unsigned lo = 0, hi = s->n_replicas;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (s->replicas[mid]->group < group)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n_replicas && s->replicas[lo]->group == group
               ? s->replicas[lo]
               : NULL;
}

void shard_replica_add(struct shard *s, instant now,
                       const struct replica_restore *restore,
                       struct effects *fx)
{
    struct replica *r = replica_new(s, restore);
    unsigned at;

    assert(!shard_find(s, restore->group));
    assert(restore->group % s->o.shards == s->o.shard);
    s->now = now;
    if (s->n_replicas == s->cap_replicas) {
        s->cap_replicas = s->cap_replicas ? s->cap_replicas * 2 : 8;
        s->replicas = xrealloc(s->replicas,
                               s->cap_replicas * sizeof *s->replicas);
    }
    for (at = s->n_replicas++; at > 0; at--) {
        if (s->replicas[at - 1]->group < r->group)
            break;
        s->replicas[at] = s->replicas[at - 1];
    }
    s->replicas[at] = r;
    replica_start(s, r, restore, fx);
    s->next_deadline = (instant){0};
}

void shard_replica_restart(struct shard *s, instant now,
                           const struct replica_restore *restore,
                           struct effects *fx)
{
    struct replica *r = shard_find(s, restore->group);

    s->now = now;
    if (!r || r->raft)
        return;
    log_info("replica_restart", "group=%u try=%u", r->group, r->restarts);
    replica_start(s, r, restore, fx);
    s->next_deadline = (instant){0};
}

void shard_mark(struct shard *s, struct replica *r)
{
    if (r->dirty)
        return;
    r->dirty = true;
    r->dirty_next = s->dirty;
    s->dirty = r;
}

void shard_wake_by(instant *when, instant t)
{
    *when = instant_min(*when, t);
}

/* ---- the turn ---- */

static void fire_timers(struct shard *s, struct effects *fx)
{
    instant next = INSTANT_NEVER;

    for (unsigned i = 0; i < s->n_replicas; i++) {
        struct replica *r = s->replicas[i];
        if (!r->raft)
            continue;
        if (instant_reached(s->now, group_deadline(r->raft))) {
            group_timeout(r->raft, s->now, &s->raft_fx);
            replica_carry(s, r, fx);
        }
        if (r->raft)
            next = instant_min(next, group_deadline(r->raft));
    }
    s->next_deadline = next;
}

static void hedge_and_retry(struct shard *s, struct effects *fx)
{
    s->next_hedge = s->next_stall = INSTANT_NEVER;
    for (unsigned i = 0; i < s->n_replicas; i++) {
        struct replica *r = s->replicas[i];
        readpath_hedge(s, r);
        apply_retry(s, r, fx);
    }
}

/* Leadership belongs, by and by, to the replica that the map names first. */
static void balance(struct shard *s, struct replica *r, struct effects *fx)
{
    const struct map_group *g = map_group_find(s->map, r->group);
    const struct map_replica *first = g ? &g->replicas[0] : NULL;
    struct peer *p;

    if (!first || r->role != GROUP_LEADER || first->id == r->id ||
        s->stopping ||
        instant_since(s->now, r->led_since).ms < BALANCE_AFTER_MS)
        return;
    p = peers_with(s, first->node, r->group);
    if (!p || !p->up[CHANNEL_CONTROL] || !p->up[CHANNEL_BULK] ||
        !group_caught_up(r->raft, s->now, first->id, 64))
        return;
    r->led_since = s->now; /* not again at once if it fails */
    if (group_transfer(r->raft, s->now, first->id, &s->raft_fx) == STATUS_OK)
        log_info("group_balance", "group=%u to_node=%u", r->group,
                 first->node);
    replica_carry(s, r, fx);
}

static void hand_over(struct shard *s, struct effects *fx)
{
    bool leads = false;

    for (unsigned i = 0; i < s->n_replicas; i++) {
        struct replica *r = s->replicas[i];
        if (!r->raft || r->role != GROUP_LEADER)
            continue;
        if (group_transfer(r->raft, s->now, 0, &s->raft_fx) !=
            STATUS_INVALID)
            leads = true;
        replica_carry(s, r, fx);
    }
    if (leads && !instant_reached(s->now, s->stop_at_most))
        return;
    s->stopped = true;
    effects_add(fx, EFFECT_STOPPED, 0);
}

static void slow_ticks(struct shard *s, struct effects *fx)
{
    if (instant_reached(s->now, s->next_gossip) || s->gossip_now) {
        s->gossip_now = false;
        if (instant_reached(s->now, s->next_gossip)) {
            s->next_gossip = instant_add(s->now, MS(GOSSIP_EVERY_MS));
            for (unsigned i = 0; i < s->n_replicas; i++)
                if (s->replicas[i]->raft)
                    balance(s, s->replicas[i], fx);
            tenancy_turn(s, true);
        }
        peers_gossip(s);
    }
    tenancy_turn(s, false);
    if (instant_reached(s->now, s->next_sweep)) {
        s->next_sweep = instant_add(s->now, MS(SWEEP_EVERY_MS));
        if (instant_reached(s->now, s->earliest))
            requests_sweep(s, fx);
        for (unsigned i = 0; i < s->n_replicas; i++) {
            snapshots_tick(s, s->replicas[i], fx);
            replica_flush_if_due(s, s->replicas[i], fx);
            replica_restart_if_due(s, s->replicas[i], fx);
        }
        if (s->stopping && !s->stopped)
            hand_over(s, fx);
    }
    if (instant_reached(s->now, s->next_update)) {
        s->next_update = instant_add(s->now, MS(UPDATE_EVERY_MS));
        requests_publish_self(s, fx);
    }
}

/* What was left when the last turn had applied enough. */
static void apply_on(struct shard *s, struct effects *fx)
{
    s->apply_left = APPLY_TURN_BYTES;
    if (!s->apply_waiting)
        return;
    s->apply_waiting = false;
    for (unsigned i = 0; i < s->n_replicas; i++)
        apply_more(s, s->replicas[i], fx);
}

static void turn(struct shard *s, struct effects *fx)
{
    replica_bury(s);
    if (instant_reached(s->now, s->next_deadline))
        fire_timers(s, fx);
    if (instant_reached(s->now, s->next_hedge) ||
        instant_reached(s->now, s->next_stall))
        hedge_and_retry(s, fx);
    slow_ticks(s, fx);
    apply_on(s, fx);
    reaper_turn(s, fx);
    remember_turn(s, fx);
    parked_turn(s, fx);
    while (s->dirty) {
        struct replica *r = s->dirty;
        s->dirty = r->dirty_next;
        r->dirty = false;
        requests_submit(s, r, fx);
        readpath_start(s, r, fx);
    }
    for (unsigned i = 0; i < s->n_replicas; i++)
        if (s->replicas[i]->raft)
            shard_wake_by(&s->next_deadline,
                          group_deadline(s->replicas[i]->raft));
    watches_turn(s, fx);
    peers_flush(s, fx);
}

instant shard_wake_at(const struct shard *s)
{
    instant t = instant_min(s->next_deadline, s->next_hedge);

    if (s->apply_waiting || watches_want_turn(s))
        return s->now;
    /* Answers that came while the last turn's effects were carried out. */
    for (unsigned i = 0; i < s->n_peers; i++)
        if (s->peers[i].dirty)
            return s->now;

    t = instant_min(t, s->next_stall);
    t = instant_min(t, s->next_gossip);
    t = instant_min(t, s->next_use);
    t = instant_min(t, s->next_reap);
    t = instant_min(t, s->next_remember);
    t = instant_min(t, s->parked.until);
    t = instant_min(t, s->next_purge);
    t = instant_min(t, s->next_update);
    t = instant_min(t, s->watches.next_progress);
    /* Sweeping is coarse; it must not wake an idle node for nothing. */
    if (s->earliest.ms != UINT64_MAX || s->stopping)
        t = instant_min(t, s->next_sweep);
    return t;
}

/* ---- dispatch ---- */

static void on_persisted(struct shard *s, const struct event *e,
                         struct effects *fx)
{
    struct replica *r = shard_find(s, e->persisted.group);

    if (!r || !r->raft)
        return;
    group_persisted(r->raft, s->now, e->persisted.seq, &s->raft_fx);
    replica_carry(s, r, fx);
}

static void on_log_read(struct shard *s, const struct event *e,
                        struct effects *fx)
{
    struct replica *r = shard_find(s, e->log_read.group);

    if (!r || !r->raft)
        return;
    group_log_read_done(r->raft, s->now, e->log_read.token,
                        e->log_read.entries, e->log_read.n, &s->raft_fx);
    replica_carry(s, r, fx);
    if (r->raft && group_wants_flush(r->raft))
        replica_flush(s, r, fx);
}

/* A hanging disk must not keep leaderships: hand them over once, and while it
 * lasts send no more heartbeats (peers_send_raft looks at disk_hangs). */
static void on_disk(struct shard *s, const struct event *e, struct effects *fx)
{
    bool hangs = e->disk.write_age.ms > s->o.election.ms;

    s->nearly_full = e->disk.nearly_full;
    if (hangs && !s->disk_hangs) {
        log_error("disk_hangs", "oldest_write_ms=%lu",
                  (unsigned long)e->disk.write_age.ms);
        for (unsigned i = 0; i < s->n_replicas; i++) {
            struct replica *r = s->replicas[i];
            if (!r->raft || r->role != GROUP_LEADER)
                continue;
            if (group_transfer(r->raft, s->now, 0, &s->raft_fx))
                log_warn("transfer_refused", "group=%u", r->group);
            replica_carry(s, r, fx);
        }
    }
    if (!hangs && s->disk_hangs)
        log_info("disk_recovered", "group=%s", "all");
    s->disk_hangs = hangs;
}

static void on_stop(struct shard *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->stop_at_most = instant_add(s->now, MS(STOP_AT_MOST_MS));
    s->next_sweep = s->now;
}

void shard_step(struct shard *s, const struct event *e, struct effects *fx)
{
    if (e->now.ms > s->now.ms)
        s->now = e->now;
    switch (e->type) {
    case EVENT_TURN:
        timekeeper_turn(s, e->wall_ms);
        turn(s, fx);
        break;
    case EVENT_REQUEST:
        requests_take(s, e->request, fx);
        break;
    case EVENT_PEER_UP:
        peers_on_up(s, e);
        break;
    case EVENT_PEER_DOWN:
        peers_on_down(s, e, fx);
        break;
    case EVENT_PEER_FULL:
        peers_on_full(s, e);
        break;
    case EVENT_PEER_FRAME:
        peers_on_frame(s, e, fx);
        break;
    case EVENT_PERSISTED:
        on_persisted(s, e, fx);
        break;
    case EVENT_FETCHED:
        apply_on_fetched(s, e, fx);
        break;
    case EVENT_APPLIED:
        apply_on_applied(s, e, fx);
        break;
    case EVENT_READ:
        readpath_on_read(s, e, fx);
        break;
    case EVENT_WATCH_TAKEN:
        watches_on_taken(s, e);
        break;
    case EVENT_WATCH_CANCEL:
        watches_cancel(s, e->watch_cancel.from, e->watch_cancel.whole, fx);
        break;
    case EVENT_SCANNED:
        readpath_on_scanned(s, e, fx);
        break;
    case EVENT_DUE:
        reaper_on_due(s, e, fx);
        break;
    case EVENT_FLUSHED:
        replica_on_flushed(s, e, fx);
        break;
    case EVENT_LOG_READ:
        on_log_read(s, e, fx);
        break;
    case EVENT_CHECKPOINT:
        snapshots_on_checkpoint(s, e, fx);
        break;
    case EVENT_INSTALL:
        snapshots_on_install(s, e, fx);
        break;
    case EVENT_MAP:
        peers_adopt_map(s, e->map.map);
        parked_resume(s, fx);
        break;
    case EVENT_FLUSH_WANTED:
        replica_on_flush_wanted(s, e, fx);
        break;
    case EVENT_DISK:
        on_disk(s, e, fx);
        break;
    case EVENT_STOP:
        on_stop(s);
        break;
    }
}
