/* fake_cluster.h - nodes as a client sees them, on the test's own loop.
 *
 * Each node really listens on a free port of the loopback interface and speaks
 * frames. It keeps a small store, answers from it if it leads the key's group,
 * and does what a test tells it to otherwise. Nothing here sleeps. */
#ifndef TESTS_UNIT_CLIENT_FAKE_CLUSTER_H
#define TESTS_UNIT_CLIENT_FAKE_CLUSTER_H

#include <pthread.h>
#include <uv.h>

#include "client/coatcheck.h"
#include "proto/codec.h"
#include "proto/map.h"
#include "rpc/conn.h"
#include "rpc/listener.h"

enum { FAKE_NODES_MAX = 5, FAKE_CONNS_MAX = 64, FAKE_LOG_MAX = 4096 };

/* What a node does with get, set and delete. */
enum fake_mode {
    FAKE_SERVE = 0, /* if it leads the group, else NOT_LEADER with a hint */
    FAKE_SILENT,    /* takes it and never answers */
    FAKE_DROP,      /* closes the connection instead of answering */
    FAKE_REFUSE,    /* answers `refusal`, `refusals` times, then serves */
    FAKE_FORWARD,   /* serves whoever leads, and names the leader */
    FAKE_HOLD,      /* answers when the test says so: fake_release */
    FAKE_GARBAGE,   /* answers with bytes that are no reply */
};

struct fake_held {
    struct conn *conn;
    struct frame_header header;
    struct buf payload;
};

struct fake_node {
    struct fake_cluster *cluster;
    uint32_t id;
    struct listener *listener;
    enum fake_mode mode;
    enum status refusal;
    unsigned refusals;
    uint64_t clock;      /* of the groups, if sessions' times are looked at */
    unsigned forgets;    /* executes, then closes instead of answering */
    bool hint_none;      /* NOT_LEADER without a hint */
    bool map_silent;     /* does not answer map requests */
    bool not_initialised;
    unsigned crowded;    /* connections still to be refused with BUSY */
    unsigned requests;   /* get, set, delete received */
    unsigned map_requests;
    unsigned watches, cancels; /* asked for; told to end */
    unsigned part_events; /* of a part at most; 0: many */
    bool frozen;         /* takes watches, but tells nothing, and no map */
    unsigned scans;      /* pages given */
    unsigned page_keys;  /* of a page at most; 0: as asked */
    unsigned connections; /* accepted so far */
    struct conn *conns[FAKE_CONNS_MAX];
    struct fake_held held[FAKE_LOG_MAX];
    unsigned n_held;
    struct buf accepted; /* cluster init: the map it has, empty if blank */
    int steps[8];        /* the steps it was asked for */
    unsigned n_steps;
    bool active;         /* its accepted map was activated */
    bool init_fails;     /* CREATE ends with IO_ERROR */
    bool hears_nobody;   /* as leader: knows no follower's lag */
};

/* The groups' clocks, ms; they stand still. */
enum { FAKE_CLOCK = 1000000 };

/* One executed write: what key and value, where. */
struct fake_write {
    uint32_t node;
    bool is_delete;
    uint64_t deadline;
    char key[64];
    char value[64];
};

/* What watches are told, and who watches. */
struct fake_change {
    unsigned group; /* index */
    uint64_t version;
    char key[64], value[64]; /* no value: deleted */
};

struct fake_watch {
    struct fake_node *node;
    struct conn *conn; /* NULL: free */
    uint64_t id, after;
    unsigned group, at; /* index; the next change to look at */
    bool whole;         /* `begin` is a key, not a prefix */
    bool previous;      /* is told what was before; "LARGE" was too large */
    char begin[64];
};
enum { FAKE_WATCHES_MAX = 256 };

struct fake_cluster {
    uv_loop_t *loop;
    struct conn_set *set;
    struct cluster_map *map;
    uint32_t leaders[64]; /* node id per group index; 0 unknown */
    struct fake_node nodes[FAKE_NODES_MAX];
    unsigned n_nodes;
    struct fake_write log[FAKE_LOG_MAX];
    unsigned n_log, n_synced;
    struct fake_change changes[FAKE_LOG_MAX];
    unsigned n_changes;
    unsigned changes_per_version; /* 0: 1 */
    struct fake_watch watches[FAKE_WATCHES_MAX];
    struct fake_result {
        uint8_t client[16];
        uint64_t sequence;
        struct buf reply;
    } results[FAKE_LOG_MAX]; /* of writes with a session */
    unsigned n_results, repeated;
    uint64_t acknowledged, not_after; /* as told last */
    uint64_t fence; /* the highest a transaction presented, for any key */
    pthread_t thread;
    _Atomic bool pausing;
    uv_async_t stop;
    char endpoints[FAKE_NODES_MAX * 300]; /* all nodes */
};

/* `nodes` nodes with `groups` data groups, each led by its first replica. */
void fake_cluster_init(struct fake_cluster *f, uv_loop_t *loop, unsigned nodes,
                       unsigned groups);
/* Closes everything; the loop has to run on. */
void fake_cluster_close(struct fake_cluster *f);

/* The group index of a key, its leader's node, and setting that. */
unsigned fake_group(const struct fake_cluster *f, const char *key);
struct fake_node *fake_leader(struct fake_cluster *f, const char *key);
void fake_lead(struct fake_cluster *f, const char *key, uint32_t node);
/* A node that is not the leader of the key's group. */
struct fake_node *fake_other(struct fake_cluster *f, const char *key);

/* Who leads the group with this index. */
struct hint fake_hint(const struct fake_cluster *f, unsigned group);

/* Answers SCAN from the log of writes; fake_stream.c. The second refuses. */
void fake_scan(struct fake_node *n, struct conn *c,
               const struct frame_header *h, struct slice payload);
void fake_scan_answer(struct conn *c, const struct frame_header *h,
                      enum status status, struct hint hint);
/* Watches; fake_watch.c. A change that is only told, not stored; what was
 * stored since; the end of all watches of a group (index). */
void fake_watch(struct fake_node *n, struct conn *c,
                const struct frame_header *h, struct slice payload);
void fake_watch_cancel(struct fake_node *n, struct conn *c, uint64_t id);
void fake_change(struct fake_cluster *f, const char *key, const char *value);
void fake_sync(struct fake_cluster *f);
void fake_end_watches(struct fake_cluster *f, unsigned group, enum status why);
/* Write a key directly, as if somebody else had. */
void fake_put(struct fake_cluster *f, const char *key, const char *value);

/* Executes an OPERATE, once; fake_operate.c. The second answers it with encoded
 * bytes, or if there are none with a status. */
void fake_operate(struct fake_node *n, struct conn *c,
                  const struct frame_header *h,
                  const struct operate_request *q, struct hint hint);
void fake_operate_answer(struct conn *c, const struct frame_header *h,
                         struct slice reply, enum status status,
                         struct hint hint);

/* Answers STATUS and INIT; fake_admin.c. */
void fake_status(struct fake_node *n, struct conn *c,
                 const struct frame_header *h);
void fake_init(struct fake_node *n, struct conn *c,
               const struct frame_header *h, struct slice payload);
void fake_send(struct conn *c, const struct frame_header *to, uint16_t type,
               const struct buf *payload);

/* Run the nodes in a thread of their own, for tests that block; ends with
 * fake_thread_stop, which also closes them. Configure before. */
void fake_thread_start(struct fake_cluster *f);
void fake_thread_stop(struct fake_cluster *f);
/* Nobody answers until fake_thread_start; meanwhile the nodes may be looked at
 * and configured. */
void fake_thread_pause(struct fake_cluster *f);

/* Serve what a node holds (FAKE_HOLD), oldest first or newest first. */
void fake_release(struct fake_node *n, bool newest_first);
/* Close all of a node's connections / stop it listening too. */
void fake_break(struct fake_node *n);
void fake_stop(struct fake_node *n);
/* The last write to `key`, and its value; NULL if none or deleted. */
const struct fake_write *fake_present(const struct fake_cluster *f,
                                      const char *key);
const char *fake_value(const struct fake_cluster *f, const char *key);

/* ---- a client's answers ---- */

struct answer {
    bool done;
    unsigned times;
    enum coat_status status;
    char value[128];
    size_t size;
    uint64_t version;
    char detail[COAT_ERROR_MAX];
    unsigned attempts;
    bool has_value;
    int64_t number;
    uint64_t deadline;
};
void answer_take(const struct coat_reply *reply, void *answer);
/* Run the loop until `*done`. */
void run_until(uv_loop_t *loop, const bool *done);

#endif
