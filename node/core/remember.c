/* remember.c - for watches that ask what was before, the leader of their group
 * has the group list old values with its changes (machine_remember.c).
 *
 * That holds for REMEMBER_MS of the group clock and is renewed while such a
 * watch stands, RENEW_MS before it would be too late for one that begins. So a
 * group that nobody asks any more looks at old values for REMEMBER_MS at most,
 * and a watch that is resumed within REMEMBER_MS - RENEW_MS misses nothing. */
#include "node/core/shard_state.h"

enum {
    REMEMBER_MS = 300000,
    RENEW_MS = 60000,
    LOOK_MS = 10000,   /* is it to be renewed? */
    RETRY_MS = 200,    /* it was refused */
};

/* How long it still holds, for entries stamped from now on: the group clock
 * runs, though nothing is proposed. */
static uint64_t left(struct shard *s, const struct replica *r)
{
    uint64_t until = r->watched.listed_until, clock_ms;

    if (!timekeeper_stamp(s, r, &clock_ms))
        return 0; /* whatever it will be */
    return until > clock_ms ? until - clock_ms : 0;
}

bool remember_stands(struct shard *s, const struct replica *r)
{
    return left(s, r) > RENEW_MS;
}

void remember_want(struct shard *s)
{
    /* Even if much is left: nobody may have looked after it here. */
    shard_wake_by(&s->next_remember, s->now);
}

static void renew(struct shard *s, struct replica *r, struct effects *fx)
{
    const struct operation o = {.op = OP_REMEMBER, .argument = REMEMBER_MS};
    struct watched *d = &r->watched;
    uint64_t again = LOOK_MS;

    if (!d->wants_previous)
        return;
    if (d->waiting && remember_stands(s, r))
        watches_listed(s, r); /* no clock told so before */
    /* One at a time: it may not be applied, or not even stamped, for long. */
    if (!d->remembering && left(s, r) <= REMEMBER_MS - RENEW_MS) {
        d->remembering = requests_own(s, r, &o, fx);
        if (!d->remembering)
            again = RETRY_MS;
    }
    shard_wake_by(&s->next_remember, instant_add(s->now, MS(again)));
}

void remember_decided(struct shard *s, uint32_t group)
{
    struct replica *r = shard_find(s, group);

    if (!r)
        return;
    r->watched.remembering = false;
    shard_wake_by(&s->next_remember, instant_add(s->now, MS(RETRY_MS)));
}

void remember_turn(struct shard *s, struct effects *fx)
{
    if (!instant_reached(s->now, s->next_remember))
        return;
    s->next_remember = INSTANT_NEVER;
    for (unsigned i = 0; i < s->n_replicas; i++)
        renew(s, s->replicas[i], fx);
}
