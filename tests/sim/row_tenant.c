/* row_tenant.c - keyspaces: made, filled, limited, dropped. See rows.h.
 *
 * Each asker has one keyspace after the other, and nobody else writes there: so
 * it knows what is in it. What a group has counted is what its store holds, and
 * of what was dropped nothing stays. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/core/keyspaces.h"
#include "proto/keyspace.h"

enum { KEYS = 4, DROPPED_MAX = 256, SETTLED_MS = 4000 };

enum life { LIFE_NONE, LIFE_ACTIVE, LIFE_DROPPED };

enum tenant_step {
    STEP_CREATE, STEP_ALTER, STEP_DROP, STEP_LATE,
    STEP_SET, STEP_DELETE, STEP_APPEND, STEP_GET,
    STEP_BOTH,   /* a transaction: sets one, deletes the next */
    STEP_BROKEN, /* the same, which fails in its last operation */
};

/* What its asker knows of a key. */
struct belonging {
    bool known, present;
    uint64_t deadline; /* 0: none */
    uint64_t size;     /* of the value */
};

struct tenant {
    enum life life;
    enum tenant_step step;
    char name[24];
    unsigned generation; /* of names: each is used once */
    uint32_t id;
    struct keyspace_change settings;
    uint64_t keys_most, bytes_most; /* its highest limits; 0: none */
    uint64_t fence;
    unsigned which;      /* key of the step */
    struct buf value;
    struct belonging of[CLUSTER_GROUPS_MAX][KEYS];
};

struct dropped {
    uint32_t id;
    uint64_t at; /* world time of the answer */
};

struct tenants_row {
    struct tenant of[ASKERS_OF_ROW_MAX];
    struct dropped dropped[DROPPED_MAX];
    unsigned n_dropped;
};

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

static struct slice key_of(const struct rows *r, uint32_t group,
                           unsigned number, unsigned which)
{
    return rows_key(r, group, "tenant%u-%u", number, which);
}

static bool alive(const struct belonging *b, uint64_t clock)
{
    return b->present && machine_live(b->deadline, clock);
}

static bool limited(const struct tenant *k)
{
    return k->settings.keys_max || k->settings.bytes_max;
}

/* ---- what is asked: of the meta group ---- */

static void draw_limits(struct asker *x, struct keyspace_change *c)
{
    c->set |= KEYSPACE_SET_KEYS | KEYSPACE_SET_BYTES;
    c->keys_max = asker_below(x, 3) ? 2 + asker_below(x, 12) : 0;
    c->bytes_max = asker_below(x, 2) || !c->keys_max
                       ? 200 + asker_below(x, 2000)
                       : 0;
}

static void raise(uint64_t *most, uint64_t limit)
{
    *most = *most && limit ? MAX_OF(*most, limit) : 0;
}

static void ask_meta(struct asker *x, struct tenant *k,
                     const struct keyspace_change *c)
{
    struct operation o = {.op = OP_KEYSPACE, .key = slice_str(k->name)};

    buf_clear(&k->value);
    keyspace_change_encode(c, &k->value);
    o.value = buf_slice(&k->value);
    asker_ask(x, 0, &o);
}

static void create(struct asker *x, struct tenant *k)
{
    struct keyspace_change c = {.action = KEYSPACE_CREATE};

    k->step = STEP_CREATE;
    memset(k->of, 0, sizeof k->of);
    snprintf(k->name, sizeof k->name, "tenant%u-%u", x->number,
             ++k->generation);
    if (asker_below(x, 4))
        draw_limits(x, &c);
    if (!asker_below(x, 3)) {
        c.set |= KEYSPACE_SET_TTL;
        c.default_ttl_ms = 100 + asker_below(x, 3000);
    }
    k->settings = c;
    k->keys_most = c.keys_max;
    k->bytes_most = c.bytes_max;
    ask_meta(x, k, &c);
}

static void alter(struct asker *x, struct tenant *k)
{
    struct keyspace_change c = {.action = KEYSPACE_ALTER};

    k->step = STEP_ALTER;
    draw_limits(x, &c);
    k->settings.keys_max = c.keys_max;
    k->settings.bytes_max = c.bytes_max;
    raise(&k->keys_most, c.keys_max);
    raise(&k->bytes_most, c.bytes_max);
    ask_meta(x, k, &c);
}

static void drop(struct asker *x, struct tenant *k)
{
    const struct keyspace_change c = {.action = KEYSPACE_DROP};

    k->step = STEP_DROP;
    ask_meta(x, k, &c);
}

/* ---- ... of a data group ---- */

static struct operation a_set(struct asker *x, struct tenant *k,
                              struct slice key)
{
    static const char text[] = "not a number, but as many bytes as are wanted "
                               "of it: 80 at most, and at least one....";
    struct operation o = {.op = OP_SET, .key = key};

    o.value = slice_of(text, 1 + asker_below(x, 80));
    if (!asker_below(x, 4)) {
        o.flags |= OPERATION_TTL;
        o.expire = 1 + asker_below(x, 2000);
    }
    if (k->step == STEP_SET && !asker_below(x, 4)) {
        o.flags |= OPERATION_IF_FENCE;
        o.fence = ++k->fence;
    }
    return o;
}

static struct operation a_transaction(struct asker *x, struct tenant *k,
                                      uint32_t group)
{
    struct slice key = key_of(x->of, group, x->number, k->which);
    struct slice next =
        key_of(x->of, group, x->number, (k->which + 1) % KEYS);
    struct operation one = {.op = OP_DELETE, .key = next};
    bool broken = k->step == STEP_BROKEN;

    buf_clear(&k->value);
    transaction_begin(&k->value, 0, broken ? 3 : 2, 0);
    operation_encode(&one, &k->value);
    one = a_set(x, k, key);
    one.flags = 0; /* the default TTL is its own */
    operation_encode(&one, &k->value);
    one = (struct operation){.op = OP_INCR, .key = key, .argument = 1};
    if (broken)
        operation_encode(&one, &k->value);
    return (struct operation){.op = OP_TRANSACT, .key = key,
                              .value = buf_slice(&k->value)};
}

static struct operation what(struct asker *x, struct tenant *k,
                             uint32_t group)
{
    struct slice key = key_of(x->of, group, x->number, k->which);

    switch (k->step) {
    case STEP_DELETE:
        return (struct operation){.op = OP_DELETE, .key = key};
    case STEP_APPEND:
        return (struct operation){
            .op = OP_APPEND, .key = key,
            .value = slice_of("some more of it", 1 + asker_below(x, 15))};
    case STEP_GET:
        return (struct operation){.op = OP_GET, .key = key};
    case STEP_BOTH:
    case STEP_BROKEN:
        return a_transaction(x, k, group);
    default:
        return a_set(x, k, key);
    }
}

static void ask_data(struct asker *x, struct tenant *k, enum tenant_step step)
{
    uint32_t group = rows_group(x);
    struct operation o;

    k->step = step;
    k->which = (unsigned)asker_below(x, KEYS);
    o = what(x, k, group);
    asker_ask_in(x, slice_str(k->name), step != STEP_LATE, group, &o);
}

static enum tenant_step any_step(struct asker *x)
{
    static const enum tenant_step steps[] = {
        STEP_SET, STEP_SET, STEP_SET, STEP_SET, STEP_DELETE, STEP_APPEND,
        STEP_GET, STEP_GET, STEP_BOTH, STEP_BROKEN,
    };

    return steps[asker_below(x, ARRAY_LEN(steps))];
}

static void next(struct asker *x)
{
    struct tenants_row *s = x->row;
    struct tenant *k = &s->of[x->number];

    switch (k->life) {
    case LIFE_NONE:
        create(x, k);
        break;
    case LIFE_DROPPED: /* somebody has not heard of it */
        if (asker_below(x, 3)) {
            ask_data(x, k, STEP_LATE);
            break;
        }
        create(x, k);
        break;
    case LIFE_ACTIVE:
        if (!asker_below(x, 50) && s->n_dropped < DROPPED_MAX)
            drop(x, k);
        else if (limited(k) && !asker_below(x, 25))
            alter(x, k);
        else
            ask_data(x, k, any_step(x));
        break;
    }
}

/* ---- what has to come of it ---- */

static void expect(struct asker *x, const struct reply *r, enum status st)
{
    if (r->status != st)
        rows_fail(x, "told %s at clock %" PRIu64 ", expected %s",
                  status_name(r->status), r->clock, status_name(st));
}

static void told_meta(struct asker *x, struct tenant *k,
                      const struct reply *r)
{
    struct tenants_row *s = x->row;

    if (r->status == STATUS_EXPIRED) { /* on with another name */
        k->life = LIFE_NONE;
        return;
    }
    expect(x, r, STATUS_OK);
    switch (k->step) {
    case STEP_CREATE:
        k->life = LIFE_ACTIVE;
        k->id = (uint32_t)r->argument;
        for (uint32_t g = 0; g < CLUSTER_GROUPS_MAX; g++)
            for (unsigned i = 0; i < KEYS; i++)
                k->of[g][i].known = true;
        break;
    case STEP_DROP:
        k->life = LIFE_DROPPED;
        s->dropped[s->n_dropped++] =
            (struct dropped){k->id, x->of->c->now};
        break;
    default:
        break;
    }
}

static void now_has(struct belonging *b, uint64_t size, uint64_t deadline)
{
    *b = (struct belonging){true, true, deadline, size};
}

static uint64_t deadline_of(const struct tenant *k, const struct operation *o,
                            uint64_t clock)
{
    uint64_t ttl = o->flags & OPERATION_TTL ? o->expire
                                            : k->settings.default_ttl_ms;

    return ttl ? clock + ttl : 0;
}

static void told_set(struct asker *x, const struct tenant *k,
                     struct belonging *b, const struct reply *r)
{
    expect(x, r, STATUS_OK);
    now_has(b, x->o.value.size, deadline_of(k, &x->o, r->clock));
    if (r->expire_at != b->deadline)
        rows_fail(x, "set until %" PRIu64 ", told %" PRIu64, b->deadline,
                  r->expire_at);
}

static void told_append(struct asker *x, struct belonging *b,
                        const struct reply *r)
{
    bool there = alive(b, r->clock);
    uint64_t size = (there ? b->size : 0) + x->o.value.size;

    expect(x, r, STATUS_OK);
    if (b->known && r->argument != size)
        rows_fail(x, "%" PRIu64 " bytes now, told %" PRIu64, size,
                  r->argument);
    if (b->known && r->expire_at != (there ? b->deadline : 0))
        rows_fail(x, "appended to what is there until %" PRIu64 ", told %"
                  PRIu64, there ? b->deadline : 0, r->expire_at);
    now_has(b, r->argument, r->expire_at);
}

static void told_get(struct asker *x, const struct belonging *b,
                     const struct reply *r)
{
    if (!b->known)
        return;
    if (r->status == STATUS_OK) {
        if (!alive(b, r->clock) || r->value.size != b->size)
            rows_fail(x, "read %zu bytes at clock %" PRIu64 ", but it is %s%"
                      PRIu64 " bytes until %" PRIu64, r->value.size, r->clock,
                      b->present ? "" : "gone, ", b->size, b->deadline);
        return;
    }
    expect(x, r, STATUS_NOT_FOUND);
    if (alive(b, x->of->clock[x->group]))
        rows_fail(x, "gone at clock %" PRIu64 ", deadline %" PRIu64, r->clock,
                  b->deadline);
}

static void told_both(struct asker *x, struct tenant *k,
                      const struct reply *r)
{
    struct belonging *of = k->of[x->group];
    struct reader in = reader_of(x->o.value);
    struct transaction t;
    struct operation set;

    expect(x, r, STATUS_OK);
    if (transaction_decode(x->o.value, &t) != STATUS_OK ||
        operation_decode(&t.operations, &set) != STATUS_OK ||
        operation_decode(&t.operations, &set) != STATUS_OK || in.failed)
        rows_fail(x, "its own transaction cannot be read");
    of[(k->which + 1) % KEYS] = (struct belonging){.known = true};
    now_has(&of[k->which], set.value.size, deadline_of(k, &set, r->clock));
}

static void told_data(struct asker *x, struct tenant *k,
                      const struct reply *r)
{
    struct belonging *b = &k->of[x->group][k->which];

    if (r->status == STATUS_EXPIRED) {
        b->known = false;
        if (k->step == STEP_BOTH)
            k->of[x->group][(k->which + 1) % KEYS].known = false;
        return;
    }
    if (r->status == STATUS_QUOTA && limited(k) && k->step != STEP_GET &&
        k->step != STEP_DELETE)
        return;
    switch (k->step) {
    case STEP_SET:
        told_set(x, k, b, r);
        break;
    case STEP_DELETE:
        if (b->known)
            expect(x, r, alive(b, r->clock) ? STATUS_OK : STATUS_NOT_FOUND);
        *b = (struct belonging){.known = true};
        break;
    case STEP_APPEND:
        told_append(x, b, r);
        break;
    case STEP_GET:
        told_get(x, b, r);
        break;
    case STEP_BOTH:
        told_both(x, k, r);
        break;
    case STEP_BROKEN:
        expect(x, r, STATUS_NOT_A_NUMBER);
        break;
    default:
        break; /* late */
    }
}

static void told(struct asker *x, const struct reply *r)
{
    struct tenants_row *s = x->row;
    struct tenant *k = &s->of[x->number];

    if (x->o.op == OP_KEYSPACE)
        told_meta(x, k, r);
    else
        told_data(x, k, r);
}

/* ---- what the stores hold ---- */

/* The keyspace of data or of a fence; false: it is neither. */
static bool keyspace_of(struct slice key, uint32_t *id)
{
    if (key.data[0] != LAYOUT_DATA && key.data[0] != LAYOUT_FENCE)
        return false;
    *id = get_be32(key.data + 1);
    return true;
}

static void is_counted(struct rows *r, uint32_t group,
                       const struct mem_table *t,
                       const struct group_keyspace *k)
{
    uint64_t keys = 0, bytes = 0;

    for (unsigned i = 0; i < t->n; i++) {
        struct slice key = mem_row_key(&t->v[i]);
        uint32_t id;
        if (!keyspace_of(key, &id) || id != k->id)
            continue;
        if (k->purged)
            cluster_fail(r->c, "group %u: %.*s is left of keyspace %u, which "
                         "was purged", group, (int)key.size - 5,
                         (const char *)key.data + 5, id);
        if (key.data[0] != LAYOUT_DATA)
            continue;
        keys++;
        bytes += key.size - LAYOUT_DATA_PREFIX_BYTES +
                 mem_row_value(&t->v[i]).size - LAYOUT_VALUE_HEADER_BYTES;
    }
    if (keys != k->keys || bytes != k->bytes)
        cluster_fail(r->c, "group %u: keyspace %u has %" PRIu64 " keys of %"
                     PRIu64 " bytes, counted are %" PRIu64 " of %" PRIu64,
                     group, k->id, keys, bytes, k->keys, k->bytes);
}

/* No group alone holds more than all of them ever might. */
static void is_limited(struct rows *r, uint32_t group,
                       const struct group_keyspace *g, const struct tenant *k)
{
    if ((k->keys_most && g->keys > k->keys_most) ||
        (k->bytes_most && g->bytes > k->bytes_most))
        cluster_fail(r->c, "group %u: keyspace %u has %" PRIu64 " keys of %"
                     PRIu64 " bytes, the limits were %" PRIu64 ", %" PRIu64,
                     group, k->id, g->keys, g->bytes, k->keys_most,
                     k->bytes_most);
}

/* Limits are told before the first command: nothing is there uncounted. */
static void is_known(struct rows *r, uint32_t group, const struct mem_table *t,
                     const struct tenant *k)
{
    uint32_t id;

    for (unsigned i = 0; i < t->n; i++)
        if (keyspace_of(mem_row_key(&t->v[i]), &id) && id == k->id)
            cluster_fail(r->c, "group %u: it was never told the limits of "
                         "keyspace %u, of which it has data", group, id);
}

static void all_counted(struct rows *r, const struct tenants_row *s,
                        uint32_t group, const struct mem_table *t)
{
    struct keyspaces all = {0};

    for (unsigned i = 0; i < t->n; i++)
        if (mem_row_key(&t->v[i]).data[0] == LAYOUT_KEYSPACE &&
            keyspaces_load(&all, mem_row_key(&t->v[i]),
                           mem_row_value(&t->v[i])) != STATUS_OK)
            cluster_fail(r->c, "group %u: a keyspace that cannot be read",
                         group);
    for (unsigned i = 0; i < all.n; i++)
        is_counted(r, group, t, &all.v[i]);
    for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++) {
        const struct tenant *k = &s->of[i];
        const struct group_keyspace *g = keyspaces_find(&all, k->id);
        if (k->life != LIFE_ACTIVE || !limited(k))
            continue;
        if (g)
            is_limited(r, group, g, k);
        else
            is_known(r, group, t, k);
    }
    keyspaces_release(&all);
}

static void has_gone(struct rows *r, uint32_t group,
                     const struct mem_table *t, const struct dropped *d)
{
    uint32_t id;

    for (unsigned i = 0; i < t->n; i++)
        if (keyspace_of(mem_row_key(&t->v[i]), &id) && id == d->id)
            cluster_fail(r->c, "group %u: something is left of keyspace %u, "
                         "which was dropped %" PRIu64 " ms ago",
                         group, id, r->c->now - d->at);
}

static void is_as_known(struct rows *r, uint32_t group,
                        const struct tenant *k, unsigned number)
{
    uint64_t clock = mem_table_record(rows_table(r, group)).clock_ms;

    for (unsigned i = 0; i < KEYS; i++) {
        const struct belonging *b = &k->of[group][i];
        struct layout_value v;
        bool there = rows_stored_in(r, group, k->id,
                                    key_of(r, group, number, i), &v);
        if (b->known && (there != alive(b, clock) ||
                         (there && v.bytes.size != b->size)))
            cluster_fail(r->c, "group %u: key %u of keyspace %u is %s, %zu "
                         "bytes, but should be %s, %" PRIu64 " bytes",
                         group, i, k->id, there ? "there" : "gone",
                         v.bytes.size, alive(b, clock) ? "there" : "gone",
                         b->size);
    }
}

static void quiet(struct rows *r, void *row)
{
    struct tenants_row *s = row;

    for (uint32_t g = 1; g <= r->c->o.groups; g++) {
        const struct mem_table *t = rows_table(r, g);
        all_counted(r, s, g, t);
        for (unsigned i = 0; i < s->n_dropped; i++)
            if (s->dropped[i].at + SETTLED_MS <= r->c->now)
                has_gone(r, g, t, &s->dropped[i]);
        for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++)
            if (s->of[i].life == LIFE_ACTIVE)
                is_as_known(r, g, &s->of[i], i);
    }
}

static void release(void *row)
{
    struct tenants_row *s = row;

    for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++)
        buf_release(&s->of[i].value);
}

const struct row_kind row_tenants = {
    .asker = {next, told}, .bytes = sizeof(struct tenants_row), .init = init,
    .quiet = quiet, .release = release,
};
