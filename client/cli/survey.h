/* survey.h - the whole cluster's state, asked of each of its nodes.
 *
 * First the map, of any endpoint; then every node of it for its own status
 * (without a map: every endpoint). Blocking. */
#ifndef CLIENT_CLI_SURVEY_H
#define CLIENT_CLI_SURVEY_H

#include "client/cli/ask.h"
#include "client/cli/cli.h"
#include "proto/base/arena.h"
#include "proto/map.h"

struct survey_node {
    struct address address;
    char text[ADDRESS_MAX + 1];
    const struct map_node *in_map; /* NULL without a map */
    bool answered;
    struct node_status status;     /* if answered */
    char trouble[256];             /* if not */
};

struct survey {
    struct cluster_map *map; /* NULL: no cluster yet */
    uint32_t *leaders;       /* node id per group index, 0 unknown */
    struct survey_node *nodes;
    unsigned n_nodes;
    struct arena arena; /* holds the statuses */
};

/* 0, or the exit code when no endpoint answered; the error has been printed.
 * survey_release() in either case. */
MUST_CHECK int survey_map(struct cli *cli, struct survey *s);
/* After survey_map: ask every node. */
void survey_nodes(struct cli *cli, struct survey *s);
void survey_release(struct survey *s);

/* What a group looks like, from all answers. */
struct survey_group {
    uint32_t leader;      /* node id, 0: none known */
    uint64_t term, commit, last, applied_min, lag, bytes, keys;
    bool lag_known;       /* the leader has heard of all its followers */
    unsigned replicas_up; /* leading or following */
};
struct survey_group survey_group(const struct survey *s, unsigned index);

/* A node's replica of a group, NULL when it did not report one. */
const struct replica_status *survey_replica(const struct survey *s,
                                            uint32_t node, uint32_t group);

#endif
