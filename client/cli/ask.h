/* ask.h - ask named nodes one thing each, all at once, and wait.
 *
 * For what is not routed by key: map, status, init. One connection per node,
 * tried once. Blocking, on a loop of its own. */
#ifndef CLIENT_CLI_ASK_H
#define CLIENT_CLI_ASK_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "rpc/address.h"

struct ask {
    /* the question */
    struct address address;
    uint16_t type;        /* MESSAGE_MAP, _STATUS, _INIT */
    struct slice payload; /* borrowed */
    /* the answer */
    enum status status;   /* OK: `reply` is the answer's payload; CONNECTION,
                             TIMEOUT, or what an ErrorReply said */
    struct buf reply;
    char detail[256];     /* why, if not OK */
    /* private */
    struct asking *asking;
    struct dialer *dialer;
    bool done;
};

/* Ask all `n`. Returns when each has an answer or `timeout` has passed. */
void ask_all(struct ask *asks, unsigned n, duration timeout);
/* Free the replies. */
void ask_release(struct ask *asks, unsigned n);

#endif
