/* shrink.h - a failing trial made smaller: fewer faults, then fewer nodes,
 * groups, rounds, clients and operations, as long as it still fails. */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include "tests/sim/attempt.h"

/* What is left out of the trial of a seed. Zero-initialised: nothing. */
struct smaller {
    uint8_t *skip;       /* by number of the fault */
    unsigned n_skip;
    unsigned nodes, groups, rounds, clients; /* 0: as the seed says */
    unsigned callers;    /* plus one; 0: as the seed says */
    unsigned without;    /* rows of the data API, a bit each */
    uint64_t operations; /* 0: no limit */
};

void smaller_release(struct smaller *s);
/* "3,7,12-15"; false when it is no such list. */
bool smaller_skip(struct smaller *s, const char *list);
void smaller_apply(const struct smaller *s, struct course *x);
/* The options of the program that say it. */
void smaller_command(const struct smaller *s, uint64_t seed, char *out,
                     size_t size);

/* `x` fails with `s` applied: leave out what is not needed for that. */
void shrink(const struct course *x, struct smaller *s,
            const struct attempt_options *o);

#endif
