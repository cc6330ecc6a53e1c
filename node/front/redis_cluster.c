/* redis_cluster.c - CLUSTER: slots, nodes and leaders, as far as this node
 * knows, so that clients of Redis Cluster go straight to the leaders.
 *
 * Every node is told as a master of the slots whose groups it leads, without
 * replicas: any node takes any command, so there is nothing a client could do
 * with them, and a node is a leader and a follower at the same time. Neighbours
 * with one leader are one range. A group without a known leader is told at its
 * preferred node, which passes on. */
#include "node/front/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/slot.h"

void redis_node_id(const struct map_node *m, char *text)
{
    for (unsigned i = 0; i < ID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", m->directory[i]);
    snprintf(text + 2 * ID_BYTES, 9, "%08x", m->id);
}

/* One range of slots and the node that serves it. */
struct range {
    uint32_t first, last;
    const struct map_node *node;
};

struct view {
    const struct cluster_map *map;
    struct range *ranges;
    unsigned n;
    unsigned led;      /* slots whose group has a known leader */
    unsigned masters;  /* nodes that have slots */
};

static const struct map_node *node_of_group(const struct loop *l,
                                            const struct map_group *g,
                                            bool *led)
{
    uint32_t node = shard_leader_node(l->shard, g->id);
    const struct map_node *m = node ? map_node_find(shard_map(l->shard), node)
                                    : NULL;

    *led = m && m->redis_address[0];
    if (*led)
        return m;
    for (unsigned i = 0; i < g->n_replicas; i++) {
        m = map_node_find(shard_map(l->shard), g->replicas[i].node);
        if (m && m->redis_address[0])
            return m;
    }
    return NULL;
}

static void look(const struct loop *l, struct view *v)
{
    const struct map_node **of;
    bool *led;

    *v = (struct view){.map = shard_map(l->shard)};
    of = xcalloc(v->map->n_groups, sizeof *of);
    led = xcalloc(v->map->n_groups, sizeof *led);
    v->ranges = xmalloc(SLOT_COUNT * sizeof *v->ranges);
    for (unsigned i = 0; i < v->map->n_groups; i++)
        of[i] = node_of_group(l, &v->map->groups[i], &led[i]);
    for (uint32_t s = 0; s < SLOT_COUNT; s++) {
        size_t g = (size_t)(map_group_find(v->map, v->map->owner[s]) -
                            v->map->groups);
        struct range *last = v->n ? &v->ranges[v->n - 1] : NULL;
        v->led += led[g];
        if (!of[g])
            continue;
        if (last && last->node == of[g] && last->last + 1 == s)
            last->last = s;
        else
            v->ranges[v->n++] = (struct range){s, s, of[g]};
    }
    for (unsigned i = 0; i < v->map->n_nodes; i++)
        for (unsigned k = 0; k < v->n; k++)
            if (v->ranges[k].node == &v->map->nodes[i]) {
                v->masters++;
                break;
            }
    free(of);
    free(led);
}

static void address_of(const struct map_node *m, struct address *a)
{
    char error[ADDRESS_ERROR_SIZE];

    if (address_parse(slice_str(m->redis_address), 0, a, error) != STATUS_OK)
        *a = (struct address){.host = ""};
}

static const struct map_node *self_of(const struct redis_client *c)
{
    return map_node_find(shard_map(c->door->l->shard),
                         c->door->l->node->id);
}

static void cluster_slots(struct redis_client *c, const struct redis_args *a,
                          struct buf *out)
{
    struct view v;

    (void)a;
    look(c->door->l, &v);
    resp_array(out, v.n);
    for (unsigned i = 0; i < v.n; i++) {
        const struct range *r = &v.ranges[i];
        char id[REDIS_NODE_ID_SIZE];
        struct address at;
        address_of(r->node, &at);
        redis_node_id(r->node, id);
        resp_array(out, 3);
        resp_integer(out, r->first);
        resp_integer(out, r->last);
        resp_array(out, 4);
        resp_bulk_text(out, at.host);
        resp_integer(out, at.port);
        resp_bulk_text(out, id);
        resp_array(out, 0);
    }
    free(v.ranges);
}

static void reply_shard(struct redis_client *c, const struct view *v,
                        const struct map_node *m, struct buf *out)
{
    char id[REDIS_NODE_ID_SIZE];
    struct address at;
    unsigned n = 0, p = c->protocol;

    for (unsigned i = 0; i < v->n; i++)
        n += v->ranges[i].node == m;
    address_of(m, &at);
    redis_node_id(m, id);
    resp_map(out, p, 2);
    resp_bulk_text(out, "slots");
    resp_array(out, 2 * (size_t)n);
    for (unsigned i = 0; i < v->n; i++)
        if (v->ranges[i].node == m) {
            resp_integer(out, v->ranges[i].first);
            resp_integer(out, v->ranges[i].last);
        }
    resp_bulk_text(out, "nodes");
    resp_array(out, 1);
    resp_map(out, p, 7);
    resp_bulk_text(out, "id");
    resp_bulk_text(out, id);
    resp_bulk_text(out, "port");
    resp_integer(out, at.port);
    resp_bulk_text(out, "ip");
    resp_bulk_text(out, at.host);
    resp_bulk_text(out, "endpoint");
    resp_bulk_text(out, at.host);
    resp_bulk_text(out, "role");
    resp_bulk_text(out, "master");
    resp_bulk_text(out, "replication-offset");
    resp_integer(out, 0);
    resp_bulk_text(out, "health");
    resp_bulk_text(out, "online");
}

static void cluster_shards(struct redis_client *c, const struct redis_args *a,
                           struct buf *out)
{
    struct view v;
    unsigned n = 0;

    (void)a;
    look(c->door->l, &v);
    for (unsigned i = 0; i < v.map->n_nodes; i++)
        n += v.map->nodes[i].redis_address[0] != 0;
    resp_array(out, n);
    for (unsigned i = 0; i < v.map->n_nodes; i++)
        if (v.map->nodes[i].redis_address[0])
            reply_shard(c, &v, &v.map->nodes[i], out);
    free(v.ranges);
}

static void append_node(struct redis_client *c, const struct view *v,
                        const struct map_node *m, struct buf *b)
{
    bool self = m == self_of(c);
    char id[REDIS_NODE_ID_SIZE], text[ADDRESS_MAX + 120];
    struct address peer;
    char error[ADDRESS_ERROR_SIZE];
    int n;

    if (address_parse(slice_str(m->peer_address), 0, &peer, error) !=
        STATUS_OK)
        peer.port = 0;
    redis_node_id(m, id);
    n = snprintf(text, sizeof text,
                 "%s %s@%u %smaster - 0 0 %" PRIu64 " connected", id,
                 m->redis_address, peer.port, self ? "myself," : "",
                 v->map->epoch);
    buf_append(b, text, (size_t)n);
    for (unsigned i = 0; i < v->n; i++) {
        const struct range *r = &v->ranges[i];
        if (r->node != m)
            continue;
        n = r->first == r->last
                ? snprintf(text, sizeof text, " %u", r->first)
                : snprintf(text, sizeof text, " %u-%u", r->first, r->last);
        buf_append(b, text, (size_t)n);
    }
    buf_u8(b, '\n');
}

static void cluster_nodes(struct redis_client *c, const struct redis_args *a,
                          struct buf *out)
{
    struct buf b = {0};
    struct view v;

    (void)a;
    look(c->door->l, &v);
    for (unsigned i = 0; i < v.map->n_nodes; i++)
        if (v.map->nodes[i].redis_address[0])
            append_node(c, &v, &v.map->nodes[i], &b);
    resp_verbatim(out, c->protocol, buf_slice(&b));
    buf_release(&b);
    free(v.ranges);
}

static void cluster_info(struct redis_client *c, const struct redis_args *a,
                         struct buf *out)
{
    char text[500];
    struct view v;
    int n;

    (void)a;
    look(c->door->l, &v);
    n = snprintf(text, sizeof text,
                 "cluster_state:%s\r\n"
                 "cluster_slots_assigned:%u\r\n"
                 "cluster_slots_ok:%u\r\n"
                 "cluster_slots_pfail:%u\r\n"
                 "cluster_slots_fail:0\r\n"
                 "cluster_known_nodes:%u\r\n"
                 "cluster_size:%u\r\n"
                 "cluster_current_epoch:%" PRIu64 "\r\n"
                 "cluster_my_epoch:%" PRIu64 "\r\n",
                 v.led == SLOT_COUNT ? "ok" : "fail", (unsigned)SLOT_COUNT,
                 v.led, SLOT_COUNT - v.led, v.map->n_nodes, v.masters,
                 v.map->epoch, v.map->epoch);
    resp_verbatim(out, c->protocol, slice_of(text, (size_t)n));
    free(v.ranges);
}

static void cluster_myid(struct redis_client *c, const struct redis_args *a,
                         struct buf *out)
{
    const struct map_node *self = self_of(c);
    char id[REDIS_NODE_ID_SIZE];

    (void)a;
    if (!self) {
        redis_error(out, "ERR this node is not in the cluster map");
        return;
    }
    redis_node_id(self, id);
    resp_bulk_text(out, id);
}

static void cluster_keyslot(struct redis_client *c, const struct redis_args *a,
                            struct buf *out)
{
    (void)c;
    resp_integer(out, slot_of(redis_arg(a, 2)));
}

void redis_cluster(struct redis_client *c, const struct redis_args *a,
                   struct buf *out)
{
    static const struct redis_sub subs[] = {
        {"SLOTS", "slots", 2, cluster_slots},
        {"SHARDS", "shards", 2, cluster_shards},
        {"NODES", "nodes", 2, cluster_nodes},
        {"INFO", "info", 2, cluster_info},
        {"MYID", "myid", 2, cluster_myid},
        {"KEYSLOT", "keyslot", 3, cluster_keyslot},
    };

    if (!c->door->l->shard && !redis_arg_is(a, 1, "KEYSLOT"))
        redis_status_error(out, STATUS_NOT_INITIALISED);
    else
        redis_sub(subs, ARRAY_LEN(subs), "cluster", c, a, out);
}
