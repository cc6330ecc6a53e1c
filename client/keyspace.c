/* keyspace.c - keyspaces: made, changed, dropped and listed. */
#include "client/engine.h"
#include "client/operate.h"
#include "client/session.h"
#include "proto/keyspace.h"

_Static_assert((int)COAT_KEYSPACE_KEYS == (int)KEYSPACE_SET_KEYS &&
                   (int)COAT_KEYSPACE_BYTES == (int)KEYSPACE_SET_BYTES &&
                   (int)COAT_KEYSPACE_TTL == (int)KEYSPACE_SET_TTL,
               "one number each");

static enum coat_status submit(struct coat_client *c,
                               enum keyspace_action action, const char *name,
                               const struct coat_keyspace *settings,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user)
{
    struct keyspace_change change = {.action = action};
    struct operation o = {.op = OP_KEYSPACE, .key = slice_str(name)};
    struct buf value = {0};
    enum coat_status rv;

    if (settings) {
        change.set = settings->set;
        change.keys_max = settings->keys_max;
        change.bytes_max = settings->bytes_max;
        change.default_ttl_ms = settings->default_ttl;
    }
    keyspace_change_encode(&change, &value);
    o.value = buf_slice(&value);
    rv = operate_submit(c, &o, how, on_reply, user);
    buf_release(&value);
    return rv;
}

enum coat_status coat_keyspace_create(struct coat_client *client,
                                      const char *name,
                                      const struct coat_keyspace *settings,
                                      const struct coat_call *how,
                                      coat_on_reply *on_reply, void *user)
{
    return submit(client, KEYSPACE_CREATE, name, settings, how, on_reply,
                  user);
}

enum coat_status coat_keyspace_alter(struct coat_client *client,
                                     const char *name,
                                     const struct coat_keyspace *settings,
                                     const struct coat_call *how,
                                     coat_on_reply *on_reply, void *user)
{
    return submit(client, KEYSPACE_ALTER, name, settings, how, on_reply, user);
}

enum coat_status coat_keyspace_drop(struct coat_client *client,
                                    const char *name,
                                    const struct coat_call *how,
                                    coat_on_reply *on_reply, void *user)
{
    return submit(client, KEYSPACE_DROP, name, NULL, how, on_reply, user);
}

static void tell(const struct map_keyspace *k, coat_on_keyspace *on_keyspace,
                 void *user)
{
    struct coat_keyspace out = {
        .id = k->id,
        .dropping = k->state == KEYSPACE_DROPPING,
        .keys_max = k->keys_max,
        .bytes_max = k->bytes_max,
        .default_ttl = k->default_ttl_ms,
    };

    on_keyspace(k->name, &out, user);
}

/* Wait until a node has told the map anew. */
static enum coat_status fetch_map(struct coat_session *s)
{
    struct coat_client *c = session_client(s);
    uint64_t fetches, end;

    session_begin(s);
    if (c->forks != client_forks())
        return COAT_CLOSED;
    fetches = c->counters.map_fetches;
    end = uv_now(c->loop) + c->settings.timeout.ms;
    map_fetch_want(c);
    while (c->counters.map_fetches == fetches && uv_now(c->loop) < end)
        session_turn(s);
    if (c->counters.map_fetches != fetches && c->routes.map)
        return COAT_OK;
    session_say(s, c->denied[0] ? c->denied : c->trouble);
    return c->denied[0] ? COAT_NOT_INITIALISED : COAT_TIMEOUT;
}

enum coat_status coat_keyspaces_wait(struct coat_session *session,
                                     coat_on_keyspace *on_keyspace, void *user)
{
    enum coat_status rv = fetch_map(session);
    const struct cluster_map *map = session_client(session)->routes.map;

    for (unsigned i = 0; !rv && i < map->n_keyspaces; i++)
        tell(&map->keyspaces[i], on_keyspace, user);
    return rv;
}
