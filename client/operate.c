/* operate.c - the functions of coatcheck.h that are one operation each. */
#include "client/operate.h"

static struct slice slice_from(struct coat_bytes b)
{
    return slice_of(b.data, b.size);
}

#define SAME(name)                                                             \
    _Static_assert((int)COAT_##name == (int)OPERATION_##name, "one number")
SAME(IF_ABSENT);
SAME(IF_PRESENT);
SAME(IF_VERSION);
SAME(IF_VALUE);
SAME(IF_FENCE);
SAME(PREVIOUS);
SAME(KEEP_TTL);
SAME(PERSIST);
SAME(EXPIRE_NX);
SAME(EXPIRE_XX);
SAME(EXPIRE_GT);
SAME(EXPIRE_LT);

enum {
    CONDITIONS = COAT_IF_ABSENT | COAT_IF_PRESENT | COAT_IF_VERSION |
                 COAT_IF_VALUE | COAT_IF_FENCE | COAT_PREVIOUS,
    OF_EXPIRE = COAT_PERSIST | COAT_EXPIRE_NX | COAT_EXPIRE_XX |
                COAT_EXPIRE_GT | COAT_EXPIRE_LT,
};

static unsigned flags_of(enum op op)
{
    switch (op) {
    case OP_SET:
        return CONDITIONS | COAT_KEEP_TTL;
    case OP_EXPIRE:
        return CONDITIONS | OF_EXPIRE;
    default:
        return CONDITIONS;
    }
}

enum status operation_with(struct operation *o, const struct coat_write *with)
{
    if (!with)
        return STATUS_OK;
    if (with->flags & ~flags_of(o->op) || (with->ttl && with->deadline))
        return STATUS_INVALID;
    o->flags |= with->flags;
    o->if_version = with->if_version;
    o->if_value = slice_from(with->if_value);
    o->fence = with->fence;
    if (with->ttl)
        o->flags |= OPERATION_TTL;
    if (with->deadline)
        o->flags |= OPERATION_DEADLINE;
    o->expire = with->ttl ? with->ttl : with->deadline;
    return STATUS_OK;
}

static enum coat_status submit_with(struct coat_client *c,
                                    struct operation *o,
                                    const struct coat_write *with,
                                    const struct coat_call *how,
                                    coat_on_reply *on_reply, void *user)
{
    enum status rv = operation_with(o, with);

    if (rv) {
        c->why = "a flag that this operation does not take, or two times";
        return (enum coat_status)rv;
    }
    return operate_submit(c, o, how, on_reply, user);
}

enum coat_status coat_set_with(struct coat_client *c, struct coat_bytes key,
                               struct coat_bytes value,
                               const struct coat_write *with,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_SET, .key = slice_from(key),
                          .value = slice_from(value)};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_delete_with(struct coat_client *c, struct coat_bytes key,
                                  const struct coat_write *with,
                                  const struct coat_call *how,
                                  coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_DELETE, .key = slice_from(key)};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_incr(struct coat_client *c, struct coat_bytes key,
                           int64_t delta, const struct coat_write *with,
                           const struct coat_call *how,
                           coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_INCR, .key = slice_from(key),
                          .argument = (uint64_t)delta};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_incr_float(struct coat_client *c, struct coat_bytes key,
                                 double delta, const struct coat_write *with,
                                 const struct coat_call *how,
                                 coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_INCR_FLOAT, .key = slice_from(key)};

    memcpy(&o.argument, &delta, sizeof delta);
    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_append(struct coat_client *c, struct coat_bytes key,
                             struct coat_bytes value,
                             const struct coat_write *with,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_APPEND, .key = slice_from(key),
                          .value = slice_from(value)};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_set_range(struct coat_client *c, struct coat_bytes key,
                                uint64_t offset, struct coat_bytes value,
                                const struct coat_write *with,
                                const struct coat_call *how,
                                coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_SET_RANGE, .argument = offset,
                          .key = slice_from(key), .value = slice_from(value)};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_expire(struct coat_client *c, struct coat_bytes key,
                             const struct coat_write *with,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_EXPIRE, .key = slice_from(key)};

    return submit_with(c, &o, with, how, on_reply, user);
}

enum coat_status coat_look(struct coat_client *c, struct coat_bytes key,
                           const struct coat_call *how,
                           coat_on_reply *on_reply, void *user)
{
    struct operation o = {.op = OP_GET, .flags = OPERATION_META,
                          .key = slice_from(key)};

    return operate_submit(c, &o, how, on_reply, user);
}
