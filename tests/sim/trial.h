/* trial.h - a simulated cluster with clients and judges, for tests.
 *
 * The world (cluster.h), who asks (clients.h) and what must hold (history.h,
 * invariants.h) put together, and the small steps that tests are made of. */
#ifndef TESTS_SIM_TRIAL_H
#define TESTS_SIM_TRIAL_H

#include "tests/sim/clients.h"
#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"
#include "tests/sim/promises.h"
#include "tests/sim/rows.h"

struct trial {
    struct cluster c;
    struct clients clients;
    struct durable durable;
    struct invariants invariants;
    struct promises promises;
    struct faults faults;
    struct rows rows; /* nobody, until rows_init() */
};

void trial_init(struct trial *t, const struct cluster_options *o);
void trial_release(struct trial *t);

/* Three nodes with one shard each, one data group; calm. */
struct cluster_options trial_three(void);
/* The same, started, with a leader that serves. */
void trial_start(struct trial *t, const struct cluster_options *o);

void trial_run(struct trial *t, uint64_t ms);
/* Run until `until` says so; fails with `what` after `ms`. */
typedef bool trial_until(struct trial *t, void *arg);
void trial_wait(struct trial *t, uint64_t ms, trial_until *until, void *arg,
                const char *what);

/* The node that leads `group` with the highest term; NULL: none. */
struct sim_node *trial_leader(struct trial *t, uint32_t group);
/* Wait for a leader that has applied its barrier. */
struct sim_node *trial_elect(struct trial *t, uint32_t group);
/* Some node that is up and not `not`. */
struct sim_node *trial_other(struct trial *t, const struct sim_node *not);
struct replica *trial_replica(struct sim_node *n, uint32_t group);

/* Ask by the client of the node's place; gives the number. */
size_t trial_ask(struct trial *t, struct sim_node *n, enum op op,
                 unsigned key);
/* The same, and wait for the answer. */
const struct past *trial_answer(struct trial *t, struct sim_node *n,
                                enum op op, unsigned key);
const struct past *trial_past(struct trial *t, size_t number);
/* Cut a node off from all others, or connect it again. */
void trial_isolate(struct trial *t, struct sim_node *n, bool cut);
/* Wait until all replicas are equal. */
void trial_converge(struct trial *t);
/* All replicas equal, nothing left over, the history true. */
void trial_judge(struct trial *t);

#endif
