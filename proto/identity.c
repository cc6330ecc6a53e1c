/* identity.c - see identity.h. */
#include "proto/identity.h"

#include <assert.h>

/* A copy may be delayed a little longer than we wait; much less than what the
 * cluster accepts, as clocks differ. */
enum { LATER_MS = 30000, AHEAD_MS = SESSION_AHEAD_MAX_MS - 30000 };

void identity_init(struct identity *i, const uint8_t *client)
{
    *i = (struct identity){.next = 1};
    memcpy(i->client, client, sizeof i->client);
}

void identity_add(struct identity *i, struct request_id *id)
{
    *id = (struct request_id){.sequence = i->next++, .older = i->newest};
    if (i->newest)
        i->newest->newer = id;
    else
        i->oldest = id;
    i->newest = id;
}

void identity_forget(struct identity *i, struct request_id *id)
{
    if (!id->sequence)
        return;
    if (id->older)
        id->older->newer = id->newer;
    else
        i->oldest = id->newer;
    if (id->newer)
        id->newer->older = id->older;
    else
        i->newest = id->older;
    *id = (struct request_id){0};
}

void identity_told(struct identity *i, instant now, uint64_t clock_ms)
{
    i->ahead = (int64_t)(clock_ms - now.ms);
    i->told = true;
}

void identity_guess(struct identity *i, instant now, uint64_t wall_ms)
{
    if (!i->told)
        i->ahead = (int64_t)(wall_ms - now.ms);
}

bool identity_mistimed(const struct request_id *id, enum status why,
                       uint64_t clock_ms)
{
    return clock_ms &&
           ((why == STATUS_INVALID &&
             id->not_after > clock_ms + SESSION_AHEAD_MAX_MS) ||
            (why == STATUS_EXPIRED && id->not_after < clock_ms));
}

void identity_session(struct identity *i, struct request_id *id, instant now,
                      duration remaining, struct session *out)
{
    assert(id->sequence && i->oldest);
    if (!id->not_after)
        id->not_after = now.ms + (uint64_t)i->ahead +
                        MIN_OF(remaining.ms + LATER_MS, (uint64_t)AHEAD_MS);
    memcpy(out->client, i->client, sizeof out->client);
    out->sequence = id->sequence;
    out->acknowledged = i->oldest->sequence;
    out->not_after = id->not_after;
}

void identity_stamp(struct identity *i, struct request_id *id,
                    struct buf *payload, instant now, duration remaining)
{
    struct session s;

    assert(payload->size >= SESSION_BYTES);
    identity_session(i, id, now, remaining, &s);
    payload->size -= SESSION_BYTES;
    session_encode(&s, payload);
}
