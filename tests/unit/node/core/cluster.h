/* cluster.h - a whole cluster of shards in one process, without any I/O.
 *
 * Every node is a real shard with a real journal and a real log; what the
 * daemon's shell does with sockets, files and threads is done here with
 * queues, bytes in memory and one virtual clock, all from one seed:
 *
 *   cluster.c           time, tasks, the turn, weather
 *   cluster_effects.c   a shard's effects carried out
 *   cluster_start.c     from the disk to a running shard; crash; creation
 *   cluster_snapshot.c  checkpoints made, served, installed
 *   network.c           connections: order kept, broken when anything is lost
 *   mem_store.c         a store and what a crash leaves of it
 *   clients.c           requests; what was asked and answered
 *   history.c           is that history linearizable?
 *   invariants.c        what must hold inside at any time, and in the end
 *
 * The world does not judge: it calls the hooks in `judge`, and fails only when
 * the shard breaks the contract of event.h. */
#ifndef TESTS_UNIT_NODE_CORE_CLUSTER_H
#define TESTS_UNIT_NODE_CORE_CLUSTER_H

#include "node/core/journal.h"
#include "node/core/shard_state.h"
#include "proto/base/rng.h"
#include "tests/unit/node/core/mem_store.h"
#include "tests/unit/raft/wal/disk.h"

enum {
    CLUSTER_NODES_MAX = 5,
    CLUSTER_GROUPS_MAX = 5, /* the meta group included */
    CLUSTER_NOBODY = CLUSTER_NODES_MAX,
    SEGMENT_BYTES = WAL_SEGMENT_MIN,
};

struct cluster;
struct sim_node;

/* Something that happens later. `dropped`: its node has died; only free `arg`. */
typedef void task_fn(struct cluster *c, struct sim_node *n, void *arg,
                     bool dropped);
struct task {
    uint64_t due, seq;
    unsigned node; /* CLUSTER_NOBODY: the world's own */
    unsigned boot;
    task_fn *run;
    void *arg;
};

/* A checkpoint that a replica serves. */
enum { CHECKPOINT_FILES = 4 };
struct checkpoint {
    struct checkpoint *next;
    uint64_t token;
    struct snapshot_file files[CHECKPOINT_FILES];
    struct buf bytes[CHECKPOINT_FILES];
};

/* A store that is being received. */
struct install {
    uint64_t token;
    struct buf files[CHECKPOINT_FILES];
    struct mem_store *store; /* switched to, the log's RESET not durable yet */
    uint64_t ticket;
};

struct sim_replica {
    uint32_t group;
    uint64_t id;
    /* disk: what CURRENT names */
    struct mem_store *current;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
    /* process */
    struct mem_store *open; /* `current`, unless an install is under way */
    struct install *install;
    struct checkpoint *checkpoints;
    bool flushing, restart_wanted;
    bool applying, fetching; /* asked for and not answered */
};

struct sim_node {
    uint32_t id;
    unsigned place;
    bool up;
    unsigned boot;
    uint64_t paused_until;
    uint64_t slow_disk_until; /* writes end only then */
    bool nearly_full;
    int64_t wall_skew_ms;

    /* disk */
    struct disk disk;
    struct wal_options wal_options;
    struct cluster_map *map;
    struct sim_replica replicas[CLUSTER_GROUPS_MAX];
    unsigned n_replicas;

    /* process */
    struct shard *shard;
    struct journal journal;
    struct effects fx;
    bool draining, stopping;
    bool turn_pending, write_pending;
    uint64_t wake_at;        /* of the earliest wake task */
    struct blob **pins;      /* rows that replies borrow from */
    unsigned n_pins, cap_pins;
};

struct cluster_options {
    unsigned nodes, groups, replicas; /* data groups; replicas of each */
    uint64_t seed;
    bool verbose;
    uint64_t flush_bytes;    /* a group is flushed at this much log */
    unsigned trailing;       /* entries kept behind a flush */
    unsigned padding_bytes;  /* of an extra file in each checkpoint */
};

/* Called by the world; any may be NULL. */
struct cluster_judge {
    void *arg;
    /* A node was stepped. */
    void (*stepped)(void *arg, struct sim_node *n);
    /* A replica's store has executed what it was given. */
    void (*applied)(void *arg, struct sim_node *n, struct sim_replica *r);
    void (*replied)(void *arg, struct sim_node *n, const struct effect *e);
    /* The connections of clients to this node are gone. */
    void (*died)(void *arg, struct sim_node *n);
};

struct network;

struct cluster {
    struct cluster_options o;
    struct cluster_judge judge;
    struct rng rng;
    uint64_t now;            /* ms */
    uint64_t hash;           /* of everything that happened */
    struct task *heap;
    unsigned n_tasks, cap_tasks;
    uint64_t next_seq;

    struct cluster_map *initial;
    struct sim_node nodes[CLUSTER_NODES_MAX];
    struct network *network;

    /* weather: chances in 1000, delays in ms */
    unsigned loss, delay_max, disk_max, store_max, stall;
    bool lose_flushes;       /* a crash may also keep what was not flushed */

    struct {
        unsigned crashes, stops, snapshots, installs, log_reads, broken;
        unsigned flushes, rewrites, restarts, transfers, replies;
    } count;
};

/* ---- cluster.c ---- */

void cluster_init(struct cluster *c, const struct cluster_options *o,
                  const struct cluster_judge *judge);
void cluster_release(struct cluster *c);
/* Let everything due up to `until` happen. */
void cluster_run(struct cluster *c, uint64_t until);
/* Print seed, time and what is wrong, and fail the test. */
_Noreturn void cluster_fail(struct cluster *c, const char *fmt, ...)
    PRINTF(2, 3);
/* A line when verbose. */
void cluster_say(struct cluster *c, const char *fmt, ...) PRINTF(2, 3);

/* `node` NULL: the world's own. */
void cluster_later(struct cluster *c, struct sim_node *n, uint64_t delay,
                   task_fn *run, void *arg);
bool cluster_chance(struct cluster *c, unsigned in_1000);
/* 0 .. max */
uint64_t cluster_random(struct cluster *c, uint64_t max);
struct sim_node *cluster_node(struct cluster *c, uint32_t id);
struct sim_replica *cluster_replica(struct sim_node *n, uint32_t group);

/* Step the shard, carry everything out; the turn follows. `e->now` is set. */
void cluster_step(struct cluster *c, struct sim_node *n, struct event *e);
void cluster_request(struct cluster *c, struct sim_node *n,
                     const struct request *q);
/* One random misfortune, or its end. */
void cluster_misfortune(struct cluster *c);
/* All nodes up, all links free, gentle weather. */
void cluster_heal(struct cluster *c);

/* ---- cluster_effects.c ---- */

void effects_carry_out(struct cluster *c, struct sim_node *n,
                       const struct effect *e);
/* Start what the log wants written now. */
void effects_pump(struct cluster *c, struct sim_node *n);
/* Keep the log short, as relief.c does. */
void effects_relief(struct cluster *c, struct sim_node *n);

/* ---- cluster_start.c ---- */

void start_create(struct cluster *c, struct sim_node *n);
void start_node(struct cluster *c, struct sim_node *n);
/* Power failure: unsynced bytes of the log and unflushed writes are lost. */
void start_crash(struct cluster *c, struct sim_node *n);
/* Everything is durable; the process ends. */
void start_leave(struct cluster *c, struct sim_node *n);
/* Answer EFFECT_RESTART; false: not yet. */
bool start_again(struct cluster *c, struct sim_node *n,
                 struct sim_replica *r);

/* ---- cluster_snapshot.c ---- */

void snapshot_carry_out(struct cluster *c, struct sim_node *n,
                        const struct effect *e);
/* More of the log is durable. */
void snapshot_durable(struct cluster *c, struct sim_node *n);
/* The process is gone. */
void snapshot_forget(struct sim_replica *r);

/* ---- network.c ---- */

void network_init(struct cluster *c);
void network_release(struct cluster *c);
void network_send(struct cluster *c, struct sim_node *from, uint32_t to,
                  enum channel channel, struct slice items);
/* A node's process is gone: its connections break. */
void network_node_down(struct cluster *c, struct sim_node *n);
/* Nothing gets from `from` to `to`; connections break now or later. */
void network_block(struct cluster *c, unsigned from, unsigned to, bool block,
                   bool break_now);
/* One connection breaks, losing what is on its way. */
void network_break(struct cluster *c, unsigned a, unsigned b,
                   enum channel channel);

static inline wal_instant cluster_us(const struct cluster *c)
{
    return (wal_instant){c->now * 1000};
}

#endif
