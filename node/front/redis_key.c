/* redis_key.c - DEL, EXISTS, EXPIRE, TTL and the other commands about keys,
 * whatever they hold. */
#include "node/front/redis.h"

#include <stdio.h>

/* ---- how many of these ---- */

static void del_part(struct redis_cmd *cmd, uint32_t i, struct operation *o)
{
    o->op = OP_DELETE;
    o->key = redis_kept_arg(cmd, i + 1);
}

static void exists_part(struct redis_cmd *cmd, uint32_t i, struct operation *o)
{
    o->op = OP_GET;
    o->flags = OPERATION_META;
    o->key = redis_kept_arg(cmd, i + 1);
}

static bool count_gather(struct redis_cmd *cmd, uint32_t part,
                         const struct operation_reply *r)
{
    (void)part;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND)
        return false;
    cmd->sum += r->status == STATUS_OK;
    return true;
}

static void count_joined(struct redis_cmd *cmd, struct buf *out)
{
    resp_integer(out, cmd->sum);
}

static bool answer_one(struct redis_cmd *cmd, const struct operation_reply *r,
                       struct buf *out)
{
    if (!count_gather(cmd, 0, r))
        return false;
    count_joined(cmd, out);
    return true;
}

void redis_del(struct redis_cmd *cmd, const struct redis_args *a)
{
    if (a->n == 2) {
        cmd->op = (struct operation){.op = OP_DELETE,
                                     .key = redis_arg(a, 1)};
        redis_go(cmd, answer_one);
        return;
    }
    redis_keep(cmd, a);
    redis_go_parts(cmd, a->n - 1, del_part, count_gather, count_joined);
}

static void ask_meta(struct redis_cmd *cmd, const struct redis_args *a,
                     redis_answer *answer)
{
    cmd->op = (struct operation){.op = OP_GET, .flags = OPERATION_META,
                                 .key = redis_arg(a, 1)};
    redis_go(cmd, answer);
}

void redis_exists(struct redis_cmd *cmd, const struct redis_args *a)
{
    if (a->n == 2) {
        ask_meta(cmd, a, answer_one);
        return;
    }
    redis_keep(cmd, a);
    redis_go_parts(cmd, a->n - 1, exists_part, count_gather, count_joined);
}

static bool answer_type(struct redis_cmd *cmd, const struct operation_reply *r,
                        struct buf *out)
{
    (void)cmd;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND)
        return false;
    resp_simple(out, r->status == STATUS_OK ? "string" : "none");
    return true;
}

void redis_type(struct redis_cmd *cmd, const struct redis_args *a)
{
    ask_meta(cmd, a, answer_type);
}

/* ---- deadlines ---- */

/* NX XX GT LT behind the time. False: it was refused. */
static bool take_options(struct redis_cmd *cmd, const struct redis_args *a)
{
    enum {
        NX = OPERATION_EXPIRE_NX,
        GT = OPERATION_EXPIRE_GT,
        LT = OPERATION_EXPIRE_LT,
    };
    unsigned f = 0;
    char text[120];

    for (uint32_t i = 3; i < a->n; i++) {
        struct slice s = redis_arg(a, i);
        if (redis_is(s, "NX")) {
            f |= NX;
        } else if (redis_is(s, "XX")) {
            f |= OPERATION_EXPIRE_XX;
        } else if (redis_is(s, "GT")) {
            f |= GT;
        } else if (redis_is(s, "LT")) {
            f |= LT;
        } else {
            snprintf(text, sizeof text, "ERR Unsupported option %.*s",
                     (int)MIN_OF(s.size, (size_t)64), (const char *)s.data);
            redis_fail(cmd, text);
            return false;
        }
    }
    if (f & NX && f & ~(unsigned)NX) {
        redis_fail(cmd, "ERR NX and XX, GT or LT options at the same time "
                        "are not compatible");
        return false;
    }
    if (f & GT && f & LT) {
        redis_fail(cmd, "ERR GT and LT options at the same time are not "
                        "compatible");
        return false;
    }
    cmd->op.flags = f;
    return true;
}

static bool answer_changed(struct redis_cmd *cmd,
                           const struct operation_reply *r, struct buf *out)
{
    (void)cmd;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND &&
        r->status != STATUS_NOT_MET)
        return false;
    resp_integer(out, r->status == STATUS_OK);
    return true;
}

static void expire(struct redis_cmd *cmd, const struct redis_args *a,
                   bool seconds, bool absolute)
{
    struct operation *o = &cmd->op;
    char text[80];
    int64_t v;

    *o = (struct operation){.op = OP_EXPIRE, .key = redis_arg(a, 1)};
    if (!take_options(cmd, a))
        return;
    if (!resp_to_integer(redis_arg(a, 2), &v)) {
        redis_fail(cmd, "ERR value is not an integer or out of range");
        return;
    }
    if (v > (int64_t)OPERATION_EXPIRE_MAX / (seconds ? 1000 : 1) ||
        (seconds && v < INT64_MIN / 1000)) {
        snprintf(text, sizeof text, "ERR invalid expire time in '%s' command",
                 cmd->what->name);
        redis_fail(cmd, text);
        return;
    }
    if (seconds)
        v *= 1000;
    if (v > 0) {
        o->flags |= absolute ? OPERATION_DEADLINE : OPERATION_TTL;
        o->expire = (uint64_t)v;
    } else { /* long ago, whatever the clock says */
        o->flags |= OPERATION_DEADLINE;
        o->expire = 1;
    }
    redis_go(cmd, answer_changed);
}

void redis_expire(struct redis_cmd *cmd, const struct redis_args *a)
{
    expire(cmd, a, true, false);
}

void redis_pexpire(struct redis_cmd *cmd, const struct redis_args *a)
{
    expire(cmd, a, false, false);
}

void redis_expireat(struct redis_cmd *cmd, const struct redis_args *a)
{
    expire(cmd, a, true, true);
}

void redis_pexpireat(struct redis_cmd *cmd, const struct redis_args *a)
{
    expire(cmd, a, false, true);
}

void redis_persist(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_EXPIRE,
                                 .flags = OPERATION_PERSIST |
                                          OPERATION_EXPIRE_XX,
                                 .key = redis_arg(a, 1)};
    redis_go(cmd, answer_changed);
}

enum { SECONDS = 1, ABSOLUTE = 2 };

static bool answer_ttl(struct redis_cmd *cmd, const struct operation_reply *r,
                       struct buf *out)
{
    uint64_t left = r->expire_at;

    if (r->status == STATUS_NOT_FOUND) {
        resp_integer(out, -2);
        return true;
    }
    if (r->status != STATUS_OK)
        return false;
    if (!left) {
        resp_integer(out, -1);
        return true;
    }
    if (!(cmd->flags & ABSOLUTE))
        left = left > r->clock ? left - r->clock : 0;
    if (cmd->flags & SECONDS)
        left = cmd->flags & ABSOLUTE ? left / 1000 : (left + 500) / 1000;
    resp_integer(out, (int64_t)left);
    return true;
}

void redis_ttl(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->flags = SECONDS;
    ask_meta(cmd, a, answer_ttl);
}

void redis_pttl(struct redis_cmd *cmd, const struct redis_args *a)
{
    ask_meta(cmd, a, answer_ttl);
}

void redis_expiretime(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->flags = SECONDS | ABSOLUTE;
    ask_meta(cmd, a, answer_ttl);
}

void redis_pexpiretime(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->flags = ABSOLUTE;
    ask_meta(cmd, a, answer_ttl);
}
