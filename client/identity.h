/* identity.h - who we are to the cluster, so that no write is executed twice.
 *
 * Each write gets a sequence number of this client. Groups remember results by
 * it until we say that a reply has arrived: everything below the oldest write
 * that has not ended. A write also says until when it may be executed, in the
 * cluster's time, which nodes tell with the map; so that a copy of it that was
 * delayed somewhere is refused for good.
 *
 * Pure. See proto/operation.h, struct session. */
#ifndef CLIENT_IDENTITY_H
#define CLIENT_IDENTITY_H

#include "proto/base/bytes.h"
#include "proto/base/time.h"
#include "proto/operation.h"

/* A write's part in it; sequence 0: none. */
struct request_id {
    uint64_t sequence;
    uint64_t not_after; /* 0: not sent yet */
    struct request_id *older, *newer;
};

struct identity {
    uint8_t client[16];
    uint64_t next;              /* sequence to give */
    struct request_id *oldest, *newest;
    int64_t ahead;              /* cluster time minus our monotonic, ms */
    bool told;                  /* `ahead` is known */
};

/* `client`: 16 random bytes. */
void identity_init(struct identity *i, const uint8_t *client);

/* Give `id` the next number. It must be forgotten later. */
void identity_add(struct identity *i, struct request_id *id);
/* Its request has ended. One without a number is legal. */
void identity_forget(struct identity *i, struct request_id *id);

/* A node's idea of the cluster's time. */
void identity_told(struct identity *i, instant now, uint64_t clock_ms);
/* Ours, until one was told; wall clock. */
void identity_guess(struct identity *i, instant now, uint64_t wall_ms);

/* Fill in what is known only when it is sent: `payload` ends with the session's
 * SESSION_BYTES. `remaining` is how long we shall wait for it. */
void identity_stamp(struct identity *i, struct request_id *id,
                    struct buf *payload, instant now, duration remaining);

#endif
