/* redis_again.c - what the shard's answers to commands mean, and what is asked
 * again.
 *
 * Asked again is what was certainly not executed, for RETRY_MS; and what may
 * have been executed, or was not answered in time, for REDIS_GIVE_UP_MS: reads
 * as they are, writes with the session they had (redis_once.c), so that they
 * get their first result if there is one. All of it in the order of commands,
 * and nothing of that client begins meanwhile. */
#include "node/front/redis.h"

#include <stdlib.h>

enum {
    RETRY_MS = 5000,
    RETRY_EVERY_MS = 50,
    GATHERED_MAX = 256 << 20, /* by all commands of a loop */
};

static bool was_not_executed(enum status st)
{
    switch (st) {
    case STATUS_NOT_LEADER:
    case STATUS_MOVED:
    case STATUS_BUSY:
    case STATUS_UNAVAILABLE:
    case STATUS_QUARANTINED:
    case STATUS_STALLED:
    case STATUS_TIMEOUT:
        return true;
    default:
        return false;
    }
}

/* Nobody knows what came of it. */
static bool is_open(enum status st)
{
    return st == STATUS_UNKNOWN || st == STATUS_IO_ERROR ||
           st == STATUS_INTERNAL;
}

/* A refusal is true of the last attempt only. */
static enum status status_to_tell(const struct redis_write *w, enum status st)
{
    bool refused = was_not_executed(st) || st == STATUS_INVALID ||
                   st == STATUS_EXPIRED || st == STATUS_STALE_REQUEST;

    return w && w->lost && refused ? STATUS_UNKNOWN : st;
}

/* The answer to a part is what it is. */
static void finish_part(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *answer)
{
    struct redis *d = cmd->client->door;
    struct redis_write *w = redis_write_of(cmd, part);
    struct operation_reply r = *answer;
    struct buf *out;

    r.status = status_to_tell(w, r.status);
    if (w)
        redis_write_end(w);
    cmd->touched |= !was_not_executed(r.status);
    if (!cmd->part_of) {
        out = redis_begin(cmd);
        if (!cmd->answer(cmd, &r, out))
            redis_status_error(out, r.status);
        redis_end(cmd);
        return;
    }
    cmd->repeat = false;
    if (!cmd->gather(cmd, part, &r) && cmd->failed == STATUS_OK)
        cmd->failed = r.status == STATUS_OK ? STATUS_INTERNAL : r.status;
    d->gathered += cmd->gathered.size - cmd->counted;
    cmd->counted = cmd->gathered.size;
    if (d->gathered > GATHERED_MAX && cmd->failed == STATUS_OK)
        cmd->failed = STATUS_BUSY;
    cmd->begun = node_now(); /* it gets on: its time begins anew */
    cmd->lost = false;
    if (cmd->repeat && cmd->failed == STATUS_OK) {
        struct operation o;
        redis_part_operation(cmd, part, &o);
        redis_submit(cmd, part, &o);
        return;
    }
    redis_part_answered(cmd, part);
    redis_issue(cmd);
}

/* ---- what keeps what from being asked again ---- */

/* Is it still being asked for, other than what is to be asked again? */
static bool is_out(const struct redis_cmd *cmd)
{
    if (cmd->done || !cmd->part_of)
        return !cmd->done && !cmd->is_retrying;
    return cmd->issued - cmd->answered > cmd->n_again;
}

static struct slice key_of(struct redis_cmd *cmd, uint32_t part)
{
    struct operation o;

    redis_part_operation(cmd, part, &o);
    return o.key;
}

/* Do they have a key in common? Buckets tell quickly that they have none. */
static bool share_a_key(struct redis_cmd *a, struct redis_cmd *b)
{
    uint32_t n = a->part_of ? a->n_parts : 1, m = b->part_of ? b->n_parts : 1;

    if (!(a->buckets & b->buckets))
        return false;
    if ((a->what->flags | b->what->flags) & REDIS_ALONE)
        return true;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < m; j++)
            if (slice_equal(key_of(a, i), key_of(b, j)))
                return true;
    return false;
}

static bool matters(struct redis_cmd *cmd, struct redis_cmd *other)
{
    return !(cmd->is_read && other->is_read) && share_a_key(cmd, other);
}

/* What was refused may be asked for again unless a command behind it that
 * touches the same keys was executed meanwhile: it would be behind that. (The
 * core refuses those behind a refused write, so this is rare.) What was lost
 * and not refused is before that one, if it is anywhere: a group's log has a
 * connection's writes in their order. While the answer to one of those is
 * still out nobody can tell. */
enum redis_verdict redis_look_behind(struct redis_cmd *cmd, enum status why)
{
    struct redis_cmd *later = cmd;
    enum redis_verdict v = REDIS_RETRY_NOW;

    while ((later = TAILQ_NEXT(later, next))) {
        bool touched = later->touched && !is_open(why), out = is_out(later);
        if ((!touched && !out) || !matters(cmd, later))
            continue;
        if (touched)
            return REDIS_RETRY_NEVER;
        v = REDIS_RETRY_WAIT;
    }
    return v;
}

/* One of several parts: a later part with the same key may have been executed.
 * Only MSET's order matters. */
static bool part_may_retry(struct redis_cmd *cmd, uint32_t part)
{
    struct operation one;

    if (!cmd->part_of || cmd->is_read || part + 1 >= cmd->issued)
        return true;
    redis_part_operation(cmd, part, &one);
    if (one.op != OP_SET)
        return true;
    for (uint32_t i = part + 1; i < cmd->issued; i++)
        if (slice_equal(one.key, key_of(cmd, i)))
            return false;
    return true;
}

/* A read that was answered although a write of its key before it is to be asked
 * again: it may not have seen that. */
static bool is_early(struct redis_cmd *cmd)
{
    struct redis_cmd *before = cmd;

    if (!cmd->is_read || cmd->client->retrying <= cmd->is_retrying)
        return false;
    while ((before = TAILQ_PREV(before, redis_cmds, next)))
        if (before->is_retrying && matters(cmd, before))
            return true;
    return false;
}

/* ---- asking again ---- */

static void retry_later(struct redis_cmd *cmd, uint32_t part,
                        enum status why)
{
    struct redis *d = cmd->client->door;

    if (cmd->n_again == cmd->again_cap) {
        cmd->again_cap = cmd->again_cap ? cmd->again_cap * 2 : 4;
        cmd->again =
            xrealloc(cmd->again, cmd->again_cap * sizeof *cmd->again);
    }
    cmd->again[cmd->n_again++] = part;
    /* Of several: the one that allows least. */
    if (!cmd->is_retrying || is_open(cmd->refused))
        cmd->refused = why;
    if (cmd->is_retrying)
        return;
    cmd->is_retrying = true;
    cmd->client->retrying++;
    if (TAILQ_EMPTY(&d->retrying))
        uv_timer_start(&d->retry, redis_on_retry, RETRY_EVERY_MS, 0);
    TAILQ_INSERT_TAIL(&d->retrying, cmd, in_retrying);
}

/* Ask again for what is to be asked again, or tell that it failed. */
static void retry(struct redis_cmd *cmd, enum redis_verdict verdict)
{
    struct redis_client *c = cmd->client;
    uint32_t *parts = cmd->again, n = cmd->n_again;
    uint32_t generation = cmd->generation;
    struct operation_reply failed = {.status = cmd->refused};

    TAILQ_REMOVE(&c->door->retrying, cmd, in_retrying);
    cmd->is_retrying = false;
    c->retrying--;
    cmd->again = NULL;
    cmd->n_again = cmd->again_cap = 0;
    for (uint32_t i = 0; i < n && cmd->generation == generation; i++) {
        struct operation o;
        if (verdict == REDIS_RETRY_NEVER) {
            finish_part(cmd, parts[i], &failed);
            continue;
        }
        redis_part_operation(cmd, parts[i], &o);
        redis_submit(cmd, parts[i], &o);
    }
    free(parts);
    redis_resume(c);
}

/* All that is to be asked again of one client, in the order of its commands: a
 * refused one and those refused behind it leave one after the other; if it is
 * refused again at once those behind it stay. */
static void retry_client(struct redis_client *c)
{
    struct redis_cmd *list[REDIS_CMDS_MAX];
    uint32_t generations[REDIS_CMDS_MAX];
    struct redis_cmd *cmd;
    unsigned n = 0;

    TAILQ_FOREACH(cmd, &c->cmds, next)
        if (cmd->is_retrying && n < REDIS_CMDS_MAX) {
            enum redis_verdict v = redis_look_behind(cmd, cmd->refused);
            cmd->verdict = (uint8_t)v;
            if (v == REDIS_RETRY_WAIT) /* nor what is behind it */
                break;
            generations[n] = cmd->generation;
            list[n++] = cmd;
        }
    for (unsigned i = 0; i < n; i++) {
        cmd = list[i];
        if (cmd->generation != generations[i] || !cmd->is_retrying)
            continue;
        retry(cmd, (enum redis_verdict)cmd->verdict);
        if (cmd->generation == generations[i] && cmd->is_retrying)
            break;
    }
}

void redis_on_retry(uv_timer_t *t)
{
    struct redis *d = t->data;
    unsigned left = 0;
    struct redis_cmd *cmd;

    TAILQ_FOREACH(cmd, &d->retrying, in_retrying)
        left++;
    /* Each client once: what it keeps waiting goes to the end. */
    while (left-- && (cmd = TAILQ_FIRST(&d->retrying))) {
        TAILQ_REMOVE(&d->retrying, cmd, in_retrying);
        TAILQ_INSERT_TAIL(&d->retrying, cmd, in_retrying);
        if (cmd->client->retried != d->round) {
            cmd->client->retried = d->round;
            retry_client(cmd->client);
        }
    }
    d->round++;
    if (!TAILQ_EMPTY(&d->retrying))
        uv_timer_start(&d->retry, redis_on_retry, RETRY_EVERY_MS, 0);
}

/* ---- what comes back ---- */

/* May this answer be another one the next time? */
static bool is_worth_it(struct redis_write *w, const struct operation_reply *r)
{
    if (w && !w->lost && identity_mistimed(&w->id, r->status, r->clock)) {
        w->id.not_after = 0; /* our idea of the time was wrong */
        return true;
    }
    return was_not_executed(r->status) || (w && is_open(r->status));
}

static bool may_retry(struct redis_cmd *cmd, uint32_t part, enum status why)
{
    uint64_t limit = cmd->lost ? REDIS_GIVE_UP_MS : RETRY_MS;

    return instant_since(node_now(), cmd->begun).ms < limit &&
           !conn_closing(cmd->client->conn) && part_may_retry(cmd, part) &&
           redis_look_behind(cmd, why) != REDIS_RETRY_NEVER;
}

void redis_result(struct redis_cmd *cmd, uint32_t part,
                  const struct operation_reply *r)
{
    struct redis_write *w = redis_write_of(cmd, part);
    bool early = is_early(cmd);
    enum status why = early ? STATUS_UNAVAILABLE : r->status;
    const struct operation_reply failed = {.status = why};

    if (w && r->clock && !w->lost)
        redis_write_told(w, node_now(), r->clock);
    if (w && is_open(why))
        w->lost = true;
    cmd->lost |= is_open(why) || why == STATUS_TIMEOUT;
    if ((early || is_worth_it(w, r)) && may_retry(cmd, part, why))
        retry_later(cmd, part, why);
    else
        finish_part(cmd, part, early ? &failed : r);
}
