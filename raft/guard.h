/* guard.h - what stands between us and the known hazards of libraft 0.22.1.
 *
 * Internal to raft/. One function per hazard; L1 .. L22 are the numbers of the
 * list they come from, L23 to L25 are ours. Each was seen by running the
 * library into it, and each has a test that still does
 * (tests/unit/raft/test_guard.c). libraft is distributed without assertions:
 * what is not stopped here corrupts its state silently.
 *
 * Where the rest of the list lives: L6 and L15 are in struct guard_writes and
 * group_step.c; L9 is members_decode; L8 is message_check; L3, L12, L13, L14
 * are orders of calls in the group_*.c files, with their conditions here; L22
 * is the owner's order of events.
 *
 * Of libraft's fields only those in raft.h's struct raft are touched. */
#ifndef RAFT_GUARD_H
#define RAFT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "raft/group.h"
#include "raft/members.h"
#include "raft/message.h"

struct raft;

/* Is the library loaded at run time, and the header compiled against, one for
 * which this list was made? Numbers are those of raft_version_number(). */
bool guard_version(int header, int library);

/* L1: a CHANGE inside a batch is noted at the batch's first index. How many of
 * m's entries from `at` on may go to libraft in one message: up to the next
 * CHANGE that is not the first. */
unsigned guard_segment(const struct message *m, unsigned at);
/* L1, second half: a follower must know that the previous change is committed
 * before it takes the next, as a rollback returns to the last committed one.
 * The leader cannot have appended a CHANGE before the previous one was
 * committed; so if the logs agree up to just before the new one, it is.
 * `pending`: index of our uncommitted change, or 0; `agree`: the new entry's
 * predecessor is the same here. */
bool guard_commits_pending(uint64_t pending, uint64_t new_index, bool agree);

/* L2: would libraft make itself leader without raising the term? */
bool guard_self_elects(const struct members *m, uint64_t replica);

/* L3: a leader must get an entry of its own term committed before it may
 * change members or answer reads; libraft adds one only sometimes. */
bool guard_barrier_done(uint64_t barrier, uint64_t commit);

/* L5: a rejection that names less than what is known to match would make the
 * leader's progress underflow: stale, or from a wiped directory. */
bool guard_rejection_stale(const struct message *m, uint64_t match);

/* L6: writes of entries under way. A completion counts only for what has not
 * been truncated since it was asked for. */
struct guard_write {
    uint64_t seq, last;
};
struct guard_writes {
    struct guard_write *v;
    unsigned head, n, cap;
};
void guard_writes_release(struct guard_writes *w);
void guard_writes_add(struct guard_writes *w, uint64_t seq, uint64_t last);
/* The log now ends before `from`. */
void guard_writes_truncate(struct guard_writes *w, uint64_t from);
/* All forgotten: the log begins anew (install). */
void guard_writes_clear(struct guard_writes *w);
/* Everything up to `seq` is durable: gives the highest index that is durable
 * by that, or 0 when no write has ended. */
uint64_t guard_writes_done(struct guard_writes *w, uint64_t seq);

/* L7: a second leader in one term. libraft would cast its leader state to a
 * follower's. `leader` is who was seen leading `term` here, or 0. */
bool guard_two_leaders(const struct message *m, uint64_t term, uint64_t leader,
                       uint64_t self);

/* L10: the library's commit index can go back, and ahead of the disk. Gives
 * what may be applied; `seen` is the highest ever. */
uint64_t guard_commit(uint64_t seen, uint64_t durable, bool installing);
/* L10: give the library back what it has forgotten. */
void guard_keep_commit(struct raft *r, uint64_t seen);

/* L11, L17: promote only who is reachable and nearly caught up, and has the
 * list that it is in (`members_index`), as libraft's vote needs that; libraft's
 * own CATCH_UP is never used. */
bool guard_promotable(bool heard, uint64_t match, uint64_t last,
                      uint64_t members_index);
enum { GUARD_PROMOTE_LAG_MAX = 1024 };

/* L12: leadership can be handed over only to who has the whole log. */
bool guard_transfer_ready(uint64_t match, uint64_t last, uint64_t durable);

/* L14, L24: may RAFT_SNAPSHOT(index) be stepped now? Not at 1: libraft would
 * take the snapshot's term for that of an entry 1 that it still has, and never
 * send anything to a follower that needs it. */
bool guard_may_truncate(bool installing, bool sending, uint64_t index,
                        uint64_t snapshot, uint64_t commit);

/* L16, and fewer wake-ups: when to wake for `raw`, given the last time we
 * woke: aligned up to the grid, at least 10 ms after `fired`. */
instant guard_deadline(uint64_t raw, instant fired, duration grid);

/* L17: after a lost election libraft skips the pre-vote, so that a replica
 * which nobody hears counts the term up. Before a TIMEOUT. */
void guard_ask_first(struct raft *r);
/* L17: a standby refuses to vote, although the candidate may already need it:
 * going from one voter to two could then block for ever. Let a member vote
 * (Ongaro's thesis, 4.1: servers use RPCs without looking at configurations).
 * Gives a role to put back with guard_vote_done, or -1. */
int guard_vote_anyway(struct raft *r);
void guard_vote_done(struct raft *r, int role);

/* L18: a vote's result is read as if we were candidate, in any role; and a
 * pre-vote granted for another term than the next is not meant for this
 * election: after a lost one libraft takes a late answer to the pre-vote before
 * for one to the present, and counts the term up without anybody's leave. */
bool guard_vote_result(const struct message *m, const struct raft *r);

/* L19: time never goes back. */
instant guard_clock(instant last, instant now);

/* L20: libraft remembers per follower the index S of "its" snapshot when it
 * began to send one, but anchors heartbeats at the newest. When that moves on,
 * rejections no longer fit to S and the follower would be stuck for the whole
 * install timeout. So each time it moves, tell libraft that a follower to which
 * it believes to send `asked` has rejected it: it begins again at the new one.
 * Is that needed for this follower? Only for one that is heard of, as libraft
 * takes it for a sign of life; any other when it rejects something later. */
bool guard_snapshot_moved(uint64_t asked, uint64_t snapshot, uint64_t match,
                          bool heard);

/* L21: a voter remembers a leader for ever and refuses votes. Forget one that
 * was not heard for a minimum election timeout (thesis, 4.2.3): when a vote is
 * asked for, and before a timer that expired begins anew, as a standby does. */
void guard_forget_leader(struct raft *r, instant now);

/* L23: an old AppendEntries that begins before our log (prev_index 0, or
 * truncated meanwhile) is appended at its end. Everything up to our snapshot
 * is committed, so the leader has it: begin behind it instead, leaving out
 * `*skip` entries. `first`: our log's first index. False: nothing to do. */
bool guard_anchor(const struct message *m, uint64_t first, uint64_t snapshot,
                  unsigned *skip);

/* L25: the answer to a pre-vote names the term that was asked for, also when
 * it is refused for being below our own. Then the candidate never learns a term
 * it could win in; if only it has all entries, nobody is elected ever again.
 * Gives the term to answer with: our own, if that is what refused it. */
uint64_t guard_refusal_term(bool pre_vote, bool granted, uint64_t asked,
                            uint64_t own);

#endif
