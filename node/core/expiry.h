/* expiry.h - what is due: the sweep command, and what a replica knows of its
 * index of deadlines (the records 'x', node/store/layout.h).
 *
 * A record with a deadline has a line in the index, written with it. Whoever
 * leads proposes SWEEPs of lines whose time has come; applied, a record that
 * still has that deadline is removed (an expiry), and the line goes anyway.
 *
 * Every replica keeps a lower bound of all deadlines in its index (`next_due`):
 * while the clock is below it nothing is due, and a plain SET need not look
 * whether it overwrites something that expired. The bound is lowered by every
 * deadline that is written and raised by looking into the index, on a worker,
 * one look at a time. A look begins where the index is known to begin
 * (`floor`), so it does not walk over what was deleted before.
 *
 * As leader `position` runs ahead of `floor` over what was proposed; several
 * sweeps may be on their way. When all of them have succeeded the floor
 * follows; when one fails the position goes back to it.
 *
 * CLAIMS. Plain SETs are blind, so a line may be stale: somebody has to read
 * its record. The leader's look reads it, and the SWEEP tells what it found.
 * Why a replica may take the claim for what is in its own store, without
 * reading: the look read a state of the log at some index from I on, in which
 * the record had that deadline. Only entries write records. If none behind I
 * and before the SWEEP has written this one, it is the same record still. That
 * is asked of written.h, which may say yes in vain, and says yes about what
 * this replica has not applied by itself since it started or got a snapshot:
 * then it reads.
 * Both ways lead to the same writes, changes and results; so replicas need not
 * go the same way. Who has to know more of the record than its deadline reads
 * in any case: counted keyspaces, and entries that list what was before.
 * Whether the deadline has come is decided by the entry's clock, as ever.
 *
 * Pure. The bound is a help, never a reason to decide anything: replicas with
 * different bounds do the same. */
#ifndef NODE_CORE_EXPIRY_H
#define NODE_CORE_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/layout.h"
#include "proto/base/bytes.h"
#include "proto/base/status.h"

enum {
    SWEEP_LINES_MAX = 256,   /* of one command: others shall not wait long */
    SWEEP_BYTES_MAX = 128 * 1024,
    SWEEPS_IN_FLIGHT_MAX = 4,
};

/* ---- the SWEEP command ----
 *
 * Its argument is the index I up to which the leader had applied when it began
 * to look; its value
 *
 *   u32 lines | lines: u64 deadline | u8 kind | u32 keyspace | u16 size | key |
 *                      [u64 held]
 *
 * The kind is the record's, 'd' or 'f', in a line that claims nothing. One of a
 * data record may claim until when that is kept: 'D': until the line's
 * deadline; 'N': there is no record, or without a deadline; 'O': until `held`,
 * which stands in such lines only. */

#define SWEEP_UNKNOWN UINT64_MAX

struct sweep_line {
    struct layout_deadline of;
    uint64_t held; /* the record's deadline at some index from I on; 0: none,
                      or no record; SWEEP_UNKNOWN: nothing is claimed */
};

void sweep_begin(struct buf *out);
/* `out` holds what sweep_begin() began. */
void sweep_add(struct buf *out, const struct sweep_line *l);

struct sweep_reader {
    struct reader bytes;
    uint32_t left;
    enum status status; /* OK, CORRUPT, WRONG_VERSION */
};
struct sweep_reader sweep_reader_of(struct slice value);
/* The next line, borrowed; false at the end or on an error: look at `status`.*/
bool sweep_next(struct sweep_reader *r, struct sweep_line *out);

/* ---- what a replica knows of its index ---- */

struct expiry {
    uint64_t next_due;   /* no deadline in the index is below; 0: unknown */
    struct buf floor;    /* no line is below this key */
    struct buf position; /* as leader: proposed up to here */
    bool looking;        /* one look is out */
    bool at_floor;       /* ... and began at the floor */
    bool back;           /* the position went back since then */
    uint64_t added;      /* the lowest deadline written since then */
    unsigned in_flight;  /* sweeps proposed and not decided */
    uint64_t looked_at;  /* applied index at the last look */
};

void expiry_init(struct expiry *x);
void expiry_release(struct expiry *x);
/* The store is another one: nothing is known. In flight stays. */
void expiry_forget(struct expiry *x);
/* The store is new: there is no line. */
void expiry_empty(struct expiry *x);

/* A record with this deadline was or may have been written by an entry that is
 * being applied. */
void expiry_add(struct expiry *x, uint64_t deadline);

/* A look is about to begin at expiry_from(); `pending` is the lowest deadline
 * of what is being written and may not be in the store yet (UINT64_MAX: none).
 * `sweeping`: to propose what it finds. */
void expiry_look(struct expiry *x, bool sweeping, uint64_t pending,
                 uint64_t applied);
struct slice expiry_from(const struct expiry *x, bool sweeping);

/* The look's answer: `n` lines were found that are due, and behind them comes
 * the key `next` (empty: the index ends). */
void expiry_looked(struct expiry *x, unsigned n, struct slice next);

/* Lines up to the key `last` were proposed as one sweep. */
void expiry_proposed(struct expiry *x, struct slice last);
/* One of them was applied, or came to nothing. */
void expiry_swept(struct expiry *x, bool ok);
/* Not the leader any more: what was proposed may come to nothing. */
void expiry_deposed(struct expiry *x);

#endif
