/* map_codec.c - the cluster map as a ClusterMap message, through protobuf-c.
 *
 * The map is met on the wire and on disk, so decoding trusts nothing: counts
 * and sizes are held to limits.h, then map_check() has the last word. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client.pb-c.h"
#include "proto/codec_arena.h"
#include "proto/map.h"

/* What a map of the largest counts takes to decode, with room to spare. */
enum { ARENA_MAP_MAX = 32 * 1024 * 1024 };

/* ---- encoding ---- */

static void *take(struct arena *a, size_t n, size_t size)
{
    void *p = arena_alloc(a, n * size);

    assert(p); /* a valid map fits */
    return memset(p, 0, n * size);
}

static ProtobufCBinaryData id_binary(const uint8_t *id)
{
    return (ProtobufCBinaryData){ID_BYTES, (uint8_t *)(uintptr_t)id};
}

static char *text_of(const char *s)
{
    return (char *)(uintptr_t)s; /* packing reads only */
}

static void node_fill(const struct map_node *from, Coat__Wire__MapNode *to)
{
    coat__wire__map_node__init(to);
    to->id = from->id;
    to->directory = id_binary(from->directory);
    to->client_address = text_of(from->client_address);
    to->peer_address = text_of(from->peer_address);
    if (from->redis_address[0])
        to->redis_address = text_of(from->redis_address);
}

static Coat__Wire__MapGroup *group_fill(struct arena *a,
                                        const struct map_group *from)
{
    Coat__Wire__MapGroup *to = take(a, 1, sizeof *to);
    Coat__Wire__MapReplica *rows = take(a, from->n_replicas, sizeof *rows);

    coat__wire__map_group__init(to);
    to->id = from->id;
    to->has_weight = 1;
    to->weight = from->weight;
    to->n_replicas = from->n_replicas;
    to->replicas = take(a, from->n_replicas, sizeof *to->replicas);
    for (unsigned i = 0; i < from->n_replicas; i++) {
        const struct map_replica *r = &from->replicas[i];
        coat__wire__map_replica__init(&rows[i]);
        rows[i].id = r->id;
        rows[i].node = r->node;
        rows[i].directory = id_binary(r->directory);
        rows[i].state = (Coat__Wire__ReplicaState)r->state;
        to->replicas[i] = &rows[i];
    }
    return to;
}

/* Neighbouring slots of one owner become one range. */
static void slots_fill(struct arena *a, const struct cluster_map *from,
                       Coat__Wire__ClusterMap *to)
{
    size_t n = 1, k = 0;
    Coat__Wire__SlotRange *rows;

    for (unsigned s = 1; s < SLOT_COUNT; s++)
        n += from->owner[s] != from->owner[s - 1];
    rows = take(a, n, sizeof *rows);
    to->slots = take(a, n, sizeof *to->slots);
    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        if (!s || from->owner[s] != from->owner[s - 1]) {
            coat__wire__slot_range__init(&rows[k]);
            rows[k].first = s;
            rows[k].group = from->owner[s];
            to->slots[k] = &rows[k];
            k++;
        }
        rows[k - 1].last = s;
    }
    assert(k == n);
    to->n_slots = n;
}

static void keyspaces_fill(struct arena *a, const struct cluster_map *from,
                           Coat__Wire__ClusterMap *to)
{
    Coat__Wire__MapKeyspace *rows = take(a, from->n_keyspaces, sizeof *rows);
    Coat__Wire__MapPurged *purged = take(a, from->n_purged, sizeof *purged);

    to->n_keyspaces = from->n_keyspaces;
    to->keyspaces = take(a, from->n_keyspaces, sizeof *to->keyspaces);
    for (unsigned i = 0; i < from->n_keyspaces; i++) {
        const struct map_keyspace *k = &from->keyspaces[i];
        Coat__Wire__MapKeyspace *row = &rows[i];
        coat__wire__map_keyspace__init(row);
        row->id = k->id;
        row->name = text_of(k->name);
        row->has_dropping = row->dropping = k->state == KEYSPACE_DROPPING;
        row->has_counted = row->counted = k->counted;
        row->has_keys_max = (row->keys_max = k->keys_max) != 0;
        row->has_bytes_max = (row->bytes_max = k->bytes_max) != 0;
        row->has_default_ttl = (row->default_ttl = k->default_ttl_ms) != 0;
        row->has_changed = (row->changed = k->changed) != 0;
        to->keyspaces[i] = row;
    }
    to->has_next_keyspace = 1;
    to->next_keyspace = from->next_keyspace;
    to->n_purged = from->n_purged;
    to->purged = take(a, from->n_purged, sizeof *to->purged);
    for (unsigned i = 0; i < from->n_purged; i++) {
        coat__wire__map_purged__init(&purged[i]);
        purged[i].keyspace = from->purged[i].keyspace;
        purged[i].group = from->purged[i].group;
        to->purged[i] = &purged[i];
    }
}

static void lists_fill(struct arena *a, const struct cluster_map *from,
                       Coat__Wire__ClusterMap *to)
{
    Coat__Wire__MapNode *nodes = take(a, from->n_nodes, sizeof *nodes);

    to->n_nodes = from->n_nodes;
    to->nodes = take(a, from->n_nodes, sizeof *to->nodes);
    for (unsigned i = 0; i < from->n_nodes; i++) {
        node_fill(&from->nodes[i], &nodes[i]);
        to->nodes[i] = &nodes[i];
    }
    to->n_groups = from->n_groups;
    to->groups = take(a, from->n_groups, sizeof *to->groups);
    for (unsigned i = 0; i < from->n_groups; i++)
        to->groups[i] = group_fill(a, &from->groups[i]);
    keyspaces_fill(a, from, to);
}

void map_encode(const struct cluster_map *map, struct buf *out)
{
    Coat__Wire__ClusterMap m = COAT__WIRE__CLUSTER_MAP__INIT;
    struct arena arena;
    size_t size;

    arena_init(&arena, NULL, 0, ARENA_MAP_MAX);
    m.cluster = id_binary(map->cluster);
    m.epoch = map->epoch;
    m.next_replica = map->next_replica;
    lists_fill(&arena, map, &m);
    slots_fill(&arena, map, &m);
    size = coat__wire__cluster_map__get_packed_size(&m);
    coat__wire__cluster_map__pack(&m, buf_grow(out, size));
    arena_release(&arena);
}

/* ---- decoding ---- */

static bool id_read(ProtobufCBinaryData from, uint8_t *to)
{
    if (from.len != ID_BYTES)
        return false;
    memcpy(to, from.data, ID_BYTES);
    return true;
}

/* `max` is the longest text without its NUL. */
static bool text_read(const char *from, char *to, size_t max)
{
    size_t n = strlen(from);

    if (n > max)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

static bool node_read(const Coat__Wire__MapNode *from, struct map_node *to)
{
    to->id = from->id;
    return id_read(from->directory, to->directory) &&
           text_read(from->client_address, to->client_address, ADDRESS_MAX) &&
           text_read(from->peer_address, to->peer_address, ADDRESS_MAX) &&
           text_read(from->redis_address ? from->redis_address : "",
                     to->redis_address, ADDRESS_MAX);
}

static bool group_read(const Coat__Wire__MapGroup *from, struct map_group *to)
{
    if (from->n_replicas > REPLICA_COUNT_MAX)
        return false;
    to->id = from->id;
    to->weight = from->weight;
    to->n_replicas = (unsigned)from->n_replicas;
    for (unsigned i = 0; i < to->n_replicas; i++) {
        const Coat__Wire__MapReplica *r = from->replicas[i];
        to->replicas[i].id = r->id;
        to->replicas[i].node = r->node;
        to->replicas[i].state = (enum replica_state)r->state;
        if (!id_read(r->directory, to->replicas[i].directory))
            return false;
    }
    return true;
}

/* The ranges have to be sorted and to cover every slot once. */
static bool slots_read(const Coat__Wire__ClusterMap *from,
                       struct cluster_map *to)
{
    unsigned next = 0;

    for (size_t i = 0; i < from->n_slots; i++) {
        const Coat__Wire__SlotRange *r = from->slots[i];
        if (r->first != next || r->last < r->first || r->last >= SLOT_COUNT)
            return false;
        while (next <= r->last)
            to->owner[next++] = r->group;
    }
    return next == SLOT_COUNT;
}

static bool keyspaces_read(const Coat__Wire__ClusterMap *from,
                           struct cluster_map *to)
{
    if (from->n_keyspaces > KEYSPACE_COUNT_MAX ||
        from->n_purged > KEYSPACE_DROPPING_MAX * GROUP_COUNT_MAX)
        return false;
    to->n_keyspaces = (unsigned)from->n_keyspaces;
    to->keyspaces = xcalloc(to->n_keyspaces, sizeof *to->keyspaces);
    for (unsigned i = 0; i < to->n_keyspaces; i++) {
        const Coat__Wire__MapKeyspace *k = from->keyspaces[i];
        to->keyspaces[i] = (struct map_keyspace){
            .id = k->id,
            .state = k->dropping ? KEYSPACE_DROPPING : KEYSPACE_ACTIVE,
            .counted = k->counted,
            .keys_max = k->keys_max,
            .bytes_max = k->bytes_max,
            .default_ttl_ms = k->default_ttl,
            .changed = k->changed,
        };
        if (!text_read(k->name, to->keyspaces[i].name, KEYSPACE_NAME_MAX))
            return false;
        to->next_keyspace = MAX_OF(to->next_keyspace, k->id + 1);
    }
    if (from->has_next_keyspace)
        to->next_keyspace = from->next_keyspace;
    to->n_purged = (unsigned)from->n_purged;
    to->purged = xcalloc(to->n_purged, sizeof *to->purged);
    for (unsigned i = 0; i < to->n_purged; i++)
        to->purged[i] = (struct map_purged){from->purged[i]->keyspace,
                                            from->purged[i]->group};
    return true;
}

static bool map_read(const Coat__Wire__ClusterMap *from,
                     struct cluster_map *to)
{
    if (from->n_nodes > NODE_COUNT_MAX ||
        from->n_groups > GROUP_COUNT_MAX + 1)
        return false;
    to->epoch = from->epoch;
    to->next_replica = from->next_replica;
    to->n_nodes = (unsigned)from->n_nodes;
    to->nodes = xcalloc(to->n_nodes, sizeof *to->nodes);
    to->n_groups = (unsigned)from->n_groups;
    to->groups = xcalloc(to->n_groups, sizeof *to->groups);
    for (unsigned i = 0; i < to->n_nodes; i++)
        if (!node_read(from->nodes[i], &to->nodes[i]))
            return false;
    for (unsigned i = 0; i < to->n_groups; i++)
        if (!group_read(from->groups[i], &to->groups[i]))
            return false;
    return keyspaces_read(from, to) && id_read(from->cluster, to->cluster) &&
           slots_read(from, to);
}

enum status map_decode(struct slice bytes, struct cluster_map **out)
{
    struct arena arena;
    ProtobufCAllocator allocator = codec_allocator(&arena);
    Coat__Wire__ClusterMap *from;
    struct cluster_map *to = NULL;
    enum status rv = STATUS_BAD_MESSAGE;

    *out = NULL;
    arena_init(&arena, NULL, 0, ARENA_MAP_MAX);
    from = coat__wire__cluster_map__unpack(&allocator, bytes.size, bytes.data);
    if (!from)
        goto out;
    to = xcalloc(1, sizeof *to);
    if (!map_read(from, to))
        goto out;
    rv = map_check(to, NULL);
    if (!rv) {
        *out = to;
        to = NULL;
    }
out:
    map_free(to);
    arena_release(&arena);
    return rv;
}

void map_node_encode(const struct map_node *node, struct buf *out)
{
    Coat__Wire__MapNode m;
    size_t size;

    node_fill(node, &m);
    size = coat__wire__map_node__get_packed_size(&m);
    coat__wire__map_node__pack(&m, buf_grow(out, size));
}

enum status map_node_decode(struct slice bytes, struct map_node *node)
{
    struct arena arena;
    ProtobufCAllocator allocator = codec_allocator(&arena);
    Coat__Wire__MapNode *from;
    enum status rv = STATUS_BAD_MESSAGE;

    arena_init(&arena, NULL, 0, 64 * 1024);
    *node = (struct map_node){0};
    from = coat__wire__map_node__unpack(&allocator, bytes.size, bytes.data);
    if (from && node_read(from, node))
        rv = STATUS_OK;
    arena_release(&arena);
    return rv;
}
