/* items.c - frames of items between shards: out, in, and how much may wait.
 *
 * A frame's id says which shard speaks to which: from << 16 | to.
 *
 * What cannot leave yet is bounded: the shards are told when a node takes its
 * bulk channel's frames slowly (FULL_BYTES wait), so that they pass nothing
 * more on to it; beyond the connection's own bound (conn.h, pending_max) it is
 * closed. What comes in for a loop that does not keep up is bounded likewise:
 * beyond BEHIND_BYTES the connection is closed. */
#include "node/shell/lanes.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core/peer_item.h"
#include "proto/base/log.h"

enum {
    FRAME_ITEMS_MAX = 2 << 20, /* more is split, if it is several items */
    FULL_BYTES = 16 << 20,     /* wait to be sent to one node ... */
    EMPTY_BYTES = 4 << 20,     /* ... and so few, until more may come */
    BEHIND_BYTES = 128 << 20,  /* wait for one loop */
};


struct items_post {
    struct post post;
    uint32_t node;
    unsigned shard;          /* who speaks; when sending: to whom */
    unsigned from;
    enum channel channel;
    uint64_t number;         /* of the connection it is meant for */
    struct buf bytes;
};

static void step_items(struct loop *to, uint32_t node, unsigned shard,
                       struct slice items)
{
    struct event e = {.type = EVENT_PEER_FRAME, .now = node_now()};

    e.frame.node = node;
    e.frame.shard = shard;
    e.frame.items = items;
    loop_step(to, &e);
}

static void run_items(struct loop *to, struct post *p)
{
    struct items_post *x = CONTAINER_OF(p, struct items_post, post);

    step_items(to, x->node, x->shard, buf_slice(&x->bytes));
    buf_release(&x->bytes);
    free(x);
}

static struct items_post *items_new(uint32_t node, unsigned shard,
                                    struct slice items)
{
    struct items_post *x = xcalloc(1, sizeof *x);

    x->post.run = run_items;
    x->node = node;
    x->shard = shard;
    buf_append(&x->bytes, items.data, items.size);
    x->post.bytes = x->bytes.cap;
    return x;
}

void lane_items(struct lane *lane, const struct frame_header *h,
                struct slice payload)
{
    struct node *n = lane->link->links->n;
    unsigned from = (uint32_t)h->id >> 16, to = h->id & 0xffff;
    uint32_t node = lane->link->node;

    if (h->type != MESSAGE_ITEMS || h->kind != FRAME_ONEWAY ||
        to >= n->n_loops) {
        log_warn("peer_frame_refused", "node=%u type=%s shard=%u", node,
                 message_name(h->type), to);
        conn_close(lane->conn, STATUS_BAD_MESSAGE,
                   "what it says makes no sense");
        return;
    }
    if (to == 0)
        step_items(&n->loops[0], node, from, payload);
    else if (post_waiting(&n->loops[to]) > BEHIND_BYTES)
        conn_close(lane->conn, STATUS_BUSY,
                   "a loop of this node does not keep up");
    else
        post_to(&n->loops[0], &n->loops[to],
                &items_new(node, from, payload)->post);
}

/* As many whole items as make one frame of sensible size, at least one. */
static size_t frame_part(struct slice items)
{
    struct reader r = reader_of(items);
    enum item_type type;
    struct slice body;
    size_t size = 0;

    if (items.size <= FRAME_ITEMS_MAX)
        return items.size;
    while (item_next(&r, &type, &body)) {
        size_t end = items.size - reader_left(&r);
        if (size && end > FRAME_ITEMS_MAX)
            break;
        size = end;
    }
    return size;
}

static void set_full(struct lane *lane, bool full)
{
    struct links *l = lane->link->links;

    lane->full = full;
    l->full += full ? 1 : -1u;
    log_info(full ? "peer_slow" : "peer_keeps_up", "node=%u",
             lane->link->node);
    lane_event(lane, EVENT_PEER_FULL);
}

/* `number` 0: by whatever connection there is. */
static void send_items(struct node *n, uint32_t node, unsigned from,
                       unsigned to, enum channel channel, uint64_t number,
                       struct slice items)
{
    struct link *l = link_of(n->links, node);
    struct lane *lane = l ? &l->lanes[channel] : NULL;
    struct conn *c =
        lane && (!number || lane->number == number) ? lane->conn : NULL;
    struct frame_header h = {.type = MESSAGE_ITEMS, .kind = FRAME_ONEWAY,
                             .id = (uint64_t)from << 16 | to};
    enum status st = STATUS_OK;

    while (c && items.size && st == STATUS_OK) {
        struct slice part = slice_of(items.data, frame_part(items));
        st = conn_send(c, &h, &part, 1,
                       channel == CHANNEL_CONTROL ? CONN_CONTROL
                                                  : CONN_NORMAL);
        items = slice_of(items.data + part.size, items.size - part.size);
    }
    /* A peer that takes nothing any more: begin anew with it, so that both
     * sides know what is lost. */
    if (st != STATUS_OK && st != STATUS_CLOSED)
        conn_close(c, st, "the peer does not take its messages");
    else if (c && channel == CHANNEL_BULK && !lane->full &&
             conn_pending(c) > FULL_BYTES)
        set_full(lane, true);
}

void links_turn(struct node *n)
{
    struct links *l = n->links;

    for (unsigned i = 0; l->full && i < l->count; i++) {
        struct lane *lane = &l->v[i]->lanes[CHANNEL_BULK];
        if (lane->full &&
            (!lane->conn || conn_pending(lane->conn) < EMPTY_BYTES))
            set_full(lane, false);
    }
}

static void run_send(struct loop *to, struct post *p)
{
    struct items_post *x = CONTAINER_OF(p, struct items_post, post);

    send_items(to->node, x->node, x->from, x->shard, x->channel, x->number,
               buf_slice(&x->bytes));
    buf_release(&x->bytes);
    free(x);
}

void links_send(struct loop *l, uint32_t node, unsigned shard,
                enum channel channel, uint64_t number, struct slice items)
{
    struct node *n = l->node;
    struct items_post *x;

    if (node == n->id) { /* a sibling */
        if (shard < n->n_loops && shard != l->index)
            post_to(l, &n->loops[shard],
                    &items_new(node, l->index, items)->post);
        return;
    }
    if (l->index == 0) {
        send_items(n, node, 0, shard, channel, number, items);
        return;
    }
    x = items_new(node, shard, items);
    x->post.run = run_send;
    x->from = l->index;
    x->channel = channel;
    x->number = number;
    post_to(l, &n->loops[0], &x->post);
}

struct break_post {
    struct post post;
    struct effect effect;
};

static void run_break(struct loop *to, struct post *p)
{
    struct break_post *x = CONTAINER_OF(p, struct break_post, post);
    struct link *link = link_of(to->node->links, x->effect.cut.node);

    for (unsigned c = 0; link && c < 2; c++) {
        struct lane *lane = &link->lanes[c];
        if (lane->conn && lane->number == x->effect.cut.number[c])
            conn_close(lane->conn, STATUS_BAD_MESSAGE,
                       "what it says makes no sense");
    }
    free(x);
}

void links_break(struct loop *l, const struct effect *e)
{
    struct break_post *x;

    /* Not ours, and no other program's: a sibling's item is our own. */
    assert(e->cut.node != l->node->id);
    x = xcalloc(1, sizeof *x);
    x->post.run = run_break;
    x->effect = *e;
    post_to(l, &l->node->loops[0], &x->post);
}
