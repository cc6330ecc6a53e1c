/* apply.c - committed entries into the store, results to whoever waits.
 *
 * See replica.h for the states. A step takes as many committed entries as about
 * 2 ms of work hold, asks the machine what they need, fetches that, executes
 * them all into one write set that also carries the group record, and hands
 * out the results once the store has taken it. */
#include "node/core/shard_state.h"

#include <assert.h>

#include "proto/base/log.h"
#include "proto/base/planted.h"

enum {
    STEP_BYTES = 512 * 1024,
    STEP_ENTRIES = 256,
    STEP_KEYS = 512,
    STEP_WISHES = 64, /* mostly whole old values, of up to 1 MiB each */
};

static unsigned entries_max(const struct applying *a)
{
    return (unsigned)STEP_ENTRIES >> a->halved;
}

static void settle(struct applying *a, const struct waiter *w,
                   struct result result)
{
    if (w->gone)
        return;
    if (a->n_settled == a->cap_settled) {
        a->cap_settled = a->cap_settled ? a->cap_settled * 2 : 64;
        a->settled =
            xrealloc(a->settled, a->cap_settled * sizeof *a->settled);
    }
    a->settled[a->n_settled++] =
        (struct settled){w->from, w->op, result, w->deadline};
}

static uint64_t entry_bytes(const struct group_entry *e)
{
    return 64 + (e->payload ? e->payload->size : 0);
}

static void put_record(struct replica *r)
{
    struct applying *a = &r->apply;
    struct group_record record = {
        .applied_index = a->last,
        .applied_term = a->term,
        .change_index = r->change_index,
        .clock_ms =
            PLANTED(LEADERS_CLOCK) ? r->clock.last_ms : a->clock_ms,
        .format_level = COMMAND_LEVEL,
        .members = buf_slice(&r->members),
    };
    size_t size;

    if (a->change_index) {
        const struct group_entry *e =
            group_entry_at(r->raft, a->change_index);
        record.change_index = a->change_index;
        record.members = blob_slice(e->payload);
    }
    size = group_record_bytes(&record);
    group_record_write(write_set_put_reserve(&applying_step(a)->set,
                                             layout_single_key(LAYOUT_GROUP),
                                             size),
                       &record);
}

/* Execute entries applied+1 .. last into the write set; fewer when they turn
 * out to be large. */
static void execute(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct machine_step *step = applying_step(a);
    struct answering answering = {s, r, fx};
    struct effect *e;

    a->change_index = 0;
    a->bytes = 0;
    /* Not r->clock: a leader's is ahead, with stamps of what it proposed. */
    a->clock_ms = r->applied_clock_ms;
    for (uint64_t i = r->applied + 1; i <= a->last; i++) {
        const struct group_entry *entry = group_entry_at(r->raft, i);
        struct batch *b;
        enum status st;

        if (i > r->applied + 1 && machine_step_full(step)) {
            a->last = i - 1;
            break;
        }
        assert(entry);
        a->bytes += entry_bytes(entry);
        a->term = entry->term;
        if (entry->type == ENTRY_CHANGE)
            a->change_index = i;
        /* A barrier too decides what it has overwritten. */
        b = proposals_match(&r->proposals, i, entry->term,
                            requests_answer_waiter, &answering);
        if (entry->type != ENTRY_COMMAND)
            continue;
        st = machine_apply(&r->machine, step, i, blob_slice(entry->payload),
                           b ? s->results : NULL, ARRAY_LEN(s->results),
                           &a->clock_ms);
        assert(st == STATUS_OK); /* machine_needs() has read it all */
        clock_saw(&r->clock, a->clock_ms);
        if (!b)
            continue;
        for (unsigned k = 0; k < b->n; k++)
            settle(a, &b->waiters[k], s->results[k]);
        proposals_decided(&r->proposals, b);
    }
    if (a->halved && view_fetched_bytes(&step->view) <= VIEW_BYTES_MAX / 4)
        a->halved--; /* twice as many would do */
    a->done_seq = r->proposals.done;
    put_record(r);
    a->state = APPLY_WRITING;
    e = effects_add(fx, EFFECT_APPLY, r->group);
    e->apply.set = &step->set;
}

/* Choose the step's entries and name what they need. False: the replica had to
 * stop. */
static bool collect(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct machine_step *step = applying_step(a);
    uint64_t i;

    machine_step_begin(step, &r->machine, r->applied_clock_ms);
    a->n_settled = 0;
    a->bytes = 0;
    for (i = r->applied + 1; i <= r->committed; i++) {
        const struct group_entry *e = group_entry_at(r->raft, i);
        enum status st = STATUS_OK;

        assert(e);
        if (i > r->applied + 1 &&
            (a->bytes >= STEP_BYTES ||
             i - r->applied > entries_max(a) ||
             step->view.n >= STEP_KEYS || step->view.n_wishes >= STEP_WISHES))
            break;
        if (e->type == ENTRY_COMMAND)
            st = e->payload ? machine_needs(&r->machine, step, i,
                                            blob_slice(e->payload))
                            : STATUS_CORRUPT;
        if (st != STATUS_OK) {
            replica_stop(s, r, REPLICA_FAILED,
                         st == STATUS_WRONG_VERSION
                             ? "a command of a newer version: upgrade this node"
                             : "an entry that cannot be read",
                         fx);
            return false;
        }
        a->bytes += entry_bytes(e);
    }
    a->last = i - 1;
    return true;
}

static void fetch(struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct view *v = &applying_step(a)->view;
    struct effect *e = effects_add(fx, EFFECT_FETCH, r->group);

    a->state = APPLY_FETCHING;
    e->fetch.keys = view_keys(v);
    e->fetch.want = view_wants(v);
    e->fetch.n = v->asked;
    e->fetch.bytes_max = VIEW_BYTES_MAX;
}

/* The entries are chosen: read what they need, if anything, then do them. */
static void begin(struct shard *s, struct replica *r, struct effects *fx)
{
    if (view_empty(&applying_step(&r->apply)->view))
        execute(s, r, fx);
    else
        fetch(r, fx);
}

/* What `n` entries need was too much for one step: half as many at most. */
static void halve(struct applying *a, uint64_t n)
{
    assert(n > 1);
    while (entries_max(a) > n / 2)
        a->halved++;
}

void apply_more(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;

    if (!r->raft || r->mode != REPLICA_SERVING || a->state != APPLY_IDLE ||
        r->applied >= r->committed)
        return;
    if (!s->apply_left) { /* votes, heartbeats and clients first */
        s->apply_waiting = true;
        return;
    }
    if (!collect(s, r, fx))
        return;
    s->apply_left -= MIN_OF(s->apply_left, a->bytes);
    begin(s, r, fx);
}

/* Whoever waits for a step that did not happen: it may still happen, when the
 * replica starts again from its log. */
static void abandon(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct answering answering = {s, r, fx};

    for (unsigned i = 0; i < a->n_settled; i++) {
        struct waiter w = {.from = a->settled[i].from, .op = a->settled[i].op};
        requests_answer_waiter(&answering, &w,
                               (struct result){.status = STATUS_UNKNOWN});
    }
    a->n_settled = 0;
    a->done_seq = r->proposals.done;
}

void apply_cancel(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;

    abandon(s, r, fx);
    /* The shell still holds what these two point to: their events end them. */
    a->cancelled = a->state == APPLY_FETCHING || a->state == APPLY_WRITING;
    if (!a->cancelled)
        a->state = APPLY_IDLE;
}

/* The event of a cancelled step came. */
static void cancelled(struct shard *s, struct replica *r, struct effects *fx)
{
    r->apply.cancelled = false;
    r->apply.state = APPLY_IDLE;
    snapshots_apply_over(r, fx);
    apply_more(s, r, fx);
}

void apply_on_fetched(struct shard *s, const struct event *e,
                      struct effects *fx)
{
    struct replica *r = shard_find(s, e->fetched.group);
    struct applying *a = r ? &r->apply : NULL;
    enum status st;
    bool whole = false;

    if (!r || r->apply.state != APPLY_FETCHING)
        return;
    if (r->apply.cancelled) {
        cancelled(s, r, fx);
        return;
    }
    st = e->fetched.status;
    if (st == STATUS_OK)
        st = machine_fetched(applying_step(a), e->fetched.records, &whole);
    if (st != STATUS_OK) {
        a->state = APPLY_IDLE;
        replica_stop(s, r, REPLICA_QUARANTINED, "the store cannot be read",
                     fx);
        return;
    }
    if (whole || a->last == r->applied + 1) {
        execute(s, r, fx);
        return;
    }
    /* They were read before, so this does not fail. */
    halve(a, a->last - r->applied);
    if (collect(s, r, fx))
        begin(s, r, fx);
}

static void publish_map(struct replica *r, struct effects *fx)
{
    struct effect *e;

    if (!applying_step(&r->apply)->map_changed)
        return;
    log_info("map_changed", "epoch=%lu",
             (unsigned long)r->machine.map->epoch);
    e = effects_add(fx, EFFECT_MAP_SAVE, 0);
    e->map_save.map = r->machine.map;
}

static void applied(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct answering answering = {s, r, fx};
    const struct change *changes;
    unsigned n_changes;
    bool lent = false;

    if (a->change_index) {
        const struct group_entry *e =
            group_entry_at(r->raft, a->change_index);
        r->change_index = a->change_index;
        buf_clear(&r->members);
        buf_append(&r->members, blob_slice(e->payload).data,
                   blob_slice(e->payload).size);
    }
    r->applied = a->last;
    r->applied_term = a->term;
    r->applied_clock_ms = a->clock_ms;
    r->unflushed_bytes += a->bytes;
    r->restarts = 0;
    a->stalled_at = INSTANT_NEVER;
    r->done_seq = a->done_seq;
    a->state = APPLY_IDLE;
    changes = machine_changes(applying_step(a), &n_changes);
    watches_changed(s, r, changes, n_changes, r->applied);
    group_applied(r->raft, r->applied);
    for (unsigned i = 0; i < a->n_settled; i++) {
        struct settled *w = &a->settled[i];
        struct waiter waiter = {.from = w->from, .op = w->op};
        lent |= w->result.value.where != PIECE_NONE;
        requests_answer_waiter(&answering, &waiter, w->result);
    }
    a->n_settled = 0;
    publish_map(r, fx);
    a->step ^= lent; /* replies borrow from this one */
    readpath_run(s, r, fx);
    reaper_applied(s, r);
    if (!proposals_open_empty(&r->proposals))
        shard_mark(s, r);
    apply_more(s, r, fx);
}

void apply_on_applied(struct shard *s, const struct event *e,
                      struct effects *fx)
{
    struct replica *r = shard_find(s, e->applied.group);

    if (!r || r->apply.state != APPLY_WRITING)
        return;
    if (r->apply.cancelled) {
        cancelled(s, r, fx);
        return;
    }
    switch (e->applied.status) {
    case STATUS_OK:
        applied(s, r, fx);
        return;
    case STATUS_STALLED:
    case STATUS_DISK_FULL:
        r->apply.state = APPLY_STALLED;
        r->apply.stalled_at = instant_min(r->apply.stalled_at, s->now);
        r->apply.retry_at = instant_add(s->now, MS(STALL_RETRY_MS));
        shard_wake_by(&s->next_stall, r->apply.retry_at);
        return;
    default:
        r->apply.state = APPLY_IDLE;
        replica_stop(s, r, REPLICA_FAILED, "the store cannot be written", fx);
        return;
    }
}

/* A leader whose store refuses writes for longer than an election timeout gives
 * way to one whose store does not (ARCHITECTURE, Grey failure). */
static void give_way(struct shard *s, struct replica *r, struct effects *fx)
{
    if (r->role != GROUP_LEADER ||
        instant_since(s->now, r->apply.stalled_at).ms < s->o.election.ms)
        return;
    r->apply.stalled_at = s->now; /* not again at once */
    log_warn("store_refuses", "group=%u", r->group);
    if (group_transfer(r->raft, s->now, 0, &s->raft_fx) != STATUS_OK)
        log_warn("transfer_refused", "group=%u", r->group);
    replica_carry(s, r, fx);
}

void apply_retry(struct shard *s, struct replica *r, struct effects *fx)
{
    struct effect *e;

    if (r->apply.state != APPLY_STALLED)
        return;
    if (!instant_reached(s->now, r->apply.retry_at)) {
        shard_wake_by(&s->next_stall, r->apply.retry_at);
        return;
    }
    give_way(s, r, fx);
    if (r->apply.state != APPLY_STALLED)
        return; /* it stopped */
    r->apply.state = APPLY_WRITING;
    e = effects_add(fx, EFFECT_APPLY, r->group);
    e->apply.set = &applying_step(&r->apply)->set;
}

/* Who waits for a step that is stalled is told at his deadline. */
instant apply_expire(struct shard *s, struct replica *r, struct effects *fx)
{
    struct applying *a = &r->apply;
    struct answering answering = {s, r, fx};
    instant earliest = INSTANT_NEVER;

    for (unsigned i = 0; i < a->n_settled; i++) {
        struct settled *w = &a->settled[i];
        struct waiter waiter = {.from = w->from, .op = w->op};
        if (w->from.conn & ORIGIN_SELF)
            continue;
        if (!instant_reached(s->now, w->deadline)) {
            earliest = instant_min(earliest, w->deadline);
            continue;
        }
        requests_answer_waiter(&answering, &waiter,
                               (struct result){.status = STATUS_UNKNOWN});
        w->from.conn = ORIGIN_SELF; /* answered */
    }
    return earliest;
}
