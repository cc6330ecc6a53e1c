/* workload.h - what plain clients ask: one line per kind of request.
 *
 * Sets, gets and deletes of unique values, for the checkers of histories. The
 * rest of the data API: rows.h. */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "node/core/event.h"
#include "proto/base/rng.h"

struct workload_kind {
    enum op op;
    enum read_mode mode;
    unsigned weight; /* of 100 */
    bool value;      /* carries one */
};

/* A random kind of request; with `registers` only reads and sets. */
const struct workload_kind *workload_any(struct rng *rng, bool registers);
/* The request, without who asks, deadline and value. */
struct request workload_request(enum op op, enum read_mode mode,
                                struct slice key);
/* May a request of this kind be answered so? */
bool workload_expected(enum op op, enum status st);

/* Values are unique: a number, and bytes that follow from it. */
void workload_value(uint64_t number, struct buf *out);
/* The number of a value; false when it is not whole. */
bool workload_number(struct slice value, uint64_t *number);

#endif
