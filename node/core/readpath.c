/* readpath.c - reads from the door through a round to the store. */
#include "node/core/shard_state.h"
#include "proto/base/planted.h"

#include <assert.h>

static void scan_store(struct read *x, struct effects *fx)
{
    struct effect *e = effects_add(fx, EFFECT_SCAN, x->group);

    e->scan.token = (uint64_t)(uintptr_t)x;
    e->scan.keyspace = x->keyspace;
    e->scan.request = slice_of(x->key, x->key_size);
}

/* The group clock is that of a state which the store is not behind; and so is
 * whether the key's slot is the group's. */
static void read_store(struct shard *s, const struct replica *r,
                       struct read *x, struct effects *fx)
{
    struct effect *e;

    x->clock_ms = r->applied_clock_ms;
    if (x->op == OP_SCAN) {
        scan_store(x, fx);
        return;
    }
    if (!slots_own(r->machine.slots, x->slot) && !PLANTED(READ_NOT_OWNED)) {
        requests_refuse(s, x->from, OP_GET, x->group, STATUS_MOVED, fx);
        read_free(&s->read_pool, x);
        return;
    }
    e = effects_add(fx, EFFECT_READ, x->group);
    e->read.token = (uint64_t)(uintptr_t)x;
    e->read.key = slice_of(x->key, x->key_size);
    e->read.from = x->from;
}

void readpath_take(struct shard *s, struct replica *r, const struct request *q,
                   uint32_t keyspace, uint16_t slot, uint64_t after,
                   struct effects *fx)
{
    const struct operation *o = &q->operation;
    bool scan = o->op == OP_SCAN, key = o->op == OP_GET;
    struct read *x = NULL;

    if (!scan || s->scans < SCANS_MAX)
        x = read_new(&s->read_pool,
                     key ? LAYOUT_DATA_PREFIX_BYTES + o->key.size
                         : o->value.size);
    if (!x) {
        requests_refuse(s, q->from, o->op, r->group, STATUS_BUSY, fx);
        return;
    }
    s->scans += scan;
    if (key)
        layout_data_key(x->key, keyspace, o->key);
    else
        memcpy(x->key, o->value.data, o->value.size);
    x->op = o->op;
    x->keyspace = keyspace;
    x->from = q->from;
    x->group = r->group;
    x->slot = slot;
    x->meta = o->flags & OPERATION_META;
    x->deadline = q->deadline;
    x->after =
        after > r->done_seq && !PLANTED(READ_OWN_WRITES) ? after : 0;
    x->index = 0;
    if ((read_mode_of(o) == READ_STALE && o->op != OP_WATCH) ||
        (scan && PLANTED(SCAN_UNCONFIRMED))) {
        read_store(s, r, x, fx);
        return;
    }
    shard_wake_by(&s->earliest, q->deadline);
    if (PLANTED(READ_JOINS_ROUND) && r->reads.asking.n) {
        x->index = r->committed;
        read_list_add(&r->reads.asking, x);
        return;
    }
    read_list_add(&r->reads.next, x);
    shard_mark(s, r);
}

/* Ask voters about the asking set: `count` of those whose channel is up,
 * beginning behind this node in the list so that nodes share the work. */
static void ask(struct shard *s, struct replica *r, unsigned count)
{
    const struct members *m = group_members(r->raft);
    const struct map_group *g = map_group_find(s->map, r->group);
    unsigned self = 0;

    for (unsigned i = 0; i < m->n; i++)
        if (m->v[i].replica == r->id)
            self = i;
    for (unsigned k = 1; k < m->n && count; k++) {
        const struct member *v = &m->v[(self + k) % m->n];
        const struct map_replica *where =
            g ? map_replica_find(g, v->replica) : NULL;
        struct peer *p =
            where ? peers_with(s, where->node, r->group) : NULL;
        if ((v->role != MEMBER_VOTER && !PLANTED(READ_STANDBY)) || !p ||
            !p->up[CHANNEL_CONTROL])
            continue;
        rounds_ask(&p->rounds, r->group, r->reads.asking_term,
                   r->reads.asking_seq);
        count--;
    }
}

void readpath_start(struct shard *s, struct replica *r, struct effects *fx)
{
    struct reads *q = &r->reads;
    uint64_t index;
    unsigned needed;

    if (!r->raft || r->role != GROUP_LEADER || !q->next.n || q->asking.n ||
        !group_read_index(r->raft, &index))
        return; /* marked again when that changes */
    needed = PLANTED(READ_UNCONFIRMED)
                 ? 0
                 : members_quorum(group_members(r->raft)) - 1;
    reads_start(q, s->now, index, group_term(r->raft), needed);
    if (!needed) {
        readpath_run(s, r, fx);
        return;
    }
    ask(s, r, needed);
    shard_wake_by(&s->next_hedge,
                  instant_add(s->now, MS(HEDGE_AFTER_MS)));
}

void readpath_hedge(struct shard *s, struct replica *r)
{
    struct reads *q = &r->reads;
    instant due;

    if (!r->raft || !q->asking.n)
        return;
    due = instant_add(q->asked_at,
                      MS(q->hedged ? ROUND_LOST_MS : HEDGE_AFTER_MS));
    if (!instant_reached(s->now, due)) {
        shard_wake_by(&s->next_hedge, due);
        return;
    }
    q->hedged = true;
    q->asked_at = s->now;
    ask(s, r, MEMBERS_MAX);
    shard_wake_by(&s->next_hedge, instant_add(s->now, MS(ROUND_LOST_MS)));
}

void readpath_run(struct shard *s, struct replica *r, struct effects *fx)
{
    struct read *x;

    while ((x = reads_runnable(&r->reads, r->applied, r->done_seq))) {
        if (x->op != OP_WATCH) {
            read_store(s, r, x, fx);
            continue;
        }
        watches_begin(s, r, x->from, x->keyspace,
                      slice_of(x->key, x->key_size), fx);
        read_free(&s->read_pool, x);
    }
}

void readpath_on_read(struct shard *s, const struct event *e,
                      struct effects *fx)
{
    struct read *x = (struct read *)(uintptr_t)e->read.token;
    struct reply reply = {.status = e->read.status, .clock = x->clock_ms};
    struct layout_value v;
    uint64_t clock_ms =
        PLANTED(EXPIRY_BY_OWN_CLOCK) ? s->wall_ms : x->clock_ms;

    if (reply.status == STATUS_OK)
        reply.status = layout_value_parse(e->read.record, &v);
    if (reply.status == STATUS_OK &&
        !machine_live(v.expire_at_ms, clock_ms))
        reply.status = STATUS_NOT_FOUND; /* not swept yet */
    if (reply.status == STATUS_OK) {
        reply.has_value = !x->meta;
        reply.version = v.version;
        reply.expire_at = v.expire_at_ms;
        if (x->meta)
            reply.argument = v.bytes.size;
        else
            reply.value = v.bytes;
    }
    if (reply.status == STATUS_CANCELLED) {
        read_free(&s->read_pool, x);
        return;
    }
    if (reply.status == STATUS_OK || reply.status == STATUS_NOT_FOUND) {
        requests_reply(s, x->from, OP_GET, &reply, fx);
    } else {
        struct replica *r = shard_find(s, x->group);
        requests_refuse(s, x->from, OP_GET, x->group, STATUS_UNAVAILABLE, fx);
        if (r && r->raft)
            replica_stop(s, r, REPLICA_QUARANTINED,
                         "the store cannot be read", fx);
    }
    read_free(&s->read_pool, x);
}

void readpath_on_scanned(struct shard *s, const struct event *e,
                         struct effects *fx)
{
    struct read *x = (struct read *)(uintptr_t)e->scanned.token;
    struct reply reply = {.status = e->scanned.status,
                          .has_value = e->scanned.status == STATUS_OK,
                          .value = e->scanned.page};
    struct replica *r = shard_find(s, x->group);

    switch (reply.status) {
    case STATUS_OK:
        requests_reply(s, x->from, OP_SCAN, &reply, fx);
        break;
    case STATUS_CORRUPT:
    case STATUS_WRONG_VERSION:
    case STATUS_IO_ERROR:
        requests_refuse(s, x->from, OP_SCAN, x->group, STATUS_UNAVAILABLE, fx);
        if (r && r->raft)
            replica_stop(s, r, REPLICA_QUARANTINED,
                         "the store cannot be read", fx);
        break;
    default: /* what was asked for cannot be, or not here */
        requests_refuse(s, x->from, OP_SCAN, x->group, reply.status, fx);
        break;
    }
    s->scans--;
    read_free(&s->read_pool, x);
}

/* ---- rounds ---- */

bool readpath_answer_round(struct shard *s, struct peer *p, struct slice body)
{
    struct reader in = reader_of(body);
    uint64_t round = reader_u64(&in);
    uint32_t n = reader_u32(&in);
    struct buf *out = peers_out(p, CHANNEL_CONTROL);
    size_t begun;

    if (in.failed || reader_left(&in) != (size_t)n * 12)
        return false;
    begun = item_begin(out, ITEM_READ_ACK);
    buf_u64(out, round);
    buf_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = reader_u32(&in);
        uint64_t term = reader_u64(&in);
        const struct replica *r = shard_find(s, group);
        buf_u8(out, r && r->raft && group_confirms(r->raft, term));
    }
    item_end(out, begun);
    return true;
}

struct confirming {
    struct shard *shard;
    struct peer *peer;
    struct effects *fx;
};

static void confirm(void *arg, const struct round_entry *e)
{
    struct confirming *c = arg;
    struct shard *s = c->shard;
    struct replica *r = shard_find(s, e->group);
    const struct map_group *g = map_group_find(s->map, e->group);
    const struct map_replica *voter =
        g ? map_replica_on(g, c->peer->node) : NULL;
    const struct members *m;

    if (!r || !r->raft || !voter || r->role != GROUP_LEADER ||
        group_term(r->raft) != e->term)
        return;
    m = group_members(r->raft);
    for (unsigned i = 0; i < m->n; i++) {
        if (m->v[i].replica != voter->id || voter->id == r->id ||
            (m->v[i].role != MEMBER_VOTER && !PLANTED(READ_STANDBY)))
            continue;
        if (!reads_confirm(&r->reads, e->seq, i))
            continue;
        readpath_run(s, r, c->fx);
        if (r->reads.next.n)
            shard_mark(s, r);
    }
}

bool readpath_on_ack(struct shard *s, struct peer *p, struct slice body,
                     struct effects *fx)
{
    struct confirming c = {s, p, fx};

    return rounds_answer(&p->rounds, body, confirm, &c);
}
