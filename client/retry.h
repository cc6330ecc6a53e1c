/* retry.h - what to do with a request that a node refused.
 *
 * Pure. */
#ifndef CLIENT_RETRY_H
#define CLIENT_RETRY_H

#include <stdbool.h>

#include "proto/base/rng.h"
#include "proto/base/status.h"
#include "proto/base/time.h"

enum verdict {
    VERDICT_DONE,  /* the caller gets this status */
    VERDICT_ROUTE, /* ask who leads, then send it there */
    VERDICT_WAIT,  /* the same again, a little later */
};

/* What may be repeated although it may have been executed (`repeatable`: a
 * read, a write with an id) is repeated if that can change the answer; what
 * may not, only if it certainly was not executed. What only an operator can
 * change is not repeated although it would be safe. */
enum verdict retry_verdict(enum status status, bool repeatable);

/* How long to wait before try number `attempt` (from 1): 4 ms doubling up to
 * 512 ms, a random part of the upper half. */
duration retry_pause(unsigned attempt, struct rng *rng);

#endif
