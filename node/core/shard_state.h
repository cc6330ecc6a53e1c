/* shard_state.h - the inside of a shard, for node/core's own files only.
 *
 *   shard.c     life, dispatch, the turn, questions
 *   requests.c  from a request to its group: here, elsewhere, refused; replies
 *   replica.c   one replica's Raft effects carried over into the shard's
 *   apply.c     committed entries into the store, results to who waits
 *   watches.c   who gets which changes
 *   remember.c  groups keep old values for watches that ask
 *   readpath.c  linearizable reads: rounds, confirmations, store reads
 *   peers.c     frames of items from and to other nodes, gossip, the map
 *   snapshots.c sending and receiving whole stores
 *   tenancy.c   what the map says of a keyspace, put into commands
 *   parked.c    requests for a keyspace that the map does not have yet
 *   reaper.c    what is due, and what was dropped, goes
 *   timekeeper.c whose clocks the group clocks are made of
 *
 * Replies to clients that came through another shard go to that shard, by the
 * connection on which the request came or not at all (a node that was started
 * again counts its requests anew): such an origin's `conn` has ORIGIN_PEER set
 * and holds the node's id, above it the shard and the connection's number. */
#ifndef NODE_CORE_SHARD_STATE_H
#define NODE_CORE_SHARD_STATE_H

#include "node/core/chains.h"
#include "node/core/forwards.h"
#include "node/core/peer_item.h"
#include "node/core/quota.h"
#include "node/core/replica.h"
#include "node/core/rounds.h"
#include "node/core/shard.h"
#include "node/core/watches.h"
#include "proto/base/planted.h"
#include "proto/base/rng.h"

#define ORIGIN_PEER (UINT64_C(1) << 63)
#define ORIGIN_SELF (UINT64_C(1) << 62) /* the shard's own requests */

enum {
    SCANS_MAX = 64,            /* pages asked for and not answered, of up to
                                  1 MiB each */
    IN_FLIGHT_ENTRIES = 4,     /* submitted and not committed, per group */
    GOSSIP_EVERY_MS = 500,
    SWEEP_EVERY_MS = 50,
    HEDGE_AFTER_MS = 2,
    ROUND_LOST_MS = 100,       /* then it is asked anew */
    BALANCE_AFTER_MS = 2000,   /* a leader hands over to the preferred one */
    STOP_AT_MOST_MS = 3000,
    UPDATE_EVERY_MS = 1000,    /* tries to publish our own address */
    STALL_RETRY_MS = 10,
    APPLY_TURN_BYTES = 1 << 20, /* about 2 ms of applying */
    BULK_BYTES = 32 * 1024,    /* entries beyond this go by the bulk channel */
    BULK_STICKY_MS = 100,
    FLUSH_AGAIN_MS = 1000,     /* after a refused flush */
    FORWARD_TURN_BYTES = 24 << 20, /* to one node in one turn: requests
                                      passed on, and their values */
    VALUE_SMALL = 64,          /* a value that is no burden to a peer */
    LOG_TRAILING = 4096,       /* flushed entries kept for slow followers */
};

/* The last batch in which an origin has a write, per group. */
struct sent_writes {
    uint64_t conn;             /* whose; 0 free */
    uint64_t *seq;             /* by replica.number */
    unsigned n;
};

/* A shard of another node, or a sibling. */
struct peer {
    uint32_t node;
    unsigned shard, shards;
    bool up[2];
    uint64_t number[2];        /* of the connections that are up */
    uint32_t bulk_number;      /* of bulk connections with it, so far */
    bool full;                 /* much waits to be sent by the bulk channel */
    bool dirty;
    struct buf out[2];         /* items of this turn, by channel */
    struct buf raft;           /* items with entries, channel chosen later */
    struct buf sending[3];     /* emitted, maybe not carried out yet */
    instant bulk_until;
    struct rounds rounds;
    struct sent_writes sent;
    uint32_t refused;          /* its writes that were refused here ... */
    uint32_t *refused_at;      /* ... and the last one, by replica.number */
    unsigned n_refused_at;
    uint32_t seen;             /* our writes that it refused, as it told */
    struct told_clock told;    /* its wall clock */
    uint64_t map_epoch;        /* as it told last */
    bool map_asked;
};

struct leader_hint {
    uint32_t node;
    uint64_t term;
};

/* Requests that wait for a younger map; see parked.c. */
struct parked_request;
struct parked {
    struct parked_request *head, **tail, *spent;
    unsigned n;
    size_t bytes;
    instant until, ask_again;
    bool resuming;
};

struct shard {
    struct shard_options o;
    struct rng rng;
    instant now;
    uint64_t wall_ms;
    struct own_clock own_clock;
    struct cluster_map *map;

    struct replica **replicas; /* sorted by group */
    unsigned n_replicas, cap_replicas;
    struct replica *dirty;     /* to look at when the turn ends */
    struct tail_budget tail_budget;
    size_t pending_bytes;      /* in open batches */
    struct group_effects raft_fx;
    struct group **dead;       /* stopped; effects may still point into them */
    unsigned n_dead;
    size_t apply_left;         /* bytes of log that may be applied this turn */
    bool apply_waiting;        /* some replica waits for the next turn */
    struct result results[1024];

    struct peer *peers;        /* shards of nodes seen up, and siblings */
    unsigned n_peers;
    struct sent_writes *conns; /* by the low half of the door's number */
    unsigned n_conns;
    struct read_pool read_pool;
    struct watches watches;
    unsigned scans;            /* of OP_SCAN among the reads that are out */
    unsigned scans_passed_on;
    struct forwards forwards;
    struct chains chains;      /* of writes among them */
    struct parked parked;
    struct leader_hint hints[GROUP_COUNT_MAX + 1];

    instant next_gossip, next_sweep, next_deadline, next_hedge, next_update;
    instant next_stall, next_reap, next_purge, next_remember;
    struct quotas quotas;      /* of keyspaces with limits */
    instant next_use, used_at; /* when they are told out of turn, were told */
    bool use_ask;
    unsigned use_next;         /* the keyspace in the map to begin with */
    instant earliest;          /* the earliest deadline of any request */
    bool gossip_now;
    bool disk_hangs, nearly_full;
    bool stopping, stopped;
    instant stop_at_most;
    uint64_t next_token;
    uint64_t requests;
};

/* Who a request that `p` passed on comes from. */
static inline uint64_t origin_of_peer(const struct peer *p)
{
    uint64_t number = PLANTED(ORIGIN_WITHOUT_BOOT) ? 0 : p->bulk_number;

    return ORIGIN_PEER | (number & 0x3fffff) << 40 |
           (uint64_t)p->shard << 32 | p->node;
}

/* ---- shard.c ---- */
struct replica *shard_find(const struct shard *s, uint32_t group);
/* Look at this replica when the turn ends. */
void shard_mark(struct shard *s, struct replica *r);
void shard_wake_by(instant *when, instant t);

/* ---- requests.c ---- */
void requests_take(struct shard *s, const struct request *q,
                   struct effects *fx);
/* The same for one that a shard passed on: `keyspace` is known by id. */
void requests_forwarded(struct shard *s, struct peer *p,
                        const struct forward *f, struct effects *fx);
bool requests_forward_reply(struct shard *s, struct peer *p,
                            struct slice body, struct effects *fx);
void requests_reply(struct shard *s, struct origin to, enum op op,
                    const struct reply *r, struct effects *fx);
void requests_refuse(struct shard *s, struct origin to, enum op op,
                     uint32_t group, enum status why, struct effects *fx);
/* Add a command of the shard's own to the open batch of a group that is led
 * here; false: not now. Copies. The answer is for requests_reply(). */
bool requests_own(struct shard *s, struct replica *r,
                  const struct operation *o, struct effects *fx);
/* Send one to the meta group; its answer is not waited for. */
void requests_meta(struct shard *s, const struct operation *o,
                   struct effects *fx);
/* Submit the open batch if it is time. */
void requests_submit(struct shard *s, struct replica *r, struct effects *fx);
/* Answer all who are past their deadline. */
void requests_sweep(struct shard *s, struct effects *fx);
void requests_node_down(struct shard *s, uint32_t node, struct effects *fx);
/* Leadership of `r` was lost: refuse what was not proposed. */
void requests_deposed(struct shard *s, struct replica *r, struct effects *fx);
/* Tell the meta group our address if the map has another. */
void requests_publish_self(struct shard *s, struct effects *fx);

/* What the answer callbacks of this folder get. */
struct answering {
    struct shard *shard;
    struct replica *replica;
    struct effects *fx;
};
void requests_answer_waiter(void *arg, const struct waiter *w,
                            struct result result);
void requests_answer_read(void *arg, struct read *x, enum status why);

/* ---- replica.c ---- */
/* Free what stopped in earlier turns: its effects have been carried out. */
void replica_bury(struct shard *s);
struct replica *replica_new(struct shard *s, const struct replica_restore *r);
void replica_free(struct shard *s, struct replica *r);
void replica_start(struct shard *s, struct replica *r,
                   const struct replica_restore *restore, struct effects *fx);
/* Carry s->raft_fx over; call after every call on r->raft that fills it. */
void replica_carry(struct shard *s, struct replica *r, struct effects *fx);
/* It must not go on: say why, answer everybody, keep nothing running. */
void replica_stop(struct shard *s, struct replica *r, enum replica_mode mode,
                  const char *reason, struct effects *fx);
/* Unless it runs already, or there is nothing to flush. */
void replica_flush(struct shard *s, struct replica *r, struct effects *fx);
void replica_flush_if_due(struct shard *s, struct replica *r,
                          struct effects *fx);
void replica_on_flushed(struct shard *s, const struct event *e,
                        struct effects *fx);
void replica_on_flush_wanted(struct shard *s, const struct event *e,
                       struct effects *fx);
void replica_restart_if_due(struct shard *s, struct replica *r,
                            struct effects *fx);
uint32_t replica_leader_node(const struct shard *s, const struct replica *r);

/* ---- apply.c ---- */
void apply_more(struct shard *s, struct replica *r, struct effects *fx);
void apply_on_fetched(struct shard *s, const struct event *e,
                      struct effects *fx);
void apply_on_applied(struct shard *s, const struct event *e,
                      struct effects *fx);
/* The state is being replaced, or the replica stops: what a step was about to
 * do must not happen any more. */
void apply_cancel(struct shard *s, struct replica *r, struct effects *fx);
instant apply_expire(struct shard *s, struct replica *r, struct effects *fx);
void apply_retry(struct shard *s, struct replica *r, struct effects *fx);

/* ---- readpath.c ---- */
void readpath_take(struct shard *s, struct replica *r, const struct request *q,
                   uint32_t keyspace, uint16_t slot, uint64_t after,
                   struct effects *fx);
void readpath_start(struct shard *s, struct replica *r, struct effects *fx);
void readpath_hedge(struct shard *s, struct replica *r);
void readpath_run(struct shard *s, struct replica *r, struct effects *fx);
void readpath_on_read(struct shard *s, const struct event *e,
                      struct effects *fx);
void readpath_on_scanned(struct shard *s, const struct event *e,
                         struct effects *fx);
bool readpath_answer_round(struct shard *s, struct peer *p, struct slice body);
bool readpath_on_ack(struct shard *s, struct peer *p, struct slice body,
                     struct effects *fx);

/* ---- watches.c ---- */
/* A watch that was asked for begins now, or is refused. */
void watches_begin(struct shard *s, struct replica *r, struct origin from,
                   uint32_t keyspace, struct slice request,
                   struct effects *fx);
/* One watch, or with `whole` all of that connection, which has gone. */
void watches_cancel(struct shard *s, struct origin from, bool whole,
                    struct effects *fx);
/* What applying a step up to `applied` has changed. */
void watches_changed(struct shard *s, struct replica *r,
                     const struct change *changes, unsigned n,
                     uint64_t applied);
/* The group lists what was before: who waits for that begins here. */
void watches_listed(struct shard *s, struct replica *r);
/* The replica's state is another one: nothing before it is known. */
void watches_reset(struct replica *r);
void watches_end_all(struct shard *s, struct replica *r, enum status why,
                     struct effects *fx);
void watches_turn(struct shard *s, struct effects *fx);
bool watches_want_turn(const struct shard *s);
void watches_on_taken(struct shard *s, const struct event *e);
void watches_release(struct shard *s, struct replica *r);
/* All that are left, when all replicas have been released. */
void watches_free(struct shard *s);

/* ---- remember.c ---- */
/* A watch of a group that is led here asks what was before. */
void remember_want(struct shard *s);
/* Is that listed for all that is applied from now on? */
bool remember_stands(struct shard *s, const struct replica *r);
/* A REMEMBER that was proposed here was applied, or came to nothing. */
void remember_decided(struct shard *s, uint32_t group);
void remember_turn(struct shard *s, struct effects *fx);

/* ---- peers.c ---- */
struct peer *peers_find(struct shard *s, uint32_t node, unsigned shard);
/* The shard of `node` that has `group`; NULL while the node is not known. */
struct peer *peers_with(struct shard *s, uint32_t node, uint32_t group);
/* `node` has that many shards; makes what is missing. */
void peers_expect(struct shard *s, uint32_t node, unsigned shards);
/* The buffer for items to `p` by this channel; it leaves when the turn ends. */
struct buf *peers_out(struct peer *p, enum channel channel);
void peers_send_raft(struct shard *s, struct message *m);
void peers_on_frame(struct shard *s, const struct event *e,
                    struct effects *fx);
void peers_on_up(struct shard *s, const struct event *e);
void peers_on_full(struct shard *s, const struct event *e);
/* Is there no room for more passed-on requests to it, or for their values? */
bool peers_crowded(const struct peer *p);
void peers_on_down(struct shard *s, const struct event *e,
                   struct effects *fx);
void peers_gossip(struct shard *s);
void peers_flush(struct shard *s, struct effects *fx);
void peers_release(struct peer *p);
void peers_adopt_map(struct shard *s, const struct cluster_map *map);

/* ---- tenancy.c ---- */
/* May this command of a user be proposed, as far as its keyspace goes? May add
 * the keyspace's limits to the batch before it, and a default TTL to it (with
 * bytes in `scratch`). NO_KEYSPACE, BUSY, NOT_LEADER, UNAVAILABLE. */
enum status tenancy_admit(struct shard *s, struct replica *r,
                          struct command *c, struct buf *scratch,
                          struct effects *fx);
/* Tell the others what the groups led here hold: when it is time (`regular`),
 * or when somebody has asked. */
void tenancy_turn(struct shard *s, bool regular);
/* Another shard has told; false: malformed. */
bool tenancy_on_use(struct shard *s, struct slice body);
/* The map has changed. */
void tenancy_map(struct shard *s);

/* ---- parked.c ---- */
/* Its keyspace is not in our map: copy it and ask for a younger one. False: it
 * is to be refused now. */
bool parked_take(struct shard *s, const struct request *q);
/* Ask for the map of the node that leads the meta group; false: nobody can be
 * asked. */
bool parked_ask_map(struct shard *s);
/* A map has come, younger or not: they go on, or are refused. */
void parked_resume(struct shard *s, struct effects *fx);
void parked_turn(struct shard *s, struct effects *fx);
void parked_release(struct shard *s);

/* ---- reaper.c ---- */
/* When the turn comes: look, sweep, purge what it is time for. */
void reaper_turn(struct shard *s, struct effects *fx);
void reaper_on_due(struct shard *s, const struct event *e,
                   struct effects *fx);
/* Something was applied; a sweep of ours was decided; the role changed, or the
 * store; the map changed. */
void reaper_applied(struct shard *s, struct replica *r);
void reaper_swept(struct shard *s, uint32_t group, bool ok);
void reaper_role(struct shard *s, struct replica *r);
void reaper_map(struct shard *s);

/* ---- timekeeper.c ---- */
void timekeeper_turn(struct shard *s, uint64_t wall_ms);
/* A node told its wall clock. */
void timekeeper_told(struct shard *s, struct peer *p, uint64_t wall_ms);
/* The offset of this group's clock; false while fewer voters' clocks are known
 * than a quorum has. */
bool timekeeper_offset(struct shard *s, const struct replica *r,
                       int64_t *offset);
/* The clock that a stamp would have now; false: this replica gives none. */
bool timekeeper_stamp(struct shard *s, const struct replica *r,
                      uint64_t *clock_ms);

/* ---- snapshots.c ---- */
void snapshots_wanted(struct shard *s, struct replica *r, uint64_t to,
                      uint64_t index, struct effects *fx);
void snapshots_end(struct shard *s, struct replica *r, uint64_t to,
                   struct effects *fx);
void snapshots_install(struct shard *s, struct replica *r,
                       const struct group_effect *e, struct effects *fx);
void snapshots_on_checkpoint(struct shard *s, const struct event *e,
                             struct effects *fx);
void snapshots_on_install(struct shard *s, const struct event *e,
                          struct effects *fx);
/* The event of an APPLY that was under way when the install began. */
void snapshots_apply_over(struct replica *r, struct effects *fx);
bool snapshots_on_ask(struct shard *s, struct peer *p, struct slice body,
                      struct effects *fx);
bool snapshots_on_chunk(struct shard *s, const struct peer *p,
                        struct slice body, struct effects *fx);
void snapshots_tick(struct shard *s, struct replica *r, struct effects *fx);
void snapshots_release(struct replica *r);

#endif
