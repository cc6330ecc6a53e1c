/* batch.c - many keys at once: each a request of its own, one end for all. */
#include <stdlib.h>

#include "client/operate.h"

struct batch {
    coat_on_each *on_each;
    coat_on_close *on_done;
    void *user;
    size_t left;  /* requests that have not ended, and one while submitting */
    uv_timer_t later; /* ends a batch without requests, outside of the call */
    struct member {
        struct batch *batch;
        size_t place;
    } members[];
};

static void batch_done(struct batch *b)
{
    coat_on_close *on_done = b->on_done;
    void *user = b->user;

    free(b);
    if (on_done)
        on_done(user);
}

static void on_reply(const struct coat_reply *reply, void *user)
{
    struct member *m = user;
    struct batch *b = m->batch;

    b->on_each(m->place, reply, b->user);
    if (!--b->left)
        batch_done(b);
}

static void on_later_closed(uv_handle_t *handle)
{
    batch_done(handle->data);
}

static void on_later(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_later_closed);
}

/* All requests are out. One that got none of them out ends in the next turn. */
static void batch_submitted(struct batch *b, uv_loop_t *loop)
{
    if (--b->left)
        return;
    if (uv_timer_init(loop, &b->later))
        abort(); /* libuv knows no failure here */
    b->later.data = b;
    uv_timer_start(&b->later, on_later, 0, 0);
}

/* What each key is to be asked. */
struct question {
    enum op op;
    const struct coat_bytes *keys, *values;
    const struct coat_write *with;
};

static enum coat_status batch_submit(struct coat_client *c,
                                     const struct question *q, size_t n,
                                     const struct coat_call *how,
                                     struct batch *b, size_t *submitted)
{
    enum coat_status rv = COAT_OK;
    size_t i;

    b->left = 1;
    for (i = 0; i < n; i++) {
        struct operation o = {.op = q->op,
                              .key = slice_of(q->keys[i].data,
                                              q->keys[i].size)};
        if (q->values)
            o.value = slice_of(q->values[i].data, q->values[i].size);
        rv = (enum coat_status)operation_with(&o, q->with);
        b->members[i] = (struct member){b, i};
        if (!rv)
            rv = operate_submit(c, &o, how, on_reply, &b->members[i]);
        if (rv)
            break;
        b->left++;
    }
    if (submitted)
        *submitted = i;
    batch_submitted(b, c->loop);
    return rv;
}

static struct batch *batch_new(size_t n, coat_on_each *on_each,
                               coat_on_close *on_done, void *user)
{
    struct batch *b = xmalloc(sizeof *b + n * sizeof *b->members);

    b->on_each = on_each;
    b->on_done = on_done;
    b->user = user;
    return b;
}

enum coat_status coat_mget(struct coat_client *client,
                           const struct coat_bytes *keys, size_t n,
                           const struct coat_call *how, coat_on_each *on_each,
                           coat_on_close *on_done, void *user,
                           size_t *submitted)
{
    struct question q = {OP_GET, keys, NULL, NULL};

    return batch_submit(client, &q, n, how,
                        batch_new(n, on_each, on_done, user), submitted);
}

enum coat_status coat_mset(struct coat_client *client,
                           const struct coat_bytes *keys,
                           const struct coat_bytes *values, size_t n,
                           const struct coat_write *with,
                           const struct coat_call *how, coat_on_each *on_each,
                           coat_on_close *on_done, void *user,
                           size_t *submitted)
{
    struct question q = {OP_SET, keys, values, with};

    return batch_submit(client, &q, n, how,
                        batch_new(n, on_each, on_done, user), submitted);
}

enum coat_status coat_mdelete(struct coat_client *client,
                              const struct coat_bytes *keys, size_t n,
                              const struct coat_call *how,
                              coat_on_each *on_each, coat_on_close *on_done,
                              void *user, size_t *submitted)
{
    struct question q = {OP_DELETE, keys, NULL, NULL};

    return batch_submit(client, &q, n, how,
                        batch_new(n, on_each, on_done, user), submitted);
}
