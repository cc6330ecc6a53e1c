/* scan_run.h - one page of a scan made from an ordered walk over a store.
 *
 * Whoever has the store walks it and hands over what it meets; this decides
 * what belongs into the page and when it is full:
 *
 *     scan_run_begin(&run, request, &out)      OK, or refused
 *     scan_run_state(&run, group record, slot table)     of the same view
 *     walk from run.lower to below run.upper (run.scan.flags & SCAN_REVERSE:
 *     backwards), and for each key and value
 *         if (!scan_run_take(&run, key, value)) break;
 *     scan_run_end(&run)                       OK: the page stands in `out`
 *
 * Slots and clock come from the view that is walked, so that the page shows one
 * moment. Pure: used by the daemon's workers and by simulations. */
#ifndef NODE_CORE_SCAN_RUN_H
#define NODE_CORE_SCAN_RUN_H

#include "node/core/machine.h"
#include "proto/scan.h"

enum {
    /* A page ends after this much work, full or not; a key is 1, and more for
     * each 64 steps that a pattern may take on it. */
    SCAN_WORK_MAX = 100000,
};

struct scan_run {
    struct scan scan;
    uint32_t keyspace;
    struct buf lower, upper;   /* of the walk, as store keys */
    struct group_record record;
    uint8_t slots[SLOT_TABLE_BYTES]; /* the group owns, bit per slot */
    struct scan_writer writer;
    struct buf next;
    uint64_t counted, work, work_max;
    bool more;                 /* stopped before the end of the range */
    enum status status;
};

/* `keyspace` and `group` are known by id; `request` (scan.h) is borrowed until
 * the end, the page will be appended to `out`.
 * As scan_decode(). On anything but OK nothing needs to be released. */
MUST_CHECK enum status scan_run_begin(struct scan_run *r, uint32_t group,
                                      uint32_t keyspace, struct slice request,
                                      struct buf *out);
/* CORRUPT, WRONG_VERSION; MOVED: the request's key is not this group's. */
MUST_CHECK enum status scan_run_state(struct scan_run *r,
                                      const struct group_record *record,
                                      struct slice slots);
/* A key of the walk; false: enough. */
bool scan_run_take(struct scan_run *r, struct slice key, struct slice value);
/* Whoever walks cannot go on now (it took long): end the page here. `key` is
 * the last one that was handed over. */
void scan_run_stop(struct scan_run *r, struct slice key);
/* Complete the page; frees what the run holds, always call it after a begin
 * that was OK. CORRUPT: a record was damaged; `out` is as before then. */
MUST_CHECK enum status scan_run_end(struct scan_run *r);

#endif
