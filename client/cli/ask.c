/* ask.c - see ask.h. */
#include "client/cli/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "proto/codec.h"
#include "rpc/dialer.h"

struct asking {
    uv_loop_t loop;
    uv_timer_t timer;
    struct conn_set *set;
    duration timeout;
    unsigned left; /* not done yet */
    bool late;
};

static void done(struct ask *a, enum status status, struct slice detail)
{
    if (a->done)
        return;
    a->done = true;
    a->status = status;
    snprintf(a->detail, sizeof a->detail, "%.*s",
             (int)MIN_OF(detail.size, (size_t)255),
             detail.size ? (const char *)detail.data : "");
    a->asking->left--;
    dialer_stop(a->dialer);
}

static void on_up(struct dialer *d, struct conn *c)
{
    struct ask *a = dialer_user(d);
    struct frame_header header = {
        .id = 1,
        .remaining = a->asking->timeout,
        .type = a->type,
        .kind = FRAME_REQUEST,
    };

    if (conn_send(c, &header, &a->payload, 1, CONN_NORMAL))
        done(a, STATUS_INVALID, slice_str("the request is too large"));
}

static void on_frame(struct dialer *d, const struct frame_header *header,
                     struct slice payload)
{
    struct ask *a = dialer_user(d);
    struct error_reply error;

    if (a->done)
        return;
    if (header->type == MESSAGE_ERROR) {
        if (error_reply_decode(payload, &error))
            done(a, STATUS_BAD_MESSAGE, slice_str("unreadable reply"));
        else
            done(a, error.status, error.detail);
        return;
    }
    if (header->id != 1 || header->type != a->type + 1) {
        done(a, STATUS_BAD_MESSAGE, slice_str("unexpected reply"));
        return;
    }
    buf_append(&a->reply, payload.data, payload.size);
    done(a, STATUS_OK, slice_str(""));
}

static void on_down(struct dialer *d, enum status why, const char *detail)
{
    done(dialer_user(d), why == STATUS_CLOSED ? STATUS_CONNECTION : why,
         slice_str(detail ? detail : ""));
}

static const struct dialer_events events = {
    .on_up = on_up,
    .on_frame = on_frame,
    .on_down = on_down,
    .on_failed = on_down,
};

static void on_timer(uv_timer_t *timer)
{
    struct asking *s = timer->data;

    s->late = true;
}

void ask_all(struct ask *asks, unsigned n, duration timeout)
{
    struct asking s = {.timeout = timeout, .left = n};

    if (uv_loop_init(&s.loop) || uv_timer_init(&s.loop, &s.timer))
        abort();
    s.timer.data = &s;
    uv_timer_start(&s.timer, on_timer, timeout.ms, 0);
    s.set = conn_set_new(&s.loop, conn_options_default());
    conn_set_drive(s.set);
    for (unsigned i = 0; i < n; i++) {
        struct ask *a = &asks[i];
        struct dialer_options o = dialer_options_default(&a->address, i + 1);
        o.connect_timeout = timeout;
        a->asking = &s;
        a->done = false;
        a->reply = (struct buf){0};
        a->dialer = dialer_new(s.set, &o, &events, a);
        dialer_start(a->dialer);
    }
    while (s.left && !s.late)
        uv_run(&s.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < n; i++) {
        done(&asks[i], STATUS_TIMEOUT, slice_str("no answer came in time"));
        dialer_free(asks[i].dialer);
    }
    conn_set_free(s.set);
    uv_close((uv_handle_t *)&s.timer, NULL);
    while (uv_run(&s.loop, UV_RUN_DEFAULT))
        ;
    if (uv_loop_close(&s.loop))
        abort();
}

void ask_release(struct ask *asks, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        buf_release(&asks[i].reply);
}
