/* rounds.h - read rounds: "are you still in this term?", shared by all groups.
 *
 * ReadIndex (Ongaro's thesis, section 6.4) needs, for a read that arrived at
 * time t, that a majority of the voters was still in the leader's term after t.
 * One round in flight per peer carries (group, term) of every group with reads
 * waiting; reads that arrive meanwhile wait for the next. One voter is asked
 * first (or as many as a majority needs); the others after `hedge`.
 *
 * This file knows peers and rounds; which reads wait is the replica's business:
 * it has at most one ASKING set at a time, named by a sequence number that
 * comes back with the answer. Pure. */
#ifndef NODE_CORE_ROUNDS_H
#define NODE_CORE_ROUNDS_H

#include "node/core/peer_item.h"

struct round_entry {
    uint32_t group;
    uint64_t term;
    uint64_t seq; /* the replica's asking set */
};

/* Rounds to one peer. */
struct rounds {
    uint64_t id;          /* of the last round sent */
    bool in_flight;
    instant sent;
    struct round_entry *asked; /* the round in flight */
    unsigned n_asked, cap_asked;
    struct round_entry *next;  /* for the next one */
    unsigned n_next, cap_next;
};

void rounds_release(struct rounds *r);

/* Ask this peer about a group with its next round. */
void rounds_ask(struct rounds *r, uint32_t group, uint64_t term, uint64_t seq);

/* If nothing is in flight (or what was is older than `lost`) and something is
 * wanted: append a READ_ROUND item to `out`. */
bool rounds_send(struct rounds *r, instant now, duration lost,
                 struct buf *out);

/* An answer came. False when it is malformed. Calls `confirm` for each group
 * that said yes; an answer to another round than the one in flight is
 * ignored. */
typedef void rounds_confirm(void *arg, const struct round_entry *e);
bool rounds_answer(struct rounds *r, struct slice body,
                   rounds_confirm *confirm, void *arg);

/* The peer is gone: nothing is in flight or wanted any more. */
void rounds_reset(struct rounds *r);

#endif
