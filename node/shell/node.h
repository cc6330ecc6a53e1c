/* node.h - the daemon's shell: carries a shard's effects out, makes its events.
 *
 * One libuv loop. What happens on it, in this order, each turn:
 *
 *   poll    sockets: frames become events, stepped at once
 *   check   the turn: EVENT_TURN (timers fire only here, after the sockets
 *           were drained: hazard L22), the log's write is started, every
 *           connection's output leaves in one write
 *
 * Threads: the loop; one disk thread that writes and syncs the log; libuv's
 * worker pool for whatever may wait for the disk (reads that miss the cache,
 * checkpoints, segment files); RocksDB's own. Nothing but letters and work
 * requests crosses between them.
 *
 * This header is for node/shell, node/front and node/main.c only. */
#ifndef NODE_SHELL_NODE_H
#define NODE_SHELL_NODE_H

#include <uv.h>

#include "node/core/hello.h"
#include "node/core/journal.h"
#include "node/core/shard.h"
#include "node/shell/datadir.h"
#include "node/store/store_view.h"
#include "rpc/conn.h"
#include "rpc/listener.h"

struct node_options {
    char data[4000];
    struct address client_listen, peer_listen;
    char client_advertise[ADDRESS_MAX + 1], peer_advertise[ADDRESS_MAX + 1];
    bool unsafe_disk;
    uint32_t segment_bytes;       /* of the log; 0: 64 MiB */
    uint64_t cache_bytes;         /* block cache; 0: 64 MiB */
    unsigned conns_max;           /* of clients; 0: 10,000 */
    unsigned election_ms;         /* 0: 500 */
    uint64_t disk_reserve_bytes;  /* free space below which sets are refused */
};

struct disk;     /* disk.c: the log's writer */
struct stores;   /* stores.c: the replicas' stores */
struct links;    /* links.c: connections to other nodes */
struct native;   /* front/native.c: the door for clients */
struct relief;   /* relief.c: the log kept short and checked */
struct checkpoints; /* checkpoints.c: snapshots on disk */

struct node {
    struct node_options o;
    uv_loop_t *loop;
    struct datadir dir;
    uint32_t id;                  /* 0 before cluster init */

    struct shard *shard;          /* NULL before the node is ACTIVE */
    struct effects fx;
    bool draining;
    struct store_value *pins;     /* borrowed by replies not carried out yet */
    unsigned n_pins, cap_pins;

    struct journal journal;
    struct wal_options wal_options;
    struct disk *disk;
    struct stores *stores;
    struct links *links;
    struct native *native;
    struct checkpoints *checkpoints;
    struct relief *relief;
    struct conn_set *conns;       /* of clients */
    struct conn_set *peer_conns;

    uv_check_t check;
    uv_timer_t timer;
    uv_idle_t idle;               /* makes the poll after a timer not wait */
    uv_timer_t tick;              /* every 100 ms */
    uv_signal_t sigterm, sigint;
    uint64_t started_ms;
    unsigned ticks;
    int exit_code;
    bool stopping, disk_low;
};

/* ---- node.c ---- */

/* Clocks. */
instant node_now(void);
wal_instant node_now_us(void);
uint64_t node_wall_ms(void);

/* Step the shard (if there is one) and carry all effects out. Nothing of `e`
 * is used after return. Legal inside an effect being carried out: then the new
 * effects come behind those that are waiting. */
void node_step(struct node *n, const struct event *e);
/* The process cannot go on (failed sync): say why, stop sending, exit. */
_Noreturn void node_die(const char *what, const char *detail);
/* Open everything and serve until stopped; the exit code. Errors on stderr. */
int node_run(const struct node_options *o);

/* ---- start.c ---- */

/* Open log, stores and shard of an ACTIVE node. On failure a line in
 * error[DATADIR_ERROR_SIZE]. */
MUST_CHECK enum status start_replicas(struct node *n, char *error);
/* Make stores and log of this node's replicas in the map (CREATE). */
MUST_CHECK enum status start_create(struct node *n,
                                    const struct cluster_map *map,
                                    char *error);

/* Start a replica again that stopped itself (EFFECT_RESTART). False: its log
 * is not all on disk yet, try again. */
bool start_again(struct node *n, uint32_t group);

/* ---- walfiles.c ---- */

/* Recover the log in DATA/wal into n->journal; calls `each` for every group
 * before its entries leave memory. */
typedef void walfiles_each(void *arg, const struct wal_recovered *found,
                           unsigned i);
MUST_CHECK enum status walfiles_open(struct node *n, walfiles_each *each,
                                     void *arg, bool *lost_unnamed,
                                     char *error);
MUST_CHECK enum status walfiles_create(const char *dir, uint64_t segment,
                                       uint64_t recycle_from, uint32_t bytes);
MUST_CHECK enum status walfiles_remove(const char *dir, uint64_t segment);
/* An open descriptor for reading (and writing) a segment, or -1. */
int walfiles_descriptor(const char *dir, uint64_t segment, bool write);

/* ---- relief.c ---- */

/* Every 100 ms: keep the log short, check finished segments. */
void relief_tick(struct node *n);
/* What scrubbing found, for status; NULL: nothing. */
const char *relief_damage(const struct node *n);
void relief_stop(struct node *n);

/* ---- disk.c ---- */

struct disk *disk_new(struct node *n);
/* Start whatever the log wants started now. True if a write was carried out
 * at once: what waited for it has been stepped. */
bool disk_pump(struct node *n);
/* Wait until everything appended is durable (not while serving). */
MUST_CHECK enum status disk_settle(struct node *n);
/* Read entries back: answers EVENT_LOG_READ. */
void disk_log_read(struct node *n, const struct effect *e);
/* Read a span's ranges one behind the other; false: they cannot be read. */
bool disk_read_span(const char *dir, const struct wal_span *span,
                    uint8_t *to);
void disk_stop(struct node *n);
uint64_t disk_syncs(const struct disk *d);

/* ---- stores.c ---- */

struct stores *stores_new(struct node *n);
/* Open the store that groups/N/CURRENT names.
 * NOT_FOUND  there is no CURRENT */
MUST_CHECK enum status stores_open(struct node *n, uint32_t group,
                                   uint8_t *install_id, char *error);
/* Make the first store of a group, holding `set`, flushed. */
MUST_CHECK enum status stores_create(struct node *n, uint32_t group,
                                     const struct write_set *set, char *error);
struct store *stores_find(const struct node *n, uint32_t group);
/* Put another store in a group's place; gives the one it replaces. */
struct store *stores_replace(struct node *n, uint32_t group,
                             struct store *store);
struct store_env *stores_env(const struct node *n);
void stores_fetch(struct node *n, const struct effect *e);
void stores_apply(struct node *n, const struct effect *e);
void stores_read(struct node *n, const struct effect *e);
void stores_flush(struct node *n, const struct effect *e);
void stores_tick(struct node *n);
/* start_again() this group's replica from the next tick on until it works. */
void stores_restart_wanted(struct node *n, uint32_t group);
/* Flush and close all; waits. */
void stores_close(struct node *n);
/* groups/N as a path. */
void stores_group_path(const struct node *n, uint32_t group, char *path,
                       size_t size);
MUST_CHECK enum status stores_write_current(struct node *n, uint32_t group,
                                            const char *name,
                                            const uint8_t *install_id);

/* ---- checkpoints.c ---- */

struct checkpoints *checkpoints_new(struct node *n);
void checkpoints_make(struct node *n, const struct effect *e);
void checkpoints_drop(struct node *n, const struct effect *e);
void checkpoints_serve(struct node *n, const struct effect *e);
void checkpoints_install(struct node *n, const struct effect *e);
/* More of the log is durable: installs may wait for that. */
void checkpoints_durable(struct node *n);

/* ---- links.c ---- */

struct links *links_new(struct node *n);
/* The map or the node's part in it has changed. */
void links_follow_map(struct node *n);
MUST_CHECK bool links_listen(struct node *n, char *error);
void links_send(struct node *n, uint32_t node, enum channel channel,
                struct slice items);
void links_tick(struct node *n);
void links_stop(struct node *n);

/* ---- front/native.c, front/admin.c, init.c ---- */

struct native *native_new(struct node *n);
MUST_CHECK bool native_listen(struct node *n, char *error);
void native_reply(struct node *n, const struct effect *e);
void native_stop(struct node *n);
unsigned native_conns(const struct node *n);

void admin_map(struct node *n, struct conn *c, uint64_t id,
               struct slice payload);
void admin_status(struct node *n, struct conn *c, uint64_t id,
                  struct slice payload);
void admin_init(struct node *n, struct conn *c, uint64_t id,
                struct slice payload);
void admin_error(struct conn *c, uint64_t id, enum status why,
                 const char *detail);

#endif
