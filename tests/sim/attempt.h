/* attempt.h - one trial in a process of its own, so that whatever it does to
 * itself can be told: a failed check, an assertion, a crash, no end. */
#ifndef TESTS_SIM_ATTEMPT_H
#define TESTS_SIM_ATTEMPT_H

#include <stdio.h>
#include <sys/types.h>

#include "tests/sim/course.h"

struct attempt {
    bool failed;
    char text[700];      /* why */
    uint64_t ms;         /* simulated */
    uint64_t answered, refused, unknown;
    uint64_t steps, hash;
    unsigned faults_planned;
    unsigned faults[FAULT_KINDS];
    unsigned crashes, installs, log_reads, quarantines, changes, restarts;
    uint64_t promises;
    uint64_t rows[ROW_KINDS];   /* outcomes of each row of the data API */
    uint64_t retries, repeated; /* of its writes; answered once more */
};

struct attempt_options {
    bool verbose;        /* tell what happens */
    bool quiet;          /* keep the child's own output to itself */
    unsigned seconds;    /* processor time; longer "does not end"; 0: 120 */
};

/* One that was started and not ended. */
struct attempt_running {
    pid_t pid;
    int fd;
    FILE *said;          /* the child's own output, if it is quiet */
    uint64_t seed;
};

enum { ATTEMPTS_MAX = 64 }; /* at once */

struct attempt_running attempt_start(const struct course *x,
                                     const struct attempt_options *o);
/* Wait for it; gives what came of it. Or end it: its outcome is not wanted. */
struct attempt attempt_end(const struct attempt_running *r);
void attempt_drop(const struct attempt_running *r);
/* Wait for any of these n > 0; gives which. */
unsigned attempt_first(const struct attempt_running *const *v, unsigned n);

/* Start and end. */
struct attempt attempt_run(const struct course *x,
                           const struct attempt_options *o);

#endif
