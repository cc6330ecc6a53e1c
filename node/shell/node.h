/* node.h - the daemon's shell: carries shards' effects out, makes their events.
 *
 * A node has one or more LOOPS: a thread with a libuv loop, one shard, that
 * shard's stores, a door. Loop 0 is the MAIN loop: it also has the log, the
 * connections to other nodes, the data directory, signals. Loops share nothing
 * that changes; they post each other letters (post.h).
 *
 * What happens on a loop, in this order, each turn:
 *
 *   poll    sockets and letters: events, stepped at once
 *   check   the turn: EVENT_TURN (timers fire only here, after the sockets
 *           were drained: hazard L22), the log's write is started, every
 *           connection's output leaves in one write
 *
 * Other threads: one disk thread that writes and syncs the log; libuv's worker
 * pool for whatever may wait for the disk (reads that miss the cache,
 * checkpoints, segment files); RocksDB's own.
 *
 * This header is for node/shell, node/front and node/main.c only. Functions
 * that take a struct loop run on its thread, those that take a struct node on
 * the main loop's, unless they say otherwise. */
#ifndef NODE_SHELL_NODE_H
#define NODE_SHELL_NODE_H

#include <stdatomic.h>
#include <uv.h>

#include "node/core/hello.h"
#include "node/core/journal.h"
#include "node/core/shard.h"
#include "node/shell/datadir.h"
#include "node/shell/turns.h"
#include "node/store/store_view.h"
#include "rpc/conn.h"
#include "rpc/listener.h"
#include "rpc/mailbox.h"

enum { LOOPS_MAX = 64 };

struct node_options {
    char data[4000];
    struct address client_listen, peer_listen;
    char client_advertise[ADDRESS_MAX + 1], peer_advertise[ADDRESS_MAX + 1];
    struct address redis_listen;  /* no host: no Redis door */
    char redis_advertise[ADDRESS_MAX + 1];
    bool unsafe_disk;
    unsigned threads;             /* loops; 0: 1 */
    uint32_t segment_bytes;       /* of the log; 0: 64 MiB */
    uint64_t cache_bytes;         /* block cache; 0: 64 MiB */
    unsigned conns_max;           /* of clients; 0: 10,000 */
    unsigned election_ms;         /* 0: 500 */
    uint64_t disk_reserve_bytes;  /* free space below which sets are refused */
};

struct disk;     /* disk.c: the log's writer */
struct stores;   /* stores.c: the replicas' stores of a loop */
struct links;    /* links.c: connections to other nodes */
struct native;   /* front/native.c: the door for clients, of a loop */
struct redis;    /* front/redis.c: the Redis door, of a loop */
struct relief;   /* relief.c: the log kept short and checked */
struct watch_door; /* front/watch.c */
struct checkpoints; /* checkpoints.c: snapshots on disk, of a loop */

struct loop {
    struct node *node;
    unsigned index;               /* 0: the main loop */
    uv_loop_t *uv;
    uv_loop_t own;                /* of others than the main loop */
    uv_thread_t thread;
    struct mailbox *mailbox;

    struct shard *shard;          /* NULL before the node is ACTIVE */
    struct shard *prepared;       /* by start_replicas(), for loop_begin() */
    struct shard *ended;          /* by loop_quiesce() */
    struct effects fx;
    bool draining, stopped;
    struct letters outbox[LOOPS_MAX]; /* posted when the drain ends */
    bool posting;
    unsigned posted;              /* letters in all outboxes */
    atomic_size_t waiting;        /* bytes of letters for this loop */
    bool told_full[LOOPS_MAX];    /* of its siblings, to the shard */

    struct stores *stores;
    struct native *native;
    struct redis *redis;
    struct watch_door *watch_door;
    struct checkpoints *checkpoints;
    struct conn_set *conns;       /* of clients */

    struct turns turns;
    uv_timer_t tick;              /* every 100 ms */
    unsigned ticks;
    unsigned statuses;            /* being asked for by its clients */
};

struct node {
    struct node_options o;
    struct datadir dir;
    uint32_t id;                  /* 0 before cluster init */
    uint64_t started_ms;

    struct loop *loops;           /* the array does not move */
    unsigned n_loops;
    struct redis_cursors *redis_cursors; /* front/redis_cursor.c */
    struct store_env *env;        /* of all stores; any thread */

    /* The main loop's. */
    struct journal journal;
    struct wal_options wal_options;
    struct disk *disk;
    struct links *links;
    struct relief *relief;
    struct conn_set *peer_conns;
    uv_signal_t sigterm, sigint;
    unsigned stopped_loops;
    bool stopping, disk_low;

    atomic_bool hurry; /* somebody waits for workers: they shall not rest */
};

/* ---- loop.c ---- */

/* Clocks; any thread. */
instant node_now(void);
wal_instant node_now_us(void);
uint64_t node_wall_ms(void);

/* The process cannot go on (failed sync): say why, stop sending, exit. Any
 * thread. */
_Noreturn void node_die(const char *what, const char *detail);

/* The loop that has a group. */
struct loop *loop_of(struct node *n, uint32_t group);

/* Set up / tear down on the thread that will run / has run it. */
void loop_init(struct loop *l, struct node *n, unsigned index);
void loop_release(struct loop *l);
/* Stop stepping the shard and accepting clients, and wait (not for ever) for
 * the workers; then loop_release(). */
void loop_quiesce(struct loop *l);
/* Take over the prepared shard, and carry out what starting it wanted. */
void loop_begin(struct loop *l);

/* Step the shard (if there is one) and carry all effects out. Nothing of `e`
 * is used after return. Legal inside an effect being carried out: then the new
 * effects come behind those that are waiting. */
void loop_step(struct loop *l, const struct event *e);
/* Carry out what effects there are. */
void loop_drain(struct loop *l);
/* Inside an effect: step `e` and carry out at once the replies that this wants,
 * whose bytes may go on return; the other effects come in their turn. (Replies
 * have no order among each other.) */
void loop_step_replies(struct loop *l, const struct event *e);
/* Carry out one EFFECT_READ that was kept. */
void loop_read(struct loop *l, const struct effect *e);
/* Step an event without bytes of its own on the loop `to`, now if that is this
 * thread's, by letter otherwise. */
void loop_post_event(struct loop *from, struct loop *to,
                     const struct event *e);

/* ---- node.c ---- */

/* Open everything and serve until stopped; the exit code. Errors on stderr. */
int node_run(const struct node_options *o);
/* A shard has handed over its leaderships. */
void node_loop_stopped(struct node *n);
/* Make a newer map durable and give it to all shards. Copies. */
void node_save_map(struct node *n, const struct cluster_map *map);

/* ---- start.c ---- */

/* Open log, stores and shards of an ACTIVE node: fills each loop's `prepared`.
 * On failure a line in error[DATADIR_ERROR_SIZE]. */
MUST_CHECK enum status start_replicas(struct node *n, char *error);
/* Make stores and log of this node's replicas in the map (CREATE). */
MUST_CHECK enum status start_create(struct node *n,
                                    const struct cluster_map *map,
                                    char *error);

/* What the log holds of a group, for start_again(). */
struct log_copy {
    uint32_t group;
    uint64_t applied; /* payloads up to here are left out */
    uint64_t ticket;  /* what has to be durable first; 0: as of the first try */
    bool later;       /* not all is on disk yet: try again */
    const char *broken; /* it cannot be had; NULL: it is all there */
    struct wal_group_info info;
    struct group_entry *entries; /* info.first .. info.last, with payloads */
    uint32_t *sizes;
    size_t n;
};
void log_copy_release(struct log_copy *c);
/* Start a replica again that stopped itself (EFFECT_RESTART). */
void start_again(struct loop *l, const struct log_copy *log);

/* ---- walfiles.c ---- */

/* Recover the log in DATA/wal into n->journal; calls `each` for every group
 * before its entries leave memory. */
typedef void walfiles_each(void *arg, const struct wal_recovered *found,
                           unsigned i);
MUST_CHECK enum status walfiles_open(struct node *n, walfiles_each *each,
                                     void *arg, bool *lost_unnamed,
                                     char *error);
/* Any thread. `pace` (or NULL) is called before each piece of a new file: it
 * may rest, and gives the piece's size; `left` bytes are to be filled. */
typedef uint32_t walfiles_pace(void *arg, uint32_t left);
MUST_CHECK enum status walfiles_create(const char *dir, uint64_t segment,
                                       uint64_t recycle_from, uint32_t bytes,
                                       walfiles_pace *pace, void *arg);
MUST_CHECK enum status walfiles_remove(const char *dir, uint64_t segment);
/* An open descriptor for reading (and writing) a segment, or -1. */
int walfiles_descriptor(const char *dir, uint64_t segment, bool write);

/* ---- relief.c ---- */

/* Every 100 ms: keep the log short, check finished segments. */
void relief_tick(struct node *n);
/* Write a group's oldest entries again, so that their segment can go. */
void relief_rewrite(struct node *n, uint32_t group);
/* What scrubbing found, for status; NULL: nothing. */
const char *relief_damage(const struct node *n);
void relief_stop(struct node *n);

/* ---- disk.c: the log, on the main loop ---- */

struct disk *disk_new(struct node *n);
/* Start whatever the log wants started now. True if a write was carried out
 * at once: what waited for it has been stepped. */
bool disk_pump(struct node *n);
/* Wait until everything appended is durable, and with `files` until the log has
 * made all segments it wants ahead (not while serving). */
MUST_CHECK enum status disk_settle(struct node *n, bool files);
/* How the file of `segment` shall be made while `left` bytes of it are to be
 * filled. Any thread. */
enum disk_pace {
    DISK_HURRY,  /* the log's reserve is not whole, or somebody waits */
    DISK_STEADY, /* the log may come to the reserve first */
    DISK_REST,   /* as it goes, the file will be there in time */
};
enum disk_pace disk_pace(const struct node *n, uint64_t segment,
                         uint32_t left);
void disk_stop(struct node *n);
uint64_t disk_syncs(const struct disk *d);

/* From a loop, by letter if it is not the main one: */

/* EFFECT_PERSIST_*, EFFECT_RELEASE; answered by EVENT_PERSISTED. */
void disk_persist(struct loop *l, const struct effect *e);
/* RESET the group's log; then checkpoints_reset_done() on that loop. */
void disk_reset(struct loop *l, uint32_t group, uint64_t token,
                uint64_t index, uint64_t term, const uint8_t *install_id);
/* ---- logread.c ---- */

/* Read a span's ranges one behind the other; false: they cannot be read. Any
 * thread. */
bool logread_bytes(const char *dir, const struct wal_span *span, uint8_t *to);
/* Read a span on a worker, then call `done` on the main loop. `entries` are
 * borrowed until it returns; NULL: they cannot be read, or are not there any
 * more (logread_still tells). */
typedef void logread_done(struct node *n, void *arg,
                          const struct wal_span *span,
                          const struct wal_entry *entries);
void logread_start(struct node *n, const struct wal_span *span,
                   logread_done *done, void *arg);
/* Do these entries still lie there? */
bool logread_still(const struct node *n, const struct wal_span *span);
/* EFFECT_LOG_READ, from any loop; answered by EVENT_LOG_READ. */
void logread_entries(struct loop *l, const struct effect *e);
/* From any loop: copy the group's log; then stores_log_copied() on that
 * loop. */
void logread_copy(struct loop *l, uint32_t group, uint64_t applied,
                  uint64_t ticket);

/* ---- stores.c ---- */

struct stores *stores_new(struct loop *l);
/* Open the store that groups/N/CURRENT names.
 * NOT_FOUND  there is no CURRENT */
MUST_CHECK enum status stores_open(struct loop *l, uint32_t group,
                                   uint8_t *install_id, char *error);
/* Make the first store of a group, holding `set`, flushed, and close it. */
MUST_CHECK enum status stores_create(struct node *n, uint32_t group,
                                     const struct write_set *set, char *error);
struct store *stores_find(const struct loop *l, uint32_t group);
/* Put another store in a group's place; gives the one it replaces. */
struct store *stores_replace(struct loop *l, uint32_t group,
                             struct store *store);
void stores_fetch(struct loop *l, const struct effect *e);
void stores_apply(struct loop *l, const struct effect *e);
void stores_read(struct loop *l, const struct effect *e);
/* READs of one group that stand one behind the other come next, at most `n`:
 * have their keys' memory fetched. Gives how many of them it has looked at,
 * at least 1. */
unsigned stores_expect(struct loop *l, const struct effect *e, unsigned n);
void stores_flush(struct loop *l, const struct effect *e);
void stores_tick(struct loop *l);
/* From the next tick on ask for the log of this group, until start_again(). */
void stores_restart_wanted(struct loop *l, uint32_t group);
void stores_log_copied(struct loop *l, const struct log_copy *log);
/* Flush and close all; waits. */
void stores_close(struct loop *l);
/* groups/N as a path. */
void stores_group_path(const struct node *n, uint32_t group, char *path,
                       size_t size);
MUST_CHECK enum status stores_write_current(const struct node *n,
                                            uint32_t group, const char *name,
                                            const uint8_t *install_id);

/* ---- scans.c ---- */

/* EFFECT_SCAN; answered by EVENT_SCANNED. */
void scans_begin(struct loop *l, const struct effect *e);

/* ---- duelook.c ---- */

/* EFFECT_DUE; answered by EVENT_DUE. */
void duelook_begin(struct loop *l, const struct effect *e);

/* ---- checkpoints.c ---- */

struct checkpoints *checkpoints_new(struct loop *l);
void checkpoints_make(struct loop *l, const struct effect *e);
void checkpoints_drop(struct loop *l, const struct effect *e);
void checkpoints_serve(struct loop *l, const struct effect *e);
void checkpoints_install(struct loop *l, const struct effect *e);
/* The RESET that an install waited for is durable. */
void checkpoints_reset_done(struct loop *l, uint32_t group, uint64_t token);

/* ---- links.c ---- */

struct links *links_new(struct node *n);
/* The map or the node's part in it has changed. */
void links_follow_map(struct node *n);
MUST_CHECK bool links_listen(struct node *n, char *error);
/* Items from a shard to another node's or a sibling, from any loop; as
 * EFFECT_SEND. `number` 0: by whatever connection there is. */
void links_send(struct loop *l, uint32_t node, unsigned shard,
                enum channel channel, uint64_t number, struct slice items);
/* Once a turn: shards hear that a node takes its frames again. */
void links_turn(struct node *n);
/* EFFECT_BREAK, from any loop. */
void links_break(struct loop *l, const struct effect *e);
void links_tick(struct node *n);
void links_stop(struct node *n);

/* ---- front/doors.c: all doors of a loop ---- */

MUST_CHECK bool doors_listen(struct loop *l, char *error);
/* EFFECT_REPLY */
void doors_reply(struct loop *l, const struct effect *e);
/* EFFECT_READ: false, and it can be carried out now; or its client has so much
 * to take already that it is kept (copied) until there is room. */
bool doors_hold_read(struct loop *l, const struct effect *e);
/* A read for `from` went to a worker, or came back. */
void doors_reading(struct loop *l, struct origin from, bool begins);
/* Once a turn: carry out held reads there is room for now. */
void doors_turn(struct loop *l);
/* After the turn's output left: is there room for more at once? */
bool doors_want_turn(const struct loop *l);
void doors_tick(struct loop *l);
void doors_stop(struct loop *l);
/* The loop does not run any more. */
void doors_release(struct loop *l);

/* ---- front/native.c, front/admin.c, front/status.c; as doors.c ---- */

struct native *native_new(struct loop *l);
MUST_CHECK bool native_listen(struct loop *l, char *error);
void native_reply(struct loop *l, const struct effect *e);
bool native_hold_read(struct loop *l, const struct effect *e);
void native_reading(struct loop *l, struct origin from, bool begins);
void native_turn(struct loop *l);
bool native_wants_turn(const struct loop *l);
void native_tick(struct loop *l);
/* Send a frame to the client that `conn` names, if it is still there. */
void native_send(struct loop *l, uint64_t conn, uint64_t id, uint16_t type,
                 struct slice payload);
void native_stop(struct loop *l);

/* ---- front/redis.c; as doors.c ---- */

struct redis *redis_new(struct loop *l);
MUST_CHECK bool redis_listen(struct loop *l, char *error);
void redis_reply(struct loop *l, const struct effect *e);
bool redis_hold_read(struct loop *l, const struct effect *e);
void redis_reading(struct loop *l, struct origin from, bool begins);
void redis_turn(struct loop *l);
bool redis_wants_turn(const struct loop *l);
void redis_tick(struct loop *l);
void redis_stop(struct loop *l);
void redis_loop_release(struct loop *l);

/* Both doors' connections have places of their own; which door an origin's
 * `conn` belongs to is its lowest bit. (Origins that are no door's have one of
 * the two highest bits.) */
static inline uint64_t origin_conn(uint32_t generation, uint32_t place,
                                   bool redis)
{
    return (uint64_t)(generation & 0x3fffffff) << 32 | (uint64_t)place << 1 |
           redis;
}
static inline bool origin_is_redis(uint64_t conn)
{
    return conn & 1 && !(conn >> 62);
}
/* A part of a watch to this client; false: it is not there any more. */
bool native_part(struct loop *l, uint64_t conn, uint64_t id,
                 struct slice part);
/* Bytes that wait to be sent to it; 0 when it has gone. */
size_t native_waiting(const struct loop *l, uint64_t conn);

/* ---- front/watch.c ---- */

struct watch_door *watch_door_new(void);
void watch_door_free(struct watch_door *d);
/* A WATCH request of a client. On anything but OK it has not been asked. */
MUST_CHECK enum status watch_ask(struct loop *l, struct origin from,
                                 instant deadline, struct slice payload);
/* The client wants no more of a watch, or has gone with all of them. */
void watch_cancel(struct loop *l, struct origin from, bool whole);
/* EFFECT_WATCH, and the REPLY to a watch, on the group's loop. */
void watch_part(struct loop *l, const struct effect *e);
void watch_reply(struct loop *l, const struct effect *e);
/* Once a turn: who has room again? */
void watch_turn(struct loop *l);

/* Requests to the node itself, from the client `conn`. */
void admin_map(struct loop *l, uint64_t conn, uint64_t id,
               struct slice payload);
void admin_init(struct loop *l, uint64_t conn, uint64_t id,
                struct slice payload);
void admin_error(struct loop *l, uint64_t conn, uint64_t id, enum status why,
                 const char *detail);
void status_ask(struct loop *l, uint64_t conn, uint64_t id);

#endif
