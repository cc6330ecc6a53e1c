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

static void on_reply(const struct coat_reply *reply, void *user)
{
    struct coat_session *s = user;
    struct coat_value *v = s->value;

    s->waiting = false;
    s->status = reply->status;
    s->version = reply->version;
    snprintf(s->detail, sizeof s->detail, "%s", reply->detail);
    if (reply->status != COAT_OK || !v)
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
    if (submitted)
        return submitted;
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

const char *coat_session_detail(const struct coat_session *session)
{
    return session->detail;
}
