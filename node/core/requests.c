/* requests.c - from a request to its group: here, elsewhere, refused.
 *
 * A request whose group is led here joins that group's open batch or its next
 * read round. One for another node's group is passed on once, to the leader as
 * far as it is known; one that was passed on already is never passed on again,
 * it gets NOT_LEADER with a hint. */
#include "node/core/shard_state.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/planted.h"
#include "proto/keyspace.h"
#include "proto/scan.h"
#include "proto/slot.h"
#include "proto/watch.h"

/* A request that knows where it belongs. */
struct routed {
    struct origin from;
    uint32_t keyspace;
    const struct operation *operation;
    const struct session *session;
    instant deadline;
    uint16_t slot;
    uint32_t group;
    uint32_t seen; /* of a forwarded one */
};

static struct peer *origin_peer(struct shard *s, uint64_t conn)
{
    return peers_find(s, (uint32_t)conn, (uint32_t)(conn >> 32) & 0xff);
}

/* ---- replies ---- */

void requests_reply(struct shard *s, struct origin to, enum op op,
                    const struct reply *r, struct effects *fx)
{
    struct effect *e;

    if (to.conn & ORIGIN_SELF) {
        if (op == OP_SWEEP)
            reaper_swept(s, (uint32_t)to.id, r->status == STATUS_OK);
        else if (op == OP_REMEMBER)
            remember_decided(s, (uint32_t)to.id);
        if (r->status == STATUS_INVALID || r->status == STATUS_WRONG_NODE)
            log_warn("address_refused", "status=%s", status_name(r->status));
        return;
    }
    if (to.conn & ORIGIN_PEER) {
        struct peer *p = origin_peer(s, to.conn);
        bool write = operation_is_write(op);
        struct reply instead = {
            /* A read can be repeated; a write has happened. */
            .status = write ? STATUS_UNKNOWN : STATUS_BUSY};
        if (!p || !p->up[CHANNEL_BULK] || to.conn != origin_of_peer(p))
            return;
        if (r->value.size > (write ? VALUE_SMALL : 0) && peers_crowded(p))
            r = &instead;
        forward_reply_encode(peers_out(p, CHANNEL_BULK), to.id, p->refused, r);
        return;
    }
    e = effects_add(fx, EFFECT_REPLY, r->hint_group);
    e->reply.to = to;
    e->reply.op = op;
    e->reply.reply = *r;
}

/* Count a write that another shard passed on and that is refused: it can be
 * sent again, so what was sent behind it must not be executed before. */
static void count_refused(struct shard *s, struct origin to, enum op op,
                          uint32_t group, enum status why)
{
    const struct replica *r = shard_find(s, group);
    struct peer *p =
        to.conn & ORIGIN_PEER ? origin_peer(s, to.conn) : NULL;

    if (!p || !r || to.conn != origin_of_peer(p) || !operation_is_write(op) ||
        status_retry(why) != RETRY_SAFE)
        return;
    if (r->number >= p->n_refused_at) {
        unsigned n = s->n_replicas > r->number ? s->n_replicas : r->number + 1;
        p->refused_at = xrealloc(p->refused_at, n * sizeof *p->refused_at);
        memset(p->refused_at + p->n_refused_at, 0,
               (n - p->n_refused_at) * sizeof *p->refused_at);
        p->n_refused_at = n;
    }
    p->refused_at[r->number] = ++p->refused;
}

/* Who should have been asked, where that is the trouble. */
static void add_hint(const struct shard *s, uint32_t group, struct reply *r)
{
    if (r->status != STATUS_NOT_LEADER && r->status != STATUS_UNAVAILABLE &&
        r->status != STATUS_MOVED)
        return;
    r->hint_group = group;
    r->hint_node = shard_leader_node(s, group);
}

void requests_refuse(struct shard *s, struct origin to, enum op op,
                     uint32_t group, enum status why, struct effects *fx)
{
    struct reply r = {.status = why};

    add_hint(s, group, &r);
    count_refused(s, to, op, group, why);
    requests_reply(s, to, op, &r, fx);
}

void requests_answer_waiter(void *arg, const struct waiter *w,
                            struct result result)
{
    struct answering *a = arg;
    struct reply r = {
        .status = result.status,
        .has_value = result.value.where != PIECE_NONE,
        .version = result.version,
        .expire_at = result.expire_at,
        .clock = result.clock,
        .argument = result.argument,
    };

    if (r.has_value)
        r.value = machine_bytes(applying_step(&a->replica->apply),
                                result.value);
    add_hint(a->shard, a->replica->group, &r);
    count_refused(a->shard, w->from, w->op, a->replica->group, r.status);
    requests_reply(a->shard, w->from, w->op, &r, a->fx);
}

void requests_answer_read(void *arg, struct read *x, enum status why)
{
    struct answering *a = arg;

    requests_refuse(a->shard, x->from, x->op, x->group, why, a->fx);
    a->shard->scans -= x->op == OP_SCAN;
    read_free(&a->shard->read_pool, x);
}

/* ---- which writes of this origin are not decided yet ---- */

static struct sent_writes *sent_of(struct shard *s, uint64_t conn)
{
    uint32_t at = (uint32_t)conn;
    struct sent_writes *w;

    if (conn & ORIGIN_SELF)
        return NULL;
    if (conn & ORIGIN_PEER) {
        struct peer *p = origin_peer(s, conn);
        return p ? &p->sent : NULL;
    }
    if (at >= s->n_conns) {
        unsigned n = s->n_conns ? s->n_conns : 64;
        while (n <= at)
            n *= 2;
        s->conns = xrealloc(s->conns, n * sizeof *s->conns);
        memset(s->conns + s->n_conns, 0,
               (n - s->n_conns) * sizeof *s->conns);
        s->n_conns = n;
    }
    w = &s->conns[at];
    if (w->conn != conn) { /* a new connection in this place */
        w->conn = conn;
        if (w->seq)
            memset(w->seq, 0, w->n * sizeof *w->seq);
    }
    return w;
}

static uint64_t sent_last(struct shard *s, uint64_t conn,
                          const struct replica *r)
{
    struct sent_writes *w = sent_of(s, conn);

    return w && r->number < w->n ? w->seq[r->number] : 0;
}

static void sent_note(struct shard *s, uint64_t conn, const struct replica *r,
                      uint64_t seq)
{
    struct sent_writes *w = sent_of(s, conn);

    if (!w)
        return;
    if (r->number >= w->n) {
        unsigned n = s->n_replicas > r->number ? s->n_replicas : r->number + 1;
        w->seq = xrealloc(w->seq, n * sizeof *w->seq);
        memset(w->seq + w->n, 0, (n - w->n) * sizeof *w->seq);
        w->n = n;
    }
    w->seq[r->number] = seq;
}

/* Has this connection a write here whose fate depends on others now? It was
 * proposed in an earlier leadership and may yet have to be sent again. */
static bool sent_undecided(struct shard *s, uint64_t conn,
                           const struct replica *r)
{
    uint64_t last = sent_last(s, conn, r);

    return last > r->done_seq &&
           (r->role != GROUP_LEADER || last < r->lead_seq);
}

/* Would this write overtake one that may have to be sent again? */
static bool would_overtake(struct shard *s, const struct routed *q,
                           const struct replica *r)
{
    uint64_t conn = q->from.conn;
    const struct peer *p =
        conn & ORIGIN_PEER ? origin_peer(s, conn) : NULL;

    if (p && r->number < p->n_refused_at &&
        (int32_t)(q->seen - p->refused_at[r->number]) < 0)
        return true;
    return sent_undecided(s, conn, r);
}

/* ---- here ---- */

static bool batch_full(const struct proposals *p)
{
    return p->open.n >= ENTRY_COMMANDS_MAX ||
           proposals_open_bytes(p) >= p->bytes_max;
}

void requests_submit(struct shard *s, struct replica *r, struct effects *fx)
{
    struct proposals *p = &r->proposals;
    uint64_t index, term, unused;
    struct blob *payload;
    int64_t offset;
    enum status st;
    unsigned limit =
        batch_full(p) ? BATCHES_IN_FLIGHT_MAX : IN_FLIGHT_ENTRIES;

    if (proposals_open_empty(p) || !r->raft || r->role != GROUP_LEADER)
        return;
    if (proposals_in_flight(p) >= limit)
        return; /* marked again when one is decided */
    if (!timekeeper_offset(s, r, &offset))
        return; /* marked again when more clocks are known */
    /* Before the own barrier is applied earlier stamps may be unknown. */
    if (!group_read_index(r->raft, &unused) || r->applied < r->lead_floor)
        return;
    if (group_can_submit(r->raft, proposals_open_bytes(p)) != STATUS_OK)
        return;
    payload = proposals_payload(p, clock_stamp(&r->clock, s->now, offset));
    s->pending_bytes -= proposals_open_bytes(p);
    st = group_submit(r->raft, s->now, &payload, 1, &index, &term,
                      &s->raft_fx);
    blob_unref(payload);
    if (st == STATUS_OK) {
        proposals_submitted(p, index, term);
    } else {
        struct answering a = {s, r, fx};
        proposals_refuse_open(p, st, requests_answer_waiter, &a);
        keyspaces_clear(&r->told);
    }
    replica_carry(s, r, fx);
}

/* Refused when the disk is nearly full; deletes and deadlines go on. */
static bool adds_data(enum op op)
{
    switch (op) {
    case OP_SET:
    case OP_INCR:
    case OP_INCR_FLOAT:
    case OP_APPEND:
    case OP_SET_RANGE:
    case OP_TRANSACT:
        return true;
    default:
        return false;
    }
}

/* Add a command to the open batch. OK, NOT_LEADER, BUSY. */
static enum status add_here(struct shard *s, struct replica *r,
                            const struct command *c, const struct waiter *w,
                            struct effects *fx)
{
    size_t before, bytes = command_bytes(c);
    uint64_t seq;

    if (!proposals_fits(&r->proposals, bytes))
        requests_submit(s, r, fx);
    if (!r->raft || r->role != GROUP_LEADER) /* by submitting */
        return STATUS_NOT_LEADER;
    before = proposals_open_bytes(&r->proposals);
    if (s->pending_bytes + bytes > s->o.pending_bytes_max ||
        !proposals_fits(&r->proposals, bytes))
        return STATUS_BUSY;
    seq = proposals_add(&r->proposals, c, w);
    s->pending_bytes += proposals_open_bytes(&r->proposals) - before;
    sent_note(s, w->from.conn, r, seq);
    shard_wake_by(&s->earliest, w->deadline);
    shard_mark(s, r);
    return STATUS_OK;
}

bool requests_own(struct shard *s, struct replica *r,
                  const struct operation *o, struct effects *fx)
{
    struct command c = {.operation = *o};
    struct waiter w = {.from = {.conn = ORIGIN_SELF, .id = r->group},
                       .op = o->op, .deadline = INSTANT_NEVER};

    return r->raft && r->role == GROUP_LEADER && !s->stopping &&
           add_here(s, r, &c, &w, fx) == STATUS_OK;
}

static void write_here(struct shard *s, struct replica *r,
                       const struct routed *q, struct effects *fx)
{
    enum op op = q->operation->op;
    struct command c = {q->slot, q->keyspace, *q->operation, *q->session};
    struct waiter w = {q->from, op, q->deadline, false};
    struct buf scratch = {0};
    enum status st = STATUS_OK;

    if (s->nearly_full && adds_data(op))
        st = STATUS_DISK_FULL;
    if (st == STATUS_OK && r->group)
        st = tenancy_admit(s, r, &c, &scratch, fx);
    if (st == STATUS_OK)
        st = add_here(s, r, &c, &w, fx);
    if (st != STATUS_OK)
        requests_refuse(s, q->from, op, q->group, st, fx);
    buf_release(&scratch);
}

/* ---- elsewhere ---- */

static void pass_on(struct shard *s, const struct routed *q,
                    struct effects *fx)
{
    uint32_t node = shard_leader_node(s, q->group);
    struct peer *p = node ? peers_with(s, node, q->group) : NULL;
    enum op op = q->operation->op;
    struct forwarded w = {.from = q->from, .op = op, .node = node,
                          .group = q->group, .deadline = q->deadline,
                          .bytes = (uint32_t)operation_bytes(q->operation)};
    struct forward f = {.keyspace = q->keyspace, .operation = *q->operation,
                        .session = *q->session};
    bool write = operation_is_write(op);

    if (PLANTED(SESSION_LEFT_BEHIND))
        f.session = (struct session){0};
    if (!p || !p->up[CHANNEL_BULK]) {
        requests_refuse(s, q->from, op, q->group, STATUS_UNAVAILABLE, fx);
        return;
    }
    if (peers_crowded(p) ||
        (op == OP_SCAN && s->scans_passed_on >= SCANS_MAX)) {
        requests_refuse(s, q->from, op, q->group, STATUS_BUSY, fx);
        return;
    }
    f.id = forwards_add(&s->forwards, &w);
    if (!f.id) {
        requests_refuse(s, q->from, op, q->group, STATUS_BUSY, fx);
        return;
    }
    if (write)
        chains_sent(&s->chains, q->from.conn, q->group, node);
    s->scans_passed_on += op == OP_SCAN;
    f.seen = p->seen;
    f.remaining_ms =
        (uint32_t)MIN_OF(instant_since(q->deadline, s->now).ms, 3600000u);
    shard_wake_by(&s->earliest, q->deadline);
    forward_encode(peers_out(p, CHANNEL_BULK), &f);
}

static void route(struct shard *s, struct routed *q, struct effects *fx)
{
    struct replica *r = shard_find(s, q->group);
    enum op op = q->operation->op;
    struct request as_read = {.from = q->from, .operation = *q->operation,
                              .deadline = q->deadline};

    bool stale = read_mode_of(q->operation) == READ_STALE && op != OP_WATCH;
    bool write = operation_is_write(op);
    bool leads = r && r->raft && r->role == GROUP_LEADER;
    uint32_t away = op == OP_WATCH
                        ? 0
                        : chains_node(&s->chains, q->from.conn, q->group);

    s->requests += !(q->from.conn & ORIGIN_PEER); /* counted where it came */
    if (!stale && away && (leads || away != shard_leader_node(s, q->group))) {
        requests_refuse(s, q->from, op, q->group, STATUS_NOT_LEADER, fx);
        return;
    }
    if (write && r && r->raft && would_overtake(s, q, r)) {
        requests_refuse(s, q->from, op, q->group, STATUS_NOT_LEADER, fx);
        return;
    }
    if (r && r->raft && !write && (stale || leads)) {
        /* A watch's connection may be another shard's: its number means
         * nothing here. */
        readpath_take(s, r, &as_read, q->keyspace, q->slot,
                      op == OP_WATCH ? 0 : sent_last(s, q->from.conn, r), fx);
        return;
    }
    if (write && leads && !s->stopping) {
        write_here(s, r, q, fx);
        return;
    }
    if (q->from.conn & ORIGIN_PEER || op == OP_WATCH) {
        requests_refuse(s, q->from, op, q->group, STATUS_NOT_LEADER, fx);
        return;
    }
    pass_on(s, q, fx);
}

/* Doors and other nodes have looked at keys; a scan may name its group. */
static enum status locate(struct shard *s, struct routed *q)
{
    const struct operation *o = q->operation;
    struct slice key = o->key;
    struct watch_request watch;
    struct scan scan;
    enum status st;

    if (o->op == OP_NODE_UPDATE || o->op == OP_KEYSPACE) {
        q->group = 0;
        return STATUS_OK;
    }
    if (o->op == OP_WATCH) {
        st = watch_decode(o->value, &watch);
        q->group = watch.group;
        return st != STATUS_OK || map_group_find(s->map, q->group)
                   ? st
                   : STATUS_INVALID;
    }
    if (o->op == OP_SCAN) {
        st = scan_decode(o->value, &scan);
        if (st != STATUS_OK)
            return st;
        q->group = scan.group;
        if (q->group)
            return map_group_find(s->map, q->group) ? STATUS_OK
                                                    : STATUS_INVALID;
        key = scan.key;
    }
    if (!key.size)
        return STATUS_KEY_EMPTY;
    q->slot = slot_of(key);
    q->group = s->map->owner[q->slot];
    return STATUS_OK;
}

void requests_take(struct shard *s, const struct request *q,
                   struct effects *fx)
{
    const struct map_keyspace *k = map_keyspace_named(s->map, q->keyspace);
    struct routed routed = {.from = q->from, .operation = &q->operation,
                            .session = &q->session,
                            .deadline = q->deadline};
    enum status st;

    if (!k && parked_take(s, q))
        return;
    if (!k) {
        requests_refuse(s, q->from, q->operation.op, 0, STATUS_NO_KEYSPACE,
                        fx);
        return;
    }
    routed.keyspace = k->id;
    st = locate(s, &routed);
    if (st == STATUS_OK)
        route(s, &routed, fx);
    else
        requests_refuse(s, q->from, q->operation.op, 0, st, fx);
}

void requests_forwarded(struct shard *s, struct peer *p,
                        const struct forward *f, struct effects *fx)
{
    struct routed q = {
        .from = {.conn = origin_of_peer(p), .id = f->id},
        .keyspace = f->keyspace,
        .operation = &f->operation,
        .session = &f->session,
        .seen = f->seen,
        .deadline = instant_add(s->now, MS(f->remaining_ms)),
    };
    enum op op = f->operation.op;
    /* What is in the log has to be applied by everybody: the other node's
     * doors have looked, but not this node. */
    struct keyspace_change change;
    enum status st =
        op == OP_NODE_UPDATE || op == OP_SCAN ? STATUS_OK
        : op == OP_KEYSPACE
            ? keyspace_change_decode(f->operation.value, false, &change)
            : operation_check(&f->operation, NULL);

    if (op == OP_WATCH) /* its parts have no way back */
        st = STATUS_INVALID;
    if (st == STATUS_OK)
        st = locate(s, &q);
    if (st == STATUS_OK)
        route(s, &q, fx);
    else
        requests_refuse(s, q.from, op, 0, st, fx);
}

bool requests_forward_reply(struct shard *s, struct peer *p,
                            struct slice body, struct effects *fx)
{
    struct forwarded w;
    struct reply r;
    uint64_t id;

    if (!forward_reply_decode(body, &id, &p->seen, &r))
        return false;
    if (!forwards_take(&s->forwards, id, &w))
        return true; /* late */
    s->scans_passed_on -= w.op == OP_SCAN;
    if (operation_is_write(w.op))
        chains_answered(&s->chains, w.from.conn, w.group);
    if (w.node != p->node)
        r = (struct reply){.status = STATUS_UNKNOWN}; /* not whom we asked */
    if (r.status == STATUS_NOT_LEADER && w.group <= GROUP_COUNT_MAX)
        s->hints[w.group].node = r.hint_node;
    if (!r.hint_node && r.status != STATUS_NOT_LEADER) {
        r.hint_group = w.group; /* so that the client goes there next time */
        r.hint_node = w.node;
    }
    requests_reply(s, w.from, w.op, &r, fx);
    return true;
}

static void answer_forwarded(void *arg, const struct forwarded *w,
                             enum status why)
{
    struct answering *a = arg;

    a->shard->scans_passed_on -= w->op == OP_SCAN;
    if (operation_is_write(w->op))
        chains_answered(&a->shard->chains, w->from.conn, w->group);
    requests_refuse(a->shard, w->from, w->op, w->group, why, a->fx);
}

void requests_node_down(struct shard *s, uint32_t node, struct effects *fx)
{
    struct answering a = {s, NULL, fx};

    forwards_expire(&s->forwards, s->now, node, answer_forwarded, &a);
}

/* ---- time and changes of leadership ---- */

void requests_sweep(struct shard *s, struct effects *fx)
{
    struct answering a = {s, NULL, fx};
    instant next =
        forwards_expire(&s->forwards, s->now, 0, answer_forwarded, &a);

    for (unsigned i = 0; i < s->n_replicas; i++) {
        struct replica *r = s->replicas[i];
        a.replica = r;
        next = instant_min(next,
                           proposals_expire(&r->proposals, s->now,
                                            requests_answer_waiter, &a));
        next = instant_min(next, apply_expire(s, r, fx));
        next = instant_min(next, reads_expire(&r->reads, s->now,
                                              requests_answer_read, &a));
    }
    s->earliest = next;
}

void requests_deposed(struct shard *s, struct replica *r, struct effects *fx)
{
    struct answering a = {s, r, fx};

    if (!proposals_open_empty(&r->proposals)) {
        s->pending_bytes -= proposals_open_bytes(&r->proposals);
        proposals_refuse_open(&r->proposals, STATUS_NOT_LEADER,
                              requests_answer_waiter, &a);
    }
    if (PLANTED(REFUSED_IN_FLIGHT))
        proposals_jumped(&r->proposals, UINT64_MAX, requests_answer_waiter,
                         &a);
    reads_fail(&r->reads, STATUS_NOT_LEADER, requests_answer_read, &a);
    watches_end_all(s, r, STATUS_NOT_LEADER, fx);
}

void requests_meta(struct shard *s, const struct operation *o,
                   struct effects *fx)
{
    static const struct session none;
    struct routed q = {
        .from = {.conn = ORIGIN_SELF},
        .operation = o,
        .session = &none,
        .deadline = instant_add(s->now, MS(UPDATE_EVERY_MS)),
    };

    route(s, &q, fx);
    s->requests--; /* nobody's request */
}

void requests_publish_self(struct shard *s, struct effects *fx)
{
    const struct map_node *known = map_node_find(s->map, s->o.node);
    const struct map_node *self = &s->o.self;
    struct buf value = {0};
    struct operation update = {.op = OP_NODE_UPDATE};

    if (!known || !self->id || s->stopping || s->o.shard ||
        (!strcmp(known->client_address, self->client_address) &&
         !strcmp(known->peer_address, self->peer_address) &&
         !strcmp(known->redis_address, self->redis_address)))
        return;
    map_node_encode(self, &value);
    update.value = buf_slice(&value);
    requests_meta(s, &update, fx);
    buf_release(&value);
}
