/* tenancy.c - what the map says of a keyspace, put into its commands.
 *
 * Groups do not look at the map when they apply. So their leader tells them the
 * group's share of the limits of a counted keyspace (quota.h) before its first
 * command in the leader's term, and when it changes; and writes the default TTL
 * into sets that have none. */
#include "node/core/shard_state.h"

#include "proto/keyspace.h"

enum { ASK_EVERY_MS = 20, ROOM_EVERY_MS = 100 };

static bool leads(const struct replica *r)
{
    return r && r->raft && r->role == GROUP_LEADER;
}

/* ---- what groups hold, told and heard ---- */

/* What a group that is led here holds. */
static struct quota_use use_of(struct shard *s, const struct replica *r,
                               uint32_t keyspace)
{
    const struct group_keyspace *g =
        keyspaces_find(&r->machine.keyspaces, keyspace);

    return (struct quota_use){.keyspace = keyspace, .group = r->group,
                              .index = r->applied, .keys = g ? g->keys : 0,
                              .bytes = g ? g->bytes : 0, .heard = s->now};
}

static bool is_shared(const struct map_keyspace *k)
{
    return k->counted && k->state == KEYSPACE_ACTIVE;
}

/* All that this shard has to tell, at most QUOTA_ROWS_MAX lines: the next ones
 * the next time. */
static void tell_uses(struct shard *s, bool ask)
{
    struct buf body = {0};
    unsigned rows = 0, left = s->map->n_keyspaces;

    quota_use_begin(&body, ask);
    for (; left && rows < QUOTA_ROWS_MAX; left--, s->use_next++) {
        const struct map_keyspace *k =
            &s->map->keyspaces[s->use_next % s->map->n_keyspaces];
        for (unsigned i = 0; is_shared(k) && i < s->n_replicas; i++) {
            struct quota_use u = use_of(s, s->replicas[i], k->id);
            if (!u.group || !leads(s->replicas[i]))
                continue;
            quotas_heard(&s->quotas, &u);
            quota_use_add(&body, 0, &u);
            rows++;
        }
    }
    for (unsigned i = 0; (rows || ask) && i < s->n_peers; i++) {
        struct buf *out;
        size_t begun;
        if (!s->peers[i].up[CHANNEL_CONTROL])
            continue;
        out = peers_out(&s->peers[i], CHANNEL_CONTROL);
        begun = item_begin(out, ITEM_USE);
        buf_append(out, body.data, body.size);
        item_end(out, begun);
    }
    buf_release(&body);
}

/* Soon, but not more often than every ASK_EVERY_MS. */
static void tell_soon(struct shard *s, bool ask)
{
    s->use_ask |= ask;
    s->next_use = instant_min(s->next_use,
                              instant_add(s->used_at, MS(ASK_EVERY_MS)));
}

void tenancy_turn(struct shard *s, bool regular)
{
    if (!regular && !instant_reached(s->now, s->next_use))
        return;
    tell_uses(s, s->use_ask);
    s->use_ask = false;
    s->used_at = s->now;
    s->next_use = INSTANT_NEVER;
}

bool tenancy_on_use(struct shard *s, struct slice body)
{
    struct quota_use u;
    struct reader rest;
    uint32_t n;
    bool ask;

    if (!quota_use_decode(body, &ask, &n, &rest))
        return false;
    while (n--) {
        const struct map_keyspace *k;
        quota_use_read(&rest, &u);
        u.heard = s->now;
        k = map_keyspace_find(s->map, u.keyspace);
        if (k && is_shared(k) && map_group_find(s->map, u.group))
            quotas_heard(&s->quotas, &u);
    }
    if (ask)
        tell_soon(s, false);
    return true;
}

void tenancy_map(struct shard *s)
{
    for (unsigned i = s->quotas.n; i-- > 0;) {
        uint32_t id = s->quotas.v[i].keyspace;
        const struct map_keyspace *k = map_keyspace_find(s->map, id);
        if (!k || !is_shared(k))
            quotas_forget(&s->quotas, id);
    }
}

/* ---- shares ---- */

/* Groups that nothing is known of. */
static unsigned unknown_of(const struct shard *s, const struct quota *q)
{
    unsigned groups = s->map->n_groups - 1;

    return groups - MIN_OF(q->n, groups);
}

/* After look_around(). */
static struct keyspace_limits share_of(struct shard *s, struct replica *r,
                                       const struct map_keyspace *k)
{
    const struct quota *q = quotas_find(&s->quotas, k->id);
    const struct quota_use *was = quota_of(q, r->group);
    const struct group_keyspace *g =
        keyspaces_find(&r->machine.keyspaces, k->id);
    struct quota_ask a = {.groups = s->map->n_groups - 1,
                          .unknown = unknown_of(s, q),
                          .waiting = quota_is_new(q, s->now)};
    struct keyspace_limits l = {.keyspace = k->id, .changed = k->changed};

    if (k->keys_max) {
        a.limit = k->keys_max;
        a.own = g ? g->keys : 0;
        a.others = q->keys - was->keys;
        a.wanted = g ? g->wanted_keys : 0;
        l.keys_max = quota_share(&a, &l.keys_most);
        l.flags |= l.keys_most > l.keys_max ? KEYSPACE_MORE_KEYS : 0;
        l.flags |= l.keys_max ? 0 : KEYSPACE_NO_KEYS;
    }
    if (k->bytes_max) {
        a.limit = k->bytes_max;
        a.own = g ? g->bytes : 0;
        a.others = q->bytes - was->bytes;
        a.wanted = g ? g->wanted_bytes : 0;
        l.bytes_max = quota_share(&a, &l.bytes_most);
        l.flags |= l.bytes_most > l.bytes_max ? KEYSPACE_MORE_BYTES : 0;
        l.flags |= l.bytes_max ? 0 : KEYSPACE_NO_BYTES;
    }
    return l;
}

/* Was every other group heard of since, or is it silent? */
static bool all_heard(struct shard *s, const struct replica *r,
                      const struct map_keyspace *k, instant since)
{
    const struct quota *q = quotas_find(&s->quotas, k->id);

    for (unsigned i = 1; i < s->map->n_groups; i++) {
        uint32_t group = s->map->groups[i].id;
        if (group != r->group && !leads(shard_find(s, group)) &&
            !quota_is_heard(q, group, since, s->now))
            return false;
    }
    return true;
}

/* Is a share to be raised: less than half of what it would leave is left? */
static bool is_short(uint64_t use, uint64_t told, uint64_t now)
{
    return now > told && told < use + (now - use + 1) / 2;
}

/* Is what is wanted not to be had any more? */
static bool is_vain(uint64_t told, uint64_t now, uint64_t wanted)
{
    return now < told && wanted > now;
}

enum news {
    NEWS_NONE,
    NEWS_LATER, /* not yet */
    NEWS_NOW,
};

/* Is there something else to tell the group than it was told? */
static enum news news_of(struct shard *s, struct replica *r,
                         const struct map_keyspace *k,
                         const struct group_keyspace *told,
                         const struct keyspace_limits *l)
{
    const struct group_keyspace *g =
        keyspaces_find(&r->machine.keyspaces, k->id);
    uint64_t keys = g ? g->wanted_keys : 0, bytes = g ? g->wanted_bytes : 0;
    bool wanted = keys || bytes;
    bool less = l->keys_max < told->keys_max || l->bytes_max < told->bytes_max;
    bool raise = is_short(g ? g->keys : 0, told->keys_max, l->keys_max) ||
                 is_short(g ? g->bytes : 0, told->bytes_max, l->bytes_max) ||
                 (wanted && (l->keys_max > told->keys_max ||
                             l->bytes_max > told->bytes_max));
    bool other = l->flags != told->flags ||
                 is_vain(told->keys_most, l->keys_most, keys) ||
                 is_vain(told->bytes_most, l->bytes_most, bytes);
    /* Others delete: nobody here may want it. */
    bool room = l->keys_most > told->keys_most ||
                l->bytes_most > told->bytes_most;
    bool due = raise || less || other ||
               (room && instant_since(s->now, told->told_at).ms >=
                            ROOM_EVERY_MS);

    if (due && all_heard(s, r, k, told->told_at))
        return NEWS_NOW;
    if (wanted)
        tell_soon(s, true);
    if (less && !raise)
        return NEWS_NOW;
    return due || room ? NEWS_LATER : NEWS_NONE;
}

/* What the groups led here hold, exactly. */
static void look_around(struct shard *s, uint32_t keyspace)
{
    for (unsigned i = 0; i < s->n_replicas; i++)
        if (s->replicas[i]->group && leads(s->replicas[i])) {
            struct quota_use u = use_of(s, s->replicas[i], keyspace);
            quotas_heard(&s->quotas, &u);
        }
}

/* Is it time to look whether its share is still right? Seldom. */
static bool is_to_be_looked_at(struct shard *s, const struct replica *r,
                               const struct group_keyspace *told)
{
    const struct quota *q = quotas_find(&s->quotas, told->id);
    const struct group_keyspace *g =
        keyspaces_find(&r->machine.keyspaces, told->id);

    return (g && (g->wanted_keys || g->wanted_bytes)) ||
           (q && q->changes != told->looked_changes &&
            s->now.ms != told->looked_at.ms);
}

/* What was looked at. What is still to be told, or changes with time alone, is
 * to be looked at again. */
static uint64_t looked(const struct shard *s, const struct quota *q,
                       enum news news)
{
    bool waits = unknown_of(s, q) && quota_is_new(q, s->now);

    return waits || news != NEWS_NONE ? UINT64_MAX : q->changes;
}

/* The limits of a counted keyspace, ahead of its first command here, and again
 * when its share has changed. */
static enum status tell_limits(struct shard *s, struct replica *r,
                               const struct map_keyspace *k,
                               struct effects *fx)
{
    struct group_keyspace *told = keyspaces_find(&r->told, k->id);
    bool first = !told || told->changed < k->changed;
    enum news news = NEWS_NOW;
    const struct quota *q;
    struct operation o = {.op = OP_KEYSPACE};
    struct keyspace_limits l;
    struct buf value = {0};
    bool ok;

    if (!first && !is_to_be_looked_at(s, r, told))
        return STATUS_OK;
    look_around(s, k->id);
    q = quotas_find(&s->quotas, k->id);
    l = share_of(s, r, k);
    if (!first) {
        news = news_of(s, r, k, told, &l);
        told->looked_at = s->now;
        told->looked_changes = looked(s, q, news);
    }
    if (news != NEWS_NOW)
        return STATUS_OK;
    keyspace_limits_encode(&l, &value);
    o.value = buf_slice(&value);
    ok = requests_own(s, r, &o, fx);
    buf_release(&value);
    if (!ok)
        return STATUS_BUSY;
    keyspaces_limit(&r->told, &l);
    told = keyspaces_find(&r->told, k->id);
    told->told_at = told->looked_at = s->now;
    told->looked_changes = looked(s, q, NEWS_NONE);
    return STATUS_OK;
}

/* ---- default times to live ---- */

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
