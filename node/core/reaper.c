/* reaper.c - what a shard does about keys by itself: those that are due, and
 * those of dropped keyspaces.
 *
 * The leader of a group proposes SWEEPs of what is due, on a grid of 50 ms, and
 * as fast as they are applied while it is behind; never more than
 * SWEEPS_IN_FLIGHT_MAX, so that others get their turn. All replicas look into
 * their index of deadlines to know when something will be due (expiry.h).
 *
 * A keyspace that the map says is being dropped: each data group's leader
 * proposes its PURGE, and tells the meta group when that is applied. Every step
 * may be repeated. */
#include "node/core/shard_state.h"

#include <assert.h>

#include "proto/base/log.h"
#include "proto/keyspace.h"

enum {
    GRID_MS = 50,
    RAISE_EVERY_MS = 200, /* the bound of who does not lead */
    LOOK_AHEAD_MS = 5000, /* clocks may change their mind meanwhile */
    PURGE_EVERY_MS = 500,
};

/* The next time at or behind `t` for this group: groups that have much to do
 * take their turns. */
static instant grid(const struct replica *r, instant t)
{
    uint64_t turn = r->group * 31ul % GRID_MS;

    return (instant){
        (t.ms + turn + GRID_MS - 1) / GRID_MS * GRID_MS - turn};
}

static void look(struct replica *r, bool sweeping, uint64_t until,
                 struct effects *fx)
{
    struct expiry *x = &r->machine.expiry;
    bool pending = r->apply.state == APPLY_WRITING ||
                   r->apply.state == APPLY_STALLED;
    struct effect *e = effects_add(fx, EFFECT_DUE, r->group);

    e->due.from = expiry_from(x, sweeping);
    e->due.until = until;
    e->due.max = sweeping ? SWEEP_LINES_MAX : 0;
    e->due.bytes_max = SWEEP_BYTES_MAX;
    e->due.keep = r->machine.keyspaces.n ||
                  r->machine.remember_until > r->applied_clock_ms;
    r->sweeping = sweeping;
    expiry_look(x, sweeping,
                pending ? applying_step(&r->apply)->due_min : UINT64_MAX,
                r->applied);
}

/* When the leader has something to do about its next deadline. */
static instant due_at(const struct shard *s, const struct replica *r,
                      uint64_t next_due, uint64_t clock_ms)
{
    uint64_t ms = next_due > clock_ms ? next_due - clock_ms : 0;

    return grid(r, instant_add(s->now, MS(MIN_OF(ms, LOOK_AHEAD_MS))));
}

static void reap(struct shard *s, struct replica *r, struct effects *fx)
{
    struct expiry *x = &r->machine.expiry;
    uint64_t clock_ms;

    if (!r->raft || r->mode != REPLICA_SERVING || r->group == 0 || x->looking)
        return; /* EVENT_DUE comes back here */
    if (timekeeper_stamp(s, r, &clock_ms)) {
        if (x->next_due > clock_ms)
            shard_wake_by(&s->next_reap,
                          due_at(s, r, x->next_due, clock_ms));
        else if (!instant_reached(s->now, r->reap_at))
            shard_wake_by(&s->next_reap, r->reap_at);
        else if (x->in_flight < SWEEPS_IN_FLIGHT_MAX)
            look(r, true, clock_ms, fx);
        return; /* or when a sweep is applied */
    }
    if (x->next_due > r->applied_clock_ms ||
        (x->next_due && x->looked_at == r->applied))
        return;
    if (x->next_due && !instant_reached(s->now, r->reap_at)) {
        shard_wake_by(&s->next_reap, r->reap_at);
        return;
    }
    r->reap_at = instant_add(s->now, MS(RAISE_EVERY_MS));
    look(r, false, 0, fx);
}

void reaper_applied(struct shard *s, struct replica *r)
{
    const struct expiry *x = &r->machine.expiry;
    uint64_t clock_ms;

    if (x->next_due == UINT64_MAX || x->looking)
        return;
    if (!timekeeper_stamp(s, r, &clock_ms))
        clock_ms = r->applied_clock_ms;
    else if (x->in_flight >= SWEEPS_IN_FLIGHT_MAX)
        return;
    shard_wake_by(&s->next_reap,
                  due_at(s, r, MAX_OF(x->next_due, clock_ms + 1), clock_ms));
}

/* ---- sweeps ---- */

/* False: it came to nothing. */
static bool propose_sweep(struct shard *s, struct replica *r,
                          const struct event *e, struct effects *fx)
{
    bool ok;
    struct operation o = {.op = OP_SWEEP,
                          .argument = r->machine.expiry.looked_at};
    struct reader in = reader_of(e->due.keys);
    struct sweep_line line;
    struct slice last = {0};
    struct buf value = {0};

    sweep_begin(&value);
    for (unsigned i = 0; i < e->due.n; i++) {
        last = reader_bytes(&in, reader_u32(&in));
        if (layout_deadline_key_parse(last, &line.of) != STATUS_OK) {
            buf_release(&value);
            return false; /* the shell has looked at it */
        }
        line.held = e->due.held[i];
        sweep_add(&value, &line);
    }
    o.value = buf_slice(&value);
    ok = requests_own(s, r, &o, fx);
    if (ok)
        expiry_proposed(&r->machine.expiry, last);
    buf_release(&value);
    return ok;
}

void reaper_on_due(struct shard *s, const struct event *e, struct effects *fx)
{
    struct replica *r = shard_find(s, e->due.group);
    struct expiry *x = r ? &r->machine.expiry : NULL;
    uint64_t clock_ms;
    bool proposed;

    if (!r || !x->looking)
        return;
    if (e->due.status != STATUS_OK) {
        expiry_looked(x, 1, slice_of("", 0)); /* as if nothing was learned */
        if (r->raft)
            replica_stop(s, r, REPLICA_QUARANTINED,
                         "the store cannot be read", fx);
        return;
    }
    expiry_looked(x, e->due.n, e->due.next);
    proposed = e->due.n && r->raft && timekeeper_stamp(s, r, &clock_ms) &&
               propose_sweep(s, r, e, fx);
    /* More of it at once; on the grid what is not due yet, or for what there
     * was no room. */
    if (r->sweeping)
        r->reap_at = s->now;
    if (proposed && (e->due.n == SWEEP_LINES_MAX ||
                     e->due.keys.size >= SWEEP_BYTES_MAX)) {
        shard_wake_by(&s->next_reap, s->now);
    } else {
        if (proposed)
            r->reap_at = grid(r, instant_add(s->now, MS(1)));
        reaper_applied(s, r);
    }
}

void reaper_swept(struct shard *s, uint32_t group, bool ok)
{
    struct replica *r = shard_find(s, group);

    if (!r)
        return;
    expiry_swept(&r->machine.expiry, ok);
    shard_wake_by(&s->next_reap,
                  ok ? s->now : instant_add(s->now, MS(GRID_MS)));
}

void reaper_role(struct shard *s, struct replica *r)
{
    expiry_deposed(&r->machine.expiry);
    r->reap_at = s->now;
    shard_wake_by(&s->next_reap, s->now);
}

/* ---- dropped keyspaces ---- */

static bool told_purged(const struct cluster_map *map, uint32_t keyspace,
                        uint32_t group)
{
    for (unsigned i = 0; i < map->n_purged; i++)
        if (map->purged[i].keyspace == keyspace &&
            map->purged[i].group == group)
            return true;
    return false;
}

static void purge(struct shard *s, struct replica *r, uint32_t keyspace,
                  struct effects *fx)
{
    const struct group_keyspace *g =
        keyspaces_find(&r->machine.keyspaces, keyspace);
    struct buf value = {0};

    if (g && g->purged) {
        struct keyspace_change c = {.action = KEYSPACE_PURGED,
                                    .keyspace = keyspace, .group = r->group};
        struct operation o = {.op = OP_KEYSPACE, .key = slice_str("-")};
        keyspace_change_encode(&c, &value);
        o.value = buf_slice(&value);
        requests_meta(s, &o, fx);
    } else {
        struct operation o = {.op = OP_PURGE};
        keyspace_purge_encode(keyspace, &value);
        o.value = buf_slice(&value);
        if (requests_own(s, r, &o, fx))
            log_info("keyspace_purge", "group=%u keyspace=%u", r->group,
                     keyspace);
    }
    buf_release(&value);
}

static void purge_all(struct shard *s, struct effects *fx)
{
    uint64_t unused;

    for (unsigned k = 0; k < s->map->n_keyspaces; k++) {
        uint32_t id = s->map->keyspaces[k].id;
        if (s->map->keyspaces[k].state != KEYSPACE_DROPPING)
            continue;
        for (unsigned i = 0; i < s->n_replicas; i++) {
            struct replica *r = s->replicas[i];
            if (r->raft && r->group && timekeeper_stamp(s, r, &unused) &&
                !told_purged(s->map, id, r->group))
                purge(s, r, id, fx);
        }
        s->next_purge = instant_add(s->now, MS(PURGE_EVERY_MS));
    }
}

void reaper_map(struct shard *s)
{
    s->next_purge = s->now;
}

void reaper_turn(struct shard *s, struct effects *fx)
{
    if (instant_reached(s->now, s->next_purge)) {
        s->next_purge = INSTANT_NEVER;
        if (!s->stopping)
            purge_all(s, fx);
    }
    if (!instant_reached(s->now, s->next_reap))
        return;
    s->next_reap = INSTANT_NEVER;
    for (unsigned i = 0; i < s->n_replicas && !s->stopping; i++)
        reap(s, s->replicas[i], fx);
}
