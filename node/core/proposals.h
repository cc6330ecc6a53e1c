/* proposals.h - client writes of one group, from the door to the applied entry.
 *
 * Writes join the OPEN batch. When it is submitted as one Raft entry it becomes
 * IN FLIGHT at (index, term). When the entry at that index was applied, its
 * waiters get their results if the terms agree; another term means that the
 * entry was overwritten: certainly not executed. Losing leadership therefore
 * decides nothing about batches in flight; they wait for what the group decides
 * or for their deadline (outcome unknown). An open batch was never proposed:
 * losing leadership refuses it, safely.
 *
 * Batches have sequence numbers; `done` is the last one that is decided, so a
 * read can wait for the writes that its connection sent before it
 * (ARCHITECTURE, Reads). Pure. Bounded by the batches' limits and
 * BATCHES_IN_FLIGHT_MAX.
 *
 * Invariant: batches in flight are sorted by sequence and by index. */
#ifndef NODE_CORE_PROPOSALS_H
#define NODE_CORE_PROPOSALS_H

#include "node/core/command.h"
#include "node/core/event.h"
#include "node/core/result.h"
#include "proto/base/blob.h"

struct waiter {
    struct origin from;
    enum op op;
    instant deadline;
    bool gone;           /* answered already (deadline) */
};

struct batch {
    uint64_t seq;
    uint64_t index, term; /* once in flight */
    struct waiter *waiters;
    unsigned n, cap;
};

enum { BATCHES_IN_FLIGHT_MAX = 64 };

struct proposals {
    struct entry_writer entry; /* the open batch's payload */
    struct batch open;
    struct batch flight[BATCHES_IN_FLIGHT_MAX]; /* a ring */
    unsigned head, count;
    uint64_t done;       /* all batches up to this one are decided */
    size_t waiting;      /* waiters in all batches */
    size_t bytes_max;    /* of a batch with several commands */
};

/* `bytes_max`: at most ENTRY_BYTES_MAX. */
void proposals_init(struct proposals *p, size_t bytes_max);
void proposals_release(struct proposals *p);

static inline bool proposals_open_empty(const struct proposals *p)
{
    return p->open.n == 0;
}

/* Bytes of the open batch's payload. */
static inline size_t proposals_open_bytes(const struct proposals *p)
{
    return entry_writer_size(&p->entry);
}

/* Is there room in the open batch for a command of `bytes`? A batch takes one
 * command of any size, or up to ENTRY_COMMANDS_MAX within bytes_max. */
bool proposals_fits(const struct proposals *p, size_t bytes);

/* Add a command to the open batch (it fits). Copies. Gives the batch's
 * sequence number. */
uint64_t proposals_add(struct proposals *p, const struct command *c,
                       const struct waiter *w);

/* The open batch as an entry payload (a new reference), stamped. The batch
 * stays open until proposals_submitted() or proposals_refused(). */
struct blob *proposals_payload(struct proposals *p, uint64_t clock_ms);

/* The open batch went to the log at (index, term). Room for it was checked with
 * proposals_in_flight() < BATCHES_IN_FLIGHT_MAX. */
void proposals_submitted(struct proposals *p, uint64_t index, uint64_t term);

static inline unsigned proposals_in_flight(const struct proposals *p)
{
    return p->count;
}

/* Answer and drop the open batch's waiters. */
typedef void proposals_answer(void *arg, const struct waiter *w,
                              struct result r);
void proposals_refuse_open(struct proposals *p, enum status why,
                           proposals_answer *answer, void *arg);

/* The entry at (index, term), of whatever type, is about to be applied. Gives
 * the batch that waits for exactly that entry, or NULL. Batches before it, at
 * it with another term, or of an earlier term behind it were overwritten: they
 * are answered with NOT_LEADER and dropped. */
struct batch *proposals_match(struct proposals *p, uint64_t index,
                              uint64_t term, proposals_answer *answer,
                              void *arg);

/* The batch that proposals_match() gave has its results (or they went to a list
 * of the caller's): forget it. */
void proposals_decided(struct proposals *p, struct batch *b);

/* The state jumped to `index` (a snapshot was installed): what was in flight up
 * to there has an unknown outcome. */
void proposals_jumped(struct proposals *p, uint64_t index,
                      proposals_answer *answer, void *arg);

/* Answer whoever is past the deadline: TIMEOUT from the open batch is not
 * possible without taking the command out, so it counts as UNKNOWN too. Gives
 * the earliest deadline left. */
instant proposals_expire(struct proposals *p, instant now,
                         proposals_answer *answer, void *arg);

#endif
