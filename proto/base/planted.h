/* planted.h - bugs for the simulator to find.
 *
 * PLANTED(NAME) is constant false, and gone, in everything that is shipped.
 * Only the simulator's second build of the pure libraries (COAT_PLANT, see
 * tests/sim/README.md) can switch one of these on, at run time: then the code
 * around it behaves as if somebody had made that mistake. A harness that does
 * not find one of them is not worth much. */
#ifndef PROTO_BASE_PLANTED_H
#define PROTO_BASE_PLANTED_H

/* name, what somebody did wrong */
#define PLANT_LIST(X)                                                          \
    /* the log and what is promised of it */                                   \
    X(ACK_BEFORE_SYNC, "entries count as durable when they were appended")     \
    X(VOTE_NOT_DURABLE, "messages do not wait for term and vote")              \
    X(VOTE_FORGOTTEN, "a restart forgets who got the vote")                    \
    X(TERM_NOT_WRITTEN, "a new term without a vote is not made durable")       \
    X(VOTE_LOST_WITH_SEGMENT, "openings do not restate votes")                 \
    X(COMMIT_IS_DURABLE_HERE, "committed is what one replica has")             \
    X(COMMIT_AHEAD_OF_DISK, "L10: applied before it is durable here")          \
    X(LATE_COMPLETION, "L6: a write that was truncated counts all the same")   \
    X(NO_TRUNCATE_RECORD, "entries are overwritten without a record")          \
    X(COPY_TRUNCATES, "a copied entry ends the log when it is replayed")       \
    X(TORN_IN_THE_MIDDLE, "damage in the middle is taken for a torn end")      \
    X(TORN_IS_DAMAGE, "a torn end is taken for damage")                        \
    X(BODY_UNCHECKED, "a batch with a good header is believed")                \
    X(MISSING_UNNOTICED, "missing batches are not noticed")                    \
    X(OLD_LIFE, "batches of a recycled file's earlier life are believed")      \
    X(FREED_TOO_EARLY, "a segment goes before what made it useless is safe")   \
    X(RELEASED_UNFLUSHED, "the log is cut at what is applied, not flushed")    \
    X(RESET_BEFORE_CURRENT, "the log is reset before the store is switched")   \
    X(QUARANTINE_VOTES, "a damaged replica takes part with what is left")      \
    /* libraft's hazards */                                                    \
    X(L1_SEGMENT, "L1: a change is noted at its message's first index")        \
    X(L1_PENDING, "L1: the change before is not known to be committed")        \
    X(L2_SELF_ELECTS, "L2: a sole voter leads without a new term")             \
    X(L3_BARRIER, "L3: a new leader answers before its barrier is committed")  \
    X(L4_ORDER, "L4: a member list may come in another order")                 \
    X(L4_MANY, "L4: two members change at once")                               \
    X(L5_REJECTION, "L5: a rejection below what matches is believed")          \
    X(L7_SECOND_LEADER, "L7: a second leader in its term is listened to")      \
    X(L8_TERMS, "L8: entries' terms may decrease")                             \
    X(L8_POSITION, "L8: an index may come without a term")                     \
    X(L9_SHORT_LIST, "L9: a member list is given to libraft as it is")         \
    X(L10_COMMIT_BACK, "L10: libraft's commit index goes back")                \
    X(L11_PROMOTE, "L11: a standby is promoted without its list")              \
    X(L12_ONCE, "L12: a leader offers its place once and waits for ever")      \
    X(L13_TOGETHER, "L13: a change that is refused comes behind an entry")     \
    X(L14_TRUNCATE, "L14: truncation while a snapshot is installed")           \
    X(L14_DUPLICATE, "L14: an announcement during an install")                 \
    X(L15_FIELD, "L15: a field that libraft never wrote is sent")              \
    X(L16_SPARE, "L16: a member becomes a SPARE, timers may be past")          \
    X(L17_STANDBY, "L17: a standby refuses to vote")                           \
    X(L18_RESULT, "L18: a vote's result in any role")                          \
    X(L18_LATE, "L18: a late answer to an earlier pre-vote counts")            \
    X(L19_CLOCK, "L19: libraft's time goes back")                              \
    X(L20_MOVED, "L20: a snapshot that moved on is not sent again")            \
    X(L20_INDEX, "L20: truncation beyond a snapshot that is sent")             \
    X(L21_SILENT, "L21: a leader that is silent is remembered")                \
    X(L22_TIMER, "L22: a timer that fires has its turn before the sockets")    \
    X(L23_ANCHOR, "L23: an append from before the log goes to its end")        \
    X(L24_FIRST, "L24: a snapshot at the first entry")                         \
    X(L25_REFUSAL, "L25: a refused pre-vote does not tell the term")           \
    X(CHANGE_NOT_STEPPED, "a change that the store has is not stepped")        \
    /* requests */                                                             \
    X(READ_UNCONFIRMED, "a deposed leader reads without asking")               \
    X(READ_UNAPPLIED, "a read does not wait for what it must see")             \
    X(READ_ANY_ROUND, "the answer to an earlier round confirms")               \
    X(READ_JOINS_ROUND, "a read is confirmed by the round under way")          \
    X(READ_STANDBY, "a standby confirms that a leader still leads")            \
    X(READ_OWN_WRITES, "a read does not wait for its connection's writes")     \
    X(MATCH_BY_INDEX, "a proposal is answered for whatever is at its index")   \
    X(REFUSED_IN_FLIGHT, "losing leadership refuses what was proposed")        \
    X(EXPIRED_IS_REFUSED, "a deadline refuses what was proposed")              \
    X(INSTALL_IS_REFUSED, "a snapshot refuses what was proposed")              \
    X(ANSWERED_TWICE, "who was told at his deadline is told again")            \
    X(ORIGIN_WITHOUT_BOOT, "an answer goes to a node's next life")             \
    X(OWNED_AT_DOOR, "nobody but the door asks whose a slot is")               \
    X(READ_NOT_OWNED, "a read does not ask whose its slot is")                 \
    X(SCAN_NOT_OWNED, "a page does not ask whose the slots were in its view")  \
    X(LEADERS_CLOCK, "the group record has the leader's own clock")            \
    /* the data API */                                                         \
    X(RETRY_RUNS_AGAIN, "a write that is sent again runs again")               \
    X(SESSION_LEFT_BEHIND, "what is passed on loses its session")              \
    X(SESSIONS_FORGOTTEN, "a restart or a snapshot forgets first results")     \
    X(FORGOTTEN_EARLY, "a first result is forgotten when it may still come")   \
    X(LATE_IS_EXECUTED, "nobody looks at not_after")                           \
    X(EXPIRY_BY_OWN_CLOCK, "a read judges by its node's wall clock")           \
    X(EXPIRED_IS_THERE, "a command sees what is due and not swept")            \
    X(OWN_WRITES_UNSEEN, "a command does not see those before in its step")    \
    X(TRANSACTION_BY_HALF, "a failed transaction is not taken back")           \
    X(FENCE_FORGOTTEN, "the highest fencing token is not kept")                \
    X(SCAN_UNCONFIRMED, "a deposed leader gives pages")                        \
    X(SCAN_SKIPS, "a page that is full skips a key")                           \
    X(WATCH_SKIPS, "a watch that goes on begins at what is applied")           \
    X(EXPIRY_UNTOLD, "what is due is removed without an event")                \
    X(CLAIM_BELIEVED_LATE, "a sweep is believed about what was written since") \
    X(EMPTY_VOTER, "a wiped directory is let in under its old identity")       \
    X(DEADLINE_LOST, "what an operation makes of a value forgets its deadline")\
    X(TAKEN_BACK_FORWARDS, "what changed twice is taken back by half")         \
    X(COUNTED_ALL_THE_SAME, "a failed transaction stays counted")              \
    X(PURGED_BY_HALF, "a purge leaves the fences of what it removes")          \
    X(TOLD_BEFORE, "a leader believes what it told when it led before")

#ifdef COAT_PLANT
enum planted {
    PLANT_NONE,
#define X(name, text) PLANT_##name,
    PLANT_LIST(X)
#undef X
    PLANT_COUNT,
};
extern enum planted coat_planted;
#define PLANTED(name) (coat_planted == PLANT_##name)
#else
#define PLANTED(name) 0
#endif

#endif
