/* map_sample.h - initial maps for tests of the cluster map. */
#ifndef TESTS_UNIT_PROTO_MAP_SAMPLE_H
#define TESTS_UNIT_PROTO_MAP_SAMPLE_H

#include <stdio.h>
#include <string.h>

#include "proto/map.h"

/* Node `id` of the samples. */
static inline struct map_node sample_node(uint32_t id)
{
    struct map_node n = {.id = id};

    put_u32(n.directory, id);
    n.directory[15] = 0xdd;
    snprintf(n.client_address, sizeof n.client_address, "host%u:7410",
             (unsigned)id);
    snprintf(n.peer_address, sizeof n.peer_address, "host%u:7411",
             (unsigned)id);
    return n;
}

/* A map of `nodes` nodes, ids 1..., freed by the caller; NULL if refused. */
static inline struct cluster_map *sample_map(unsigned nodes, unsigned groups,
                                             unsigned replicas)
{
    struct map_node n[NODE_COUNT_MAX];
    struct map_plan plan = {.cluster = {0xcc}, .nodes = n, .n_nodes = nodes,
                            .data_groups = groups, .replicas = replicas};
    struct cluster_map *map;

    for (unsigned i = 0; i < nodes; i++)
        n[i] = sample_node(nodes - i); /* not sorted */
    return map_initial(&plan, &map, NULL) ? NULL : map;
}

#endif
