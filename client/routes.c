/* routes.c - see routes.h. */
#include "client/routes.h"

#include <assert.h>
#include <stdlib.h>

void routes_init(struct routes *r)
{
    *r = (struct routes){0};
}

void routes_release(struct routes *r)
{
    map_free(r->map);
    free(r->leader);
    routes_init(r);
}

static uint16_t leader_carried_over(const struct routes *r,
                                    const struct cluster_map *map,
                                    const struct map_group *g)
{
    const struct map_group *old =
        r->map ? map_group_find(r->map, g->id) : NULL;
    uint16_t leader = old ? r->leader[old - r->map->groups] : 0;
    uint32_t node;

    if (!leader)
        return 0;
    node = r->map->nodes[leader - 1].id;
    if (!map_replica_on(g, node))
        return 0;
    return (uint16_t)(map_node_find(map, node) - map->nodes + 1);
}

bool routes_set_map(struct routes *r, struct cluster_map *map)
{
    uint16_t *leader;

    if (r->map && map->epoch <= r->map->epoch) {
        map_free(map);
        return false;
    }
    leader = xcalloc(map->n_groups, sizeof *leader);
    for (unsigned i = 0; i < map->n_groups; i++)
        leader[i] = leader_carried_over(r, map, &map->groups[i]);
    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        if (s && map->owner[s] == map->owner[s - 1])
            r->group_at[s] = r->group_at[s - 1];
        else
            r->group_at[s] = (uint16_t)(map_group_find(map, map->owner[s]) -
                                        map->groups);
    }
    map_free(r->map);
    free(r->leader);
    r->map = map;
    r->leader = leader;
    return true;
}

bool routes_set_leader(struct routes *r, uint32_t group, uint32_t node)
{
    const struct map_group *g = r->map ? map_group_find(r->map, group) : NULL;
    const struct map_node *n = g && node ? map_node_find(r->map, node) : NULL;

    if (!g || (node && !n))
        return false;
    r->leader[g - r->map->groups] =
        n ? (uint16_t)(n - r->map->nodes + 1) : 0;
    return true;
}

bool routes_leader_known(const struct routes *r, uint16_t slot)
{
    return r->leader[r->group_at[slot]] != 0;
}

unsigned routes_candidates(const struct routes *r, uint16_t slot,
                           bool leader_first, unsigned turn, uint16_t *out)
{
    const struct map_group *g = &r->map->groups[r->group_at[slot]];
    uint16_t leader = leader_first ? r->leader[r->group_at[slot]] : 0;
    unsigned n = 0;

    assert(slot < SLOT_COUNT);
    if (leader)
        out[n++] = leader - 1;
    for (unsigned i = 0; i < g->n_replicas && n < REPLICA_COUNT_MAX; i++) {
        uint32_t node = g->replicas[(i + turn) % g->n_replicas].node;
        uint16_t at =
            (uint16_t)(map_node_find(r->map, node) - r->map->nodes);
        if (!leader || at != leader - 1)
            out[n++] = at;
    }
    return n;
}
