/* peers.c - frames of items from and to other nodes; gossip; the map.
 *
 * Items to a node gather during a turn and leave as one frame per channel. What
 * carries entries goes by the control channel too while it is little (one write
 * instead of two); beyond BULK_BYTES it takes the bulk channel, and sticks to
 * it for a while, so that entries do not overtake each other at each change. */
#include "node/core/shard_state.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"

struct peer *peers_find(struct shard *s, uint32_t node, unsigned shard)
{
    for (unsigned i = 0; i < s->n_peers; i++)
        if (s->peers[i].node == node && s->peers[i].shard == shard)
            return &s->peers[i];
    return NULL;
}

struct peer *peers_with(struct shard *s, uint32_t node, uint32_t group)
{
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        if (p->node == node && p->shard == group % p->shards)
            return p;
    }
    return NULL;
}

void peers_release(struct peer *p)
{
    buf_release(&p->out[0]);
    buf_release(&p->out[1]);
    buf_release(&p->raft);
    for (unsigned i = 0; i < ARRAY_LEN(p->sending); i++)
        buf_release(&p->sending[i]);
    rounds_release(&p->rounds);
    free(p->sent.seq);
    free(p->refused_at);
}

void peers_expect(struct shard *s, uint32_t node, unsigned shards)
{
    for (unsigned k = 0; k < shards; k++) {
        bool self = node == s->o.node;
        if (peers_find(s, node, k) || (self && k == s->o.shard))
            continue;
        s->peers = xrealloc(s->peers, (s->n_peers + 1) * sizeof *s->peers);
        s->peers[s->n_peers++] = (struct peer){
            .node = node, .shard = k, .up = {self, self}};
        /* An answer to an earlier process's round confirms nothing of ours. */
        s->peers[s->n_peers - 1].rounds.id = rng_next(&s->rng) >> 1;
    }
    for (unsigned i = 0; i < s->n_peers; i++)
        if (s->peers[i].node == node)
            s->peers[i].shards = shards;
}

struct buf *peers_out(struct peer *p, enum channel channel)
{
    p->dirty = true;
    return &p->out[channel];
}

/* ---- out ---- */

void peers_send_raft(struct shard *s, struct message *m)
{
    const struct map_group *g = map_group_find(s->map, m->group);
    const struct map_replica *to = g ? map_replica_find(g, m->to) : NULL;
    struct peer *p = to ? peers_with(s, to->node, m->group) : NULL;
    struct buf *out;
    size_t begun;

    if (!p || !p->up[CHANNEL_CONTROL])
        return;
    if (s->disk_hangs && m->type == MESSAGE_APPEND)
        return; /* others shall elect a leader with a working disk */
    out = m->n_entries ? &p->raft : &p->out[CHANNEL_CONTROL];
    p->dirty = true;
    begun = item_begin(out, ITEM_RAFT);
    message_encode(m, out);
    item_end(out, begun);
}

static void empty(struct buf *b)
{
    enum { KEEP = 1 << 20 };

    if (b->cap > KEEP)
        buf_release(b);
    buf_clear(b);
}

/* Emit `items` as a frame. Its bytes are borrowed until it has been carried
 * out, which is before the next turn ends; meanwhile new items may come: so the
 * buffer changes places with one that was sent a turn ago. */
static void emit(struct effects *fx, struct peer *p, enum channel channel,
                 struct buf *items, struct buf *sending)
{
    struct buf swap = *sending;
    struct effect *e;

    if (!items->size)
        return;
    *sending = *items;
    *items = swap;
    empty(items);
    e = effects_add(fx, EFFECT_SEND, 0);
    e->send.node = p->node;
    e->send.shard = p->shard;
    e->send.channel = channel;
    e->send.number = p->number[channel];
    e->send.items = buf_slice(sending);
}

void peers_flush(struct shard *s, struct effects *fx)
{
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        bool bulk;

        if (p->up[CHANNEL_CONTROL])
            p->dirty |= rounds_send(&p->rounds, s->now, MS(ROUND_LOST_MS),
                                    &p->out[CHANNEL_CONTROL]);
        if (!p->dirty)
            continue;
        p->dirty = false;
        bulk = p->up[CHANNEL_BULK] &&
               (p->raft.size > BULK_BYTES ||
                !instant_reached(s->now, p->bulk_until));
        if (p->raft.size > BULK_BYTES)
            p->bulk_until = instant_add(s->now, MS(BULK_STICKY_MS));
        if (p->raft.size && !(bulk && p->out[CHANNEL_BULK].size == 0)) {
            struct buf *to = &p->out[bulk ? CHANNEL_BULK : CHANNEL_CONTROL];
            buf_append(to, p->raft.data, p->raft.size);
            empty(&p->raft);
        }
        emit(fx, p, CHANNEL_CONTROL, &p->out[CHANNEL_CONTROL],
             &p->sending[0]);
        emit(fx, p, CHANNEL_BULK, &p->out[CHANNEL_BULK], &p->sending[1]);
        emit(fx, p, CHANNEL_BULK, &p->raft, &p->sending[2]);
    }
}

void peers_gossip(struct shard *s)
{
    struct buf body = {0};
    uint32_t n = 0;

    buf_u64(&body, s->map->epoch);
    buf_u64(&body, s->wall_ms);
    buf_u32(&body, 0);
    for (unsigned i = 0; i < s->n_replicas; i++) {
        const struct replica *r = s->replicas[i];
        if (!r->raft || r->role != GROUP_LEADER)
            continue;
        buf_u32(&body, r->group);
        buf_u64(&body, r->term);
        n++;
    }
    put_u32(body.data + 16, n);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        struct buf *out;
        size_t begun;
        if (!p->up[CHANNEL_CONTROL])
            continue;
        out = peers_out(p, CHANNEL_CONTROL);
        begun = item_begin(out, ITEM_GOSSIP);
        buf_append(out, body.data, body.size);
        item_end(out, begun);
    }
    buf_release(&body);
}

/* ---- the map ---- */

void peers_adopt_map(struct shard *s, const struct cluster_map *map)
{
    if (map->epoch <= s->map->epoch)
        return;
    log_info("map_adopted", "epoch=%lu", (unsigned long)map->epoch);
    map_free(s->map);
    s->map = map_copy(map);
    for (unsigned i = 0; i < s->n_peers; i++)
        s->peers[i].map_asked = false;
    s->gossip_now = true;
    tenancy_map(s);
    reaper_map(s);
}

static bool on_gossip(struct shard *s, struct peer *p, struct slice body)
{
    struct reader in = reader_of(body);
    uint64_t wall_ms;
    uint32_t n;

    p->map_epoch = reader_u64(&in);
    wall_ms = reader_u64(&in);
    n = reader_u32(&in);
    if (in.failed || reader_left(&in) != (size_t)n * 12)
        return false;
    timekeeper_told(s, p, wall_ms);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t group = reader_u32(&in);
        uint64_t term = reader_u64(&in);
        if (group <= GROUP_COUNT_MAX && term >= s->hints[group].term)
            s->hints[group] = (struct leader_hint){p->node, term};
    }
    if (p->map_epoch > s->map->epoch && !p->map_asked) {
        struct buf *out = peers_out(p, CHANNEL_CONTROL);
        item_end(out, item_begin(out, ITEM_MAP_ASK));
        p->map_asked = true;
    }
    return true;
}

static void on_map_ask(struct shard *s, struct peer *p)
{
    struct buf *out = peers_out(p, CHANNEL_BULK);
    size_t begun = item_begin(out, ITEM_MAP_DATA);

    map_encode(s->map, out);
    item_end(out, begun);
}

static bool on_map_data(struct shard *s, struct peer *p, struct slice body,
                        struct effects *fx)
{
    struct cluster_map *map;
    struct effect *e;

    p->map_asked = false;
    if (map_decode(body, &map) != STATUS_OK)
        return false;
    if (map->epoch > s->map->epoch &&
        !memcmp(map->cluster, s->map->cluster, ID_BYTES)) {
        e = effects_add(fx, EFFECT_MAP_SAVE, 0);
        e->map_save.map = map;
        e->map_save.give = true;
        return true;
    }
    map_free(map);
    parked_resume(s, fx); /* there is none */
    return true;
}

/* ---- in ---- */

static bool on_raft(struct shard *s, struct peer *p, struct slice body,
                    struct effects *fx)
{
    struct message_header h;
    struct replica *r;
    const struct map_group *g;
    const struct map_replica *from;
    struct message *m;

    if (!message_peek(body, &h))
        return false;
    r = shard_find(s, h.group);
    if (!r || !r->raft || r->id != h.to)
        return true; /* not here, or not taking part */
    g = map_group_find(s->map, h.group);
    from = g ? map_replica_find(g, h.from) : NULL;
    if (!from || from->node != p->node) {
        log_warn("raft_sender_refused", "group=%u replica=%lu node=%u",
                 h.group, (unsigned long)h.from, p->node);
        return true;
    }
    if (message_decode(body, &m) != STATUS_OK)
        return false;
    if (group_receive(r->raft, s->now, m, &s->raft_fx) == STATUS_BAD_MESSAGE)
        log_warn("raft_message_refused", "group=%u node=%u type=%d", h.group,
                 p->node, (int)h.type);
    message_free(m);
    replica_carry(s, r, fx);
    return true;
}

static bool on_item(struct shard *s, struct peer *p, enum item_type type,
                    struct slice body, struct effects *fx)
{
    struct forward f;

    switch (type) {
    case ITEM_RAFT:
        return on_raft(s, p, body, fx);
    case ITEM_READ_ROUND:
        return readpath_answer_round(s, p, body);
    case ITEM_READ_ACK:
        return readpath_on_ack(s, p, body, fx);
    case ITEM_FORWARD:
        if (!forward_decode(body, &f))
            return false;
        requests_forwarded(s, p, &f, fx);
        return true;
    case ITEM_FORWARD_REPLY:
        return requests_forward_reply(s, p, body, fx);
    case ITEM_GOSSIP:
        return on_gossip(s, p, body);
    case ITEM_MAP_ASK:
        on_map_ask(s, p);
        return true;
    case ITEM_MAP_DATA:
        return on_map_data(s, p, body, fx);
    case ITEM_SNAPSHOT_ASK:
        return snapshots_on_ask(s, p, body, fx);
    case ITEM_SNAPSHOT_CHUNK:
        return snapshots_on_chunk(s, p, body, fx);
    case ITEM_USE:
        return tenancy_on_use(s, body);
    }
    return false;
}

/* It is not what we take it for: begin anew with it, from the hello. */
static void break_with(const struct peer *p, struct effects *fx)
{
    struct effect *e = effects_add(fx, EFFECT_BREAK, 0);

    e->cut.node = p->node;
    e->cut.number[CHANNEL_CONTROL] = p->number[CHANNEL_CONTROL];
    e->cut.number[CHANNEL_BULK] = p->number[CHANNEL_BULK];
}

void peers_on_frame(struct shard *s, const struct event *e,
                    struct effects *fx)
{
    struct peer *p = peers_find(s, e->frame.node, e->frame.shard);
    struct reader in = reader_of(e->frame.items);
    enum item_type type;
    struct slice body;

    if (!p)
        return;
    while (item_next(&in, &type, &body)) {
        if (on_item(s, p, type, body, fx))
            continue;
        log_warn("item_refused", "node=%u type=%d size=%zu", p->node,
                 (int)type, body.size);
        break_with(p, fx);
        return;
    }
    if (!in.failed)
        return;
    log_warn("items_cut", "node=%u size=%zu", p->node, e->frame.items.size);
    break_with(p, fx);
}

void peers_on_full(struct shard *s, const struct event *e)
{
    bool sibling = e->peer.node == s->o.node;

    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        if (p->node == e->peer.node &&
            (!sibling || p->shard == e->peer.shard))
            p->full = e->peer.full;
    }
}

bool peers_crowded(const struct peer *p)
{
    return p->full || p->out[CHANNEL_BULK].size > FORWARD_TURN_BYTES;
}

void peers_on_up(struct shard *s, const struct event *e)
{
    unsigned shards = e->peer.shards ? e->peer.shards : 1;

    peers_expect(s, e->peer.node, shards);
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        if (p->node != e->peer.node)
            continue;
        p->up[e->peer.channel] = p->shard < shards;
        p->number[e->peer.channel] = e->peer.number;
        p->bulk_number += e->peer.channel == CHANNEL_BULK;
        if (e->peer.channel == CHANNEL_BULK) {
            p->full = false;
            p->refused = p->seen = 0; /* by this connection nothing yet */
            if (p->refused_at)
                memset(p->refused_at, 0,
                       p->n_refused_at * sizeof *p->refused_at);
        }
        empty(&p->out[e->peer.channel]);
        p->map_asked = false;
    }
    s->gossip_now = true;
}

void peers_on_down(struct shard *s, const struct event *e, struct effects *fx)
{
    for (unsigned i = 0; i < s->n_peers; i++) {
        struct peer *p = &s->peers[i];
        if (p->node != e->peer.node)
            continue;
        p->up[e->peer.channel] = false;
        empty(&p->out[e->peer.channel]);
        empty(&p->raft);
        if (e->peer.channel == CHANNEL_CONTROL)
            rounds_reset(&p->rounds);
    }
    if (e->peer.channel == CHANNEL_BULK)
        requests_node_down(s, e->peer.node, fx);
}
