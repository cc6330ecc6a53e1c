/* group.h - this node's replica of one Raft group.
 *
 * Pure and single-threaded: no clocks, files, sockets, randomness of its own.
 * Every call takes the time (`now`, any monotonic clock in milliseconds) and
 * appends what it wants done to `fx`. Two replicas given the same calls do the
 * same. Wraps the I/O-free core of libraft, and all that has to be avoided
 * there (see guard.h); nothing of libraft is visible here.
 *
 *   group_new -> group_start -> STARTING -> FOLLOWER <-> CANDIDATE -> LEADER
 *                                              any -> FAILED -> group_free
 *
 * The owner's part:
 *   - carry effects out in the order in which they were appended;
 *   - call group_persisted when persists are durable, group_timeout when
 *     group_deadline is reached (after the sockets were drained: hazard L22),
 *     group_receive for each message of the group;
 *   - apply entries up to GROUP_COMMIT, and tell group_applied;
 *   - tell group_flushed what a flush of the store has made durable.
 *
 * A FAILED group does nothing any more and answers STATUS_QUARANTINED. Free it
 * and start a new one from what is on disk; if it fails again, quarantine. */
#ifndef RAFT_GROUP_H
#define RAFT_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "raft/entry.h"
#include "raft/members.h"
#include "raft/message.h"
#include "raft/tail.h"

struct group;

enum group_role {
    GROUP_STARTING, /* waits for its first persist; takes no part */
    GROUP_FOLLOWER, /* also a standby, and who is not a member yet */
    GROUP_CANDIDATE,
    GROUP_LEADER,
    GROUP_FAILED,
};

struct group_options {
    uint32_t group;
    uint64_t replica;   /* never 0 */
    uint64_t seed;      /* of election timeouts; different per replica */
    duration election;  /* 0 means 500 ms; the timeout is 1 to 2 times this */
    duration heartbeat; /* 0 means 100 ms */
    duration grid;      /* 0 means 50 ms: deadlines are multiples of it */
    unsigned inflight_entries_max; /* 0 means 1024: uncommitted, and per peer */
    size_t inflight_bytes_max;     /* 0 means 16 MiB */
    /* Flushed entries that stay for slow followers, if they have no more than
     * 8 MiB. */
    unsigned trailing;
    /* 0 means 1 GiB: entries that stay for a replica that gets a snapshot, or
     * has got one and is catching up, each counted as its payload and 256 B;
     * more, and it has to begin again. */
    uint64_t hold_bytes_max;
    struct tail_budget *budget; /* borrowed until group_free; may be NULL */
};

/* What was found on disk. */
struct group_restore {
    /* Nothing is on disk yet, this is one of the group's first replicas: the
     * log begins with a CHANGE to snapshot.members at index 1, term 1, which
     * is persisted before the group takes part. Everything else is zero. */
    bool bootstrap;

    uint64_t term, vote; /* all zero: a replica that waits to be added */
    struct {
        uint64_t index, term; /* the store's group record; 0: empty store */
        struct members members;
        uint64_t members_index;
    } snapshot;

    /* The log from first_index on. It begins at or below snapshot.index + 1
     * and reaches at least snapshot.index, or is empty. Payloads may be NULL,
     * except those of CHANGE; `sizes` (may be NULL) then says how many bytes
     * they have. Borrowed; the group takes its own references. */
    uint64_t first_index;
    const struct group_entry *entries;
    const uint32_t *sizes;
    size_t n;
};

/* ---- effects ---- */

enum group_effect_type {
    /* Make (term, vote) durable. All later messages of the group wait inside
     * until group_persisted(seq). */
    GROUP_PERSIST_VOTE = 1,
    /* Make it durable that the log ends before `from`. */
    GROUP_PERSIST_TRUNCATE,
    /* Make entries first .. first + n - 1 durable; they follow what is there.
     * Read them with group_entry_at when carrying this out. If that is later
     * than another call on the group, stop at the first index that it does
     * not know: a TRUNCATE and the right entries follow in the same list. */
    GROUP_PERSIST_ENTRIES,
    /* Send `message`; the effect gives it to who carries it out, who sets
     * `message` to NULL when taking it. It may be lost, late, or repeated. */
    GROUP_SEND,
    /* Entries up to `index` are committed and durable here: apply them. Only
     * grows, except that a GROUP_INSTALL comes between. */
    GROUP_COMMIT,
    /* Role, term or known leader have changed. */
    GROUP_ROLE,
    /* The latest member list has changed, or is committed now. */
    GROUP_MEMBERS,
    /* `to` needs a snapshot: make a checkpoint with an applied index of
     * at least `index`, then group_snapshot_ready or _failed. Not repeated
     * while that lasts. */
    GROUP_SNAPSHOT_WANTED,
    /* That snapshot is not needed any more: `ok` if `to` has it. Ends each
     * WANTED exactly once unless group_snapshot_failed did. */
    GROUP_SNAPSHOT_END,
    /* Fetch and install the snapshot of `from` at (index, term), then
     * group_installed. Until then nothing is applied, and no write of this
     * group that was asked for before counts. */
    GROUP_INSTALL,
    /* Read `n` entries from the wal, from `index` on, for a slow follower;
     * answer with group_log_read_done, also when it fails: until then that
     * follower gets nothing but heartbeats. */
    GROUP_LOG_READ,
    /* A transfer of leadership is over. */
    GROUP_TRANSFER_END,
    /* The group stopped itself; alarm. */
    GROUP_STOPPED,
};

struct group_effect {
    enum group_effect_type type;
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
        } persist_entries;
        struct {
            struct message *message;
        } send;
        struct {
            uint64_t index;
        } commit;
        struct {
            enum group_role role;
            uint64_t term;
            uint64_t leader; /* 0: unknown */
        } role;
        struct {
            struct members members;
            uint64_t index; /* of its entry */
            bool committed;
        } members;
        struct {
            uint64_t to, index;
        } snapshot_wanted;
        struct {
            uint64_t to;
            bool ok;
        } snapshot_end;
        struct {
            uint64_t from, index, term, members_index;
            struct members members;
        } install;
        struct {
            uint64_t token, index;
            unsigned n; /* entries; bytes are bounded by the reader */
        } log_read;
        struct {
            uint64_t to;
            bool ok;
        } transfer_end;
        struct {
            const char *reason; /* static text */
        } stopped;
    };
};

/* A reusable vector; zero-initialised is empty.
 *
 * THE ORDER: carried out as appended. PERSIST_* have growing `seq`, without
 * gaps other than by order, and become durable in that order. A SEND never
 * depends on a persist that is not durable yet. A COMMIT comes behind the
 * PERSIST_ENTRIES of what it names. */
struct group_effects {
    struct group_effect *v;
    unsigned n, cap;
};

/* Forget all, freeing messages nobody has taken. */
void group_effects_clear(struct group_effects *fx);
void group_effects_release(struct group_effects *fx);

/* ---- life ---- */

/* Never NULL. Copies `o`. Aborts if libraft is not a version we know. */
struct group *group_new(const struct group_options *o);
/* NULL is legal. */
void group_free(struct group *g);

/* Begin with what is on disk. May first want something persisted (bootstrap;
 * a sole voter's new term, hazard L2); it is STARTING until that is durable.
 *
 * STATUS_CORRUPT  the parts contradict each other; nothing was done: the
 *                 replica is to be quarantined */
MUST_CHECK enum status group_start(struct group *g, instant now,
                                   const struct group_restore *r,
                                   struct group_effects *fx);

/* ---- events ---- */

/* Everything up to and including `seq` is durable. Cumulative. */
void group_persisted(struct group *g, instant now, uint64_t seq,
                     struct group_effects *fx);

/* A message arrived for this replica from one that the connection proves to be
 * m->from. Borrows `m`, takes its own references to payloads.
 *
 * STATUS_OK           handled, or rightly ignored
 * STATUS_BAD_MESSAGE  malformed or not for us; nothing was done
 * STATUS_QUARANTINED  FAILED now or before */
enum status group_receive(struct group *g, instant now, const struct message *m,
                          struct group_effects *fx);

/* When group_timeout wants to be called; INSTANT_NEVER while STARTING or
 * FAILED. A multiple of the grid; after a timeout at least 10 ms later. */
instant group_deadline(const struct group *g);
void group_timeout(struct group *g, instant now, struct group_effects *fx);

/* Append `n` (1 or more) COMMAND entries. Borrows the payloads, taking its own
 * references; none is NULL. On success says where they are: (first index,
 * term). That is a proposal: they are executed if GROUP_COMMIT reaches them
 * and the entry there still has that term.
 *
 * STATUS_NOT_LEADER   nothing was appended
 * STATUS_BUSY         too much in flight, or leadership is being handed over;
 *                     nothing was appended
 * STATUS_QUARANTINED  FAILED */
MUST_CHECK enum status group_submit(struct group *g, instant now,
                                    struct blob *const payloads[], unsigned n,
                                    uint64_t *first_index, uint64_t *term,
                                    struct group_effects *fx);
/* Would a submit of `bytes` be taken now? Same answers. */
enum status group_can_submit(const struct group *g, size_t bytes);

/* The store has executed everything up to `index` (in memory at least).
 * Payloads up to there may leave memory. */
void group_applied(struct group *g, uint64_t index);

/* A flush made the store durable up to `index` (read back from it): the log up
 * to there, less `trailing`, is not needed any more. May be postponed inside
 * while a snapshot is being sent or installed; group_first says what is left:
 * the wal may forget what is below that. */
void group_flushed(struct group *g, instant now, uint64_t index,
                   struct group_effects *fx);

/* ---- snapshots to others (answers to GROUP_SNAPSHOT_WANTED) ---- */

/* A checkpoint for `to` is ready. Its store's own record says (index, term,
 * members, members_index). Announces it to `to`, which then fetches it. From
 * now until the END the log behind `index` stays.
 *
 * STATUS_OK
 * STATUS_NOT_FOUND  not wanted any more (an END came): drop the checkpoint
 * STATUS_INVALID    older than what was wanted, or not in our log: drop it */
MUST_CHECK enum status
group_snapshot_ready(struct group *g, instant now, uint64_t to, uint64_t index,
                     uint64_t term, const struct members *members,
                     uint64_t members_index, struct group_effects *fx);
/* It could not be made or delivered; no END follows. If still needed, another
 * WANTED comes once `to` is heard of again. */
void group_snapshot_failed(struct group *g, instant now, uint64_t to,
                           struct group_effects *fx);
/* Is a snapshot for anybody wanted or on its way? */
bool group_snapshot_sending(const struct group *g);

/* ---- a snapshot from another (answer to GROUP_INSTALL) ---- */

/* ok: the store, and the wal's RESET to it, are durable. Not ok: the group
 * stops (hazard L14); free it and start again from disk. */
void group_installed(struct group *g, instant now, bool ok,
                     struct group_effects *fx);
bool group_installing(const struct group *g);

/* ---- reading the log for slow followers ---- */

/* As leader: entries that a follower needs cannot be read, time after time; it
 * gets a snapshot instead as soon as a flush lets the log be cut there. */
bool group_wants_flush(const struct group *g);

/* Answers GROUP_LOG_READ with its first `n` entries, at least one (each with
 * its payload unless that is empty); n == 0 says that they cannot be read. The
 * rest is asked for again. Nothing is sent if term or role have changed.
 * Borrows. */
void group_log_read_done(struct group *g, instant now, uint64_t token,
                         const struct group_entry *entries, unsigned n,
                         struct group_effects *fx);

/* ---- leadership and members ---- */

/* Hand leadership to voter `to` (0: the one that is furthest). Submits are
 * refused until GROUP_TRANSFER_END, after at most two election timeouts.
 *
 * STATUS_NOT_LEADER, STATUS_QUARANTINED
 * STATUS_BUSY     one is under way already
 * STATUS_INVALID  not another voter, or there is none */
MUST_CHECK enum status group_transfer(struct group *g, instant now, uint64_t to,
                                      struct group_effects *fx);

/* Propose a new member list, one step from the latest (members_step). It is
 * used at once and final with GROUP_MEMBERS{committed}.
 *
 * STATUS_NOT_LEADER, STATUS_QUARANTINED
 * STATUS_BUSY     the leader's barrier is not committed, a change is under
 *                 way, leadership is being handed over, or who is to become
 *                 a voter is not reachable or not caught up (L11, L17)
 * STATUS_EXISTS   that is the list already
 * STATUS_INVALID  not one legal step */
MUST_CHECK enum status group_change(struct group *g, instant now,
                                    const struct members *to,
                                    struct group_effects *fx);

/* As leader: `replica` answered within the last election timeout, and has all
 * but at most `lag` entries. */
bool group_caught_up(const struct group *g, instant now, uint64_t replica,
                     uint64_t lag);

/* ---- questions; no effects ---- */

/* A linearizable read may be answered once `*index` is applied AND a majority
 * of group_members has confirmed group_term after this call. False: not leader
 * or the own barrier is not committed yet. */
MUST_CHECK bool group_read_index(const struct group *g, uint64_t *index);
/* A voter asked by the leader of `term`: am I still in that term? */
bool group_confirms(const struct group *g, uint64_t term);

enum group_role group_role(const struct group *g);
uint32_t group_id(const struct group *g);
uint64_t group_replica(const struct group *g);
uint64_t group_term(const struct group *g);
uint64_t group_leader(const struct group *g); /* 0: unknown */
/* The latest list, committed or not, and the last committed one. */
const struct members *group_members(const struct group *g);
const struct members *group_members_committed(const struct group *g,
                                              uint64_t *index);
bool group_is_voter(const struct group *g, uint64_t replica);
uint64_t group_first(const struct group *g);   /* of what must be in the wal */
uint64_t group_last(const struct group *g);    /* durable or not */
uint64_t group_durable(const struct group *g); /* last durable index */
uint64_t group_commit(const struct group *g);  /* as of GROUP_COMMIT */
/* As leader: how far `replica` is known to have the log; 0 otherwise. */
uint64_t group_match(const struct group *g, uint64_t replica);
/* NULL: not in the log any more, or not yet. The payload is NULL if it left
 * memory. Valid until the next call that is not a question. */
const struct group_entry *group_entry_at(const struct group *g, uint64_t index);
/* For tests, between calls: what contradicts itself in here, or NULL. */
const char *group_contradiction(const struct group *g);
uint64_t group_vote(const struct group *g); /* in its term; 0: none */

#endif
