/* lock.c - locks: keys with a deadline, their versions as fencing tokens. */
#include <string.h>
#include <time.h>

#include "client/engine.h"

enum { TTL_MIN = 10, ASK_AGAIN_MIN = 5, ASK_AGAIN_MAX = 200 };

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void rest(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* One try. `*taken` becomes the holder's token, `*left` its time. */
static enum coat_status lock_try(struct coat_session *s,
                                 struct coat_bytes name,
                                 struct coat_bytes owner, uint64_t ttl,
                                 uint64_t *token, uint64_t *left)
{
    struct coat_write with = {.flags = COAT_IF_ABSENT, .ttl = ttl};
    const struct coat_reply *reply;
    enum coat_status rv, look;

    rv = coat_set_with(coat_session_client(s), name, owner, &with, NULL,
                       coat_session_reply, s);
    rv = coat_session_wait(s, rv, &reply);
    *token = reply->version;
    if (rv != COAT_NOT_MET)
        return rv;
    look = coat_look(coat_session_client(s), name, NULL, coat_session_reply,
                     s);
    look = coat_session_wait(s, look, &reply);
    *left = 0;
    if (look == COAT_OK) {
        *token = reply->version;
        *left = reply->deadline > reply->clock
                    ? reply->deadline - reply->clock
                    : ASK_AGAIN_MAX;
    }
    return rv;
}

enum coat_status coat_lock_wait(struct coat_session *s, struct coat_bytes name,
                                struct coat_bytes owner, uint64_t ttl,
                                uint64_t patience, uint64_t *token)
{
    uint64_t began = now_ms(), ask_again = ASK_AGAIN_MIN, taken = 0, left;
    enum coat_status rv;

    if (ttl < TTL_MIN)
        return COAT_INVALID;
    for (;;) {
        uint64_t waited, pause;
        rv = lock_try(s, name, owner, ttl, &taken, &left);
        if (token)
            *token = taken;
        waited = now_ms() - began;
        if (rv != COAT_NOT_MET || waited >= patience)
            return rv;
        /* It ends at the latest when its time is over. */
        ask_again = MIN_OF(ask_again * 2, (uint64_t)ASK_AGAIN_MAX);
        pause = MIN_OF(ask_again, MAX_OF(left, (uint64_t)ASK_AGAIN_MIN));
        rest(MIN_OF(pause, patience - waited));
    }
}

/* What a condition on the token not being met means to a holder. */
static enum coat_status not_ours(enum coat_status rv)
{
    return rv == COAT_NOT_FOUND ? COAT_NOT_MET : rv;
}

enum coat_status coat_lock_keep(struct coat_session *s, struct coat_bytes name,
                                uint64_t token, uint64_t ttl)
{
    struct coat_write with = {.flags = COAT_IF_VERSION, .if_version = token,
                              .ttl = ttl};
    enum coat_status rv;

    if (ttl < TTL_MIN || !token)
        return COAT_INVALID;
    rv = coat_expire(coat_session_client(s), name, &with, NULL,
                     coat_session_reply, s);
    return not_ours(coat_session_wait(s, rv, NULL));
}

enum coat_status coat_unlock(struct coat_session *s, struct coat_bytes name,
                             uint64_t token)
{
    struct coat_write with = {.flags = COAT_IF_VERSION, .if_version = token};
    enum coat_status rv;

    if (!token)
        return COAT_INVALID;
    rv = coat_delete_with(coat_session_client(s), name, &with, NULL,
                          coat_session_reply, s);
    return not_ours(coat_session_wait(s, rv, NULL));
}
