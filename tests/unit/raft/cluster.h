/* cluster.h - replicas of one group in one process, for tests.
 *
 * A simulated network (loss, duplication, delay and so reordering, blocked
 * pairs), disks that become durable late and lose what is not, and crashes;
 * all from one seed. Messages go through the codec. Safety is asserted all the
 * time, against the seed printed on failure:
 *   - one leader per term; at one index the same committed entry everywhere;
 *   - nothing is applied, promised or acknowledged that is not on disk;
 *   - the commit index only grows; what was acknowledged stays. */
#ifndef TESTS_UNIT_RAFT_CLUSTER_H
#define TESTS_UNIT_RAFT_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/rng.h"
#include "raft/group.h"

enum { CLUSTER_NODES_MAX = 10, CLUSTER_TICK_MS = 5 };

/* What a flush or a checkpoint holds. */
struct stored {
    uint64_t index, term, members_index;
    struct members members;
    uint64_t digest; /* of every entry up to index */
};

struct logged {
    uint64_t term;
    uint8_t type;
    struct blob *payload;
};

struct pending_persist; /* asked for, not durable yet */

struct node {
    uint64_t id;
    bool up;
    struct group *g;
    struct group_effects fx;
    struct tail_budget budget;

    /* the disk */
    uint64_t term, vote;
    uint64_t first;
    struct logged *log; /* from first on */
    uint64_t n_log, log_cap;
    struct stored flushed;
    bool fresh; /* nothing was ever written: bootstrap or joiner */

    struct stored live; /* the store in memory */
    struct pending_persist *persists;
    unsigned n_persists, persists_cap;
    uint64_t disk_free_at;

    /* checkpoints for others, by their place in cluster.nodes */
    struct stored checkpoint[CLUSTER_NODES_MAX];
    uint64_t checkpoint_at[CLUSTER_NODES_MAX]; /* when ready; 0: none */
    uint64_t install_at;                       /* 0: none */
    struct group_effect install;
    struct {
        uint64_t due;
        struct group_effect asked;
    } reads[CLUSTER_NODES_MAX];
    unsigned n_reads;
    bool lagging;   /* its disk takes long */
    unsigned stops; /* how often its group stopped itself */
    const char *stop_reason;
};

struct flying;

struct cluster {
    struct rng rng;
    uint64_t seed, now;
    struct group_options options;
    struct members first_members;
    struct node nodes[CLUSTER_NODES_MAX];
    unsigned n;

    /* network: chances in 1000, delays in ms */
    unsigned loss, duplicate, delay_max, disk_max;
    bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    struct flying *flying;
    unsigned n_flying, flying_cap;

    uint64_t *committed; /* digest at each index */
    uint64_t n_committed, committed_cap;
    uint64_t leaders[4096]; /* by term */
    uint64_t acknowledged;  /* the highest index a leader gave out */
    uint64_t submitted;
    unsigned snapshots, log_reads, transfers, installs, elections;
};

/* `n` replicas with ids 1 .. n, all voters, bootstrapped and started. */
void cluster_init(struct cluster *c, unsigned n, uint64_t seed);
void cluster_release(struct cluster *c);
/* One more replica that waits to be added; gives its place. */
unsigned cluster_join(struct cluster *c);

void cluster_tick(struct cluster *c);
void cluster_run(struct cluster *c, uint64_t ms);
/* Run until there is a leader whose barrier is committed; its place. Fails
 * after ten seconds. */
unsigned cluster_elect(struct cluster *c);
/* NULL when nobody leads; of several the one of the highest term. */
struct node *cluster_leader(struct cluster *c);
/* One command of `size` bytes at whoever leads; false when it was refused. */
bool cluster_submit(struct cluster *c, size_t size);
/* Run until all that are up have applied all that was acknowledged and a new
 * command; fails after `ms`. */
void cluster_settle(struct cluster *c, uint64_t ms);

/* Fail the test, saying the seed and how everybody is. */
void cluster_fail(struct cluster *c, const char *why);

void cluster_crash(struct cluster *c, unsigned at);
void cluster_restart(struct cluster *c, unsigned at);
/* What is in memory becomes durable, and the log may be truncated. */
void cluster_flush(struct cluster *c, unsigned at);
/* Cut `at` off from everybody, or connect it again. */
void cluster_isolate(struct cluster *c, unsigned at, bool cut);
void cluster_heal(struct cluster *c);
/* Carry out what a direct call on a node's group has appended. */
void cluster_effects(struct cluster *c, unsigned at);

#endif
