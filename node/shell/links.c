/* links.c - connections to other nodes: two channels each, both ways.
 *
 * Between two nodes there is one connection per channel. Whose id is higher
 * dials. Whose id is lower dials too when the channel has been down for a
 * while, or when its own address in the map is out of date: the other may know
 * only an address that is not true any more. The first frames are HELLO and its
 * answer (node/core/hello.h); only then the shards hear of the channel. A newer
 * connection replaces an older one that the same side dialed; of two that both
 * sides dialed the higher id's stays. */
#include "node/shell/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/log.h"
#include "rpc/dialer.h"

enum {
    HELLO_MS = 5000,
    DIAL_TOO_MS = 2000,        /* down for so long: the lower id dials, too */
    ACCEPTED_MAX = 1024,
    STRANGER_PAYLOAD_MAX = 4096, /* of who has said no hello yet */
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

struct link *link_of(const struct links *l, uint32_t node)
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

void lane_event(struct lane *lane, enum event_type type)
{
    struct node *n = lane->link->links->n;
    struct event e = {.type = type, .now = node_now()};

    e.peer.node = lane->link->node;
    e.peer.channel = lane->channel;
    e.peer.shards = lane->shards;
    e.peer.number = lane->number;
    e.peer.full = lane->full;
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
    conn_limit(a->conn, FRAME_PAYLOAD_MAX);
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
    conn_limit(a->conn, STRANGER_PAYLOAD_MAX);
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
