/* retry.c - see retry.h. */
#include "client/retry.h"

enum { PAUSE_MIN = 4, DOUBLINGS_MAX = 7 };

enum verdict retry_verdict(enum status status, bool repeatable)
{
    switch (status) {
    case STATUS_NOT_LEADER:
    case STATUS_MOVED:
    case STATUS_QUARANTINED:
    case STATUS_CLOSED:
    case STATUS_CONNECTION:
    case STATUS_UNAVAILABLE:
        return VERDICT_ROUTE;
    case STATUS_BUSY:
    case STATUS_CANCELLED:
    case STATUS_NO_MEMORY:
    case STATUS_INCOMPLETE:
    case STATUS_STALLED:
        return VERDICT_WAIT;
    case STATUS_UNKNOWN:
    case STATUS_IO_ERROR:
    case STATUS_INTERNAL:
        return repeatable ? VERDICT_ROUTE : VERDICT_DONE;
    default:
        /* TIMEOUT: no time is left. DISK_FULL, NOT_INITIALISED: an operator
         * has to act. The others do not change. */
        return VERDICT_DONE;
    }
}

duration retry_pause(unsigned attempt, struct rng *rng)
{
    unsigned doublings = attempt > 1 ? attempt - 1 : 0;
    uint64_t full = (uint64_t)PAUSE_MIN
                    << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);

    return MS(full / 2 + rng_below(rng, full / 2 + 1));
}
