/* transact.c - building a transaction, and reading its results. */
#include <stdlib.h>

#include "client/operate.h"

struct coat_transaction {
    struct buf compares, lists[2];
    unsigned n_compares, n[2];
    unsigned list;      /* the one being filled */
    struct buf key;     /* the fence's, else the first: it finds the group */
    uint64_t fence;     /* 0: none */
    enum status failed; /* what coat_transact will say, */
    const char *why;    /* ... and why, or NULL */
};

_Static_assert((int)COAT_EQUAL == (int)RELATION_EQUAL &&
                   (int)COAT_NOT_EQUAL == (int)RELATION_NOT_EQUAL &&
                   (int)COAT_LESS == (int)RELATION_LESS &&
                   (int)COAT_GREATER == (int)RELATION_GREATER,
               "one number each");

struct coat_transaction *coat_transaction_new(void)
{
    return xcalloc(1, sizeof(struct coat_transaction));
}

void coat_transaction_free(struct coat_transaction *t)
{
    if (!t)
        return;
    buf_release(&t->compares);
    buf_release(&t->lists[0]);
    buf_release(&t->lists[1]);
    buf_release(&t->key);
    free(t);
}

static struct slice slice_from(struct coat_bytes b)
{
    return slice_of(b.data, b.size);
}

static bool key_is_legal(struct coat_transaction *t, struct coat_bytes key)
{
    if (!key.size)
        t->failed = STATUS_KEY_EMPTY;
    else if (key.size > KEY_BYTES_MAX)
        t->failed = STATUS_KEY_TOO_LARGE;
    return !t->failed;
}

static void refuse(struct coat_transaction *t, const char *why)
{
    t->failed = STATUS_INVALID;
    t->why = why;
}

/* May one more be added? What is too much is not even kept. */
static bool admit(struct coat_transaction *t, struct coat_bytes key,
                  size_t value_size)
{
    size_t bytes = t->compares.size + t->lists[0].size + t->lists[1].size;

    if (t->failed || !key_is_legal(t, key))
        return false;
    if (t->n_compares + t->n[0] + t->n[1] >= TRANSACT_OPERATIONS_MAX ||
        value_size > TRANSACT_BYTES_MAX ||
        bytes + key.size + value_size > TRANSACT_BYTES_MAX)
        t->failed = STATUS_TOO_LARGE;
    if (t->failed)
        return false;
    if (!t->key.size)
        buf_append(&t->key, key.data, key.size);
    return true;
}

static void add_compare(struct coat_transaction *t, const struct compare *c)
{
    if ((unsigned)c->relation < RELATION_EQUAL ||
        (unsigned)c->relation > RELATION_GREATER) {
        refuse(t, "a relation that is none");
        return;
    }
    transaction_compare_encode(&t->compares, c);
    t->n_compares++;
}

void coat_transaction_if_version(struct coat_transaction *t,
                                 struct coat_bytes key,
                                 enum coat_relation relation, uint64_t version)
{
    struct compare c = {.what = COMPARE_VERSION,
                        .relation = (enum operation_relation)relation,
                        .key = slice_from(key), .version = version};

    if (admit(t, key, 0))
        add_compare(t, &c);
}

void coat_transaction_if_value(struct coat_transaction *t,
                               struct coat_bytes key,
                               enum coat_relation relation,
                               struct coat_bytes value)
{
    struct compare c = {.what = COMPARE_VALUE,
                        .relation = (enum operation_relation)relation,
                        .key = slice_from(key), .value = slice_from(value)};

    if (admit(t, key, value.size))
        add_compare(t, &c);
}

void coat_transaction_if_fence(struct coat_transaction *t,
                               struct coat_bytes key, uint64_t fence)
{
    if (t->failed || !key_is_legal(t, key))
        return;
    if (t->fence || !fence) {
        refuse(t, fence ? "a transaction presents one fencing token"
                        : "a fencing token is not 0");
        return;
    }
    t->fence = fence;
    buf_clear(&t->key);
    buf_append(&t->key, key.data, key.size);
}

void coat_transaction_else(struct coat_transaction *t)
{
    t->list = 1;
}

static void add(struct coat_transaction *t, struct operation *o,
                struct coat_bytes key, const struct coat_write *with)
{
    size_t more = with ? with->if_value.size : 0;

    if (!admit(t, key, o->value.size + MIN_OF(more, SIZE_MAX / 4)))
        return;
    o->key = slice_from(key);
    t->failed = operation_with(o, with);
    if (!t->failed && o->flags & OPERATION_IF_FENCE)
        refuse(t, "in a transaction coat_transaction_if_fence presents it");
    if (t->failed)
        return;
    operation_encode(o, &t->lists[t->list]);
    t->n[t->list]++;
}

void coat_transaction_get(struct coat_transaction *t, struct coat_bytes key)
{
    struct operation o = {.op = OP_GET};

    add(t, &o, key, NULL);
}

void coat_transaction_set(struct coat_transaction *t, struct coat_bytes key,
                          struct coat_bytes value,
                          const struct coat_write *with)
{
    struct operation o = {.op = OP_SET, .value = slice_from(value)};

    add(t, &o, key, with);
}

void coat_transaction_delete(struct coat_transaction *t, struct coat_bytes key,
                             const struct coat_write *with)
{
    struct operation o = {.op = OP_DELETE};

    add(t, &o, key, with);
}

void coat_transaction_incr(struct coat_transaction *t, struct coat_bytes key,
                           int64_t delta, const struct coat_write *with)
{
    struct operation o = {.op = OP_INCR, .argument = (uint64_t)delta};

    add(t, &o, key, with);
}

void coat_transaction_append(struct coat_transaction *t, struct coat_bytes key,
                             struct coat_bytes value,
                             const struct coat_write *with)
{
    struct operation o = {.op = OP_APPEND, .value = slice_from(value)};

    add(t, &o, key, with);
}

void coat_transaction_expire(struct coat_transaction *t, struct coat_bytes key,
                             const struct coat_write *with)
{
    struct operation o = {.op = OP_EXPIRE};

    add(t, &o, key, with);
}

enum coat_status coat_transact(struct coat_client *client,
                               const struct coat_transaction *t,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user)
{
    struct buf value = {0};
    struct operation o = {.op = OP_TRANSACT, .key = buf_slice(&t->key),
                          .flags = t->fence ? OPERATION_IF_FENCE : 0,
                          .fence = t->fence};
    enum coat_status rv;

    client->why = t->why;
    if (t->failed)
        return (enum coat_status)t->failed;
    if (!t->n_compares && !t->n[0] && !t->n[1]) {
        client->why = "a transaction without conditions and operations";
        return COAT_INVALID;
    }
    transaction_begin(&value, t->n_compares, t->n[0], t->n[1]);
    buf_append(&value, t->compares.data, t->compares.size);
    buf_append(&value, t->lists[0].data, t->lists[0].size);
    buf_append(&value, t->lists[1].data, t->lists[1].size);
    o.value = buf_slice(&value);
    rv = operate_submit(client, &o, how, on_reply, user);
    buf_release(&value);
    return rv;
}

int coat_transaction_results(struct coat_bytes value, int *first,
                             struct coat_reply *out, unsigned n)
{
    struct reader r = reader_of(slice_from(value));
    unsigned ran = reader_u8(&r), count;

    (void)reader_u8(&r);
    count = reader_u16(&r);
    for (unsigned i = 0; i < count && !r.failed; i++) {
        struct slice bytes = reader_bytes(&r, reader_u32(&r));
        struct operation_reply m;
        if (r.failed || operation_reply_decode(bytes, &m))
            return -1;
        if (out && i < n)
            out[i] = (struct coat_reply){
                .status = (enum coat_status)m.status,
                .value = {m.value.data, m.value.size},
                .has_value = m.has_value,
                .version = m.version,
                .number = (int64_t)m.argument,
                .deadline = m.expire_at,
                .clock = m.clock,
                .detail = "",
            };
    }
    if (r.failed || reader_left(&r))
        return -1;
    if (first)
        *first = ran == 1;
    return (int)count;
}
