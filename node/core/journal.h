/* journal.h - who waits for the write-ahead log.
 *
 * Puts the replicas' persists into the wal and remembers, ticket by ticket,
 * whose they are; when the wal says that a ticket is durable, gives them back
 * in order. Pure, like the wal itself. */
#ifndef NODE_CORE_JOURNAL_H
#define NODE_CORE_JOURNAL_H

#include "node/core/event.h"
#include "raft/wal/wal.h"

struct journal_row {
    uint64_t ticket, seq;
    uint32_t group;
};

struct journal {
    struct wal *wal;          /* owned */
    struct journal_row *rows; /* a ring */
    unsigned head, count, cap;
    struct wal_entry *entries;
    unsigned entries_cap;
    uint64_t last_ticket;     /* of anything appended through here */
};
/* Of the latest journal_persist() that made one. */
static inline uint64_t journal_ticket(const struct journal *j)
{
    return j->count ? j->rows[(j->head + j->count - 1) % j->cap].ticket
                    : j->last_ticket;
}

/* Takes the wal. */
void journal_init(struct journal *j, struct wal *wal);
void journal_release(struct journal *j);

/* Take the entries of an EFFECT_PERSIST_ENTRIES out of its group, as its
 * contract says, into `out` (room for persist_entries.n). Gives how many.
 * Payloads are borrowed from the group. On the group's thread. */
unsigned journal_entries(const struct effect *e, struct group_entry *out);

/* Carry out an EFFECT_PERSIST_* or EFFECT_RELEASE; of EFFECT_PERSIST_ENTRIES
 * the entries are given (journal_entries()), all else is in `e`. */
void journal_persist(struct journal *j, const struct effect *e,
                     const struct group_entry *entries, unsigned n,
                     wal_instant now);

/* The next persist that is durable: fills group and seq. Only the last of a
 * run of one group's is given, for they are cumulative. */
bool journal_durable(struct journal *j, uint32_t *group, uint64_t *seq);

#endif
