/* session.c - the blocking functions of coatcheck.h: a client on a loop of its
 * own, which runs only while a call waits. */
#include "client/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/engine.h"

struct coat_session {
    uv_loop_t loop;
    struct coat_client *client;
    bool waiting;
    enum coat_status status;
    struct coat_value *value; /* where a get puts it */
    uint64_t version;
    char detail[COAT_ERROR_MAX];
    struct coat_reply reply; /* of coat_session_reply; value in `kept` */
    struct buf kept;
};

struct coat_session *session_new(const struct coat_options *options,
                                 char *error, size_t error_size)
{
    struct coat_session *s = xcalloc(1, sizeof *s);
    int rv = uv_loop_init(&s->loop);

    if (rv) {
        snprintf(error, error_size, "cannot make an event loop: %s",
                 uv_strerror(rv));
        free(s);
        return NULL;
    }
    s->client = coat_client_new(&s->loop, options, error, error_size);
    if (!s->client) {
        uv_loop_close(&s->loop);
        free(s);
        return NULL;
    }
    return s;
}

void coat_disconnect(struct coat_session *s)
{
    if (!s || s->client->forks != client_forks())
        return;
    coat_client_close(s->client, NULL, NULL);
    while (uv_run(&s->loop, UV_RUN_DEFAULT))
        ;
    if (uv_loop_close(&s->loop))
        abort(); /* a handle of ours was left open */
    buf_release(&s->kept);
    free(s);
}

struct coat_session *coat_connect(const struct coat_options *options,
                                  char *error, size_t error_size)
{
    struct coat_session *s = session_new(options, error, error_size);
    struct coat_client *c;
    uint64_t end;

    if (!s)
        return NULL;
    c = s->client;
    end = uv_now(&s->loop) + c->settings.timeout.ms;
    while (!c->routes.map && !c->denied[0] && uv_now(&s->loop) < end)
        uv_run(&s->loop, UV_RUN_ONCE);
    if (c->routes.map)
        return s;
    snprintf(error, error_size, "%s",
             c->denied[0]    ? c->denied
             : c->trouble[0] ? c->trouble
                             : "no endpoint answered in time");
    coat_disconnect(s);
    return NULL;
}

/* What a get found; the memory grows as needed. */
static void value_keep(struct coat_value *v, const struct coat_reply *reply)
{
    if (reply->status != COAT_OK)
        return;
    if (reply->value.size > v->capacity) {
        v->data = xrealloc(v->data, reply->value.size);
        v->capacity = reply->value.size;
    }
    if (reply->value.size)
        memcpy(v->data, reply->value.data, reply->value.size);
    v->size = reply->value.size;
    v->version = reply->version;
}

static void on_reply(const struct coat_reply *reply, void *user)
{
    struct coat_session *s = user;
    struct coat_value *v = s->value;

    s->waiting = false;
    s->status = reply->status;
    s->version = reply->version;
    snprintf(s->detail, sizeof s->detail, "%s", reply->detail);
    if (v)
        value_keep(v, reply);
}

/* The loop has slept since the last call: let it see the time, and what has
 * become of its connections, before something is sent on them. */
static void catch_up(struct coat_session *s)
{
    s->detail[0] = 0;
    s->version = 0;
    if (s->client->forks != client_forks())
        return; /* the loop is the parent's */
    uv_update_time(&s->loop);
    uv_run(&s->loop, UV_RUN_NOWAIT);
}

struct coat_client *session_client(struct coat_session *s)
{
    return s->client;
}

void session_begin(struct coat_session *s)
{
    catch_up(s);
}

void session_turn(struct coat_session *s)
{
    uv_run(&s->loop, UV_RUN_ONCE);
}

void session_say(struct coat_session *s, const char *detail)
{
    snprintf(s->detail, sizeof s->detail, "%s", detail);
}

static enum coat_status wait_for(struct coat_session *s,
                                 enum coat_status submitted)
{
    if (submitted) {
        session_say(s, coat_client_refusal(s->client));
        return submitted;
    }
    s->waiting = true;
    while (s->waiting)
        uv_run(&s->loop, UV_RUN_ONCE);
    return s->status;
}

void coat_value_release(struct coat_value *value)
{
    free(value->data);
    *value = (struct coat_value){0};
}

enum coat_status coat_get_wait(struct coat_session *s, struct coat_bytes key,
                               const struct coat_call *how,
                               struct coat_value *value)
{
    catch_up(s);
    s->value = value;
    return wait_for(s, coat_get(s->client, key, how, on_reply, s));
}

enum coat_status coat_set_wait(struct coat_session *s, struct coat_bytes key,
                               struct coat_bytes value,
                               const struct coat_call *how, uint64_t *version)
{
    enum coat_status rv;

    catch_up(s);
    s->value = NULL;
    rv = wait_for(s, coat_set(s->client, key, value, how, on_reply, s));
    if (version)
        *version = s->version;
    return rv;
}

enum coat_status coat_delete_wait(struct coat_session *s,
                                  struct coat_bytes key,
                                  const struct coat_call *how,
                                  uint64_t *version)
{
    enum coat_status rv;

    catch_up(s);
    s->value = NULL;
    rv = wait_for(s, coat_delete(s->client, key, how, on_reply, s));
    if (version)
        *version = s->version;
    return rv;
}

/* ---- any request ---- */

struct coat_client *coat_session_client(struct coat_session *s)
{
    catch_up(s);
    s->value = NULL;
    return s->client;
}

void coat_session_reply(const struct coat_reply *reply, void *session)
{
    struct coat_session *s = session;

    on_reply(reply, s);
    buf_clear(&s->kept);
    if (reply->value.size)
        buf_append(&s->kept, reply->value.data, reply->value.size);
    s->reply = *reply;
    s->reply.value = (struct coat_bytes){s->kept.data, s->kept.size};
    s->reply.detail = s->detail;
}

enum coat_status coat_session_wait(struct coat_session *s,
                                   enum coat_status submitted,
                                   const struct coat_reply **reply)
{
    if (submitted)
        s->reply = (struct coat_reply){.status = submitted,
                                       .detail = s->detail};
    if (reply)
        *reply = &s->reply;
    return wait_for(s, submitted);
}

enum coat_status coat_incr_wait(struct coat_session *s, struct coat_bytes key,
                                int64_t delta, const struct coat_call *how,
                                int64_t *number)
{
    const struct coat_reply *reply;
    enum coat_status rv = coat_incr(coat_session_client(s), key, delta, NULL,
                                    how, coat_session_reply, s);

    rv = coat_session_wait(s, rv, &reply);
    if (number)
        *number = reply->number;
    return rv;
}

/* ---- many keys ---- */

struct many {
    struct coat_session *session;
    enum coat_status *statuses;
    struct coat_value *values; /* NULL: nobody wants them */
    enum coat_status worst;
};

static void on_each(size_t place, const struct coat_reply *reply, void *user)
{
    struct many *m = user;
    struct coat_session *s = m->session;

    m->statuses[place] = reply->status;
    if (reply->status > COAT_NOT_FOUND && !m->worst) {
        m->worst = reply->status;
        snprintf(s->detail, sizeof s->detail, "%s", reply->detail);
    }
    if (m->values)
        value_keep(&m->values[place], reply);
}

static void on_many_done(void *user)
{
    struct many *m = user;

    m->session->waiting = false;
}

/* Those that were not submitted have the status of that. */
static enum coat_status many_wait(struct many *m, enum coat_status submitted,
                                  size_t from, size_t n)
{
    struct coat_session *s = m->session;

    for (size_t i = from; i < n; i++)
        m->statuses[i] = submitted;
    s->waiting = true;
    while (s->waiting)
        uv_run(&s->loop, UV_RUN_ONCE);
    return submitted ? submitted : m->worst;
}

enum coat_status coat_mget_wait(struct coat_session *s,
                                const struct coat_bytes *keys, size_t n,
                                const struct coat_call *how,
                                struct coat_value *values,
                                enum coat_status *statuses)
{
    struct many m = {s, statuses, values, COAT_OK};
    size_t submitted;
    enum coat_status rv =
        coat_mget(coat_session_client(s), keys, n, how, on_each, on_many_done,
                  &m, &submitted);

    return many_wait(&m, rv, submitted, n);
}

enum coat_status coat_mset_wait(struct coat_session *s,
                                const struct coat_bytes *keys,
                                const struct coat_bytes *values, size_t n,
                                const struct coat_write *with,
                                const struct coat_call *how,
                                enum coat_status *statuses)
{
    struct many m = {s, statuses, NULL, COAT_OK};
    size_t submitted;
    enum coat_status rv =
        coat_mset(coat_session_client(s), keys, values, n, with, how, on_each,
                  on_many_done, &m, &submitted);

    return many_wait(&m, rv, submitted, n);
}

enum coat_status coat_mdelete_wait(struct coat_session *s,
                                   const struct coat_bytes *keys, size_t n,
                                   const struct coat_call *how,
                                   enum coat_status *statuses)
{
    struct many m = {s, statuses, NULL, COAT_OK};
    size_t submitted;
    enum coat_status rv = coat_mdelete(coat_session_client(s), keys, n, how,
                                       on_each, on_many_done, &m, &submitted);

    return many_wait(&m, rv, submitted, n);
}

const char *coat_session_detail(const struct coat_session *session)
{
    return session->detail;
}
