/* redis_cmd.c - commands under way: what they ask the shard for, their replies
 * in order. What the answers mean, and what is asked again: redis_again.c. */
#include "node/front/redis.h"

#include <assert.h>
#include <stdlib.h>

#include "node/shell/post.h"
#include "proto/base/log.h"
#include "proto/slot.h"

enum {
    CMDS_ALL_MAX = 1 << 20,   /* on one loop: 20 bits of an id */
    REPLY_KEPT = 1024,        /* memory that a free command may hold */
    ID_BITS = 20,
    GENERATION_BITS = 24,
};

enum where { WHERE_NONE, WHERE_CONN, WHERE_OWN, WHERE_SINK };

/* ---- the pool ---- */

static struct redis_cmd *pool_take(struct redis *d)
{
    struct redis_cmd *cmd = TAILQ_FIRST(&d->free_cmds);

    if (cmd) {
        TAILQ_REMOVE(&d->free_cmds, cmd, next);
        return cmd;
    }
    if (d->n_cmds == CMDS_ALL_MAX)
        return NULL;
    if (d->n_cmds == d->cap_cmds) {
        d->cap_cmds = d->cap_cmds ? d->cap_cmds * 2 : 64;
        d->cmds = xrealloc(d->cmds, d->cap_cmds * sizeof *d->cmds);
    }
    cmd = xcalloc(1, sizeof *cmd);
    cmd->place = d->n_cmds;
    d->cmds[d->n_cmds++] = cmd;
    return cmd;
}

static void keep_small(struct buf *b)
{
    if (b->cap > REPLY_KEPT)
        buf_release(b);
    buf_clear(b);
}

/* Back to the pool; answers that still come find another generation. */
static void pool_give(struct redis *d, struct redis_cmd *cmd)
{
    struct redis_cmd empty = {.place = cmd->place,
                              .generation = cmd->generation + 1};

    if (cmd->release)
        cmd->release(cmd);
    redis_writes_forget(cmd);
    d->gathered -= cmd->counted;
    free(cmd->parts);
    free(cmd->again);
    free(cmd->state);
    keep_small(&cmd->reply);
    keep_small(&cmd->keep);
    keep_small(&cmd->gathered);
    empty.reply = cmd->reply;
    empty.keep = cmd->keep;
    empty.gathered = cmd->gathered;
    *cmd = empty;
    TAILQ_INSERT_HEAD(&d->free_cmds, cmd, next);
}

struct redis_cmd *redis_cmd_new(struct redis_client *c,
                                const struct redis_command *what)
{
    struct redis_cmd *cmd = pool_take(c->door);

    if (!cmd)
        return NULL;
    cmd->client = c;
    cmd->what = what;
    cmd->protocol = c->protocol;
    cmd->database = c->database;
    cmd->begun = node_now();
    TAILQ_INSERT_TAIL(&c->cmds, cmd, next);
    c->count++;
    return cmd;
}

/* ---- accounts of a client ---- */

void redis_count_read(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    if (cmd->is_read)
        return;
    cmd->is_read = true;
    c->reads++;
    for (uint64_t left = cmd->buckets; left; left &= left - 1)
        c->reading[__builtin_ctzll(left)]++;
}

static void settle(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    c->kept -= cmd->kept;
    c->door->kept -= cmd->kept;
    cmd->kept = 0;
    if (cmd->is_retrying)
        redis_retry_ends(cmd);
    if (!cmd->is_read)
        return;
    c->reads--;
    for (uint64_t left = cmd->buckets; left; left &= left - 1)
        c->reading[__builtin_ctzll(left)]--;
}

static void remove_cmd(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    TAILQ_REMOVE(&c->cmds, cmd, next);
    c->count--;
    if (!c->count)
        c->alone = false;
    pool_give(c->door, cmd);
}

void redis_cmds_drop(struct redis_client *c)
{
    struct redis_cmd *cmd;

    while ((cmd = TAILQ_FIRST(&c->cmds))) {
        if (!cmd->done)
            settle(cmd);
        remove_cmd(cmd);
    }
    c->door->early -= c->early;
    c->early = 0;
}

static bool still_stalled(const struct redis_client *c)
{
    if (c->alone || c->retrying)
        return true;
    switch ((enum redis_stall)c->stalled) {
    case REDIS_STALL_NONE:
        break;
    case REDIS_STALL_EMPTY:
        return c->count > 0;
    case REDIS_STALL_ROOM:
        return c->count > REDIS_CMDS_MAX / 2 ||
               c->kept > REDIS_KEEP_BYTES / 2 ||
               (c->count && redis_is_full(c));
    case REDIS_STALL_BUCKETS:
        for (uint64_t left = c->stalled_for; left; left &= left - 1)
            if (c->reading[__builtin_ctzll(left)])
                return true;
        break;
    }
    return false;
}

void redis_resume(struct redis_client *c)
{
    if (!c->stalled || still_stalled(c))
        return;
    c->stalled = REDIS_STALL_NONE;
    conn_resume(c->conn);
}

void redis_cut_off(struct redis_client *c)
{
    char peer[ADDRESS_MAX + 1];

    if (conn_closing(c->conn))
        return;
    conn_peer(c->conn, peer);
    log_warn("redis_client_cut_off", "client=%s waiting=%zu early=%zu", peer,
             conn_pending(c->conn), c->early);
    conn_close(c->conn, STATUS_BUSY, "replies are not being read");
}

/* ---- replies, in order ---- */

struct buf *redis_begin(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;
    struct buf *out;

    assert(!cmd->done && !cmd->where);
    if (TAILQ_FIRST(&c->cmds) != cmd) {
        cmd->where = WHERE_OWN;
        return &cmd->reply;
    }
    out = conn_begin_bytes(c->conn);
    if (out) {
        cmd->where = WHERE_CONN;
        return out;
    }
    redis_cut_off(c);
    cmd->where = WHERE_SINK;
    buf_clear(&c->door->sink);
    return &c->door->sink;
}

/* Those at the head of the queue that are done already. */
static void flush_early(struct redis_client *c)
{
    struct redis_cmd *cmd;
    struct buf *out = NULL;

    while ((cmd = TAILQ_FIRST(&c->cmds)) && cmd->done) {
        c->early -= cmd->reply.size;
        c->door->early -= cmd->reply.size;
        if (!out && !conn_closing(c->conn)) {
            out = conn_begin_bytes(c->conn);
            if (!out)
                redis_cut_off(c);
        }
        if (out)
            buf_append(out, cmd->reply.data, cmd->reply.size);
        remove_cmd(cmd);
    }
    if (out)
        conn_end_bytes(c->conn);
}

void redis_end(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    cmd->done = true;
    settle(cmd);
    if (cmd->where == WHERE_OWN) {
        c->early += cmd->reply.size;
        c->door->early += cmd->reply.size;
    } else {
        if (cmd->where == WHERE_CONN)
            conn_end_bytes(c->conn);
        remove_cmd(cmd);
        flush_early(c);
    }
    if (c->ending && !c->count)
        conn_finish(c->conn, STATUS_CLOSED, "as the client asked");
    redis_resume(c);
}

void redis_fail(struct redis_cmd *cmd, const char *text)
{
    resp_error(redis_begin(cmd), slice_str(text));
    redis_end(cmd);
}

/* ---- to the shard ---- */

static uint64_t id_of(const struct redis_cmd *cmd, uint32_t part)
{
    uint64_t generation = cmd->generation & ((1u << GENERATION_BITS) - 1);

    return (uint64_t)part << (ID_BITS + GENERATION_BITS) |
           generation << ID_BITS | cmd->place;
}

static enum status check(const struct loop *l, const struct operation *o)
{
    if (!l->shard)
        return STATUS_NOT_INITIALISED;
    if (post_behind(l->node))
        return STATUS_BUSY;
    return o->op == OP_SCAN ? STATUS_OK : operation_check(o, NULL);
}

/* Is the group of this key led here? */
static bool is_own(const struct loop *l, struct slice key)
{
    uint32_t group = shard_map(l->shard)->owner[slot_of(key)];

    return shard_leader_node(l->shard, group) == l->node->id;
}

void redis_submit(struct redis_cmd *cmd, uint32_t part,
                  const struct operation *o)
{
    struct redis_client *c = cmd->client;
    struct loop *l = c->door->l;
    struct event e = {.type = EVENT_REQUEST, .now = node_now()};
    struct operation_reply refused = {.status = check(l, o)};
    char keyspace[REDIS_KEYSPACE_SIZE];
    struct request q = {
        .from = {origin_conn(c->generation, c->place, true),
                 id_of(cmd, part), 0},
        .operation = *o,
    };

    if (refused.status != STATUS_OK) {
        redis_result(cmd, part, &refused);
        return;
    }
    q.deadline =
        redis_attempt_ends(cmd, o->op, is_own(l, o->key), e.now);
    if (cmd->database)
        q.keyspace = redis_keyspace(cmd->database, keyspace);
    if (operation_is_write(o->op))
        redis_write_session(&c->door->senders, redis_write_place(cmd, part),
                            shard_map(l->shard)->owner[slot_of(o->key)],
                            e.now, shard_clock(l->shard), &q.session);
    e.request = &q;
    loop_step(l, &e);
}

void redis_part_operation(struct redis_cmd *cmd, uint32_t part,
                          struct operation *o)
{
    if (cmd->part_of) {
        *o = (struct operation){0};
        cmd->part_of(cmd, part, o);
    } else {
        *o = cmd->op;
    }
}

/* Nothing goes out while something before it is to be asked again. */
void redis_issue(struct redis_cmd *cmd)
{
    struct operation o;

    if (cmd->issuing)
        return;
    cmd->issuing = true;
    if (cmd->failed != STATUS_OK)
        cmd->n_parts = cmd->issued;
    while (cmd->issued < cmd->n_parts && !cmd->is_retrying &&
           cmd->issued - cmd->first < REDIS_WINDOW) {
        redis_part_operation(cmd, cmd->issued, &o);
        redis_submit(cmd, cmd->issued++, &o);
        if (cmd->failed != STATUS_OK)
            cmd->n_parts = cmd->issued;
    }
    cmd->issuing = false;
    if (cmd->answered == cmd->n_parts) {
        struct buf *out = redis_begin(cmd);
        if (cmd->failed == STATUS_OK)
            cmd->joined(cmd, out);
        else
            redis_status_error(out, cmd->failed);
        redis_end(cmd);
    }
}

void redis_part_answered(struct redis_cmd *cmd, uint32_t part)
{
    uint32_t at = part % REDIS_WINDOW;

    assert(part >= cmd->first && part - cmd->first < REDIS_WINDOW);
    cmd->answered++;
    cmd->over[at / 64] |= UINT64_C(1) << at % 64;
    for (at = cmd->first % REDIS_WINDOW;
         cmd->over[at / 64] >> at % 64 & 1; at = cmd->first % REDIS_WINDOW) {
        cmd->over[at / 64] &= ~(UINT64_C(1) << at % 64);
        cmd->first++;
    }
}

static void account(struct redis_cmd *cmd)
{
    cmd->kept = cmd->keep.size;
    cmd->client->kept += cmd->kept;
    cmd->client->door->kept += cmd->kept;
}

/* Copy a slice of the operation behind what is kept; the buffer is large enough
 * already, so that it stays where it is. */
static void keep_slice(struct redis_cmd *cmd, struct slice *s)
{
    uint8_t *at = cmd->keep.data + cmd->keep.size;

    buf_append(&cmd->keep, s->data, s->size);
    *s = slice_of(at, s->size);
}

void redis_go(struct redis_cmd *cmd, redis_answer *answer)
{
    struct operation *o = &cmd->op;

    cmd->answer = answer;
    if (!operation_is_write(o->op))
        redis_count_read(cmd);
    buf_clear(&cmd->keep);
    buf_reserve(&cmd->keep, o->key.size + o->value.size + o->if_value.size);
    keep_slice(cmd, &o->key);
    keep_slice(cmd, &o->value);
    keep_slice(cmd, &o->if_value);
    account(cmd);
    redis_submit(cmd, 0, o);
}

void redis_keep(struct redis_cmd *cmd, const struct redis_args *a)
{
    size_t table = a->n * sizeof(struct resp_arg), at = table;
    size_t size = table;

    for (uint32_t i = 0; i < a->n; i++)
        size += redis_arg(a, i).size;
    buf_clear(&cmd->keep);
    buf_grow(&cmd->keep, size);
    for (uint32_t i = 0; i < a->n; i++) {
        struct slice s = redis_arg(a, i);
        struct resp_arg place = {(uint32_t)at, (uint32_t)s.size};
        memcpy(cmd->keep.data + i * sizeof place, &place, sizeof place);
        if (s.size)
            memcpy(cmd->keep.data + at, s.data, s.size);
        at += s.size;
    }
    cmd->n_args = a->n;
    account(cmd);
}

struct slice redis_kept_arg(const struct redis_cmd *cmd, uint32_t i)
{
    struct resp_arg place;

    assert(i < cmd->n_args);
    memcpy(&place, cmd->keep.data + i * sizeof place, sizeof place);
    return slice_of(cmd->keep.data + place.at, place.size);
}

void redis_go_parts(struct redis_cmd *cmd, uint32_t n_parts,
                    redis_part_of *part_of, redis_gather *gather,
                    redis_joined *joined)
{
    cmd->n_parts = n_parts;
    cmd->part_of = part_of;
    cmd->gather = gather;
    cmd->joined = joined;
    redis_issue(cmd);
}

/* ---- what comes back ---- */

struct redis_cmd *redis_cmd_of(struct redis *d, uint64_t id)
{
    uint32_t place = id & ((1u << ID_BITS) - 1);
    uint32_t part = (uint32_t)(id >> (ID_BITS + GENERATION_BITS));
    struct redis_cmd *cmd = place < d->n_cmds ? d->cmds[place] : NULL;

    return cmd && cmd->client && !cmd->done && id_of(cmd, part) == id ? cmd
                                                                      : NULL;
}

void redis_reply(struct loop *l, const struct effect *e)
{
    const struct reply *r = &e->reply.reply;
    uint64_t id = e->reply.to.id;
    struct redis_cmd *cmd = redis_cmd_of(l->redis, id);
    struct operation_reply result = {
        .status = r->status,
        .version = r->version,
        .expire_at = r->expire_at,
        .clock = r->clock,
        .argument = r->argument,
        .has_value = r->has_value,
        .value = r->value,
    };

    if (!cmd)
        return;
    /* A read can be repeated; a write has happened. */
    if (!redis_takes(cmd, r->value.size))
        result = (struct operation_reply){
            .status = operation_is_write(e->reply.op) ? STATUS_UNKNOWN
                                                      : STATUS_BUSY};
    redis_result(cmd, (uint32_t)(id >> (ID_BITS + GENERATION_BITS)), &result);
}
