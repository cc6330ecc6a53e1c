/* event.h - what happens to a shard, and what it wants done.
 *
 * A node has one shard per loop thread; group G belongs to shard G mod their
 * number. A shard talks to shards: those of other nodes, and its siblings in
 * the same node, in the same items.
 *
 * A shard is a pure function: shard_step(shard, event, effects). Everything it
 * knows of the world is in events; everything it does to the world is in
 * effects. The shell (node/shell in the daemon, the simulator in tests) turns
 * sockets, disks, clocks and threads into the one and the other into them.
 *
 * THE CONTRACT OF ORDER
 *  1. The shell carries effects out in the order in which they were appended.
 *     Each of PERSIST, FETCH, APPLY, READ, SCAN, DUE, WATCH, FLUSH, LOG_READ,
 *     CHECKPOINT and INSTALL_* is answered by exactly one later event, in any
 *     order between them; the answer may be stepped while effects are being
 *     carried out.
 *  2. Two PERSISTs of one replica become durable in their order.
 *  3. SENDs to one node on one channel arrive in order or not at all (a broken
 *     connection loses the rest). What must not leave before something is
 *     durable is not emitted before.
 *  4. EVENT_TURN ends each burst of events: only there batches are submitted,
 *     read rounds are started and frames to peers are emitted.
 *  5. Bytes that an event points to are borrowed until shard_step returns,
 *     those of an effect until it has been carried out, except where a field
 *     says otherwise.
 *
 * Times: `now` is this node's monotonic clock; wall clocks are named so. */
#ifndef NODE_CORE_EVENT_H
#define NODE_CORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/write_set.h"
#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "proto/map.h"
#include "proto/operation.h"
#include "raft/group.h"

/* Who asked: the door's connection, and its own number for the request.
 *
 * The low half of `conn` is a small number, at any time unique among the live
 * connections of all doors of this shard (it indexes an array); the high half
 * tells those apart that had it one after the other (30 bits: the highest two
 * are the core's). `tag` is the door's own: it comes back in the reply. */
struct origin {
    uint64_t conn;
    uint64_t id;
    uint32_t tag;
};

enum read_mode { READ_LINEARIZABLE = 0, READ_STALE = 1 };

/* Everything borrowed. The door has checked it: operation_check(), and the
 * keyspace's name; internal operations never come by a door. */
struct request {
    struct origin from;
    struct slice keyspace;      /* name; empty is the default keyspace */
    struct operation operation; /* proto/operation.h; of OP_SCAN `value` is the
                                   whole request (proto/scan.h), whose key is
                                   `key`; of OP_WATCH too (proto/watch.h) */
    struct session session;     /* of a write; zero: none */
    instant deadline;           /* monotonic */
};

static inline enum read_mode read_mode_of(const struct operation *o)
{
    return o->flags & OPERATION_STALE ? READ_STALE : READ_LINEARIZABLE;
}

/* What came of it: the fields of struct operation_reply, and a hint. */
struct reply {
    enum status status;
    bool has_value;
    struct slice value;      /* see operation.h for what it is; the page of a
                                scan */
    uint64_t version;        /* 0: none */
    uint64_t expire_at;      /* 0: none */
    uint64_t clock;          /* the group clock; 0: it did not get that far */
    uint64_t argument;
    uint32_t hint_group;     /* with NOT_LEADER, MOVED, UNAVAILABLE */
    uint32_t hint_node;      /* 0: unknown */
    const char *detail;      /* NULL or what exactly, static text */
};

/* One record that FETCH asked for. */
struct fetched {
    bool present;
    size_t size;         /* of the stored record */
    struct slice record; /* its beginning: at least `want` bytes of it (all if
                            it is shorter), but only FETCH_CUT_BYTES once the
                            answers before it hold bytes_max already */
};
enum { FETCH_CUT_BYTES = 64 };

/* The two connections to a peer. CONTROL is for what is small and urgent. */
enum channel { CHANNEL_CONTROL, CHANNEL_BULK };

/* One file of a checkpoint; names have no slash. */
struct snapshot_file {
    char name[64];
    uint64_t size;
};

/* One piece of a checkpoint that its receiver asks for. */
struct snapshot_ask {
    uint32_t group;
    uint64_t replica; /* who asks */
    uint64_t index;   /* the snapshot's */
    uint64_t ask;     /* echoed */
    uint32_t file;    /* SNAPSHOT_MANIFEST: the list of files */
    uint64_t offset;
    uint32_t size_max;
};
enum { SNAPSHOT_MANIFEST = 0x7fffffff };

enum event_type {
    EVENT_TURN = 1,      /* the burst is over */
    EVENT_REQUEST,       /* a door decoded a request */
    EVENT_PEER_UP,       /* a channel to a node works */
    EVENT_PEER_DOWN,
    EVENT_PEER_FULL,     /* much waits to be sent to a node, or no longer */
    EVENT_PEER_FRAME,    /* a frame of items from a node */
    EVENT_PERSISTED,     /* a replica's persists up to `seq` are durable */
    EVENT_FETCHED,       /* answers FETCH */
    EVENT_APPLIED,       /* answers APPLY */
    EVENT_READ,          /* answers READ */
    EVENT_SCANNED,       /* answers SCAN */
    EVENT_DUE,           /* answers DUE */
    EVENT_WATCH_TAKEN,   /* answers WATCH: there is room for more */
    EVENT_WATCH_CANCEL,  /* a client wants no more of a watch, or has gone */
    EVENT_FLUSHED,       /* answers FLUSH */
    EVENT_LOG_READ,      /* answers LOG_READ */
    EVENT_CHECKPOINT,    /* answers CHECKPOINT */
    EVENT_INSTALL,       /* answers INSTALL_* */
    EVENT_MAP,           /* the cluster map was made durable or loaded */
    EVENT_FLUSH_WANTED,  /* a store's memory or the log's length asks for it */
    EVENT_DISK,          /* how the disk is doing, at least every 100 ms */
    EVENT_STOP,          /* hand leaderships over, then flush */
};

struct event {
    enum event_type type;
    instant now;
    uint64_t wall_ms;        /* this node's wall clock; of TURN */
    union {
        const struct request *request;
        struct {
            uint32_t node;
            enum channel channel;
            unsigned shards; /* of PEER_UP: how many that node has; 0: one */
            uint64_t number; /* of this connection; never used again */
            unsigned shard;  /* of PEER_FULL and this node's own id: which */
            bool full;       /* of PEER_FULL, of the bulk channel */
        } peer;
        struct {
            uint32_t node;  /* this node's own id: a sibling shard */
            unsigned shard; /* whose it is */
            struct slice items;
        } frame;
        struct {
            uint32_t group;
            uint64_t seq;
        } persisted;
        struct {
            uint32_t group;
            enum status status;
            const struct fetched *records; /* per key, in FETCH's order */
        } fetched;
        struct {
            uint32_t group;
            enum status status; /* OK, STALLED (ask again), IO_ERROR */
        } applied;
        struct {
            uint64_t token;
            enum status status; /* OK, NOT_FOUND, IO_ERROR; CANCELLED: who
                                   asked has gone */
            struct slice record; /* the stored data record */
        } read;
        struct {
            uint64_t token;
        } watch_taken;
        struct {
            struct origin from;
            bool whole; /* the connection has gone: all its watches */
        } watch_cancel;
        struct {
            uint64_t token;
            enum status status; /* OK, MOVED, or as of scan_run_begin();
                                   CORRUPT, WRONG_VERSION, IO_ERROR */
            struct slice page;  /* proto/scan.h */
        } scanned;
        struct {
            uint32_t group;
            enum status status;
            struct slice keys; /* n times: u32 size, a key of the index */
            const uint64_t *held; /* of each: its record's deadline in the same
                                     view; 0: none, or no record;
                                     SWEEP_UNKNOWN (expiry.h) */
            unsigned n;
            struct slice next; /* the key behind them; empty: none */
        } due;
        struct {
            uint32_t group;
            enum status status;
            uint64_t index; /* the flushed group record's applied index */
        } flushed;
        struct {
            uint32_t group;
            uint64_t token;
            const struct group_entry *entries; /* with payloads */
            unsigned n;                        /* 0: cannot be read */
        } log_read;
        struct {
            uint32_t group;
            uint64_t token;
            enum status status;
            uint64_t index, term, members_index;
            struct slice members;
            const struct snapshot_file *files;
            unsigned n_files;
        } checkpoint;
        struct {
            uint32_t group;
            uint64_t token;
            enum status status;
            struct slice slots, map; /* of COMMIT: the new store's records */
            const struct write_set *kept; /* the same: see replica_restore */
            uint64_t clock_ms;
        } install;
        struct {
            const struct cluster_map *map; /* copied */
        } map;
        struct {
            uint32_t group;
            bool pinned; /* it is about the log, not about memory */
        } flush_wanted;
        struct {
            duration write_age;  /* the oldest wal write not durable yet */
            bool nearly_full;    /* refuse what adds data */
        } disk;
    };
};

enum effect_type {
    EFFECT_PERSIST_VOTE = 1,
    EFFECT_PERSIST_TRUNCATE,
    EFFECT_PERSIST_ENTRIES,
    EFFECT_RELEASE,      /* entries below `index` are not needed any more */
    EFFECT_SEND,
    EFFECT_BREAK,        /* end the connections with a node: it is broken */
    EFFECT_FETCH,
    EFFECT_APPLY,
    EFFECT_READ,
    EFFECT_SCAN,         /* make a page (scan_run.h) of the state as of now */
    EFFECT_DUE,          /* look into the index of deadlines */
    EFFECT_WATCH,        /* a part for a watch; its REPLY comes when it ends */
    EFFECT_REPLY,
    EFFECT_FLUSH,
    EFFECT_LOG_READ,
    EFFECT_CHECKPOINT,
    EFFECT_CHECKPOINT_DROP,
    EFFECT_INSTALL_BEGIN,  /* make an empty install directory */
    EFFECT_INSTALL_CHUNK,  /* append bytes to one of its files */
    EFFECT_INSTALL_COMMIT, /* sync, check, switch over, RESET the log;
                              none comes while an APPLY is under way */
    EFFECT_SERVE_CHUNK,    /* read a checkpoint's bytes and send them */
    EFFECT_MAP_SAVE,       /* make a newer map durable, answer EVENT_MAP */
    EFFECT_REWRITE,        /* the log keeps old entries of this replica that
                              are flushed: write them again at its end */
    EFFECT_RESTART,        /* start this replica again from what is on disk,
                              once its persists are: shard_replica_restart() */
    EFFECT_STOPPED,        /* nothing is led here any more */
};

struct effect {
    enum effect_type type;
    uint32_t group;
    union {
        struct {
            uint64_t seq, term, vote;
        } persist_vote;
        struct {
            uint64_t seq, from;
        } persist_truncate;
        struct {
            uint64_t seq, first;
            unsigned n;
            const struct group *raft; /* read through group_entry_at(), as
                                         its GROUP_PERSIST_ENTRIES says */
        } persist_entries;
        struct {
            uint64_t index;
        } release;
        struct {
            uint32_t node;  /* this node's own id: a sibling shard */
            unsigned shard;
            enum channel channel;
            uint64_t number; /* of the connection it is meant for: PEER_UP's;
                                it must not leave by a later one */
            struct slice items;
        } send;
        struct {
            uint32_t node;
            uint64_t number[2]; /* by channel; later ones stay */
        } cut;
        struct {
            const struct slice *keys; /* these two: valid until FETCHED */
            const uint32_t *want;     /* per key: bytes of the record */
            unsigned n;
            size_t bytes_max; /* of min(size, want) over all answers; what
                                 exceeds it is cut: see struct fetched */
        } fetch;
        struct {
            const struct write_set *set; /* valid until EVENT_APPLIED */
        } apply;
        struct {
            uint64_t token;
            struct slice key; /* store key, valid until EVENT_READ */
            struct origin from; /* who will get the value: it may be read
                                   later, when there is room for it */
        } read;
        struct {
            uint64_t token;
            uint32_t keyspace;
            struct slice request; /* proto/scan.h; until EVENT_SCANNED */
        } scan;
        struct {
            struct slice from; /* a key of the index: begin there */
            uint64_t until;    /* give lines with a deadline up to this, ... */
            unsigned max;      /* ... at most so many ... */
            size_t bytes_max;  /* ... until they have so many bytes */
            bool keep;         /* their records will have to be fetched, too:
                                  better from memory */
        } due;
        struct {
            uint64_t token;
            struct origin to;
            struct slice part; /* proto/watch.h; until EVENT_WATCH_TAKEN */
        } watch;
        struct {
            struct origin to;
            enum op op;
            struct reply reply;
        } reply;
        struct {
            uint64_t token, from;
            unsigned n;
        } log_read;
        struct {
            uint64_t token;
        } checkpoint;
        struct {
            uint64_t token;
            uint64_t index, term;
            unsigned file;
            uint64_t offset;
            struct slice bytes;
            const struct snapshot_file *files; /* valid until EVENT_INSTALL */
            unsigned n_files;
        } install;
        struct {
            uint64_t token; /* the checkpoint's */
            uint32_t node;  /* send it a SNAPSHOT_CHUNK item, bulk channel */
            unsigned shard;
            struct snapshot_ask ask;
        } serve;
        struct {
            struct cluster_map *map; /* borrowed until carried out ... */
            bool give;               /* ... or the shell's to free */
        } map_save;
    };
};

/* A reusable vector; zero-initialised is empty. */
struct effects {
    struct effect *v;
    unsigned n, cap;
};

/* Append an empty effect; the pointer is valid until the next one. */
struct effect *effects_add(struct effects *fx, enum effect_type type,
                           uint32_t group);
void effects_release(struct effects *fx);

#endif
