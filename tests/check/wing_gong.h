/* wing_gong.h - linearizability of one key with any operations, by search.
 *
 * Wing and Gong's search: take an operation that no other one had finished
 * before it was called, apply it to the model, go on; go back when stuck. With
 * Lowe's memory of configurations that led nowhere: (which operations are
 * behind us, the key's state).
 *
 * What keeps it small:
 *  - a configuration is stored relative to the first known operation that is
 *    still to come, so it is as large as the overlap, not as the history;
 *  - a read, or what else cannot change anything, is taken as soon as it fits:
 *    nothing can be lost by that;
 *  - operations of unknown outcome that do the same are told apart by number
 *    only: the one called first is always taken first. Those whose value nobody
 *    could tell from another one's count as doing the same;
 *  - of two configurations that differ only in how many of those were used, the
 *    one that used less stands for both (seen_set.h).
 *
 * Sources: J. Wing, C. Gong: Testing and Verifying Concurrent Objects (1993);
 * G. Lowe: Testing for linearizability (2017). */
#ifndef TESTS_CHECK_WING_GONG_H
#define TESTS_CHECK_WING_GONG_H

#include "tests/check/history.h"

/* `ops` are all operations of one key, in any order. CHECK_UNDECIDED after
 * `configurations_max`. Fills `report->text` and `->configurations`. */
enum check_verdict check_wing_gong(const struct check_operation *const *ops,
                                   size_t n, size_t configurations_max,
                                   struct check_report *report);

#endif
