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
    ATTEMPT_MS = 5000,        /* a silent leader is waited for so long */
    ROUND_KEYS_MAX = 65536,   /* in one go of asking again; then others run */
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

/* Did the group itself say so, which looks for a first result before anything
 * else? All else is true of the last attempt only. */
static bool is_decided(const struct operation_reply *r)
{
    return r->clock && status_retry(r->status) == RETRY_NO &&
           r->status != STATUS_INVALID;
}

enum status redis_outcome(const struct redis_write *w,
                          const struct operation_reply *r)
{
    return w && w->lost && !is_decided(r) ? STATUS_UNKNOWN : r->status;
}

/* A write that may have been executed waits for its first result while it is
 * refused on the way to its group: no refusal can be its answer. */
bool redis_is_worth_it(const struct redis_write *w,
                       const struct operation_reply *r)
{
    if (was_not_executed(r->status))
        return true;
    if (!w)
        return false;
    return is_open(r->status) ||
           (w->lost && (status_retry(r->status) == RETRY_SAFE ||
                        (r->status == STATUS_QUOTA && !r->clock)));
}

/* It ends early enough for another one, at another node; but a page of a scan
 * may take its time. Where this node leads there is nobody else to ask: the
 * first attempt is answered or overwritten, and each later one would be one
 * more copy in a log that is slow already. */
instant redis_attempt_ends(const struct redis_cmd *cmd, enum op op, bool own,
                           instant now)
{
    instant end = instant_add(cmd->begun, MS(REDIS_GIVE_UP_MS));

    if (op == OP_SCAN)
        return instant_add(now, MS(REDIS_GIVE_UP_MS));
    return own ? end : instant_min(instant_add(now, MS(ATTEMPT_MS)), end);
}

/* The answer to a part is what it is. */
static void finish_part(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *answer)
{
    struct redis *d = cmd->client->door;
    struct redis_write *w = redis_write_of(cmd, part);
    struct operation_reply r = *answer;
    struct buf *out;

    r.status = redis_outcome(w, answer);
    if (w)
        redis_write_end(w);
    cmd->touched |= status_retry(r.status) != RETRY_SAFE;
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

static uint64_t hash_of(struct redis_cmd *cmd, uint32_t part)
{
    return redis_key_hash(cmd->client->door->seed, key_of(cmd, part));
}

/* What commands behind another one do with a key. */
enum seen {
    READ_DONE = 1,
    READ_OUT = 2,      /* nobody can tell yet */
    WRITE_DONE = 4,
    WRITE_OUT = 8,
};

struct behind {
    struct redis_keys keys;
    uint32_t all;       /* seen of every key */
    uint32_t any;       /* seen of some key */
    uint64_t buckets;   /* of those keys: they tell quickly of the others */
};

static void behind_add(struct behind *b, struct redis_cmd *cmd)
{
    uint32_t n = cmd->part_of ? cmd->issued : 1;
    uint32_t seen = (cmd->touched ? READ_DONE : 0) |
                    (is_out(cmd) ? READ_OUT : 0);

    if (!seen)
        return;
    if (!cmd->is_read)
        seen *= WRITE_DONE / READ_DONE;
    b->any |= seen;
    b->buckets |= cmd->buckets;
    if (cmd->what->flags & REDIS_ALONE) {
        b->all |= seen;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        *redis_keys_at(&b->keys, hash_of(cmd, i)) |= seen;
    cmd->client->door->looked += n;
}

static uint32_t behind_find(const struct behind *b, struct redis_cmd *cmd)
{
    uint32_t n = cmd->part_of ? cmd->n_parts : 1, seen = b->all;

    if (!(cmd->buckets & b->buckets))
        return 0;
    if (cmd->what->flags & REDIS_ALONE)
        return b->any;
    for (uint32_t i = 0; i < n && seen != b->any; i++)
        seen |= redis_keys_get(&b->keys, hash_of(cmd, i));
    cmd->client->door->looked += n;
    return seen;
}

/* What was refused may be asked for again unless a command behind it that
 * touches the same keys was executed meanwhile: it would be behind that. (The
 * core refuses those behind a refused write, so this is rare.) While the answer
 * to one of those is still out nobody can tell.
 *
 * What was lost is asked again all the same: a group's log has a connection's
 * writes in their order, so if it was executed it was before those, and its
 * first result comes back. It may also be nowhere: refused by its group (a full
 * table of first results, a full disk), the refusal lost, and the later one let
 * in. Then it is executed behind that one. Nobody can tell the two apart; the
 * other choice is to leave open what nearly always was executed. */
static enum redis_verdict verdict_of(const struct redis_cmd *cmd,
                                     uint32_t seen)
{
    uint32_t done = cmd->is_read ? WRITE_DONE : WRITE_DONE | READ_DONE;
    uint32_t out = cmd->is_read ? WRITE_OUT : WRITE_OUT | READ_OUT;

    if (seen & done && !is_open(cmd->refused))
        return REDIS_RETRY_NEVER;
    return seen & out ? REDIS_RETRY_WAIT : REDIS_RETRY_NOW;
}

/* Once through the queue from its end, so that it costs as much as there are
 * keys. */
void redis_look_behind(struct redis_client *c)
{
    struct behind b = {0};
    struct redis_cmd *cmd;

    TAILQ_FOREACH_REVERSE(cmd, &c->cmds, redis_cmds, next) {
        if (cmd->is_retrying)
            cmd->verdict = (uint8_t)verdict_of(cmd, behind_find(&b, cmd));
        behind_add(&b, cmd);
    }
    redis_keys_release(&b.keys);
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
 * again: it may not have seen that. (A write behind it has not begun.) */
static bool is_early(struct redis_cmd *cmd, uint32_t part)
{
    const struct redis_client *c = cmd->client;

    return cmd->is_read && c->retrying > cmd->is_retrying &&
           !(cmd->what->flags & REDIS_ALONE) &&
           redis_keys_get(&c->again, hash_of(cmd, part));
}

/* For is_early(). Who is alone has nobody behind it. */
static void mark(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    cmd->marked = cmd->is_read || c->alone ? 0
                  : cmd->part_of          ? cmd->issued
                                          : 1;
    for (uint32_t i = 0; i < cmd->marked; i++)
        ++*redis_keys_at(&c->again, hash_of(cmd, i));
}

void redis_retry_ends(struct redis_cmd *cmd)
{
    struct redis_client *c = cmd->client;

    TAILQ_REMOVE(&c->door->retrying, cmd, in_retrying);
    cmd->is_retrying = false;
    if (!--c->retrying)
        redis_keys_release(&c->again);
    for (uint32_t i = 0; c->retrying && i < cmd->marked; i++)
        --*redis_keys_at(&c->again, hash_of(cmd, i));
    cmd->marked = 0;
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
    mark(cmd);
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

    redis_retry_ends(cmd);
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
    /* The rest of it, before what is behind it begins. */
    if (cmd->generation == generation && cmd->part_of && !cmd->done)
        redis_issue(cmd);
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

    redis_look_behind(c);
    TAILQ_FOREACH(cmd, &c->cmds, next)
        if (cmd->is_retrying && n < REDIS_CMDS_MAX) {
            if (cmd->verdict == REDIS_RETRY_WAIT) /* nor what is behind it */
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
    d->looked = 0;
    /* Each client once: what it keeps waiting goes to the end. */
    while (left-- && d->looked < ROUND_KEYS_MAX &&
           (cmd = TAILQ_FIRST(&d->retrying))) {
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

/* Our idea of the time was wrong: with another one it will be let in. */
static bool is_mistimed(struct redis_write *w, const struct operation_reply *r)
{
    if (!w || w->lost || !identity_mistimed(&w->id, r->status, r->clock))
        return false;
    w->id.not_after = 0;
    return true;
}

static bool may_retry(struct redis_cmd *cmd, uint32_t part)
{
    uint64_t limit = cmd->lost ? REDIS_GIVE_UP_MS : RETRY_MS;

    return instant_since(node_now(), cmd->begun).ms < limit &&
           !conn_closing(cmd->client->conn) && part_may_retry(cmd, part);
}

void redis_result(struct redis_cmd *cmd, uint32_t part,
                  const struct operation_reply *r)
{
    struct redis_write *w = redis_write_of(cmd, part);
    bool early = is_early(cmd, part);
    enum status why = early ? STATUS_UNAVAILABLE : r->status;
    const struct operation_reply failed = {.status = why};

    if (w && r->clock && !w->lost)
        redis_write_told(w, node_now(), r->clock);
    if (w && is_open(why))
        w->lost = true;
    cmd->lost |= is_open(why) || why == STATUS_TIMEOUT;
    if ((early || is_mistimed(w, r) || redis_is_worth_it(w, r)) &&
        may_retry(cmd, part))
        retry_later(cmd, part, why);
    else
        finish_part(cmd, part, early ? &failed : r);
}
