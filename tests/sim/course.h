/* course.h - the course of one simulated trial, and what it was made of.
 *
 *   start, leaders -> [ storm: faults, clients -> heal: within ten election
 *   timeouts every group serves through every node -> all answered, replicas
 *   equal ] x rounds, and once more with the faults of a finale (faults.h) ->
 *   everything read, nothing left over, history true
 *
 * All follows from the seed; parts of it can be left out by hand to make a
 * failing run smaller. */
#ifndef TESTS_SIM_COURSE_H
#define TESTS_SIM_COURSE_H

#include "tests/sim/trial.h"

struct course {
    struct cluster_options o;
    unsigned clients, callers, depth;
    unsigned pause_max;      /* ms between a client's bursts */
    bool registers;          /* sets and reads only */
    unsigned askers[ROW_KINDS]; /* of each row of the data API */
    unsigned asker_pause_max;
    unsigned rounds;
    unsigned storm_ms;
    unsigned every_ms;       /* between two faults, on average */
    unsigned finale_ms;      /* 0: none */
    uint64_t operations_max; /* of clients, in storms; 0: no limit */
    const uint8_t *skip;     /* faults left out; borrowed */
    unsigned n_skip;
};

/* The trial of this seed. */
struct course course_of(uint64_t seed);
/* The cluster that speed is measured with: 5 nodes, 8 groups. */
struct course course_large(uint64_t seed);

/* Run it, from trial_init() on. The caller releases `t`. */
void course_run(struct trial *t, const struct course *x);

#endif
