/* group_impl.h - the inside of struct group, shared by the group_*.c files.
 *
 * The only header that includes <raft.h>. Files:
 *   group.c           options, life, questions
 *   group_start.c     from what is on disk to the first step
 *   group_step.c      one raft_step() and what it wants done
 *   group_send.c      outgoing messages, tickets, reading the log for them
 *   group_receive.c   incoming messages
 *   group_lead.c      submit, barrier, change, transfer
 *   group_snapshot.c  truncation, snapshots to and from others
 *   group_effects.c   the vector of effects
 *   group_check.c     what must hold between calls, for tests */
#ifndef RAFT_GROUP_IMPL_H
#define RAFT_GROUP_IMPL_H

#include <raft.h>

#include "raft/group.h"
#include "raft/guard.h"

/* A snapshot to one member: NONE -> WANTED -> SENDING -> NONE, or FAILED from
 * both until libraft asks again. */
enum peer_snapshot {
    PEER_SNAPSHOT_NONE,
    PEER_SNAPSHOT_WANTED,
    PEER_SNAPSHOT_SENDING,
    PEER_SNAPSHOT_FAILED,
};

/* Another member, as its leader sees it; zeroed when we begin to lead. */
struct peer {
    uint64_t replica;
    bool heard; /* in this leadership, at `heard_at` */
    instant heard_at;
    enum peer_snapshot snapshot;
    uint64_t asked_index;   /* what libraft believes to send */
    uint64_t sending_index; /* what we send */
    uint64_t sending_term, sending_members_index;
    struct members sending_members;
    /* It has a snapshot now and goes on behind it: what it needs stays in the
     * log; when it has come to here, see how near it is. 0: no such thing.
     * `catching_match` moved last at `catching_at`. */
    uint64_t catching_up, catching_match;
    instant catching_at;
    /* Entries being read from the wal for it: next .. end; token 0: none. */
    uint64_t read_token, read_next, read_end;
    unsigned reads_failed; /* one after the other */
};

/* A message that waits until `seq` is durable. */
struct waiting {
    uint64_t seq;
    struct message *message;
};

/* Beyond this, new messages are lost rather than kept. */
enum { WAITING_MAX = 1024 };

struct group {
    struct group_options o;
    struct raft r;
    bool closable; /* raft_close may be called */
    enum group_role role;
    instant now;   /* of the latest call, never going back */
    instant fired; /* the latest group_timeout */

    struct tail tail;
    /* Where libraft anchors what is below the log: RAFT_SNAPSHOT's index. */
    uint64_t snapshot_index, snapshot_term;

    /* members is committed unless members_index > committed_index. */
    struct members members, committed;
    uint64_t members_index, committed_index;
    /* As the snapshot had it when we started. */
    struct members start_members;
    uint64_t start_members_index;

    uint64_t term, vote; /* as last given to GROUP_PERSIST_VOTE */
    uint64_t seq;        /* of the latest persist effect */
    uint64_t durable_seq;
    uint64_t vote_seq; /* messages wait for this one */
    struct guard_writes writes;
    uint64_t durable;
    struct waiting *waiting;
    unsigned n_waiting, waiting_cap;

    uint64_t commit_seen; /* libraft's highest */
    uint64_t commit;      /* given out */
    uint64_t applied;
    uint64_t flushed;

    /* As follower: who was seen leading `term`, or 0. */
    uint64_t leader_seen, leader_term;
    /* As leader. */
    uint64_t lead_term; /* the term we lead; 0: we do not */
    uint64_t barrier;   /* index of our barrier; 0: not submitted yet */
    struct peer peers[MEMBERS_MAX];
    unsigned n_peers;
    uint64_t token;
    uint64_t unreadable; /* the highest entry of which reads failed; or 0 */
    struct {
        uint64_t to; /* 0: none */
        instant until, again;
    } transfer;

    struct {
        bool active;
        uint64_t from, index, term, members_index;
        struct members members;
    } install;

    struct { /* what GROUP_ROLE said last */
        enum group_role role;
        uint64_t term, leader;
    } told;

    struct raft_entry *scratch;
    unsigned scratch_cap;
};

/* What a step was about, so that its update can be understood. */
struct step {
    struct raft_event event;
    struct raft_update update;
    const struct group_entry *entries; /* those of a submit or an append */
    uint64_t first;                    /* the index of entries[0] */
    uint64_t from;                     /* sender of a received message */
    bool stale;                        /* it was of a lower term */
    uint64_t prev_term;                /* of an append */
    bool rejected;                     /* out: it was answered by a rejection */
};

/* ---- group_effects.c ---- */
struct group_effect *group_effects_add(struct group_effects *fx,
                                       enum group_effect_type type);

/* ---- group_step.c ---- */
/* One raft_step and everything it wants. False: the group has stopped. */
bool group_step(struct group *g, struct step *s, struct group_effects *fx);
/* After the steps of a call: barrier, committed changes, COMMIT, ROLE. */
void group_settle(struct group *g, struct group_effects *fx);
void group_stop(struct group *g, const char *reason, struct group_effects *fx);
/* The latest member list is committed now. */
bool group_commit_members(struct group *g, struct group_effects *fx);
void group_tell_members(struct group *g, struct group_effects *fx);
/* Room for `n` entries, for one step. */
struct raft_entry *group_scratch(struct group *g, unsigned n);
void group_conf(const struct members *m, struct raft_configuration *out);
/* Is this call to be served: not STARTING, not FAILED? Sets the clock. */
bool group_enter(struct group *g, instant now);
/* Term of an entry or of the snapshot; 0: unknown. */
uint64_t group_term_at(const struct group *g, uint64_t index);

/* ---- group_start.c ---- */
/* The persist that STARTING waited for is durable. */
void group_start_now(struct group *g, struct group_effects *fx);

/* ---- group_send.c ---- */
void group_send(struct group *g, struct message *m, struct group_effects *fx);
struct message *group_message(const struct group *g, enum message_type type,
                              uint64_t to, unsigned n_entries);
void group_send_all(struct group *g, const struct step *s,
                    struct group_effects *fx);
void group_send_durable(struct group *g, struct group_effects *fx);
void group_drop_waiting(struct group *g);

/* ---- group_receive.c ---- */
/* As if `p` had rejected the snapshot that libraft believes to send (L20). */
bool group_reject_snapshot(struct group *g, const struct peer *p,
                           struct group_effects *fx);

/* ---- group_lead.c ---- */
struct peer *group_peer(struct group *g, uint64_t replica);
/* Keep the table of peers equal to the latest member list. */
void group_follow_members(struct group *g, struct group_effects *fx);
void group_begin_lead(struct group *g, uint64_t barrier);
void group_end_lead(struct group *g, struct group_effects *fx);
bool group_submit_barrier(struct group *g, struct group_effects *fx);
void group_transfer_step(struct group *g, struct group_effects *fx);

/* ---- group_snapshot.c ---- */
void group_snapshot_asked(struct group *g, uint64_t to, uint64_t index,
                          struct group_effects *fx);
/* What `p` answered may end its snapshot. */
void group_snapshot_check(struct group *g, struct peer *p,
                          struct group_effects *fx);
void group_snapshot_end(struct group *g, struct peer *p, bool ok,
                        struct group_effects *fx);
void group_begin_install(struct group *g, const struct step *s,
                         struct group_effects *fx);
void group_try_truncate(struct group *g, struct group_effects *fx);

#endif
