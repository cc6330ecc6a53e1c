/* registers.h - linearizability of one key that is only written and read, each
 * value written once: decided exactly in O(n log n).
 *
 * With unique values a read tells which write it saw, so the operations fall
 * into clusters, one per value. Let a cluster's first return be f and its last
 * call l. If f < l, some time must pass inside it: its zone is [f, l], forward.
 * Otherwise all of it fits at one moment of [l, f], backward. The key is
 * linearizable exactly if no read returned before its write was called, no two
 * forward zones overlap, and no backward zone lies inside a forward one.
 *
 * Source: P. Gibbons, E. Korach: Testing Shared Memories (1997), section 4.2,
 * "read-mapping known". */
#ifndef TESTS_CHECK_REGISTERS_H
#define TESTS_CHECK_REGISTERS_H

#include <stdbool.h>

#include "tests/check/history.h"

/* Is this key of the kind that check_registers() decides? */
bool check_registers_apply(const struct check_operation *const *ops, size_t n);

/* `ops` are all operations of one key, in any order, for which
 * check_registers_apply() holds. Fills `report->text`. */
enum check_verdict check_registers(const struct check_operation *const *ops,
                                   size_t n, struct check_report *report);

#endif
