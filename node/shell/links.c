/* links.c - connections to other nodes: two channels each, both ways.
 *
 * Between two nodes there is one connection per channel. Whose id is higher
 * dials. Whose id is lower dials too when the channel has been down for a
 * while, or when its own address in the map is out of date: the other may know
 * only an address that is not true any more. The first frames are HELLO and its
 * answer (node/core/hello.h); only then the shards hear of the channel. A newer
 * connection replaces an older one that the same side dialed; of two that both
 * sides dialed the higher id's stays. */
#include "node/shell/post.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/core/peer_item.h"
#include "proto/base/log.h"
#include "rpc/dialer.h"

enum {
    HELLO_MS = 5000,
    DIAL_TOO_MS = 2000,        /* down for so long: the lower id dials, too */
    ACCEPTED_MAX = 1024,
    FRAME_ITEMS_MAX = 2 << 20, /* more is split, if it is several items */
};

struct link;

/* One channel to one node. */
struct lane {
    struct link *link;
    enum channel channel;
    struct dialer *dialer;  /* NULL: the other side dials */
    struct conn *conn;      /* said hello; NULL: down */
    bool dialed;            /* conn is the dialer's */
    enum status told;       /* the trouble that the log tells of; OK: none */
    unsigned shards;        /* of that node, as it said */
    uint64_t number;        /* of conn */
    instant since;          /* of the last change: up or down */
    instant dialed_at;      /* a dialed connection that said no hello yet */
};

struct link {
    struct links *links;
    uint32_t node;
    struct lane lanes[2];
};

/* A connection that came to us. */
struct accepted {
    struct links *links;
    struct conn *conn;
    struct lane *lane;      /* once it said hello */
    instant since;
    struct accepted *next, **slot;
};

struct links {
    struct node *n;
    struct listener *listener;
    struct link **v;
    unsigned count;
    struct accepted *accepted;
    struct boots boots;
    uint64_t last_number;   /* of connections that came up */
    bool stopping;
};

/* Boot counters that were seen have to outlive us: an old copy of a directory
 * must not be taken for the node again. */
static void save_boots(struct links *l)
{
    struct buf b = {0};

    if (!l->boots.changed)
        return;
    l->boots.changed = false;
    boots_encode(&l->boots, &b);
    if (file_replace(l->n->dir.path, "boots", buf_slice(&b)) != STATUS_OK)
        log_warn("boots_not_saved", "path=%s/boots", l->n->dir.path);
    buf_release(&b);
}

static void load_boots(struct links *l)
{
    struct buf b = {0};
    enum status st = file_read(l->n->dir.path, "boots", &b);

    if (st == STATUS_OK && !boots_decode(&l->boots, buf_slice(&b)))
        st = STATUS_CORRUPT;
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        log_warn("boots_not_read", "path=%s/boots status=%s", l->n->dir.path,
                 status_name(st));
    buf_release(&b);
}

struct links *links_new(struct node *n)
{
    struct links *l = xcalloc(1, sizeof *l);

    l->n = n;
    load_boots(l);
    return l;
}

static struct link *link_of(const struct links *l, uint32_t node)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->v[i]->node == node)
            return l->v[i];
    return NULL;
}

/* ---- up and down ---- */

static const char *channel_name(enum channel c)
{
    return c == CHANNEL_CONTROL ? "control" : "bulk";
}

/* Each new trouble of a lane is told once, not at every try. */
static bool tell(struct lane *lane, enum status why)
{
    bool news = lane->told != why;

    lane->told = why;
    return news;
}

static void lane_event(struct lane *lane, enum event_type type)
{
    struct node *n = lane->link->links->n;
    struct event e = {.type = type, .now = node_now()};

    e.peer.node = lane->link->node;
    e.peer.channel = lane->channel;
    e.peer.shards = lane->shards;
    e.peer.number = lane->number;
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_post_event(&n->loops[0], &n->loops[i], &e);
}

/* False: the connection that is there stays. */
static bool lane_up(struct lane *lane, struct conn *c, unsigned shards,
                    bool dialed)
{
    struct links *l = lane->link->links;
    struct conn *old = lane->conn;
    bool higher = l->n->id > lane->link->node;

    if (old && old != c && lane->dialed != dialed && lane->dialed == higher)
        return false;
    if (old && old != c) {
        lane->conn = NULL;
        lane_event(lane, EVENT_PEER_DOWN);
        conn_close(old, STATUS_CANCELLED, "replaced by a newer connection");
    }
    lane->conn = c;
    lane->shards = shards;
    lane->dialed = dialed;
    lane->told = STATUS_OK;
    lane->number = ++l->last_number;
    lane->since = node_now();
    log_info("peer_up", "node=%u channel=%s", lane->link->node,
             channel_name(lane->channel));
    lane_event(lane, EVENT_PEER_UP);
    return true;
}

static void lane_down(struct lane *lane, struct conn *c, enum status why,
                      const char *detail)
{
    if (lane->conn != c || !c)
        return;
    lane->conn = NULL;
    lane->since = node_now();
    log_info("peer_down", "node=%u channel=%s why=%s detail=\"%s\"",
             lane->link->node, channel_name(lane->channel),
             status_name(why), detail);
    lane_event(lane, EVENT_PEER_DOWN);
}

/* ---- items ----
 *
 * A frame's id says which shard speaks to which: from << 16 | to. */

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
    return x;
}

static void lane_items(struct lane *lane, const struct frame_header *h,
                       struct slice payload)
{
    struct node *n = lane->link->links->n;
    unsigned from = (uint32_t)h->id >> 16, to = h->id & 0xffff;
    uint32_t node = lane->link->node;

    if (h->type != MESSAGE_ITEMS || h->kind != FRAME_ONEWAY ||
        to >= n->n_loops) {
        log_warn("peer_frame_refused", "node=%u type=%s shard=%u", node,
                 message_name(h->type), to);
        return;
    }
    if (to == 0)
        step_items(&n->loops[0], node, from, payload);
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

/* ---- hello ---- */

static void say_hello(struct links *l, struct conn *c, uint16_t type,
                      uint64_t id, uint32_t to, enum channel channel,
                      enum status status, const char *why)
{
    struct node *n = l->n;
    struct buf out = {0};
    struct hello hello = {
        .level = HELLO_LEVEL,
        .channel = channel,
        .node = n->id,
        .to = to,
        .status = status,
        .boot_count = n->dir.boot_count,
        .map_epoch = n->dir.map ? n->dir.map->epoch : 0,
        .shards = (uint16_t)n->n_loops,
        .detail = slice_str(why),
    };
    struct frame_header h = {.type = type, .id = id,
                             .kind = type == MESSAGE_HELLO ? FRAME_REQUEST
                                                           : FRAME_REPLY};
    struct slice part;

    memcpy(hello.cluster, n->dir.cluster, ID_BYTES);
    memcpy(hello.directory, n->dir.directory, ID_BYTES);
    hello_encode(&hello, &out);
    part = buf_slice(&out);
    if (conn_send(c, &h, &part, 1, CONN_CONTROL) != STATUS_OK)
        conn_close(c, STATUS_BUSY, "no room for a hello");
    buf_release(&out);
}

static const struct cluster_map *map_of(const struct links *l)
{
    return l->n->loops[0].shard ? l->n->dir.map : NULL;
}

/* ---- dialed ---- */

static void on_dialed(struct dialer *d, struct conn *c)
{
    struct lane *lane = dialer_user(d);

    lane->dialed_at = node_now();
    say_hello(lane->link->links, c, MESSAGE_HELLO, 1, lane->link->node,
              lane->channel, STATUS_OK, "");
}

static void on_dialed_frame(struct dialer *d, const struct frame_header *h,
                            struct slice payload)
{
    struct lane *lane = dialer_user(d);
    struct links *l = lane->link->links;
    struct conn *c = dialer_conn(d);
    struct hello hello;
    const char *why = "";
    enum status st;

    if (!c)
        return;
    if (lane->conn == c) {
        lane_items(lane, h, payload);
        return;
    }
    st = h->type == MESSAGE_HELLO_REPLY ? hello_decode(payload, &hello)
                                        : STATUS_BAD_MESSAGE;
    if (st != STATUS_OK)
        why = "its hello cannot be read: another version?";
    if (st == STATUS_OK && hello.status != STATUS_OK) {
        if (tell(lane, hello.status))
            log_warn("peer_refused_us", "node=%u status=%s detail=\"%.*s\"",
                     lane->link->node, status_name(hello.status),
                     (int)hello.detail.size,
                     (const char *)hello.detail.data);
        conn_close(c, hello.status, NULL);
        return;
    }
    if (st == STATUS_OK)
        st = hello_check(&hello, map_of(l), l->n->id, &l->boots, &why);
    if (st == STATUS_OK && hello.node != lane->link->node)
        st = STATUS_WRONG_NODE;
    if (st != STATUS_OK) {
        if (tell(lane, st))
            log_warn("peer_refused", "node=%u status=%s why=\"%s\"",
                     lane->link->node, status_name(st), why);
        conn_close(c, st, why);
        return;
    }
    save_boots(lane->link->links);
    lane->dialed_at = INSTANT_NEVER;
    if (!lane_up(lane, c, hello.shards, true))
        conn_close(c, STATUS_EXISTS, "the other side's connection stays");
}

static void on_dial_failed(struct dialer *d, enum status why,
                           const char *detail)
{
    struct lane *lane = dialer_user(d);

    if (tell(lane, why) && !lane->conn)
        log_warn("peer_unreachable", "node=%u channel=%s why=%s detail=\"%s\"",
                 lane->link->node, channel_name(lane->channel),
                 status_name(why), detail);
}

static void on_dialed_down(struct dialer *d, enum status why,
                           const char *detail)
{
    struct lane *lane = dialer_user(d);

    lane->dialed_at = INSTANT_NEVER;
    if (lane->dialed)
        lane_down(lane, lane->conn, why, detail);
}

static const struct dialer_events dialer_callbacks = {
    .on_failed = on_dial_failed,
    .on_up = on_dialed,
    .on_frame = on_dialed_frame,
    .on_down = on_dialed_down,
};

/* ---- accepted ---- */

static void answer_hello(struct accepted *a, const struct frame_header *h,
                         struct slice payload)
{
    struct links *l = a->links;
    struct hello hello = {0};
    struct link *link;
    const char *why = "the first frame has to be a hello";
    enum status st = h->type == MESSAGE_HELLO ? hello_decode(payload, &hello)
                                              : STATUS_BAD_MESSAGE;

    if (st == STATUS_WRONG_VERSION)
        why = "the peer speaks another version";
    if (st == STATUS_OK)
        st = hello_check(&hello, map_of(l), l->n->id, &l->boots, &why);
    link = st == STATUS_OK ? link_of(l, hello.node) : NULL;
    if (st == STATUS_OK && (!link || l->stopping)) {
        st = STATUS_WRONG_NODE;
        why = l->stopping ? "this node is stopping"
                          : "the peer is not known yet";
    }
    say_hello(l, a->conn, MESSAGE_HELLO_REPLY, h->id, hello.node,
              hello.channel, st, st == STATUS_OK ? "" : why);
    if (st != STATUS_OK) {
        log_warn("peer_refused", "node=%u status=%s why=\"%s\"", hello.node,
                 status_name(st), why);
        conn_finish(a->conn, st, why);
        return;
    }
    save_boots(l);
    if (lane_up(&link->lanes[hello.channel], a->conn, hello.shards, false))
        a->lane = &link->lanes[hello.channel];
    else
        conn_close(a->conn, STATUS_EXISTS, "our own connection stays");
}

static void on_accepted_frame(struct conn *c, const struct frame_header *h,
                              struct slice payload)
{
    struct accepted *a = conn_user(c);

    if (!a->lane) {
        answer_hello(a, h, payload);
        return;
    }
    if (a->lane->conn == c)
        lane_items(a->lane, h, payload);
}

static void on_accepted_close(struct conn *c, enum status why,
                              const char *detail)
{
    struct accepted *a = conn_user(c);

    if (a->lane)
        lane_down(a->lane, c, why, detail);
    else if (why != STATUS_CLOSED && !a->links->stopping)
        log_info("peer_conn_closed", "why=%s detail=\"%s\"",
                 status_name(why), detail);
    *a->slot = a->next;
    if (a->next)
        a->next->slot = a->slot;
    if (a->links->listener)
        listener_left(a->links->listener);
    free(a);
}

static const struct conn_events accepted_callbacks = {
    .on_frame = on_accepted_frame,
    .on_close = on_accepted_close,
};

static void on_accept(struct listener *listener, struct stream *stream,
                      void *user)
{
    struct links *l = user;
    struct accepted *a = xcalloc(1, sizeof *a);

    (void)listener;
    a->links = l;
    a->since = node_now();
    a->next = l->accepted;
    a->slot = &l->accepted;
    if (a->next)
        a->next->slot = &a->next;
    l->accepted = a;
    a->conn = conn_new(l->n->peer_conns, stream, &accepted_callbacks, a);
}

bool links_listen(struct node *n, char *error)
{
    struct listener_options o = {
        .address = n->o.peer_listen,
        .conns_max = ACCEPTED_MAX,
    };

    n->links->listener =
        listener_new(n->loops[0].uv, &o, on_accept, n->links, error);
    return n->links->listener != NULL;
}

/* ---- following the map ---- */

/* Does the map know where we are? */
static bool known_where(const struct node *n, const struct cluster_map *map)
{
    const struct map_node *self = map_node_find(map, n->id);

    return self && !strcmp(self->peer_address, n->o.peer_advertise);
}

static void dial(struct links *l, struct lane *lane, const char *text,
                 bool wanted)
{
    struct dialer_options o;
    struct address address;
    char error[ADDRESS_ERROR_SIZE];

    if (!wanted || address_parse(slice_str(text), 0, &address, error)) {
        if (lane->dialer && !wanted) {
            dialer_free(lane->dialer);
            lane->dialer = NULL;
            if (lane->dialed)
                lane_down(lane, lane->conn, STATUS_CANCELLED, "redialed");
        }
        return;
    }
    if (lane->dialer) {
        if (!address_equal(dialer_address(lane->dialer), &address))
            dialer_move(lane->dialer, &address);
        return;
    }
    o = dialer_options_default(&address, (uint64_t)lane->link->node * 2 +
                                             lane->channel + node_wall_ms());
    o.backoff_max = MS(500);
    lane->dialer =
        dialer_new(l->n->peer_conns, &o, &dialer_callbacks, lane);
    dialer_start(lane->dialer);
}

static bool dial_wanted(const struct node *n, const struct cluster_map *map,
                        const struct lane *lane)
{
    if (n->id > lane->link->node || !known_where(n, map))
        return true;
    if (lane->conn)
        return lane->dialed;
    return instant_since(node_now(), lane->since).ms > DIAL_TOO_MS;
}

void links_follow_map(struct node *n)
{
    struct links *l = n->links;
    const struct cluster_map *map = map_of(l);

    if (!map || l->stopping)
        return;
    for (unsigned i = 0; i < map->n_nodes; i++) {
        const struct map_node *m = &map->nodes[i];
        struct link *link = link_of(l, m->id);
        if (m->id == n->id)
            continue;
        if (!link) {
            link = xcalloc(1, sizeof *link);
            link->links = l;
            link->node = m->id;
            for (unsigned c = 0; c < 2; c++)
                link->lanes[c] = (struct lane){.link = link,
                                               .channel = (enum channel)c,
                                               .since = node_now(),
                                               .dialed_at = INSTANT_NEVER};
            l->v = xrealloc(l->v, (l->count + 1) * sizeof *l->v);
            l->v[l->count++] = link;
        }
        for (unsigned c = 0; c < 2; c++)
            dial(l, &link->lanes[c], m->peer_address,
                 dial_wanted(n, map, &link->lanes[c]));
    }
}

/* Connections that never said hello do not stay. */
void links_tick(struct node *n)
{
    instant now = node_now();
    struct links *l = n->links;

    if (n->loops[0].ticks % 10 == 0)
        links_follow_map(n);
    for (unsigned i = 0; i < l->count; i++)
        for (unsigned c = 0; c < 2; c++) {
            struct lane *lane = &l->v[i]->lanes[c];
            struct conn *dialed =
                lane->dialer ? dialer_conn(lane->dialer) : NULL;
            if (dialed && dialed != lane->conn &&
                instant_since(now, lane->dialed_at).ms > HELLO_MS)
                conn_close(dialed, STATUS_TIMEOUT, "no answer to the hello");
        }
    for (struct accepted *a = n->links->accepted; a; a = a->next)
        if (!a->lane && instant_since(now, a->since).ms > HELLO_MS)
            conn_close(a->conn, STATUS_TIMEOUT, "no hello came");
}

void links_stop(struct node *n)
{
    struct links *l = n->links;

    l->stopping = true;
    for (unsigned i = 0; i < l->count; i++)
        for (unsigned c = 0; c < 2; c++) {
            struct lane *lane = &l->v[i]->lanes[c];
            dialer_free(lane->dialer);
            lane->dialer = NULL;
            lane->conn = NULL; /* a dialed one is gone with it */
        }
    listener_free(l->listener);
    l->listener = NULL;
}
