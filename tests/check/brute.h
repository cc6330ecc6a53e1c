/* brute.h - linearizability of one key by trying every order: slow, and too
 * simple to be wrong. Only to test the other checkers. */
#ifndef TESTS_CHECK_BRUTE_H
#define TESTS_CHECK_BRUTE_H

#include <stdbool.h>

#include "tests/check/history.h"

enum { BRUTE_OPERATIONS_MAX = 10 };

/* `ops` are all operations of one key, at most BRUTE_OPERATIONS_MAX. */
bool brute_linearizable(const struct check_operation *const *ops, size_t n);

#endif
