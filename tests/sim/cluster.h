/* cluster.h - a whole cluster of shards in one process, without any I/O.
 *
 * Every node is a real shard with a real journal and a real log; what the
 * daemon's shell does with sockets, files and threads is done here with
 * queues, bytes in memory and one virtual clock, all from one seed:
 *
 *   cluster.c           time, tasks, streams of chance
 *   cluster_loop.c      a shard's turns; letters between a node's shards
 *   cluster_effects.c   a shard's effects carried out
 *   cluster_start.c     from the disk to a running shard; crash; creation
 *   cluster_snapshot.c  checkpoints made, served, installed
 *   cluster_stream.c    pages of scans, parts of watches
 *   cluster_due.c       looks into the index of deadlines
 *   network.c           connections: order kept, broken when anything is lost
 *   disk.c              segment files and what a crash leaves of them
 *   mem_store.c         a store and what a crash leaves of it
 *   faults.c            everything that goes wrong, as a schedule
 *   clients.c           requests; what was asked and answered
 *   history.c           is that history linearizable?
 *   durable.c           what each log has durable at any moment
 *   promises.c          what leaves a node is durable, and survives its crash
 *   invariants.c        what must hold inside at any time, and in the end
 *
 * The world does not judge: it calls the hooks in `judge`, and fails only when
 * the shard breaks the contract of event.h. */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "node/core/hello.h"
#include "node/core/journal.h"
#include "node/core/shard_state.h"
#include "proto/base/rng.h"
#include "tests/sim/mem_store.h"
#include "tests/sim/disk.h"

enum {
    CLUSTER_NODES_MAX = 5,
    CLUSTER_GROUPS_MAX = 9, /* the meta group included */
    CLUSTER_LOOPS_MAX = 3,  /* shards of a node */
    CLUSTER_NOBODY = CLUSTER_NODES_MAX,
    SEGMENT_BYTES = WAL_SEGMENT_MIN,
};

/* Each subsystem draws from a stream of its own, so that leaving out one thing
 * (a fault, a client) changes as little else as possible. */
enum cluster_stream {
    STREAM_WORLD, /* tests, and all that is not below */
    STREAM_NET,
    STREAM_DISK,
    STREAM_STORE,
    STREAM_MAIL,
    STREAM_CLIENTS,
    STREAM_START,
    STREAMS,
};

struct cluster;
struct sim_loop;
struct sim_node;

/* Something that happens later, on a loop. `dropped`: its node has died; only
 * free `arg`. */
typedef void task_fn(struct cluster *c, struct sim_loop *l, void *arg,
                     bool dropped);
struct task {
    uint64_t due, seq;
    unsigned node, loop; /* CLUSTER_NOBODY: the world's own, `l` is NULL */
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
    bool committing;         /* INSTALL_COMMIT asked for and not answered */
    struct mem_store *store; /* switched to, the log's RESET not durable yet */
    uint8_t id[WAL_INSTALL_ID_BYTES];
    uint64_t ticket; /* of the RESET; 0: not there yet */
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
    bool unreadable;   /* its store's files are damaged: reads may fail */
    bool accused;      /* was shown a second leader of its term (L7) */
    uint64_t seen_applied; /* at the last crash: must be in the log again */
};

/* A loop thread with its shard; loop 0 has the log and the connections. */
struct sim_loop {
    struct sim_node *node;
    unsigned index;
    struct shard *shard;
    struct effects fx;
    unsigned carried;        /* of them, carried out */
    bool draining, turn_pending;
    uint64_t wake_at;        /* of the earliest wake task */
    struct blob **pins;      /* rows that replies borrow from */
    unsigned n_pins, cap_pins;
    uint64_t letter_due[CLUSTER_LOOPS_MAX]; /* of the last one to each */
};

struct sim_node {
    uint32_t id;
    unsigned place;
    bool up;
    unsigned boot;
    uint64_t paused_until;
    uint64_t slow_disk_until; /* writes end only then */
    uint64_t lost_until;      /* its doors have a wrong map until then */
    bool nearly_full;
    bool deaf;               /* what comes to it comes ever later */
    int64_t wall_skew_ms, wall_skew_max;
    int64_t drift_ppm;        /* of its clocks, monotonic and wall */
    uint64_t clock_world_ms, clock_own_ms; /* since when; what it was then */
    unsigned crash_after;     /* dies in front of this effect; 0: does not */

    bool victim;              /* its disk may be damaged (a minority) */
    bool damaged;             /* ... and was: replicas may be quarantined */
    bool wiped;               /* ... its directory is gone; a stranger now */

    /* disk */
    uint8_t directory[ID_BYTES];
    struct boots boots;
    struct disk disk;
    struct wal_options wal_options;
    struct cluster_map *map;
    struct sim_replica replicas[CLUSTER_GROUPS_MAX];
    unsigned n_replicas;

    /* process */
    struct sim_loop loops[CLUSTER_LOOPS_MAX];
    unsigned n_loops;        /* another number at each start */
    struct journal journal;
    bool stopping;
};

struct cluster_options {
    unsigned nodes, groups, replicas; /* data groups; replicas of each */
    unsigned loops;          /* at most, per node */
    uint64_t seed;
    bool verbose;
    uint64_t flush_bytes;    /* a group is flushed at this much log */
    unsigned trailing;       /* entries kept behind a flush */
    unsigned padding_bytes;  /* of an extra file in each checkpoint */
    uint64_t clocks;         /* monotonic clocks begin within this, in ms */
    bool contiguous;         /* a group owns one range of slots: small maps */
    unsigned victims;        /* nodes whose disk may be damaged */
    size_t recent_bytes;     /* of changes kept for watches; 0: as usual */
};

/* Called by the world; any may be NULL. */
struct cluster_judge {
    void *arg;
    /* A shard was stepped. */
    void (*stepped)(void *arg, struct sim_loop *l);
    /* A replica gives its store a step to execute, ... */
    void (*applying)(void *arg, struct sim_node *n, struct sim_replica *r);
    /* ... and that has been executed. */
    void (*applied)(void *arg, struct sim_node *n, struct sim_replica *r);
    void (*replied)(void *arg, struct sim_node *n, const struct effect *e);
    /* The connections of clients to this node are gone. */
    void (*died)(void *arg, struct sim_node *n);
    /* Entries are given to the log. */
    void (*logged)(void *arg, struct sim_node *n, const struct effect *e,
                   const struct group_entry *entries, unsigned count);
    /* ... and it has; `ticket` says when they are durable (wal.h). */
    void (*asked)(void *arg, struct sim_node *n, const struct effect *e,
                  const struct group_entry *entries, unsigned count,
                  uint64_t ticket);
    /* The same for the RESET behind an installed snapshot. */
    void (*reset)(void *arg, struct sim_node *n, uint32_t group,
                  uint64_t index, uint64_t term, uint64_t ticket);
    /* Items leave for another node; items have come to it. */
    void (*sent)(void *arg, struct sim_node *n, struct slice items);
    void (*received)(void *arg, struct sim_loop *l, const struct event *frame);
    /* The disk was read; NULL: the replica cannot be started. */
    void (*recovered)(void *arg, struct sim_node *n, struct sim_replica *r,
                      const struct wal_recovered_group *log);
    /* A replica begins with this log. */
    void (*started)(void *arg, struct sim_node *n,
                    const struct replica_restore *from);
    /* A part of a watch came out; gives when it is taken, in ms. */
    uint64_t (*part)(void *arg, struct sim_node *n, const struct effect *e);
};

struct network;

struct cluster {
    struct cluster_options o;
    struct cluster_judge judge;
    struct rng rng[STREAMS];
    uint64_t now;            /* ms */
    uint64_t hash;           /* of everything that happened */
    struct task *heap;
    unsigned n_tasks, cap_tasks;
    uint64_t next_seq, next_ahead;

    struct cluster_map *initial;
    struct sim_node nodes[CLUSTER_NODES_MAX];
    struct network *network;

    /* weather: chances in 1000, delays in ms. `loss` breaks a connection,
     * `resend` only delays what is lost and everything behind it, `again`
     * repeats Raft's messages later. */
    unsigned loss, resend, again, delay_max, disk_max, store_max, mail_max,
        stall;
    bool log_reads_fail;
    unsigned heals;          /* how often all was well again */

    struct {
        unsigned crashes, stops, snapshots, installs, log_reads, broken;
        unsigned flushes, rewrites, restarts, transfers, replies;
        unsigned quarantines, refused_hellos, changes;
        uint64_t steps;
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

/* `l` NULL: the world's own. */
void cluster_later(struct cluster *c, struct sim_loop *l, uint64_t delay,
                   task_fn *run, void *arg);
/* At once, or at the end of a pause; then before all else: nobody knows whose
 * socket is read first. */
void cluster_ahead(struct cluster *c, struct sim_loop *l, task_fn *run,
                   void *arg);
bool cluster_chance(struct cluster *c, unsigned in_1000);
/* 0 .. max */
uint64_t cluster_random(struct cluster *c, uint64_t max);
/* The same from a subsystem's own stream. */
uint64_t cluster_draw(struct cluster *c, enum cluster_stream stream,
                      uint64_t max);
bool cluster_odds(struct cluster *c, enum cluster_stream stream,
                  unsigned in_1000);
/* The node's own monotonic clock, and how long until it shows `at`. */
instant cluster_clock(const struct cluster *c, const struct sim_node *n);
uint64_t cluster_until(const struct cluster *c, const struct sim_node *n,
                       instant at);
/* Its wall clock; what that has shown at most, if it was as far ahead as ever,
 * and had run as fast as any. */
uint64_t cluster_wall(const struct cluster *c, const struct sim_node *n);
uint64_t cluster_wall_max(const struct cluster *c, const struct sim_node *n);
/* Set it ahead, or back. */
void cluster_skew(struct sim_node *n, int64_t ms);
void cluster_drift(struct cluster *c, struct sim_node *n, int64_t ppm);
struct sim_node *cluster_node(struct cluster *c, uint32_t id);
struct sim_replica *cluster_replica(struct sim_node *n, uint32_t group);

/* One random fault, now (faults.c). */
void cluster_misfortune(struct cluster *c);
/* All nodes up that can be, all links free, gentle weather. */
void cluster_heal(struct cluster *c);
/* Weather in which nothing goes wrong. */
void cluster_calm(struct cluster *c);

/* ---- cluster_loop.c ---- */

/* Step the shard, carry everything out; the turn follows. `e->now` is set. */
void loop_step(struct cluster *c, struct sim_loop *l, struct event *e);
/* A group was stepped from outside (raft/group.h): carry on from there. */
void cluster_carry(struct cluster *c, struct sim_node *n, struct replica *r);
/* Run `run` on loop `to` of the same node: at once if that is this one, else
 * after a while, in the order of asking. */
void loop_letter(struct cluster *c, struct sim_loop *from,
                 struct sim_loop *to, task_fn *run, void *arg);
/* The same for an event without bytes of its own. */
void loop_post_event(struct cluster *c, struct sim_loop *from,
                     struct sim_loop *to, const struct event *e);
/* Requests come in on any loop. */
void loop_request(struct cluster *c, struct sim_loop *l,
                  const struct request *q);
static inline struct sim_loop *loop_of(struct sim_node *n, uint32_t group)
{
    return &n->loops[group % n->n_loops];
}

/* ---- cluster_effects.c ---- */

void effects_carry_out(struct cluster *c, struct sim_loop *l,
                       const struct effect *e);
/* Start what the log wants written now. */
void effects_pump(struct cluster *c, struct sim_node *n);
/* More of the log is durable: tell. */
void effects_persisted(struct cluster *c, struct sim_node *n);
/* Keep the log short, as relief.c does. */
void effects_relief(struct cluster *c, struct sim_node *n);
/* Read a span's ranges into `bytes`; false when a segment has gone. */
bool effects_read_span(struct sim_node *n, const struct wal_span *span,
                       struct buf *bytes);

/* ---- cluster_start.c ---- */

void start_create(struct cluster *c, struct sim_node *n);
void start_node(struct cluster *c, struct sim_node *n);
/* Power failure: unsynced bytes of the log and unflushed writes are lost. */
void start_crash(struct cluster *c, struct sim_node *n);
/* The data directory is emptied. If `again` somebody makes its replicas anew
 * under the old ids. The node is down. */
void start_wipe(struct cluster *c, struct sim_node *n, bool again);
/* Everything is durable; the process ends. */
void start_leave(struct cluster *c, struct sim_node *n);
/* Answer EFFECT_RESTART if the log is all on disk. On loop 0. */
void start_again(struct cluster *c, struct sim_node *n,
                 struct sim_replica *r);

/* ---- cluster_snapshot.c ---- */

void snapshot_carry_out(struct cluster *c, struct sim_loop *l,
                        const struct effect *e);
/* More of the log is durable. */
void snapshot_durable(struct cluster *c, struct sim_node *n);
/* The process is gone. */
void snapshot_forget(struct sim_replica *r);

/* ---- cluster_stream.c ---- */

void stream_scan(struct cluster *c, struct sim_loop *l,
                 const struct effect *e);
void stream_part(struct cluster *c, struct sim_loop *l,
                 const struct effect *e);

/* ---- cluster_due.c ---- */

void due_look(struct cluster *c, struct sim_loop *l, const struct effect *e);

/* ---- network.c ---- */

void network_init(struct cluster *c);
void network_release(struct cluster *c);
/* From shard to shard; on `from`'s loop 0. By the connection of this number, or
 * not at all; 0: by any. */
void network_send(struct cluster *c, struct sim_node *from,
                  unsigned from_shard, uint32_t to, unsigned to_shard,
                  enum channel channel, uint64_t number,
                  struct slice items);
/* A node's process is gone: its connections break. */
void network_node_down(struct cluster *c, struct sim_node *n);
/* Nothing gets from `from` to `to`; connections break now or later. */
void network_block(struct cluster *c, unsigned from, unsigned to, bool block,
                   bool break_now);
/* `from` ends those of its connections with `to` that have these numbers. */
void network_cut(struct cluster *c, struct sim_node *from, uint32_t to,
                 const uint64_t *number);
/* One connection breaks, losing what is on its way. */
void network_break(struct cluster *c, unsigned a, unsigned b,
                   enum channel channel);
/* A line per connection, when verbose. */
void network_say(struct cluster *c);
/* The weather is good again: what is late arrives now. */
void network_hurry(struct cluster *c);
/* What goes from `from` to `to` takes up to this much longer. */
void network_slow(struct cluster *c, unsigned from, unsigned to, unsigned ms);
/* ... this much. */
void network_lag(struct cluster *c, unsigned from, unsigned to, unsigned ms);

/* The clock that a node's log is given. */
static inline wal_instant cluster_us(const struct cluster *c,
                                     const struct sim_node *n)
{
    return (wal_instant){cluster_clock(c, n).ms * 1000};
}

#endif
