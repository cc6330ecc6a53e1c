/* shard.h - some groups of a node and all that moves them, as a function.
 *
 * shard_step(shard, event, effects): see event.h for what the two are and for
 * the contract of order. Pure and single-threaded; one shard never touches
 * another. */
#ifndef NODE_CORE_SHARD_H
#define NODE_CORE_SHARD_H

#include "node/core/event.h"
#include "node/store/layout.h"
#include "proto/message.h"

struct shard;

struct shard_options {
    uint32_t node;            /* this node's id in the map */
    unsigned shard, shards;   /* which of how many; 0 of 0 is 0 of 1 */
    uint64_t seed;
    duration election;        /* 0: 500 ms */
    duration heartbeat;       /* 0: 100 ms */
    size_t pending_bytes_max; /* of writes not submitted yet; 0: 64 MiB */
    size_t entry_bytes_max;   /* of commands in one log entry, unless it is
                                 one; 0: ENTRY_BYTES_MAX */
    unsigned reads_max;       /* 0: 65,536 */
    unsigned forwards_max;    /* 0: 65,536 */
    size_t read_key_bytes_max; /* of keys that are being read; 0: 32 MiB */
    size_t forwards_bytes_max; /* of requests passed on; 0: 32 MiB */
    size_t tail_bytes_max;    /* entry cache; 0: 64 MiB */
    uint64_t group_flush_bytes; /* of log unflushed; 0: 32 MiB */
    uint64_t node_flush_bytes;  /* 0: 128 MiB */
    unsigned log_trailing;    /* flushed entries kept for slow followers;
                                 0: 4096 */
    size_t recent_bytes_max;  /* of a group's changes kept for watches;
                                 0: 16 MiB, less with many groups */
    struct map_node self;     /* our addresses, as configured */
};

/* `map` (copied) has this node in it. */
struct shard *shard_new(const struct shard_options *o,
                        const struct cluster_map *map);
void shard_free(struct shard *s);

/* What a replica starts from. Bytes are borrowed until return. */
struct replica_restore {
    uint32_t group;
    uint64_t replica;
    const char *broken;       /* NULL, or why it must not take part */
    bool lost;                /* with `broken`: missing, not damaged */
    struct group_record record; /* as read from the store */
    uint64_t flushed;         /* the persisted record's index */
    struct slice slots, map;  /* records of the store */
    const struct write_set *kept; /* puts: those of kinds 'k' and 'r' */
    struct group_restore raft;
};
/* Add a replica before the first event, or later when one was created. */
void shard_replica_add(struct shard *s, instant now,
                       const struct replica_restore *r, struct effects *fx);

/* Answers EFFECT_RESTART: the group begins again from what is on disk now. */
void shard_replica_restart(struct shard *s, instant now,
                           const struct replica_restore *r,
                           struct effects *fx);

void shard_step(struct shard *s, const struct event *e, struct effects *fx);

/* When EVENT_TURN is wanted even if nothing happens. */
instant shard_wake_at(const struct shard *s);

/* ---- questions, for status and for doors ---- */

const struct cluster_map *shard_map(const struct shard *s);
/* The node that leads `group` as far as is known; 0: unknown. */
uint32_t shard_leader_node(const struct shard *s, uint32_t group);
/* Fill at most `max`; gives how many. Texts are static or live as long as the
 * shard is not stepped. store_bytes and keys_estimate are left 0. */
unsigned shard_replicas(const struct shard *s, struct replica_status *out,
                        unsigned max);
/* Why this group's replica takes no part; NULL when it does, or is not here. */
const char *shard_replica_reason(const struct shard *s, uint32_t group);
/* Nodes with a live control channel. */
unsigned shard_peers_up(const struct shard *s, uint32_t *out, unsigned max);
/* Is every replica of a group this node should have taking part? */
bool shard_healthy(const struct shard *s);
/* The cluster's clock as far as this node knows: the median of what the nodes
 * have told; ms since 1970. */
uint64_t shard_clock(const struct shard *s);
/* What an operator should know of the clock, static text, or NULL. */
const char *shard_clock_note(const struct shard *s);
/* Requests taken since the start. */
uint64_t shard_requests(const struct shard *s);

#endif
