/* map.h - the cluster map: which nodes, groups, replicas and keyspaces there
 * are, and which group owns each slot. Versioned by an epoch that grows with
 * every change.
 *
 * A value: one heap object that owns its arrays. Treat a map that others can
 * see as constant: copy, change the copy, publish. Pure; a map is not shared
 * between threads while it changes.
 *
 * Invariants (map_check): nodes, groups, keyspaces are sorted by id, ids
 * unique, and so are the names of keyspaces that are not being dropped; group 0
 * (the meta group) and a data group exist; a group's replicas are on different
 * nodes of the map; replica ids are unique in the whole cluster and below
 * next_replica; every slot belongs to a data group of the map; keyspace 0 is
 * "default". */
#ifndef PROTO_MAP_H
#define PROTO_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/limits.h"
#include "proto/message.h"

enum replica_state {
    REPLICA_CREATING = 0, /* may be created on its node */
    REPLICA_ACTIVE = 1,   /* exists; missing data means lost */
};

struct map_node {
    uint32_t id;                          /* 1..., never reused */
    uint8_t directory[ID_BYTES];
    char client_address[ADDRESS_MAX + 1]; /* "host:port" */
    char peer_address[ADDRESS_MAX + 1];
    char redis_address[ADDRESS_MAX + 1];  /* empty: no Redis door */
};

struct map_replica {
    uint64_t id; /* the Raft server id, 1..., never reused */
    uint32_t node;
    uint8_t directory[ID_BYTES];
    enum replica_state state;
};

struct map_group {
    uint32_t id;     /* 0 is the meta group */
    uint32_t weight; /* share of the slots; 1..1000, 100 is usual */
    unsigned n_replicas; /* 1..REPLICA_COUNT_MAX */
    struct map_replica replicas[REPLICA_COUNT_MAX]; /* [0]: preferred leader */
};

enum keyspace_state {
    KEYSPACE_ACTIVE = 0,
    KEYSPACE_DROPPING = 1, /* nobody finds it; its data is being removed */
};

/* See keyspace.h. */
struct map_keyspace {
    uint32_t id; /* 0 is "default"; never reused */
    char name[KEYSPACE_NAME_MAX + 1];
    enum keyspace_state state;
    bool counted;            /* created with limits: its keys are counted */
    uint64_t keys_max, bytes_max; /* 0: no limit */
    uint64_t default_ttl_ms; /* 0: none */
    uint64_t changed;        /* the epoch of its last change */
};

/* This group has removed the data of a keyspace that is being dropped. */
struct map_purged {
    uint32_t keyspace, group;
};

struct cluster_map {
    uint8_t cluster[ID_BYTES];
    uint64_t epoch;        /* 1... */
    uint64_t next_replica; /* the next replica id to give */
    uint32_t next_keyspace; /* the next keyspace id to give */
    unsigned n_nodes, n_groups, n_keyspaces, n_purged;
    struct map_node *nodes;         /* sorted by id; so are the others */
    struct map_group *groups;
    struct map_keyspace *keyspaces;
    struct map_purged *purged;
    uint32_t owner[SLOT_COUNT]; /* each slot's group, never 0 */
};

struct cluster_map *map_copy(const struct cluster_map *map);
void map_free(struct cluster_map *map);

/* OK, or INVALID with `*why` (may be NULL) a static text that says what. */
MUST_CHECK enum status map_check(const struct cluster_map *map,
                                 const char **why);

/* Append as a ClusterMap message; equal maps give equal bytes. */
void map_encode(const struct cluster_map *map, struct buf *out);
/* Gives a checked map in `*out`, or BAD_MESSAGE (not that message, or beyond
 * the limits of limits.h) or INVALID (map_check says no); then *out is NULL. */
MUST_CHECK enum status map_decode(struct slice bytes, struct cluster_map **out);

/* Lookups; NULL when there is none. Borrow from the map. By id: O(log n). */
const struct map_node *map_node_find(const struct cluster_map *map,
                                     uint32_t node);
const struct map_node *map_node_of_directory(const struct cluster_map *map,
                                             const uint8_t *directory);
const struct map_node *map_node_at_client_address(
    const struct cluster_map *map, struct slice address);
const struct map_group *map_group_find(const struct cluster_map *map,
                                       uint32_t group);
/* The group's replica on `node`. */
const struct map_replica *map_replica_on(const struct map_group *group,
                                         uint32_t node);
/* The group's replica with this Raft server id. */
const struct map_replica *map_replica_find(const struct map_group *group,
                                           uint64_t replica);
/* By name; the empty name is "default". Not one that is being dropped. */
const struct map_keyspace *map_keyspace_named(const struct cluster_map *map,
                                              struct slice name);
/* By id, also one that is being dropped. O(log n). */
const struct map_keyspace *map_keyspace_find(const struct cluster_map *map,
                                             uint32_t keyspace);

/* Slots that `group` owns. O(SLOT_COUNT). */
unsigned map_slots_of(const struct cluster_map *map, uint32_t group);

/* What `cluster init` asks for. */
struct map_plan {
    uint8_t cluster[ID_BYTES];    /* new random id */
    const struct map_node *nodes; /* ids unique and above 0; borrowed */
    unsigned n_nodes;             /* 1..NODE_COUNT_MAX */
    unsigned data_groups;         /* 1..GROUP_COUNT_MAX */
    unsigned replicas;            /* 0: 3; never more than there are nodes */
};

/* The initial map of a cluster: epoch 1, the keyspace "default", group 0 with
 * min(nodes, 3) replicas (5 from five nodes on), groups 1..data_groups with
 * their replicas and preferred leaders spread evenly over the nodes, slots
 * given by ring_assign(), all replicas CREATING. Equal plans give equal maps.
 *
 * INVALID  the plan breaks a limit or two nodes share an id, a directory or an
 *          address; `*why` (may be NULL) says what, static text. */
MUST_CHECK enum status map_initial(const struct map_plan *plan,
                                   struct cluster_map **out, const char **why);

/* Count all replicas as ACTIVE; the epoch grows by one. Does nothing (the
 * epoch neither) if they all are. */
void map_activate(struct cluster_map *map);

/* A node has new addresses: change them, and the epoch by one if they differ.
 *
 * NOT_FOUND   no such node
 * WRONG_NODE  its directory id is another
 * INVALID     an address is empty or another node's */
MUST_CHECK enum status map_node_update(struct cluster_map *map,
                                       const struct map_node *node);

/* One MapNode message, the payload of a command that updates a node.
 * BAD_MESSAGE as above. */
void map_node_encode(const struct map_node *node, struct buf *out);
MUST_CHECK enum status map_node_decode(struct slice bytes,
                                       struct map_node *node);

#endif
