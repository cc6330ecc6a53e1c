/* redis_string.c - GET, SET and the other commands about a key's bytes. */
#include "node/front/redis.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { FLOAT_TEXT_MAX = 5 * 1024 }; /* as in Redis, with the NUL */

#define NOT_AN_INTEGER "ERR value is not an integer or out of range"
#define NOT_A_FLOAT "ERR value is not a valid float"
#define SYNTAX "ERR syntax error"
#define TOO_LONG                                                               \
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

/* ---- answers that several commands have ---- */

/* The value, or null. */
static bool answer_value(struct redis_cmd *cmd, const struct operation_reply *r,
                         struct buf *out)
{
    if (r->status == STATUS_OK || r->status == STATUS_NOT_FOUND ||
        r->status == STATUS_NOT_MET) {
        if (r->has_value)
            resp_bulk(out, r->value);
        else
            resp_null(out, cmd->protocol);
        return true;
    }
    return false;
}

static bool answer_ok(struct redis_cmd *cmd, const struct operation_reply *r,
                      struct buf *out)
{
    if (r->status == STATUS_OK)
        resp_simple(out, "OK");
    else if (r->status == STATUS_NOT_MET)
        resp_null(out, cmd->protocol);
    else
        return false;
    return true;
}

static bool answer_length(struct redis_cmd *cmd,
                          const struct operation_reply *r, struct buf *out)
{
    (void)cmd;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND)
        return false;
    resp_integer(out, r->status == STATUS_OK ? (int64_t)r->argument : 0);
    return true;
}

/* ---- GET and SET ---- */

void redis_get(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_GET, .key = redis_arg(a, 1)};
    redis_go(cmd, answer_value);
}

/* A time as the command `name` gives it, into the operation. False: `*error` is
 * what to say, room for 80 bytes. */
static bool take_time(struct operation *o, struct slice text, bool seconds,
                      bool absolute, const char *name, char *error)
{
    int64_t v;

    if (!resp_to_integer(text, &v)) {
        memcpy(error, NOT_AN_INTEGER, sizeof NOT_AN_INTEGER);
        return false;
    }
    if (v <= 0 || v > (int64_t)OPERATION_EXPIRE_MAX / (seconds ? 1000 : 1)) {
        static const char head[] = "ERR invalid expire time in '";
        size_t n = sizeof head - 1, k = strlen(name);
        memcpy(error, head, n);
        memcpy(error + n, name, k);
        memcpy(error + n + k, "' command", 10);
        return false;
    }
    o->flags |= absolute ? OPERATION_DEADLINE : OPERATION_TTL;
    o->expire = (uint64_t)v * (seconds ? 1000 : 1);
    return true;
}

/* EX, PX, EXAT or PXAT at `i`, with its number behind; false: it is none. */
static bool is_time(const struct redis_args *a, uint32_t i, bool *seconds,
                    bool *absolute)
{
    static const char *const words[] = {"EX", "PX", "EXAT", "PXAT"};

    if (i + 1 >= a->n)
        return false;
    for (unsigned w = 0; w < ARRAY_LEN(words); w++)
        if (redis_arg_is(a, i, words[w])) {
            *seconds = w % 2 == 0;
            *absolute = w >= 2;
            return true;
        }
    return false;
}

enum { CONDITIONS = OPERATION_IF_ABSENT | OPERATION_IF_PRESENT };

void redis_set(struct redis_cmd *cmd, const struct redis_args *a)
{
    struct operation *o = &cmd->op;
    bool seconds = false, absolute = false;
    uint32_t time = 0; /* where it is */
    char error[80];

    *o = (struct operation){.op = OP_SET, .key = redis_arg(a, 1),
                            .value = redis_arg(a, 2)};
    for (uint32_t i = 3; i < a->n; i++) {
        if (redis_arg_is(a, i, "NX") && !(o->flags & CONDITIONS)) {
            o->flags |= OPERATION_IF_ABSENT;
        } else if (redis_arg_is(a, i, "XX") && !(o->flags & CONDITIONS)) {
            o->flags |= OPERATION_IF_PRESENT;
        } else if (redis_arg_is(a, i, "GET")) {
            o->flags |= OPERATION_PREVIOUS;
        } else if (redis_arg_is(a, i, "KEEPTTL") && !time) {
            o->flags |= OPERATION_KEEP_TTL;
        } else if (!time && !(o->flags & OPERATION_KEEP_TTL) &&
                   is_time(a, i, &seconds, &absolute)) {
            time = ++i;
        } else {
            redis_fail(cmd, SYNTAX);
            return;
        }
    }
    if (time && !take_time(o, redis_arg(a, time), seconds, absolute, "set",
                           error)) {
        redis_fail(cmd, error);
        return;
    }
    redis_go(cmd, o->flags & OPERATION_PREVIOUS ? answer_value : answer_ok);
}

static void set_expiring(struct redis_cmd *cmd, const struct redis_args *a,
                         bool seconds, const char *name)
{
    char error[80];

    cmd->op = (struct operation){.op = OP_SET, .key = redis_arg(a, 1),
                                 .value = redis_arg(a, 3)};
    if (take_time(&cmd->op, redis_arg(a, 2), seconds, false, name, error))
        redis_go(cmd, answer_ok);
    else
        redis_fail(cmd, error);
}

void redis_setex(struct redis_cmd *cmd, const struct redis_args *a)
{
    set_expiring(cmd, a, true, "setex");
}

void redis_psetex(struct redis_cmd *cmd, const struct redis_args *a)
{
    set_expiring(cmd, a, false, "psetex");
}

static bool answer_done(struct redis_cmd *cmd, const struct operation_reply *r,
                        struct buf *out)
{
    (void)cmd;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_MET)
        return false;
    resp_integer(out, r->status == STATUS_OK);
    return true;
}

void redis_setnx(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_SET, .flags = OPERATION_IF_ABSENT,
                                 .key = redis_arg(a, 1),
                                 .value = redis_arg(a, 2)};
    redis_go(cmd, answer_done);
}

void redis_getset(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_SET, .flags = OPERATION_PREVIOUS,
                                 .key = redis_arg(a, 1),
                                 .value = redis_arg(a, 2)};
    redis_go(cmd, answer_value);
}

void redis_getdel(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_DELETE,
                                 .flags = OPERATION_PREVIOUS,
                                 .key = redis_arg(a, 1)};
    redis_go(cmd, answer_value);
}

/* Its time was wrong; as in Redis this matters only if the key is there. */
static bool answer_wrong_time(struct redis_cmd *cmd,
                              const struct operation_reply *r,
                              struct buf *out)
{
    if (r->status == STATUS_NOT_FOUND)
        resp_null(out, cmd->protocol);
    else if (r->status == STATUS_OK)
        redis_error(out, cmd->state);
    else
        return false;
    return true;
}

void redis_getex(struct redis_cmd *cmd, const struct redis_args *a)
{
    struct operation *o = &cmd->op;
    bool seconds, absolute;
    char error[80];

    *o = (struct operation){.op = OP_GET, .key = redis_arg(a, 1)};
    if (a->n > 2) {
        o->op = OP_EXPIRE;
        o->flags = OPERATION_PREVIOUS;
    }
    if (a->n == 3 && redis_arg_is(a, 2, "PERSIST")) {
        o->flags |= OPERATION_PERSIST;
    } else if (a->n == 4 && is_time(a, 2, &seconds, &absolute)) {
        if (!take_time(o, redis_arg(a, 3), seconds, absolute, "getex",
                       error)) {
            cmd->state = xstrdup(error);
            o->op = OP_GET;
            o->flags = OPERATION_META;
            redis_go(cmd, answer_wrong_time);
            return;
        }
    } else if (a->n > 2) {
        redis_fail(cmd, SYNTAX);
        return;
    }
    redis_go(cmd, answer_value);
}

/* ---- several keys ---- */

static void mget_part(struct redis_cmd *cmd, uint32_t i, struct operation *o)
{
    o->op = OP_GET;
    o->key = redis_kept_arg(cmd, i + 1);
}

static bool mget_gather(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *r)
{
    struct redis_part *p = &cmd->parts[part];

    /* As Redis: what is not a string is null. */
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND &&
        r->status != STATUS_WRONG_TYPE)
        return false;
    if (cmd->gathered.size > RESP_COMMAND_MAX) {
        cmd->failed = STATUS_BUSY; /* more than a client may ask for at once */
        return true;
    }
    p->at = (uint32_t)cmd->gathered.size;
    if (r->status == STATUS_OK)
        resp_bulk(&cmd->gathered, r->value);
    else
        resp_null(&cmd->gathered, cmd->protocol);
    p->size = (uint32_t)cmd->gathered.size - p->at;
    return true;
}

static void mget_joined(struct redis_cmd *cmd, struct buf *out)
{
    resp_array(out, cmd->n_parts);
    for (uint32_t i = 0; i < cmd->n_parts; i++)
        buf_append(out, cmd->gathered.data + cmd->parts[i].at,
                   cmd->parts[i].size);
}

void redis_mget(struct redis_cmd *cmd, const struct redis_args *a)
{
    redis_keep(cmd, a);
    cmd->parts = xcalloc(a->n - 1, sizeof *cmd->parts);
    redis_go_parts(cmd, a->n - 1, mget_part, mget_gather, mget_joined);
}

static void mset_part(struct redis_cmd *cmd, uint32_t i, struct operation *o)
{
    o->op = OP_SET;
    o->key = redis_kept_arg(cmd, 2 * i + 1);
    o->value = redis_kept_arg(cmd, 2 * i + 2);
}

static bool mset_gather(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *r)
{
    (void)cmd;
    (void)part;
    return r->status == STATUS_OK;
}

static void mset_joined(struct redis_cmd *cmd, struct buf *out)
{
    (void)cmd;
    resp_simple(out, "OK");
}

void redis_mset(struct redis_cmd *cmd, const struct redis_args *a)
{
    if (a->n % 2 == 0) {
        redis_fail(cmd, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    redis_keep(cmd, a);
    redis_go_parts(cmd, a->n / 2, mset_part, mset_gather, mset_joined);
}

/* ---- numbers ---- */

static bool answer_number(struct redis_cmd *cmd,
                          const struct operation_reply *r, struct buf *out)
{
    if (r->status == STATUS_OVERFLOW && cmd->number) {
        redis_error(out, "ERR decrement would overflow");
        return true;
    }
    if (r->status != STATUS_OK)
        return false;
    buf_u8(out, ':');
    buf_append(out, r->value.data, r->value.size);
    buf_append(out, "\r\n", 2);
    return true;
}

static void add(struct redis_cmd *cmd, const struct redis_args *a, int64_t by)
{
    cmd->op = (struct operation){.op = OP_INCR, .key = redis_arg(a, 1),
                                 .argument = (uint64_t)by};
    redis_go(cmd, answer_number);
}

void redis_incr(struct redis_cmd *cmd, const struct redis_args *a)
{
    add(cmd, a, 1);
}

void redis_decr(struct redis_cmd *cmd, const struct redis_args *a)
{
    add(cmd, a, -1);
}

void redis_incrby(struct redis_cmd *cmd, const struct redis_args *a)
{
    int64_t by;

    if (resp_to_integer(redis_arg(a, 2), &by))
        add(cmd, a, by);
    else
        redis_fail(cmd, NOT_AN_INTEGER);
}

void redis_decrby(struct redis_cmd *cmd, const struct redis_args *a)
{
    int64_t by;

    if (!resp_to_integer(redis_arg(a, 2), &by))
        redis_fail(cmd, NOT_AN_INTEGER);
    else if (by == INT64_MIN)
        redis_fail(cmd, "ERR decrement would overflow");
    else
        add(cmd, a, -by);
}

static bool answer_float(struct redis_cmd *cmd,
                         const struct operation_reply *r, struct buf *out)
{
    (void)cmd;
    if (r->status == STATUS_NOT_A_NUMBER) {
        redis_error(out, NOT_A_FLOAT);
        return true;
    }
    if (r->status == STATUS_OVERFLOW) {
        redis_error(out, "ERR increment would produce NaN or Infinity");
        return true;
    }
    if (r->status != STATUS_OK)
        return false;
    resp_bulk(out, r->value);
    return true;
}

/* Infinity may be written as a word; what is too large or too small for a long
 * double is no number to Redis, and what only a double cannot hold is infinite
 * to us. */
static bool to_float(struct slice s, double *v)
{
    char text[FLOAT_TEXT_MAX], *end;
    long double number;

    if (!s.size || s.size >= sizeof text || s.data[0] <= ' ')
        return false;
    memcpy(text, s.data, s.size);
    text[s.size] = 0;
    errno = 0;
    number = strtold(text, &end);
    *v = (double)number;
    return end == text + s.size && !isnan(number) &&
           !(errno == ERANGE && (isinf(number) || number == 0));
}

/* Infinity is to be added: refused, but first a value that is no number. */
static bool answer_infinite(struct redis_cmd *cmd,
                            const struct operation_reply *r, struct buf *out)
{
    double v;

    (void)cmd;
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND)
        return false;
    if (r->status == STATUS_OK && !to_float(r->value, &v))
        redis_error(out, NOT_A_FLOAT);
    else
        redis_error(out, "ERR increment would produce NaN or Infinity");
    return true;
}

void redis_incrbyfloat(struct redis_cmd *cmd, const struct redis_args *a)
{
    double by;
    uint64_t bits;

    if (!to_float(redis_arg(a, 2), &by)) {
        redis_fail(cmd, NOT_A_FLOAT);
        return;
    }
    if (by && by * 0.5 == by) {
        cmd->op = (struct operation){.op = OP_GET, .key = redis_arg(a, 1)};
        redis_go(cmd, answer_infinite);
        return;
    }
    memcpy(&bits, &by, sizeof bits);
    cmd->op = (struct operation){.op = OP_INCR_FLOAT, .key = redis_arg(a, 1),
                                 .argument = bits};
    redis_go(cmd, answer_float);
}

/* ---- parts of a value ---- */

void redis_append(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_APPEND, .key = redis_arg(a, 1),
                                 .value = redis_arg(a, 2)};
    redis_go(cmd, answer_length);
}

void redis_strlen(struct redis_cmd *cmd, const struct redis_args *a)
{
    cmd->op = (struct operation){.op = OP_GET, .flags = OPERATION_META,
                                 .key = redis_arg(a, 1)};
    redis_go(cmd, answer_length);
}

static bool answer_range(struct redis_cmd *cmd,
                         const struct operation_reply *r, struct buf *out)
{
    int64_t from = cmd->sum, to = (int64_t)cmd->number;
    int64_t size = (int64_t)r->value.size;

    if (r->status == STATUS_NOT_FOUND)
        size = 0;
    else if (r->status != STATUS_OK)
        return false;
    if (from < 0 && to < 0 && from > to)
        size = 0;
    if (from < 0)
        from = MAX_OF(from + size, 0);
    if (to < 0)
        to = MAX_OF(to + size, 0);
    to = MIN_OF(to, size - 1);
    if (size && from <= to)
        resp_bulk(out, slice_of(r->value.data + from,
                                (size_t)(to - from + 1)));
    else
        resp_bulk(out, slice_of("", 0));
    return true;
}

void redis_getrange(struct redis_cmd *cmd, const struct redis_args *a)
{
    int64_t from, to;

    if (!resp_to_integer(redis_arg(a, 2), &from) ||
        !resp_to_integer(redis_arg(a, 3), &to)) {
        redis_fail(cmd, NOT_AN_INTEGER);
        return;
    }
    cmd->sum = from;
    cmd->number = (uint64_t)to;
    cmd->op = (struct operation){.op = OP_GET, .key = redis_arg(a, 1)};
    redis_go(cmd, answer_range);
}

void redis_setrange(struct redis_cmd *cmd, const struct redis_args *a)
{
    struct slice value = redis_arg(a, 3);
    int64_t at;

    if (!resp_to_integer(redis_arg(a, 2), &at)) {
        redis_fail(cmd, NOT_AN_INTEGER);
        return;
    }
    if (at < 0) {
        redis_fail(cmd, "ERR offset is out of range");
        return;
    }
    cmd->op = (struct operation){.op = OP_SET_RANGE, .key = redis_arg(a, 1),
                                 .value = value, .argument = (uint64_t)at};
    if (!value.size) { /* changes nothing, makes nothing */
        cmd->op.op = OP_GET;
        cmd->op.flags = OPERATION_META;
        cmd->op.argument = 0;
    } else if (at > VALUE_BYTES_MAX - (int64_t)value.size) {
        redis_fail(cmd, TOO_LONG);
        return;
    }
    redis_go(cmd, answer_length);
}
