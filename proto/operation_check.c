/* operation_check.c - which operations a client may ask for. See operation.h.*/
#include "proto/operation.h"

#include <math.h>

#include "proto/keyspace.h"

enum {
    CONDITIONS = OPERATION_IF_ABSENT | OPERATION_IF_PRESENT |
                 OPERATION_IF_VERSION | OPERATION_IF_VALUE |
                 OPERATION_IF_FENCE,
    TIMES = OPERATION_KEEP_TTL | OPERATION_TTL | OPERATION_DEADLINE,
    EXPIRE_TIMES = OPERATION_TTL | OPERATION_DEADLINE | OPERATION_PERSIST,
    EXPIRE_ONLY_IF = OPERATION_EXPIRE_NX | OPERATION_EXPIRE_XX |
                     OPERATION_EXPIRE_GT | OPERATION_EXPIRE_LT,
};

/* Flags that an operation may have; 0 bits for those that clients may not ask
 * for at all. */
static bool allowed(enum op op, uint32_t *flags)
{
    switch (op) {
    case OP_GET:
        *flags = OPERATION_META | OPERATION_STALE;
        return true;
    case OP_SET:
    case OP_APPEND:
    case OP_SET_RANGE:
        *flags = CONDITIONS | OPERATION_PREVIOUS | TIMES;
        return true;
    case OP_DELETE:
        *flags = CONDITIONS | OPERATION_PREVIOUS;
        return true;
    case OP_INCR:
    case OP_INCR_FLOAT:
        *flags = CONDITIONS | TIMES;
        return true;
    case OP_EXPIRE:
        *flags = CONDITIONS | OPERATION_PREVIOUS | EXPIRE_TIMES |
                 EXPIRE_ONLY_IF;
        return true;
    case OP_TRANSACT:
        *flags = OPERATION_IF_FENCE;
        return true;
    case OP_KEYSPACE:
        *flags = 0;
        return true;
    default:
        return false;
    }
}

static bool several(uint32_t flags)
{
    return (flags & (flags - 1)) != 0;
}

static const char *check_conditions(const struct operation *o)
{
    uint32_t f = o->flags;
    bool absent = f & OPERATION_IF_ABSENT ||
                  (f & OPERATION_IF_VERSION && !o->if_version);
    bool present = f & (OPERATION_IF_PRESENT | OPERATION_IF_VALUE) ||
                   (f & OPERATION_IF_VERSION && o->if_version);

    if (absent && present)
        return "conditions that can never hold together";
    if (f & OPERATION_IF_FENCE && !o->fence)
        return "a fencing token is not 0";
    return NULL;
}

static const char *check_times(const struct operation *o)
{
    uint32_t f = o->flags;

    if (several(f & TIMES))
        return "only one of ttl, deadline and keep-ttl can be given";
    if (f & (OPERATION_TTL | OPERATION_DEADLINE) &&
        o->expire > OPERATION_EXPIRE_MAX)
        return "a ttl or deadline beyond all bounds";
    if (o->op != OP_EXPIRE)
        return NULL;
    if (!(f & EXPIRE_TIMES) || several(f & EXPIRE_TIMES))
        return "expire takes one of ttl, deadline and persist";
    if (f & OPERATION_EXPIRE_NX && f & (EXPIRE_ONLY_IF & ~OPERATION_EXPIRE_NX))
        return "nx goes with none of xx, gt and lt";
    if (f & OPERATION_EXPIRE_GT && f & OPERATION_EXPIRE_LT)
        return "gt and lt exclude each other";
    return NULL;
}

static const char *check_argument(const struct operation *o)
{
    double number;

    switch (o->op) {
    case OP_INCR:
    case OP_SET_RANGE:
        return NULL;
    case OP_INCR_FLOAT:
        memcpy(&number, &o->argument, sizeof number);
        return isfinite(number) ? NULL : "the increment is not a number";
    default:
        return o->argument ? "an argument that means nothing here" : NULL;
    }
}

static bool takes_value(enum op op)
{
    return op == OP_SET || op == OP_APPEND || op == OP_SET_RANGE ||
           op == OP_TRANSACT || op == OP_KEYSPACE;
}

static enum status check_key(struct slice key, const char **why)
{
    if (!key.size) {
        *why = "the key is empty";
        return STATUS_KEY_EMPTY;
    }
    return key.size > KEY_BYTES_MAX ? STATUS_KEY_TOO_LARGE : STATUS_OK;
}

static enum status check_one(const struct operation *o, const char **why)
{
    uint32_t flags;
    enum status st;

    if (!allowed(o->op, &flags)) {
        *why = "no operation that a client may ask for";
        return STATUS_BAD_MESSAGE;
    }
    st = check_key(o->key, why);
    if (st != STATUS_OK)
        return st;
    *why = o->flags & ~flags ? "a flag that this operation does not take"
                             : check_conditions(o);
    if (!*why)
        *why = check_times(o);
    if (!*why)
        *why = check_argument(o);
    if (!*why && o->value.size && !takes_value(o->op))
        *why = "a value that means nothing here";
    if (*why)
        return STATUS_INVALID;
    if (o->value.size > VALUE_BYTES_MAX ||
        o->if_value.size > VALUE_BYTES_MAX - o->value.size ||
        (o->op == OP_SET_RANGE &&
         o->argument > VALUE_BYTES_MAX - o->value.size))
        return STATUS_VALUE_TOO_LARGE;
    return STATUS_OK;
}

static enum status check_inside(const struct operation *o, const char **why)
{
    enum status st;

    if (o->op == OP_TRANSACT || o->op == OP_KEYSPACE) {
        *why = "a transaction or a keyspace's change in a transaction";
        return STATUS_INVALID;
    }
    st = check_one(o, why);
    if (st == STATUS_OK &&
        o->flags & (OPERATION_IF_FENCE | OPERATION_STALE)) {
        *why = "a fence or a stale read inside of a transaction";
        return STATUS_INVALID;
    }
    return st;
}

static enum status check_transaction(struct slice value, const char **why)
{
    struct transaction t;
    enum status st;

    *why = "a transaction has at most 128 operations and 4 MiB";
    if (value.size > TRANSACT_BYTES_MAX)
        return STATUS_TOO_LARGE;
    st = transaction_decode(value, &t);
    if (st == STATUS_TOO_LARGE)
        return st;
    *why = "a malformed transaction";
    if (st != STATUS_OK)
        return st;
    *why = NULL;
    for (unsigned i = 0; i < t.n_compares; i++) {
        struct compare c;
        st = transaction_compare(&t.compares, &c);
        if (st == STATUS_OK)
            st = check_key(c.key, why);
        if (st != STATUS_OK)
            return st;
    }
    for (unsigned i = 0; i < t.n_then + t.n_else; i++) {
        struct operation o;
        st = operation_decode(&t.operations, &o);
        if (st == STATUS_OK)
            st = check_inside(&o, why);
        if (st != STATUS_OK)
            return st;
    }
    if (reader_left(&t.operations)) {
        *why = "bytes behind the transaction";
        return STATUS_BAD_MESSAGE;
    }
    if (t.n_compares + t.n_then + t.n_else == 0) {
        *why = "an empty transaction";
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status operation_check(const struct operation *o, const char **why)
{
    const char *reason = NULL;
    enum status st = check_one(o, &reason);

    if (st == STATUS_OK && o->op == OP_KEYSPACE) {
        struct keyspace_change change;
        reason = "a malformed change of a keyspace";
        st = keyspace_change_decode(o->value, true, &change);
    }
    if (st == STATUS_OK && o->op == OP_TRANSACT)
        st = check_transaction(o->value, &reason);
    if (why)
        *why = st == STATUS_OK ? NULL : reason;
    return st;
}
