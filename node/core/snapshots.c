/* snapshots.c - sending and receiving whole stores; see snapshot.h. */
#include "node/core/shard_state.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"

enum {
    ASK_AGAIN_MS = 1000,   /* an unanswered piece is asked for again */
    GIVE_UP_MS = 30000,    /* the sender has been silent */
    GIVE_UP_DOWN_MS = 1000, /* ... and is not connected: it may be gone for
                              good, and who installs cannot vote */
    RECEIVER_GONE_MS = 60000, /* nothing was asked for: the log must go on */
    RECEIVER_QUIET_MS = 3000, /* ... and another one waits for its turn */
};

void snapshots_release(struct replica *r)
{
    buf_release(&r->send.manifest);
    r->send = (struct snapshot_send){0};
    buf_release(&r->receive.members);
    free(r->receive.files);
    r->receive = (struct snapshot_receive){.ask = r->receive.ask};
}

static uint32_t node_of(const struct shard *s, uint32_t group,
                        uint64_t replica)
{
    const struct map_group *g = map_group_find(s->map, group);
    const struct map_replica *m = g ? map_replica_find(g, replica) : NULL;

    return m ? m->node : 0;
}

/* ---- sending ---- */

void snapshots_wanted(struct shard *s, struct replica *r, uint64_t to,
                      uint64_t index, struct effects *fx)
{
    struct snapshot_send *send = &r->send;
    struct effect *e;

    /* A quarantined replica never asks: it must not hold up one that would. */
    if (send->state == SEND_SERVING && send->to != to &&
        instant_since(s->now, send->asked_at).ms > RECEIVER_QUIET_MS) {
        uint64_t quiet = send->to;
        snapshots_end(s, r, quiet, fx);
        group_snapshot_failed(r->raft, s->now, quiet, &s->raft_fx);
    }
    if (send->state != SEND_NONE) { /* one at a time: it will ask again */
        group_snapshot_failed(r->raft, s->now, to, &s->raft_fx);
        return;
    }
    *send = (struct snapshot_send){
        .state = SEND_CHECKPOINTING,
        .to = to,
        .token = ++s->next_token,
        .asked_at = s->now,
        .wanted = index,
        .manifest = send->manifest,
    };
    log_info("snapshot_wanted", "group=%u to_node=%u index=%lu", r->group,
             node_of(s, r->group, to), (unsigned long)index);
    e = effects_add(fx, EFFECT_CHECKPOINT, r->group);
    e->checkpoint.token = send->token;
}

void snapshots_end(struct shard *s, struct replica *r, uint64_t to,
                   struct effects *fx)
{
    struct snapshot_send *send = &r->send;
    struct effect *e;

    if (send->state == SEND_NONE || send->to != to)
        return;
    if (send->state == SEND_SERVING) {
        e = effects_add(fx, EFFECT_CHECKPOINT_DROP, r->group);
        e->checkpoint.token = send->token;
    }
    send->state = SEND_NONE; /* a checkpoint still being made: dropped then */
    log_info("snapshot_end", "group=%u to_node=%u", r->group,
             node_of(s, r->group, to));
}

static void drop_checkpoint(const struct event *e, struct effects *fx)
{
    struct effect *out;

    if (e->checkpoint.status != STATUS_OK)
        return;
    out = effects_add(fx, EFFECT_CHECKPOINT_DROP, e->checkpoint.group);
    out->checkpoint.token = e->checkpoint.token;
}

void snapshots_on_checkpoint(struct shard *s, const struct event *e,
                             struct effects *fx)
{
    struct replica *r = shard_find(s, e->checkpoint.group);
    struct snapshot_send *send = r ? &r->send : NULL;
    struct members members = {0};
    enum status st = e->checkpoint.status;

    if (!r || !r->raft || send->state != SEND_CHECKPOINTING ||
        send->token != e->checkpoint.token) {
        drop_checkpoint(e, fx);
        return;
    }
    if (st == STATUS_OK)
        st = members_decode(e->checkpoint.members, &members);
    send->state = SEND_SERVING; /* an END that comes inside drops it */
    if (st == STATUS_OK) {
        send->index = e->checkpoint.index;
        send->n_files = e->checkpoint.n_files;
        buf_clear(&send->manifest);
        manifest_encode(&send->manifest, e->checkpoint.index,
                        e->checkpoint.term, e->checkpoint.members_index,
                        e->checkpoint.members, e->checkpoint.files,
                        e->checkpoint.n_files);
        st = group_snapshot_ready(r->raft, s->now, send->to, send->index,
                                  e->checkpoint.term, &members,
                                  e->checkpoint.members_index, &s->raft_fx);
    }
    if (st != STATUS_OK) {
        log_warn("snapshot_failed", "group=%u status=%s", r->group,
                 status_name(st));
        send->state = SEND_NONE;
        drop_checkpoint(e, fx);
        if (st != STATUS_NOT_FOUND)
            group_snapshot_failed(r->raft, s->now, send->to, &s->raft_fx);
    }
    replica_carry(s, r, fx);
}

bool snapshots_on_ask(struct shard *s, struct peer *p, struct slice body,
                      struct effects *fx)
{
    struct snapshot_ask ask;
    struct replica *r;
    struct snapshot_chunk reply;
    struct effect *e;

    if (!snapshot_ask_decode(body, &ask))
        return false;
    r = shard_find(s, ask.group);
    reply = (struct snapshot_chunk){
        .group = ask.group,
        .replica = ask.replica,
        .index = ask.index,
        .ask = ask.ask,
        .file = ask.file,
        .offset = ask.offset,
    };
    if (!r || r->send.state != SEND_SERVING || r->send.to != ask.replica ||
        r->send.index != ask.index ||
        node_of(s, ask.group, ask.replica) != p->node) {
        reply.status = STATUS_NOT_FOUND;
        snapshot_chunk_encode(peers_out(p, CHANNEL_BULK), &reply);
        return true;
    }
    r->send.asked_at = s->now;
    if (ask.file == SNAPSHOT_MANIFEST) {
        reply.bytes = buf_slice(&r->send.manifest);
        snapshot_chunk_encode(peers_out(p, CHANNEL_BULK), &reply);
        return true;
    }
    e = effects_add(fx, EFFECT_SERVE_CHUNK, ask.group);
    e->serve.token = r->send.token;
    e->serve.node = p->node;
    e->serve.shard = p->shard;
    e->serve.ask = ask;
    e->serve.ask.size_max = MIN_OF(ask.size_max, (uint32_t)SNAPSHOT_PIECE);
    return true;
}

/* ---- receiving ---- */

static void ask_piece(struct shard *s, struct replica *r)
{
    struct snapshot_receive *in = &r->receive;
    struct peer *p = peers_with(s, node_of(s, r->group, in->from), r->group);
    struct snapshot_ask ask = {
        .group = r->group,
        .replica = r->id,
        .index = in->index,
        .ask = ++in->ask,
        .file = in->state == RECEIVE_MANIFEST ? (uint32_t)SNAPSHOT_MANIFEST
                                              : in->file,
        .offset = in->offset,
        .size_max = SNAPSHOT_PIECE,
    };

    in->asked_at = s->now;
    if (p && p->up[CHANNEL_BULK])
        snapshot_ask_encode(peers_out(p, CHANNEL_BULK), &ask);
}

void snapshots_install(struct shard *s, struct replica *r,
                       const struct group_effect *e, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;
    struct answering a = {s, r, fx};

    log_info("snapshot_install", "group=%u from_node=%u index=%lu", r->group,
             node_of(s, r->group, e->install.from),
             (unsigned long)e->install.index);
    assert(in->state == RECEIVE_NONE);
    apply_cancel(s, r, fx);
    proposals_jumped(&r->proposals, e->install.index, requests_answer_waiter,
                     &a);
    r->done_seq = r->proposals.done;
    *in = (struct snapshot_receive){
        .state = RECEIVE_MANIFEST,
        .from = e->install.from,
        .index = e->install.index,
        .term = e->install.term,
        .members_index = e->install.members_index,
        .ask = in->ask, /* a late piece of an earlier one has another */
        .token = ++s->next_token,
        .heard_at = s->now,
    };
    r->mode = REPLICA_INSTALLING;
    ask_piece(s, r);
}

/* It did not work: the group starts again from what is on disk. */
static void give_up(struct shard *s, struct replica *r, const char *why,
                    struct effects *fx)
{
    log_warn("snapshot_given_up", "group=%u why=\"%s\"", r->group, why);
    group_installed(r->raft, s->now, false, &s->raft_fx);
    replica_carry(s, r, fx);
}

static void install_effect(struct replica *r, enum effect_type type,
                           struct slice bytes, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;
    struct effect *e = effects_add(fx, type, r->group);

    e->install.token = in->token;
    e->install.index = in->index;
    e->install.term = in->term;
    e->install.file = in->file;
    e->install.offset = in->offset;
    e->install.bytes = bytes;
    e->install.files = in->files;
    e->install.n_files = in->n_files;
}

/* The new store takes the place of the one that an APPLY may still be writing
 * to: that one has to be over, or it would land in the new store. */
static void switch_over(struct replica *r, struct effects *fx)
{
    if (r->apply.state == APPLY_WRITING) {
        r->receive.state = RECEIVE_WHOLE;
        return;
    }
    r->receive.state = RECEIVE_COMMITTING;
    install_effect(r, EFFECT_INSTALL_COMMIT, slice_of("", 0), fx);
}

void snapshots_apply_over(struct replica *r, struct effects *fx)
{
    if (r->receive.state == RECEIVE_WHOLE)
        switch_over(r, fx);
}

static void next_piece(struct shard *s, struct replica *r, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;

    while (in->file < in->n_files && in->offset == in->files[in->file].size) {
        in->file++;
        in->offset = 0;
    }
    if (in->file < in->n_files) {
        in->state = RECEIVE_FILES;
        ask_piece(s, r);
        return;
    }
    switch_over(r, fx);
}

static bool on_manifest(struct shard *s, struct replica *r,
                        struct slice bytes, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;
    struct slice members;
    uint64_t index, term, members_index;

    in->files = xcalloc(SNAPSHOT_FILES_MAX, sizeof *in->files);
    if (!manifest_decode(bytes, &index, &term, &members_index, &members,
                         in->files, SNAPSHOT_FILES_MAX, &in->n_files) ||
        index != in->index || term != in->term) {
        give_up(s, r, "the manifest does not fit", fx);
        return false;
    }
    buf_clear(&in->members);
    buf_append(&in->members, members.data, members.size);
    in->state = RECEIVE_BEGINNING;
    install_effect(r, EFFECT_INSTALL_BEGIN, slice_of("", 0), fx);
    return true;
}

bool snapshots_on_chunk(struct shard *s, const struct peer *p,
                        struct slice body, struct effects *fx)
{
    struct snapshot_chunk c;
    struct replica *r;
    struct snapshot_receive *in;

    if (!snapshot_chunk_decode(body, &c))
        return false;
    r = shard_find(s, c.group);
    in = r ? &r->receive : NULL;
    if (!r || !r->raft || c.replica != r->id || c.index != in->index ||
        in->state == RECEIVE_NONE ||
        node_of(s, r->group, in->from) != p->node)
        return true; /* late */
    in->heard_at = s->now;
    /* A piece may be asked for twice: whichever answer comes first is taken. */
    if (in->state == RECEIVE_MANIFEST
            ? c.file != SNAPSHOT_MANIFEST
            : in->state != RECEIVE_FILES || c.file != in->file ||
                  c.offset != in->offset)
        return true;
    if (c.status != STATUS_OK) {
        give_up(s, r, "the sender dropped it", fx);
        return true;
    }
    if (in->state == RECEIVE_MANIFEST)
        return on_manifest(s, r, c.bytes, fx);
    if (!c.bytes.size ||
        c.bytes.size > in->files[in->file].size - in->offset) {
        give_up(s, r, "a piece does not fit", fx);
        return false;
    }
    in->state = RECEIVE_WRITING;
    install_effect(r, EFFECT_INSTALL_CHUNK, c.bytes, fx);
    in->offset += c.bytes.size;
    return true;
}

/* The store has been switched: go on behind it. */
static void installed(struct shard *s, struct replica *r, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;

    r->applied = r->committed = r->flushed = in->index;
    r->applied_term = in->term;
    r->change_index = in->members_index;
    buf_clear(&r->members);
    buf_append(&r->members, in->members.data, in->members.size);
    r->unflushed_bytes = 0;
    r->restarts = 0;
    r->flushing = false; /* of the old store: nobody may answer it any more */
    r->mode = REPLICA_SERVING;
    watches_reset(r);
    log_info("snapshot_installed", "group=%u index=%lu", r->group,
             (unsigned long)in->index);
    buf_release(&in->members);
    free(in->files);
    *in = (struct snapshot_receive){.ask = in->ask};
    group_installed(r->raft, s->now, true, &s->raft_fx);
    replica_carry(s, r, fx);
}

void snapshots_on_install(struct shard *s, const struct event *e,
                          struct effects *fx)
{
    struct replica *r = shard_find(s, e->install.group);
    struct snapshot_receive *in = r ? &r->receive : NULL;
    enum status st = e->install.status;
    bool commit;

    /* Store and log are one again, the old or the new: it may begin. */
    if (r && r->switching && r->switching == e->install.token) {
        r->switching = 0;
        free(r->switching_files);
        r->switching_files = NULL;
    }
    if (!r || !r->raft || in->token != e->install.token ||
        !snapshot_install_is_out(in))
        return;
    commit = in->state == RECEIVE_COMMITTING;
    in->state = RECEIVE_FILES; /* nothing is under way */
    in->heard_at = s->now;
    if (st == STATUS_OK && commit) {
        st = machine_load(&r->machine, e->install.slots, e->install.map);
        if (st == STATUS_OK)
            st = machine_load_kept(&r->machine, e->install.kept);
        if (st == STATUS_OK) {
            r->applied_clock_ms = e->install.clock_ms;
            clock_saw(&r->clock, e->install.clock_ms);
            reaper_role(s, r);
            installed(s, r, fx);
            return;
        }
    }
    if (st != STATUS_OK) {
        give_up(s, r, status_text(st), fx);
        return;
    }
    next_piece(s, r, fx);
}

/* While a snapshot is being sent the log cannot be cut: not for ever. */
static void receiver_gone(struct shard *s, struct replica *r,
                          struct effects *fx)
{
    uint64_t to = r->send.to;

    log_warn("snapshot_receiver_gone", "group=%u to_node=%u", r->group,
             node_of(s, r->group, to));
    snapshots_end(s, r, to, fx);
    group_snapshot_failed(r->raft, s->now, to, &s->raft_fx);
    replica_carry(s, r, fx);
}

/* How long the sender of what `r` receives may be silent. */
static uint64_t patience(struct shard *s, const struct replica *r)
{
    const struct peer *p =
        peers_with(s, node_of(s, r->group, r->receive.from), r->group);

    return p && p->up[CHANNEL_BULK] ? GIVE_UP_MS : GIVE_UP_DOWN_MS;
}

void snapshots_tick(struct shard *s, struct replica *r, struct effects *fx)
{
    struct snapshot_receive *in = &r->receive;

    if (r->raft && r->send.state == SEND_SERVING &&
        instant_since(s->now, r->send.asked_at).ms > RECEIVER_GONE_MS)
        receiver_gone(s, r, fx);
    if (!r->raft ||
        (in->state != RECEIVE_MANIFEST && in->state != RECEIVE_FILES))
        return;
    if (instant_since(s->now, in->heard_at).ms > patience(s, r))
        give_up(s, r, "the sender is silent", fx);
    else if (instant_since(s->now, in->asked_at).ms > ASK_AGAIN_MS)
        ask_piece(s, r);
}
