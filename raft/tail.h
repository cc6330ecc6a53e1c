/* tail.h - the in-memory part of one group's log: terms, types, payloads.
 *
 * Pure. A ring by index; every operation is O(1) per entry touched. Terms and
 * types stay until tail_release; a payload may go earlier, oldest first, when
 * the budget it shares with the node's other groups is exceeded. Such bytes
 * are only in the wal then.
 *
 * Invariant: indexes first .. last are there without a gap; last is first - 1
 * when empty; payload_from is the lowest index that may hold a payload. */
#ifndef RAFT_TAIL_H
#define RAFT_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "raft/entry.h"

/* Payload bytes that the tails of one shard hold together. Owned by the
 * shard; used by one thread. */
struct tail_budget {
    size_t bytes_max;
    size_t bytes; /* in memory now */
};

struct tail_slot;
struct tail {
    struct tail_slot *slots;
    uint64_t cap; /* a power of two, or 0 */
    uint64_t first, last;
    uint64_t payload_from;
    struct tail_budget *budget; /* NULL: no limit */
};

/* Empty, beginning at `first`. `budget` is borrowed until release. */
void tail_init(struct tail *t, uint64_t first, struct tail_budget *budget);
void tail_release(struct tail *t);
/* Forget everything and begin again at `first`. */
void tail_reset(struct tail *t, uint64_t first);

/* Append at last + 1; takes a reference of its own to the payload. `size` is
 * the payload's size, also when it is not in memory. */
void tail_append(struct tail *t, const struct group_entry *e, size_t size);
/* Forget `from` and everything behind it. */
void tail_truncate(struct tail *t, uint64_t from);
/* Forget everything up to and including `upto`. */
void tail_forget(struct tail *t, uint64_t upto);
/* Drop payloads up to and including `upto`, oldest first, while the budget is
 * exceeded. Those entries must be readable from the wal. */
void tail_trim(struct tail *t, uint64_t upto);

/* NULL when the index is not here; valid until the tail changes. */
const struct group_entry *tail_at(const struct tail *t, uint64_t index);
/* 0 when the index is not here. */
uint64_t tail_term(const struct tail *t, uint64_t index);
/* The entry is here and its payload too (or it has none). */
bool tail_has_payload(const struct tail *t, uint64_t index);
/* Payload bytes of from .. to, both included and here; O(1). */
uint64_t tail_bytes(const struct tail *t, uint64_t from, uint64_t to);

#endif
