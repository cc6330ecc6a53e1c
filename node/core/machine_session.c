/* machine_session.c - commands with a session: at most once. See sessions.h. */
#include "node/core/machine_state.h"

#include <assert.h>

#include "proto/base/planted.h"

/* A remembered reply as a result; its value goes to the step's own buffer. */
static enum status recall(struct machine_step *s, struct slice bytes,
                          struct result *r)
{
    struct operation_reply m;
    enum status st = operation_reply_decode(bytes, &m);

    if (st != STATUS_OK)
        return st;
    *r = (struct result){
        .status = m.status,
        .version = m.version,
        .expire_at = m.expire_at,
        .clock = m.clock,
        .argument = m.argument,
    };
    if (!m.has_value)
        return STATUS_OK;
    r->value = (struct piece){.where = PIECE_OUT,
                              .size = (uint32_t)m.value.size,
                              .offset = s->out.size};
    if (m.value.size)
        buf_append(&s->out, m.value.data, m.value.size);
    return STATUS_OK;
}

bool machine_session_first(struct machine *m, struct machine_step *s,
                           const struct session *q, struct result *r)
{
    struct slice reply;
    enum status st = sessions_look(&m->sessions, q, s->clock_ms, &reply);

    if (st == STATUS_OK || (PLANTED(RETRY_RUNS_AGAIN) && st == STATUS_EXISTS))
        return true;
    *r = (struct result){.status = st, .clock = s->clock_ms};
    if (st == STATUS_EXISTS && !machine_reply_room(s, reply.size)) {
        r->status = STATUS_BUSY; /* it is still remembered the next time */
        return false;
    }
    /* What is remembered was encoded by us, or checked when it was loaded. */
    if (st == STATUS_EXISTS && recall(s, reply, r) != STATUS_OK)
        assert(!"a first result that cannot be read");
    return false;
}

void machine_session_remember(struct machine *m, struct machine_step *s,
                              const struct session *q, const struct result *r)
{
    struct operation_reply reply = {
        .status = r->status,
        .version = r->version,
        .expire_at = r->expire_at,
        .clock = r->clock,
        .argument = r->argument,
        .has_value = r->value.where != PIECE_NONE,
        .value = machine_bytes(s, r->value),
    };

    /* What changed nothing and may be tried again is no result. */
    if (status_retry(r->status) == RETRY_SAFE || PLANTED(RETRY_RUNS_AGAIN))
        return;
    operation_reply_encode(&reply, sessions_remember(&m->sessions, q));
    sessions_remembered(&m->sessions, q);
}
