/* map.c - the cluster map as a value: copy, check, look up, small changes. */
#include "proto/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/sorted.h"
#include "proto/codec.h"

static void *copy_of(const void *data, size_t n, size_t size)
{
    void *p = xcalloc(n, size);

    if (n)
        memcpy(p, data, n * size);
    return p;
}

struct cluster_map *map_copy(const struct cluster_map *map)
{
    struct cluster_map *m = xmalloc(sizeof *m);

    *m = *map;
    m->nodes = copy_of(map->nodes, map->n_nodes, sizeof *m->nodes);
    m->groups = copy_of(map->groups, map->n_groups, sizeof *m->groups);
    m->keyspaces =
        copy_of(map->keyspaces, map->n_keyspaces, sizeof *m->keyspaces);
    m->purged = copy_of(map->purged, map->n_purged, sizeof *m->purged);
    return m;
}

void map_free(struct cluster_map *map)
{
    if (!map)
        return;
    free(map->nodes);
    free(map->groups);
    free(map->keyspaces);
    free(map->purged);
    free(map);
}

/* ---- check: each part gives NULL or what is wrong ---- */

static const char *check_nodes(const struct cluster_map *m)
{
    if (!m->n_nodes || m->n_nodes > NODE_COUNT_MAX)
        return "the number of nodes is out of range";
    for (unsigned i = 0; i < m->n_nodes; i++) {
        const struct map_node *a = &m->nodes[i];
        if (!a->id || (i && a->id <= m->nodes[i - 1].id))
            return "node ids are zero, double or not sorted";
        if (!a->client_address[0] || !a->peer_address[0])
            return "a node has no address";
        for (unsigned j = 0; j < i; j++) {
            const struct map_node *b = &m->nodes[j];
            if (!memcmp(a->directory, b->directory, ID_BYTES))
                return "two nodes have one data directory";
            if (!strcmp(a->client_address, b->client_address) ||
                !strcmp(a->peer_address, b->peer_address))
                return "two nodes have one address";
        }
    }
    return NULL;
}

static const char *check_group(const struct cluster_map *m,
                               const struct map_group *g)
{
    if (!g->n_replicas || g->n_replicas > REPLICA_COUNT_MAX)
        return "a group's number of replicas is out of range";
    if (g->weight < 1 || g->weight > 1000)
        return "a group's weight is out of range";
    for (unsigned i = 0; i < g->n_replicas; i++) {
        const struct map_replica *r = &g->replicas[i];
        if (!r->id || r->id >= m->next_replica)
            return "a replica id is out of range";
        if (r->state != REPLICA_CREATING && r->state != REPLICA_ACTIVE)
            return "a replica's state is unknown";
        if (!map_node_find(m, r->node))
            return "a replica's node is not in the map";
        for (unsigned j = 0; j < i; j++)
            if (g->replicas[j].node == r->node)
                return "two replicas of a group are on one node";
    }
    return NULL;
}

static int compare_u64(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

static const char *check_replica_ids(const struct cluster_map *m)
{
    uint64_t *ids =
        xmalloc((size_t)m->n_groups * REPLICA_COUNT_MAX * sizeof *ids);
    const char *why = NULL;
    size_t n = 0;

    for (unsigned i = 0; i < m->n_groups; i++)
        for (unsigned j = 0; j < m->groups[i].n_replicas; j++)
            ids[n++] = m->groups[i].replicas[j].id;
    qsort(ids, n, sizeof *ids, compare_u64);
    for (size_t i = 1; i < n; i++)
        if (ids[i] == ids[i - 1])
            why = "two replicas have one id";
    free(ids);
    return why;
}

static const char *check_groups(const struct cluster_map *m)
{
    if (m->n_groups < 2 || m->n_groups > GROUP_COUNT_MAX + 1)
        return "the number of groups is out of range";
    if (m->groups[0].id)
        return "there is no meta group";
    for (unsigned i = 0; i < m->n_groups; i++) {
        const char *why = check_group(m, &m->groups[i]);
        if (why)
            return why;
        if (i && m->groups[i].id <= m->groups[i - 1].id)
            return "group ids are double or not sorted";
    }
    return check_replica_ids(m);
}

static const char *check_keyspaces(const struct cluster_map *m)
{
    if (!m->n_keyspaces || m->n_keyspaces > KEYSPACE_COUNT_MAX)
        return "the number of keyspaces is out of range";
    if (m->keyspaces[0].id || strcmp(m->keyspaces[0].name, "default"))
        return "keyspace 0 is not \"default\"";
    for (unsigned i = 0; i < m->n_keyspaces; i++) {
        struct slice name = slice_str(m->keyspaces[i].name);
        if (!name.size || keyspace_check(name))
            return "a keyspace's name is not allowed";
        if (i && m->keyspaces[i].id <= m->keyspaces[i - 1].id)
            return "keyspace ids are double or not sorted";
        if (m->keyspaces[i].id >= m->next_keyspace)
            return "a keyspace id is out of range";
        for (unsigned j = 0; j < i; j++)
            if (m->keyspaces[j].state == m->keyspaces[i].state &&
                !m->keyspaces[i].state &&
                !strcmp(m->keyspaces[j].name, m->keyspaces[i].name))
                return "two keyspaces have one name";
    }
    for (unsigned i = 0; i < m->n_purged; i++) {
        const struct map_keyspace *k =
            map_keyspace_find(m, m->purged[i].keyspace);
        if (!k || k->state != KEYSPACE_DROPPING ||
            !map_group_find(m, m->purged[i].group))
            return "a group purged what is not being dropped";
    }
    return NULL;
}

static const char *check_slots(const struct cluster_map *m)
{
    uint32_t known = 0; /* neighbours mostly have the same owner */

    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        if (m->owner[s] == known && known)
            continue;
        known = m->owner[s];
        if (!known || !map_group_find(m, known))
            return "a slot belongs to no data group";
    }
    return NULL;
}

enum status map_check(const struct cluster_map *map, const char **why)
{
    static const uint8_t none[ID_BYTES];
    const char *text = NULL;

    if (!map->epoch || !memcmp(map->cluster, none, ID_BYTES))
        text = "the cluster id or the epoch is zero";
    if (!text)
        text = check_nodes(map);
    if (!text)
        text = check_groups(map);
    if (!text)
        text = check_keyspaces(map);
    if (!text)
        text = check_slots(map);
    if (why)
        *why = text;
    return text ? STATUS_INVALID : STATUS_OK;
}

/* ---- lookups ---- */

const struct map_node *map_node_find(const struct cluster_map *map,
                                     uint32_t node)
{
    return SORTED_FIND(map->nodes, map->n_nodes, id, node);
}

const struct map_node *map_node_of_directory(const struct cluster_map *map,
                                             const uint8_t *directory)
{
    for (unsigned i = 0; i < map->n_nodes; i++)
        if (!memcmp(map->nodes[i].directory, directory, ID_BYTES))
            return &map->nodes[i];
    return NULL;
}

const struct map_node *map_node_at_client_address(
    const struct cluster_map *map, struct slice address)
{
    for (unsigned i = 0; i < map->n_nodes; i++)
        if (slice_equal(slice_str(map->nodes[i].client_address), address))
            return &map->nodes[i];
    return NULL;
}

const struct map_group *map_group_find(const struct cluster_map *map,
                                       uint32_t group)
{
    return SORTED_FIND(map->groups, map->n_groups, id, group);
}

const struct map_replica *map_replica_on(const struct map_group *group,
                                         uint32_t node)
{
    for (unsigned i = 0; i < group->n_replicas; i++)
        if (group->replicas[i].node == node)
            return &group->replicas[i];
    return NULL;
}

const struct map_replica *map_replica_find(const struct map_group *group,
                                           uint64_t replica)
{
    for (unsigned i = 0; i < group->n_replicas; i++)
        if (group->replicas[i].id == replica)
            return &group->replicas[i];
    return NULL;
}

const struct map_keyspace *map_keyspace_named(const struct cluster_map *map,
                                              struct slice name)
{
    if (!name.size)
        return map->n_keyspaces ? &map->keyspaces[0] : NULL;
    for (unsigned i = 0; i < map->n_keyspaces; i++)
        if (map->keyspaces[i].state == KEYSPACE_ACTIVE &&
            slice_equal(slice_str(map->keyspaces[i].name), name))
            return &map->keyspaces[i];
    return NULL;
}

const struct map_keyspace *map_keyspace_find(const struct cluster_map *map,
                                             uint32_t keyspace)
{
    return SORTED_FIND(map->keyspaces, map->n_keyspaces, id, keyspace);
}

unsigned map_slots_of(const struct cluster_map *map, uint32_t group)
{
    unsigned n = 0;

    for (unsigned s = 0; s < SLOT_COUNT; s++)
        n += map->owner[s] == group;
    return n;
}

/* ---- changes ---- */

void map_activate(struct cluster_map *map)
{
    bool changed = false;

    for (unsigned i = 0; i < map->n_groups; i++) {
        struct map_group *g = &map->groups[i];
        for (unsigned j = 0; j < g->n_replicas; j++) {
            changed |= g->replicas[j].state != REPLICA_ACTIVE;
            g->replicas[j].state = REPLICA_ACTIVE;
        }
    }
    map->epoch += changed;
}

enum status map_node_update(struct cluster_map *map,
                            const struct map_node *node)
{
    const struct map_node *found = map_node_find(map, node->id);
    struct map_node *own;

    if (!found)
        return STATUS_NOT_FOUND;
    own = &map->nodes[found - map->nodes];
    if (memcmp(own->directory, node->directory, ID_BYTES))
        return STATUS_WRONG_NODE;
    if (!node->client_address[0] || !node->peer_address[0])
        return STATUS_INVALID;
    for (unsigned i = 0; i < map->n_nodes; i++) {
        const struct map_node *o = &map->nodes[i];
        if (o != own && (!strcmp(o->client_address, node->client_address) ||
                         !strcmp(o->peer_address, node->peer_address)))
            return STATUS_INVALID;
    }
    if (strcmp(own->client_address, node->client_address) ||
        strcmp(own->peer_address, node->peer_address) ||
        strcmp(own->redis_address, node->redis_address)) {
        *own = *node;
        map->epoch++;
    }
    return STATUS_OK;
}
