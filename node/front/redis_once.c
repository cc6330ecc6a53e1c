/* redis_once.c - the door's writes are executed at most once, however often it
 * asks for them.
 *
 * A Redis client tells nobody who it is. So the door sends writes under names
 * of its own (proto/identity.h), one for each group and loop: groups forget
 * results by the oldest write of a name that has not ended, and a group that is
 * stuck must not make the others remember more. When a slot has moved, a write
 * is sent again under the name that it had. */
#include "node/front/redis.h"

#include <stdlib.h>
#include <sys/random.h>

#include "proto/base/log.h"

/* A name that nobody has: without one nothing could be told apart. */
static void name_new(uint8_t *client)
{
    if (getrandom(client, ID_BYTES, 0) != ID_BYTES) {
        log_error("no_random_bytes", "for=\"the Redis door's sessions\"");
        abort();
    }
}

static struct identity *sender_of(struct redis_senders *s, uint32_t group)
{
    uint8_t client[ID_BYTES];

    if (group >= s->n) {
        s->v = xrealloc(s->v, (group + 1) * sizeof(struct identity *));
        memset(s->v + s->n, 0,
               (group + 1 - s->n) * sizeof(struct identity *));
        s->n = group + 1;
    }
    if (!s->v[group]) {
        name_new(client);
        s->v[group] = xmalloc(sizeof(struct identity));
        identity_init(s->v[group], client);
    }
    return s->v[group];
}

void redis_senders_release(struct redis_senders *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct redis_senders){0};
}

void redis_write_session(struct redis_senders *s, struct redis_write *w,
                         uint32_t group, instant now, uint64_t clock_ms,
                         struct session *out)
{
    if (!w->by) {
        w->by = sender_of(s, group);
        if (!w->by->told)
            identity_told(w->by, now, clock_ms);
        identity_add(w->by, &w->id);
    }
    identity_session(w->by, &w->id, now, MS(REDIS_GIVE_UP_MS), out);
}

void redis_write_told(struct redis_write *w, instant now, uint64_t clock_ms)
{
    identity_told(w->by, now, clock_ms);
}

void redis_write_end(struct redis_write *w)
{
    if (w->by)
        identity_forget(w->by, &w->id);
    *w = (struct redis_write){0};
}

/* At most REDIS_WINDOW neighbouring parts are under way. */
struct redis_write *redis_write_place(struct redis_cmd *cmd, uint32_t part)
{
    if (!cmd->part_of)
        return &cmd->write;
    if (!cmd->writes) {
        cmd->n_writes = MIN_OF(cmd->n_parts, (uint32_t)REDIS_WINDOW);
        cmd->writes = xcalloc(cmd->n_writes, sizeof *cmd->writes);
    }
    return &cmd->writes[part % cmd->n_writes];
}

struct redis_write *redis_write_of(struct redis_cmd *cmd, uint32_t part)
{
    struct redis_write *w = &cmd->write;

    if (cmd->part_of)
        w = cmd->n_writes ? &cmd->writes[part % cmd->n_writes] : NULL;
    return w && w->by ? w : NULL;
}

void redis_writes_forget(struct redis_cmd *cmd)
{
    redis_write_end(&cmd->write);
    for (uint32_t i = 0; i < cmd->n_writes; i++)
        redis_write_end(&cmd->writes[i]);
    free(cmd->writes);
    cmd->writes = NULL;
    cmd->n_writes = 0;
}
