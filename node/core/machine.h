/* machine.h - the replicated state machine: entries to writes, deterministic.
 *
 * Every replica of a group that has applied the same entries holds the same
 * bytes. So nothing here looks at anything but the entry, the state and what
 * the state says of the keys that machine_needs() named: no clock (the entry
 * carries the group clock), no randomness, no map of the door's.
 *
 * The group's own slot table decides for every command whether it may run here
 * (ARCHITECTURE, Slots); what doors and maps say is courtesy.
 *
 * Versions are made from the log index and the position in the entry, so they
 * only grow: (index + offset) << 10 | position. */
#ifndef NODE_CORE_MACHINE_H
#define NODE_CORE_MACHINE_H

#include "node/core/command.h"
#include "node/core/proposals.h"
#include "node/core/view.h"
#include "node/store/layout.h"
#include "node/store/write_set.h"
#include "proto/map.h"

enum { SLOT_TABLE_BYTES = SLOT_COUNT / 8 };

struct machine {
    uint32_t group;
    uint64_t version_offset;          /* moves with slots; 0 at creation */
    uint8_t slots[SLOT_TABLE_BYTES];  /* bit per slot this group owns */
    struct cluster_map *map;          /* the meta group's state, else NULL */
};

/* What one step over several entries builds up. Reused. */
struct machine_step {
    struct write_set set;
    struct view view;
    struct buf key;       /* scratch */
    bool map_changed;     /* publish machine.map when it is applied */
};

void machine_init(struct machine *m, uint32_t group);
void machine_release(struct machine *m);
void machine_step_init(struct machine_step *s, uint64_t seed);
void machine_step_release(struct machine_step *s);
/* Forget the last step. */
void machine_step_clear(struct machine_step *s);

static inline bool machine_owns(const struct machine *m, uint16_t slot)
{
    return m->slots[slot / 8] >> (slot % 8) & 1;
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

/* Name the keys that `entry` (a COMMAND's payload) has to know.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION: the replica has to stop. */
MUST_CHECK enum status machine_needs(const struct machine *m,
                                     struct machine_step *s,
                                     struct slice entry);

/* Apply `entry`, at log index `index`: append its writes to the step's set and
 * its results (one per command) to `results`, which may be NULL, and gives its
 * clock stamp. Fails as above, before anything was appended. */
MUST_CHECK enum status machine_apply(struct machine *m, struct machine_step *s,
                                     uint64_t index, struct slice entry,
                                     struct result *results, unsigned n_results,
                                     uint64_t *clock_ms);

#endif
