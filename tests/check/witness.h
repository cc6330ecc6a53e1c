/* witness.h - does the order that the system itself claims explain everything?
 *
 * The fast check, for every history: operations that carry an index are put
 * into the order of (index, position), and then
 *  - nobody may stand behind an operation that was called only after he had
 *    returned (in the whole group, or per key if indexes are versions);
 *  - each key, replayed in that order, must give what each caller was told.
 *
 * Writes of unknown outcome need no index: one that a later result shows is
 * taken to stand where it explains that result, if it was called early enough.
 * O(n log n). It trusts the indexes: a system that lies about them consistently
 * passes, which is why registers.h and wing_gong.h ignore them. */
#ifndef TESTS_CHECK_WITNESS_H
#define TESTS_CHECK_WITNESS_H

#include "tests/check/history.h"

/* Fills `report->key` and `->text` on a violation. Never undecided. */
enum check_verdict check_witness(const struct check_history *h,
                                 struct check_report *report);

#endif
