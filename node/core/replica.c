/* replica.c - a replica's life, and its Raft group's effects carried over. */
#include "node/core/shard_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/planted.h"

struct replica *replica_new(struct shard *s, const struct replica_restore *o)
{
    struct replica *r = xcalloc(1, sizeof *r);

    r->group = o->group;
    r->id = o->replica;
    r->number = s->n_replicas;
    r->apply.stalled_at = INSTANT_NEVER;
    machine_init(&r->machine, r->group);
    r->machine.sessions.seed = rng_next(&s->rng);
    for (unsigned i = 0; i < ARRAY_LEN(r->apply.steps); i++)
        machine_step_init(&r->apply.steps[i], rng_next(&s->rng));
    proposals_init(&r->proposals, s->o.entry_bytes_max);
    reads_init(&r->reads);
    /* A piece that an earlier process asked for shall not be taken for ours. */
    r->receive.ask = rng_next(&s->rng) >> 1;
    return r;
}

void replica_free(struct shard *s, struct replica *r)
{
    struct read_list *lists[] = {&r->reads.next, &r->reads.asking,
                                 &r->reads.ready};

    for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
        struct read *x;
        while ((x = read_list_pop(lists[i])))
            read_free(&s->read_pool, x);
    }
    watches_release(s, r);
    group_free(r->raft);
    buf_release(&r->members);
    machine_release(&r->machine);
    keyspaces_release(&r->told);
    for (unsigned i = 0; i < ARRAY_LEN(r->apply.steps); i++)
        machine_step_release(&r->apply.steps[i]);
    free(r->apply.settled);
    proposals_release(&r->proposals);
    snapshots_release(r);
    free(r->switching_files);
    free(r);
}

void replica_stop(struct shard *s, struct replica *r, enum replica_mode mode,
                  const char *reason, struct effects *fx)
{
    struct answering a = {s, r, fx};

    log_error("replica_stopped", "group=%u replica=%lu mode=%d reason=\"%s\"",
              r->group, (unsigned long)r->id, (int)mode, reason);
    r->mode = mode;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    apply_cancel(s, r, fx);
    requests_deposed(s, r, fx);
    /* What was proposed may be decided by the others. */
    proposals_jumped(&r->proposals, UINT64_MAX, requests_answer_waiter, &a);
    r->done_seq = r->proposals.done;
    r->role = GROUP_FAILED;
    r->leader = 0;
    r->restart_at = INSTANT_NEVER;
    snapshots_end(s, r, r->send.to, fx);
    if (snapshot_install_is_out(&r->receive)) {
        r->switching = r->receive.token;
        r->switching_files = r->receive.files;
        r->receive.files = NULL;
    }
    snapshots_release(r);
    s->dead = xrealloc(s->dead, (s->n_dead + 1) * sizeof *s->dead);
    s->dead[s->n_dead++] = r->raft;
    r->raft = NULL;
}

void replica_bury(struct shard *s)
{
    for (unsigned i = 0; i < s->n_dead; i++)
        group_free(s->dead[i]);
    s->n_dead = 0;
}

/* Take over what the store says; false when it contradicts itself. */
static bool load(struct replica *r, const struct replica_restore *o)
{
    const struct group_record *g = &o->record;

    if (machine_load(&r->machine, o->slots, o->map) != STATUS_OK ||
        machine_load_kept(&r->machine, o->kept) != STATUS_OK)
        return false;
    r->applied = r->committed = g->applied_index;
    r->applied_term = g->applied_term;
    r->change_index = g->change_index;
    buf_clear(&r->members);
    buf_append(&r->members, g->members.data, g->members.size);
    r->applied_clock_ms = r->clock.last_ms = g->clock_ms;
    r->flushed = o->flushed;
    watches_reset(r);
    return true;
}

void replica_start(struct shard *s, struct replica *r,
                   const struct replica_restore *o, struct effects *fx)
{
    struct group_options options = {
        .group = r->group,
        .replica = r->id,
        .seed = rng_next(&s->rng),
        .election = s->o.election,
        .heartbeat = s->o.heartbeat,
        .budget = &s->tail_budget,
        .trailing = s->o.log_trailing,
    };

    if (o->broken) {
        replica_stop(s, r, o->lost ? REPLICA_LOST : REPLICA_QUARANTINED,
                     o->broken, fx);
        return;
    }
    if (!load(r, o)) {
        replica_stop(s, r, REPLICA_QUARANTINED,
                     "the store's records are damaged", fx);
        return;
    }
    r->mode = REPLICA_SERVING;
    r->flushing = false;
    r->restart_at = INSTANT_NEVER;
    r->raft = group_new(&options);
    if (group_start(r->raft, s->now, &o->raft, &s->raft_fx) != STATUS_OK) {
        group_effects_clear(&s->raft_fx);
        replica_stop(s, r, REPLICA_QUARANTINED,
                     "log and store contradict each other", fx);
        return;
    }
    r->role = group_role(r->raft);
    r->term = group_term(r->raft);
    reaper_role(s, r);
    replica_carry(s, r, fx);
}

uint32_t replica_leader_node(const struct shard *s, const struct replica *r)
{
    const struct map_group *g = map_group_find(s->map, r->group);
    const struct map_replica *leader =
        g && r->leader ? map_replica_find(g, r->leader) : NULL;

    return leader ? leader->node : 0;
}

static void on_role(struct shard *s, struct replica *r,
                    const struct group_effect *e, struct effects *fx)
{
    bool led = r->role == GROUP_LEADER;

    r->role = e->role.role;
    r->term = e->role.term;
    r->leader = e->role.leader;
    if (!led && r->role == GROUP_LEADER) {
        r->lead_floor = group_last(r->raft);
        r->lead_seq = r->proposals.open.seq;
        r->led_since = s->now;
        clock_lead(&r->clock, s->now);
        if (!PLANTED(TOLD_BEFORE))
            keyspaces_clear(&r->told);
        s->gossip_now = true;
        log_info("group_leader", "group=%u term=%lu", r->group,
                 (unsigned long)r->term);
    }
    if (led != (r->role == GROUP_LEADER))
        reaper_role(s, r);
    if (led && r->role != GROUP_LEADER) {
        log_info("group_deposed", "group=%u term=%lu", r->group,
                 (unsigned long)r->term);
        requests_deposed(s, r, fx);
    }
    if (r->leader && r->group <= GROUP_COUNT_MAX)
        s->hints[r->group] =
            (struct leader_hint){replica_leader_node(s, r), r->term};
    shard_mark(s, r);
}

static void on_commit(struct shard *s, struct replica *r, uint64_t index,
                      struct effects *fx)
{
    if (index > r->committed)
        r->committed = index;
    shard_mark(s, r); /* reads may start, batches be submitted */
    apply_more(s, r, fx);
}

static void carry_persist(struct replica *r, const struct group_effect *e,
                          struct effects *fx)
{
    struct effect *out;

    switch (e->type) {
    case GROUP_PERSIST_VOTE:
        out = effects_add(fx, EFFECT_PERSIST_VOTE, r->group);
        out->persist_vote.seq = e->persist_vote.seq;
        out->persist_vote.term = e->persist_vote.term;
        out->persist_vote.vote = e->persist_vote.vote;
        break;
    case GROUP_PERSIST_TRUNCATE:
        if (PLANTED(NO_TRUNCATE_RECORD))
            break;
        out = effects_add(fx, EFFECT_PERSIST_TRUNCATE, r->group);
        out->persist_truncate.seq = e->persist_truncate.seq;
        out->persist_truncate.from = e->persist_truncate.from;
        break;
    default:
        assert(e->type == GROUP_PERSIST_ENTRIES);
        out = effects_add(fx, EFFECT_PERSIST_ENTRIES, r->group);
        out->persist_entries.seq = e->persist_entries.seq;
        out->persist_entries.first = e->persist_entries.first;
        out->persist_entries.n = e->persist_entries.n;
        out->persist_entries.raft = r->raft;
        break;
    }
}

static void carry_one(struct shard *s, struct replica *r,
                      struct group_effect *e, struct effects *fx)
{
    struct effect *out;

    switch (e->type) {
    case GROUP_PERSIST_VOTE:
    case GROUP_PERSIST_TRUNCATE:
    case GROUP_PERSIST_ENTRIES:
        carry_persist(r, e, fx);
        break;
    case GROUP_SEND:
        peers_send_raft(s, e->send.message);
        break;
    case GROUP_COMMIT:
        on_commit(s, r, e->commit.index, fx);
        break;
    case GROUP_ROLE:
        on_role(s, r, e, fx);
        break;
    case GROUP_MEMBERS:
        log_info("group_members", "group=%u members=%u index=%lu committed=%d",
                 r->group, e->members.members.n,
                 (unsigned long)e->members.index, e->members.committed);
        break;
    case GROUP_SNAPSHOT_WANTED:
        snapshots_wanted(s, r, e->snapshot_wanted.to,
                         e->snapshot_wanted.index, fx);
        break;
    case GROUP_SNAPSHOT_END:
        snapshots_end(s, r, e->snapshot_end.to, fx);
        break;
    case GROUP_INSTALL:
        snapshots_install(s, r, e, fx);
        break;
    case GROUP_LOG_READ:
        out = effects_add(fx, EFFECT_LOG_READ, r->group);
        out->log_read.token = e->log_read.token;
        out->log_read.from = e->log_read.index;
        out->log_read.n = e->log_read.n;
        break;
    case GROUP_TRANSFER_END:
        log_info("group_transfer_end", "group=%u ok=%d", r->group,
                 e->transfer_end.ok);
        shard_mark(s, r);
        break;
    case GROUP_STOPPED:
        break; /* replica_carry() deals with it last */
    }
}

/* Raft stopped itself (a snapshot that could not be installed, or a message
 * that does not fit). What is on disk is whole: begin again from it, but not
 * for ever. */
static void restart_later(struct shard *s, struct replica *r)
{
    enum { RESTARTS_MAX = 8, RESTART_MS = 500 };

    if (r->restarts == RESTARTS_MAX)
        return;
    r->restart_at = instant_add(s->now, MS(RESTART_MS << r->restarts));
    r->restarts++;
    shard_wake_by(&s->next_stall, r->restart_at);
}

void replica_restart_if_due(struct shard *s, struct replica *r,
                            struct effects *fx)
{
    if (r->mode == REPLICA_FAILED && !r->raft &&
        r->apply.state == APPLY_IDLE && !r->switching &&
        instant_reached(s->now, r->restart_at)) {
        r->restart_at = INSTANT_NEVER;
        effects_add(fx, EFFECT_RESTART, r->group);
    }
}

void replica_carry(struct shard *s, struct replica *r, struct effects *fx)
{
    struct group_effects *list = &s->raft_fx;
    const char *stopped = NULL;

    /* Carrying out may call the group again, which appends. */
    for (unsigned i = 0; i < list->n; i++) {
        struct group_effect e = list->v[i];
        if (e.type == GROUP_STOPPED)
            stopped = e.stopped.reason;
        else
            carry_one(s, r, &e, fx);
        if (!r->raft)
            break;
    }
    group_effects_clear(list);
    if (stopped && r->raft) {
        replica_stop(s, r, REPLICA_FAILED, stopped, fx);
        restart_later(s, r);
    }
}

/* ---- flushing: so that the log can be cut ---- */

static uint64_t unflushed_total(const struct shard *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->n_replicas; i++)
        sum += s->replicas[i]->unflushed_bytes;
    return sum;
}

static bool largest(const struct shard *s, const struct replica *r)
{
    for (unsigned i = 0; i < s->n_replicas; i++)
        if (!s->replicas[i]->flushing &&
            s->replicas[i]->unflushed_bytes > r->unflushed_bytes)
            return false;
    return true;
}

void replica_flush_if_due(struct shard *s, struct replica *r,
                          struct effects *fx)
{
    if (r->flushing || r->applied <= r->flushed)
        return;
    if (r->unflushed_bytes >= s->o.group_flush_bytes ||
        (unflushed_total(s) > s->o.node_flush_bytes && largest(s, r)))
        replica_flush(s, r, fx);
}

void replica_flush(struct shard *s, struct replica *r, struct effects *fx)
{
    if (!r->raft || r->flushing || r->mode != REPLICA_SERVING ||
        r->applied <= r->flushed || !instant_reached(s->now, r->flush_again))
        return;
    r->flushing = true;
    r->unflushed_bytes = 0;
    effects_add(fx, EFFECT_FLUSH, r->group);
}

static void release(const struct replica *r, struct effects *fx)
{
    struct effect *out = effects_add(fx, EFFECT_RELEASE, r->group);

    out->release.index = group_first(r->raft) - 1;
}

/* The store's memory is full, or entries of an idle group keep the whole
 * node's log alive. */
void replica_on_flush_wanted(struct shard *s, const struct event *e,
                             struct effects *fx)
{
    uint32_t group = e->flush_wanted.group;
    struct replica *r = shard_find(s, group);
    bool runs = r && r->raft;

    /* What is flushed, or belongs to a replica that does nothing more here, is
     * not going to move by itself. */
    if (e->flush_wanted.pinned && (!runs || r->applied <= r->flushed)) {
        /* What stayed for a replica that was behind may go by now: nothing
         * else asks once the group is idle, or is led by another. */
        if (runs && r->mode == REPLICA_SERVING) {
            group_flushed(r->raft, s->now, r->flushed, &s->raft_fx);
            replica_carry(s, r, fx);
        }
        if (r && r->raft && r->mode == REPLICA_SERVING)
            release(r, fx);
        effects_add(fx, EFFECT_REWRITE, group);
        return;
    }
    if (r)
        replica_flush(s, r, fx);
}

void replica_on_flushed(struct shard *s, const struct event *e,
                        struct effects *fx)
{
    struct replica *r = shard_find(s, e->flushed.group);

    if (!r)
        return;
    r->flushing = false;
    if (e->flushed.status != STATUS_OK)
        r->flush_again = instant_add(s->now, MS(FLUSH_AGAIN_MS));
    if (!r->raft || e->flushed.status != STATUS_OK ||
        e->flushed.index <= r->flushed)
        return;
    r->flushed =
        PLANTED(RELEASED_UNFLUSHED) ? r->applied : e->flushed.index;
    group_flushed(r->raft, s->now, r->flushed, &s->raft_fx);
    replica_carry(s, r, fx);
    /* While a snapshot is being installed the group already begins behind it,
     * but what is on disk has to stay until the log's RESET. */
    if (!r->raft || r->mode != REPLICA_SERVING)
        return;
    release(r, fx);
}
