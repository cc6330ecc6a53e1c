/* generate.h - random histories of one key for the checkers' tests. */
#ifndef TESTS_UNIT_CHECK_GENERATE_H
#define TESTS_UNIT_CHECK_GENERATE_H

#include <stdbool.h>

#include "proto/base/rng.h"
#include "tests/check/history.h"

struct shape {
    size_t operations;
    unsigned processes;
    unsigned kinds;        /* a bit per enum check_kind */
    bool unique;           /* every written value is another one */
    unsigned unknown;      /* percent whose outcome is not known */
    unsigned either;       /* percent whose result is not known */
    unsigned lies;         /* percent of histories with a changed result */
    bool places;           /* with the witness of what really happened */
};

/* A history that some real register could give, and then perhaps one changed
 * answer. Added to `h`, as key `key`. */
void generate(struct rng *rng, const struct shape *shape, uint32_t key,
              struct check_history *h);

#endif
