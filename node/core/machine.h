/* machine.h - the replicated state machine: entries to writes, deterministic.
 *
 * Every replica of a group that has applied the same entries holds the same
 * bytes. So nothing here looks at anything but the entry, the state and what
 * the state says of the keys that machine_needs() named: no clock (the entry
 * carries the group clock), no randomness, no map of the door's. Nor may it
 * matter which entries share a step: a step is this replica's own affair. What
 * other commands happened to have fetched is therefore not looked at.
 *
 * The group's own slot table decides for every command whether it may run here
 * (ARCHITECTURE, Slots); what doors and maps say is courtesy.
 *
 * Versions are made from the log index and the position in the entry, so they
 * only grow: (index + offset) << 10 | position. All that one command changes
 * has its version.
 *
 * What an entry may look at and write is bounded, by the state alone: of the
 * records it names those behind the first VIEW_BYTES_MAX are cut off, and
 * commands that need them get BUSY; so do those that rewrite records when the
 * entry's writes would exceed MACHINE_WRITE_MAX.
 *
 *   machine.c            state, entries, commands; records put and removed
 *   machine_needs.c      which keys a command has to know
 *   machine_condition.c  IF_*, fences
 *   machine_write.c      SET, DELETE, APPEND, SET_RANGE
 *   machine_number.c     INCR, INCR_FLOAT
 *   machine_expire.c     deadlines: EXPIRE, keys that are due
 *   machine_transact.c   TRANSACT, and GET inside of it
 *   machine_session.c    commands with a session: at most once
 *   machine_sweep.c      SWEEP: what is due goes
 *   machine_remember.c   REMEMBER: changes are listed with what was before
 *   machine_keyspace.c   KEYSPACE, PURGE, what counted keyspaces hold */
#ifndef NODE_CORE_MACHINE_H
#define NODE_CORE_MACHINE_H

#include "node/core/change.h"
#include "node/core/command.h"
#include "node/core/expiry.h"
#include "node/core/keyspaces.h"
#include "node/core/result.h"
#include "node/core/sessions.h"
#include "node/core/view.h"
#include "node/core/written.h"
#include "node/store/layout.h"
#include "node/store/write_set.h"
#include "proto/base/planted.h"
#include "proto/map.h"

enum {
    SLOT_TABLE_BYTES = SLOT_COUNT / 8,
    MACHINE_WRITE_MAX = 64 << 20,
};

struct machine {
    uint32_t group;
    uint64_t version_offset;          /* moves with slots; 0 at creation */
    uint8_t slots[SLOT_TABLE_BYTES];  /* bit per slot this group owns */
    struct cluster_map *map;          /* the meta group's state, else NULL */
    struct sessions sessions;         /* first results */
    struct keyspaces keyspaces;       /* counted and purged ones */
    uint64_t remember_until;          /* of the group clock: entries before it
                                         list what was before */
    struct expiry expiry;             /* These two are this replica's own */
    struct written written;           /* ... knowledge, no state */
};

/* A change while it is being made; see change.h. */
struct made_change {
    enum change_kind kind;
    unsigned flags;
    uint32_t keyspace;
    struct slice key;
    struct piece value, previous;
    uint64_t version;
};

/* A row as it was before the transaction that is being executed. */
struct saved_row {
    uint32_t row;
    struct view_state state;
};

/* What one step over several entries builds up. Reused. */
struct machine_step {
    struct write_set set;
    struct view view;
    struct buf key;            /* scratch: a store key */
    struct buf out;            /* texts and replies that results point to */
    struct buf replies;        /* scratch: of a transaction */
    struct made_change *made;
    unsigned n_made, cap_made;
    struct change *changes;    /* machine_changes() */
    unsigned cap_changes;
    uint64_t needs_index;      /* of the last entry given to machine_needs() */
    uint64_t needs_clock_ms;   /* ... and its clock */
    uint64_t needs_due;        /* the earliest deadline there can be then */
    uint64_t needs_remember;   /* machine.remember_until, then */
    bool needs_previous;       /* this entry lists what was before */
    bool needs_all;            /* a keyspace became a counted one */
    bool needs_more;           /* its plain sets may meet what is due */
    bool needs_late;           /* those are being named */
    uint64_t due_min;          /* the earliest deadline that was written */
    uint64_t clock_ms;         /* of the entry being applied */
    bool previous;             /* it lists what was before */
    size_t entry_set, entry_out; /* where it begins in `set` and `out` */
    struct saved_row *saved;
    unsigned n_saved, cap_saved;
    bool saving;               /* inside of a transaction */
    bool map_changed;          /* publish machine.map when it is applied */
};

void machine_init(struct machine *m, uint32_t group);
void machine_release(struct machine *m);
void machine_step_init(struct machine_step *s, uint64_t seed);
void machine_step_release(struct machine_step *s);
/* Begin a step behind a state whose group clock is there. */
void machine_step_begin(struct machine_step *s, const struct machine *m,
                        uint64_t clock_ms);

static inline bool slots_own(const uint8_t slots[SLOT_TABLE_BYTES],
                             uint16_t slot)
{
    return slots[slot / 8] >> (slot % 8) & 1;
}

static inline bool machine_owns(const struct machine *m, uint16_t slot)
{
    return slots_own(m->slots, slot) || PLANTED(OWNED_AT_DOOR);
}

/* Is a record with this deadline still there? */
static inline bool machine_live(uint64_t expire_at_ms, uint64_t clock_ms)
{
    return !expire_at_ms || expire_at_ms > clock_ms;
}

/* The state with which a group is created, from the initial map: append its
 * records to `set`. Equal on all replicas. Also loads it. */
void machine_create(struct machine *m, const struct cluster_map *map,
                    struct write_set *set);

/* Load the state from its records as read from the store; `map` is empty but
 * in the meta group.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION */
MUST_CHECK enum status machine_load(struct machine *m, struct slice slots,
                                    struct slice map);
/* Only which slots are the group's, for whoever needs no more of the state.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION: `slots` is as it was. */
MUST_CHECK enum status machine_load_slots(uint8_t slots[SLOT_TABLE_BYTES],
                                          struct slice record);
/* The rest: the records of kinds 'h', 'k' and 'r' as puts, in the order of
 * their keys; NULL: there are none. */
MUST_CHECK enum status machine_load_kept(struct machine *m,
                                         const struct write_set *kept);

/* Name the keys that `entry` (a COMMAND's payload, at log index `index`) has to
 * know; entries in their order, none left out since the state was loaded. The
 * same again is harmless. Notes what it may write.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION: the replica has to stop. */
MUST_CHECK enum status machine_needs(struct machine *m,
                                     struct machine_step *s, uint64_t index,
                                     struct slice entry);

/* What was named has been fetched. `*whole` false: something was cut off; then
 * only a step of ONE entry may go on.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION: damage in the store. */
MUST_CHECK enum status machine_fetched(struct machine_step *s,
                                       const struct fetched *records,
                                       bool *whole);

/* Apply `entry`, at log index `index`: append its writes to the step's set and
 * its results (one per command) to `results`, which may be NULL, and gives the
 * group clock. Fails as machine_needs(), before anything was appended. */
MUST_CHECK enum status machine_apply(struct machine *m, struct machine_step *s,
                                     uint64_t index, struct slice entry,
                                     struct result *results, unsigned n_results,
                                     uint64_t *clock_ms);

/* Has the step looked at and written so much that it has to end with this
 * entry? (The next one's records could have been cut if it came alone.) */
bool machine_step_full(const struct machine_step *s);

/* A piece's bytes; for results, once nothing more is applied. Empty for none.*/
struct slice machine_bytes(const struct machine_step *s, struct piece p);

/* The changes that the step made, in order, once nothing more is applied; good
 * until the step begins anew (keys: as long as the entries). */
const struct change *machine_changes(struct machine_step *s, unsigned *n);

#endif
