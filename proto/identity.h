/* identity.h - who a sender is to the cluster, so that no write of its is
 * executed twice.
 *
 * Each write gets a sequence number of this sender: a client, or a door that
 * writes for clients which have no identity. Groups remember results by
 * it until we say that a reply has arrived: everything below the oldest write
 * that has not ended. A write also says until when it may be executed, in the
 * cluster's time, which nodes tell with the map; so that a copy of it that was
 * delayed somewhere is refused for good.
 *
 * Pure. See proto/operation.h, struct session. */
#ifndef PROTO_IDENTITY_H
#define PROTO_IDENTITY_H

#include "proto/base/bytes.h"
#include "proto/base/status.h"
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

/* Was it refused for its time, which is not what the group's clock (in the
 * refusal; 0: none) takes? Then what told us the time was wrong: set not_after
 * to 0 and send again, unless a copy of it may still be on its way. */
bool identity_mistimed(const struct request_id *id, enum status why,
                       uint64_t clock_ms);

/* What is sent with it now. `remaining` is how long we shall wait for it; its
 * not_after is that of the first call. */
void identity_session(struct identity *i, struct request_id *id, instant now,
                      duration remaining, struct session *out);
/* The same into `payload`, which ends with a session's SESSION_BYTES. */
void identity_stamp(struct identity *i, struct request_id *id,
                    struct buf *payload, instant now, duration remaining);

#endif
