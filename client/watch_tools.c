/* watch_tools.c - the public functions of watches; cursors; waiting. */
#include <stdlib.h>

#include "client/cursor.h"
#include "client/session.h"
#include "client/watch.h"

enum coat_status coat_watch_start(struct coat_client *client,
                                  const struct coat_watch_options *options,
                                  coat_on_event *on_event, coat_on_end *on_end,
                                  void *user, struct coat_watch **watch)
{
    struct coat_watch *w;
    enum status rv = watch_new(client, options, &w);

    if (rv == STATUS_OK) {
        w->on_event = on_event;
        w->on_end = on_end;
        w->user = user;
        if (watch)
            *watch = w;
    }
    return (enum coat_status)rv;
}

void coat_watch_stop(struct coat_watch *watch)
{
    if (watch->pumping)
        watch->gone = true;
    else
        watch_free(watch);
}

/* The rows of a cursor: u32 group | u32 count | u64 version | u64 in progress.
 * Groups that are not heard of yet are left out: from now on. */
char *coat_watch_cursor(const struct coat_watch *w)
{
    struct buf body = {0};
    char *text;

    if (!w->strands) /* no map yet: where it began */
        return cursor_text(CURSOR_WATCH, w->identity, buf_slice(&w->cursor));
    for (unsigned i = 0; i < w->n_strands; i++) {
        const struct strand *x = &w->strands[i];
        uint32_t count;
        uint64_t rest = strand_rest(x, &count);
        if (!x->known)
            continue;
        buf_u32(&body, x->group);
        buf_u32(&body, count);
        buf_u64(&body, x->version);
        buf_u64(&body, rest);
    }
    text = cursor_text(CURSOR_WATCH, w->identity, buf_slice(&body));
    buf_release(&body);
    return text;
}

/* ---- waiting ---- */

/* Have every group's watch begun? Parts are not taken from the queue here. */
static enum coat_status begun(struct coat_watch *w)
{
    uint64_t end = engine_now(w->flow.client).ms +
                   w->flow.client->settings.timeout.ms;

    while (!w->failed && !(w->strands && w->n_heard == w->n_strands)) {
        if (engine_now(w->flow.client).ms >= end) {
            session_say(w->session, w->flow.client->trouble);
            return COAT_TIMEOUT;
        }
        session_turn(w->session);
    }
    session_say(w->session, w->detail);
    return (enum coat_status)w->failed;
}

enum coat_status coat_watch_open(struct coat_session *session,
                                 const struct coat_watch_options *options,
                                 struct coat_watch **watch)
{
    struct coat_watch *w;
    enum coat_status rv;

    *watch = NULL;
    session_begin(session);
    rv = (enum coat_status)watch_new(session_client(session), options, &w);
    if (rv)
        return rv;
    w->session = session;
    rv = begun(w);
    if (rv)
        watch_free(w);
    else
        *watch = w;
    return rv;
}

enum coat_status coat_watch_next(struct coat_watch *w, unsigned timeout,
                                 struct coat_event *event)
{
    struct coat_client *c = session_client(w->session);
    uint64_t end;

    session_begin(w->session);
    end = engine_now(c).ms + timeout;
    for (;;) {
        while (watch_pull(w, event))
            if (event->kind != COAT_EVENT_PROGRESS &&
                event->kind != COAT_EVENT_READY)
                return COAT_OK;
        if (w->failed) {
            session_say(w->session, w->detail);
            return (enum coat_status)w->failed;
        }
        if (engine_now(c).ms >= end)
            return COAT_TIMEOUT;
        session_turn(w->session);
    }
}

void coat_watch_close(struct coat_watch *watch)
{
    if (watch)
        watch_free(watch);
}
