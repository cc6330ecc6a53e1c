/* tenancy.c - what the map says of a keyspace, put into its commands.
 *
 * Groups do not look at the map when they apply. So their leader tells them the
 * limits of a counted keyspace before its first command in the leader's term,
 * and when they change; and writes the default TTL into sets that have none. */
#include "node/core/shard_state.h"

#include "proto/keyspace.h"

static enum status tell_limits(struct shard *s, struct replica *r,
                               const struct map_keyspace *k,
                               struct effects *fx)
{
    const struct group_keyspace *told = keyspaces_find(&r->told, k->id);
    unsigned groups = s->map->n_groups - 1;
    struct keyspace_limits l = {k->id, k->changed,
                                keyspace_share(k->keys_max, groups),
                                keyspace_share(k->bytes_max, groups)};
    struct operation o = {.op = OP_KEYSPACE};
    struct buf value = {0};
    bool ok;

    if (told && told->changed >= k->changed)
        return STATUS_OK;
    keyspace_limits_encode(&l, &value);
    o.value = buf_slice(&value);
    ok = requests_own(s, r, &o, fx);
    buf_release(&value);
    if (!ok)
        return STATUS_BUSY;
    keyspaces_limit(&r->told, l.keyspace, l.changed, l.keys_max, l.bytes_max);
    return STATUS_OK;
}

/* A set without a word about its time to live. */
static bool lives_on(const struct operation *o)
{
    return o->op == OP_SET &&
           !(o->flags & (OPERATION_TTL | OPERATION_DEADLINE |
                         OPERATION_KEEP_TTL));
}

static void give_ttl(struct operation *o, uint64_t ttl_ms)
{
    if (!lives_on(o))
        return;
    o->flags |= OPERATION_TTL;
    o->expire = ttl_ms;
}

/* The same inside of a transaction, which operation_check() has read. */
static void give_ttl_inside(struct operation *o, uint64_t ttl_ms,
                            struct buf *scratch)
{
    struct transaction t;
    struct compare c;
    struct operation inner;

    if (transaction_decode(o->value, &t) != STATUS_OK)
        return;
    transaction_begin(scratch, t.n_compares, t.n_then, t.n_else);
    for (unsigned i = 0; i < t.n_compares; i++) {
        if (transaction_compare(&t.compares, &c) != STATUS_OK)
            return;
        transaction_compare_encode(scratch, &c);
    }
    for (unsigned i = 0; i < t.n_then + t.n_else; i++) {
        if (operation_decode(&t.operations, &inner) != STATUS_OK)
            return;
        give_ttl(&inner, ttl_ms);
        operation_encode(&inner, scratch);
    }
    o->value = buf_slice(scratch);
}

enum status tenancy_admit(struct shard *s, struct replica *r,
                          struct command *c, struct buf *scratch,
                          struct effects *fx)
{
    const struct map_keyspace *k = map_keyspace_find(s->map, c->keyspace);
    enum status st = STATUS_OK;

    if (!k && c->keyspace >= s->map->next_keyspace) {
        parked_ask_map(s); /* whoever passed it on has a younger map */
        return STATUS_UNAVAILABLE;
    }
    if (!k || k->state != KEYSPACE_ACTIVE)
        return STATUS_NO_KEYSPACE;
    if (k->counted)
        st = tell_limits(s, r, k, fx);
    if (st == STATUS_OK && k->default_ttl_ms) {
        if (c->operation.op == OP_TRANSACT)
            give_ttl_inside(&c->operation, k->default_ttl_ms, scratch);
        else
            give_ttl(&c->operation, k->default_ttl_ms);
    }
    return st;
}
