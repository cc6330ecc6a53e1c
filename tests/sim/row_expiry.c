/* row_expiry.c - keys with deadlines. See rows.h.
 *
 * Each asker has a key of its own in every group, so it knows what is there; a
 * key goes when the group's clock reaches its deadline, not earlier, not later.
 * A write says at which clock it was executed: its outcome is certain. A read
 * says a clock that its state is not behind. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>

/* What an asker knows of its key. */
struct mortal {
    bool known;       /* else: a write came to nobody knows what */
    bool present;     /* unless the deadline has come */
    uint64_t deadline; /* 0: none */
    uint64_t number;  /* the value */
};

struct dying {
    struct mortal of[CLUSTER_GROUPS_MAX];
    uint64_t number;  /* of the last value that was sent */
};

struct expiry_row {
    struct dying of[ASKERS_OF_ROW_MAX];
};

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

static bool alive(const struct mortal *m, uint64_t clock)
{
    return m->present && machine_live(m->deadline, clock);
}

/* About what the group's clock is. */
static uint64_t about(const struct rows *r, uint32_t group)
{
    const struct heard *h = &r->heard[group];

    return h->clock ? h->clock + (r->c->now - h->at) : 0;
}

/* ---- what is asked ---- */

static uint64_t some_ms(struct asker *x)
{
    return 1 + asker_below(x, asker_below(x, 3) ? 400 : 4000);
}

static void with_deadline(struct asker *x, uint32_t group,
                          struct operation *o)
{
    uint64_t clock = about(x->of, group);

    if (clock && asker_below(x, 3) == 0) {
        o->flags |= OPERATION_DEADLINE;
        o->expire = clock + some_ms(x) - 100; /* sometimes it has come */
    } else {
        o->flags |= OPERATION_TTL;
        o->expire = some_ms(x);
    }
}

static struct operation a_set(struct asker *x, uint32_t group, bool known)
{
    struct operation o = {.op = OP_SET};

    switch (asker_below(x, known ? 6 : 3)) {
    case 0:
        break; /* without any */
    case 3:
        o.flags = OPERATION_KEEP_TTL;
        break;
    case 4:
        o.flags = OPERATION_IF_ABSENT;
        with_deadline(x, group, &o);
        break;
    case 5:
        o.flags = OPERATION_IF_PRESENT;
        with_deadline(x, group, &o);
        break;
    default:
        with_deadline(x, group, &o);
        break;
    }
    return o;
}

static struct operation an_expire(struct asker *x, uint32_t group)
{
    static const uint32_t only[] = {0, OPERATION_EXPIRE_NX,
                                    OPERATION_EXPIRE_XX, OPERATION_EXPIRE_GT,
                                    OPERATION_EXPIRE_LT};
    struct operation o = {.op = OP_EXPIRE};

    if (!asker_below(x, 5)) {
        o.flags = OPERATION_PERSIST;
        return o;
    }
    o.flags = only[asker_below(x, ARRAY_LEN(only))];
    with_deadline(x, group, &o);
    return o;
}

static void next(struct asker *x)
{
    struct expiry_row *s = x->row;
    struct dying *k = &s->of[x->number];
    uint32_t group = asker_below(x, 3) && x->group ? x->group : rows_group(x);
    struct mortal *m = &k->of[group];
    uint64_t what = m->known ? asker_below(x, 10) : 9;
    char text[24];
    struct operation o;

    if (what < 5)
        o = (struct operation){.op = OP_GET};
    else if (what < 7)
        o = an_expire(x, group);
    else if (what < 8)
        o = (struct operation){.op = OP_DELETE};
    else
        o = a_set(x, group, m->known);
    o.key = rows_key(x->of, group, "mortal%u", x->number);
    if (o.op == OP_SET) {
        snprintf(text, sizeof text, "%" PRIu64, ++k->number);
        o.value = slice_str(text);
    }
    asker_ask(x, group, &o);
}

/* ---- what has to come of it ---- */

static void expect(struct asker *x, const struct reply *r, enum status st)
{
    if (r->status != st)
        rows_fail(x, "told %s at clock %" PRIu64 ", expected %s",
                  status_name(r->status), r->clock, status_name(st));
}

static void told_get(struct asker *x, const struct mortal *m,
                     const struct reply *r)
{
    uint64_t latest = x->of->clock[x->group];

    if (r->status == STATUS_OK) {
        if (!alive(m, r->clock))
            rows_fail(x, "read at clock %" PRIu64 ", deadline %" PRIu64 "%s",
                      r->clock, m->deadline, m->present ? "" : ", gone");
        if ((uint64_t)rows_number(x->of, r->value) != m->number ||
            r->expire_at != m->deadline)
            rows_fail(x, "read %" PRId64 " until %" PRIu64 ", but it is %"
                      PRIu64 " until %" PRIu64, rows_number(x->of, r->value),
                      r->expire_at, m->number, m->deadline);
    } else {
        expect(x, r, STATUS_NOT_FOUND);
        if (alive(m, latest))
            rows_fail(x, "gone at clock %" PRIu64 ", deadline %" PRIu64
                      ", the clock is at most %" PRIu64,
                      r->clock, m->deadline, latest);
    }
}

static uint64_t deadline_of(const struct operation *o, uint64_t clock,
                            uint64_t kept)
{
    if (o->flags & OPERATION_TTL)
        return clock + o->expire;
    if (o->flags & OPERATION_DEADLINE)
        return o->expire;
    return o->flags & OPERATION_KEEP_TTL ? kept : 0;
}

static void told_set(struct asker *x, struct mortal *m, const struct reply *r)
{
    const struct operation *o = &x->o;
    bool there = alive(m, r->clock);
    uint64_t kept = there ? m->deadline : 0;

    if (m->known && ((o->flags & OPERATION_IF_ABSENT && there) ||
                     (o->flags & OPERATION_IF_PRESENT && !there))) {
        expect(x, r, STATUS_NOT_MET);
        return;
    }
    expect(x, r, STATUS_OK);
    m->known = m->present = true;
    m->deadline = deadline_of(o, r->clock, kept);
    m->number = (uint64_t)rows_number(x->of, o->value);
    if (m->deadline && m->deadline <= r->clock)
        m->present = false;
    if (m->present && r->expire_at != m->deadline)
        rows_fail(x, "set until %" PRIu64 ", told %" PRIu64, m->deadline,
                  r->expire_at);
}

static bool later(uint64_t a, uint64_t b)
{
    return b && (!a || a > b);
}

static bool moves(const struct operation *o, uint64_t old, uint64_t new)
{
    if (o->flags & OPERATION_EXPIRE_NX)
        return !old;
    if (o->flags & OPERATION_EXPIRE_XX)
        return old;
    if (o->flags & OPERATION_EXPIRE_GT)
        return later(new, old);
    return !(o->flags & OPERATION_EXPIRE_LT) || later(old, new);
}

static void told_expire(struct asker *x, struct mortal *m,
                        const struct reply *r)
{
    uint64_t new = deadline_of(&x->o, r->clock, 0);

    if (!alive(m, r->clock)) {
        expect(x, r, STATUS_NOT_FOUND);
        return;
    }
    if (!moves(&x->o, m->deadline, new)) {
        expect(x, r, STATUS_NOT_MET);
        return;
    }
    expect(x, r, STATUS_OK);
    m->deadline = new;
    if (new && new <= r->clock)
        m->present = false;
    else if (r->expire_at != new)
        rows_fail(x, "until %" PRIu64 " now, told %" PRIu64, new,
                  r->expire_at);
}

/* Look again when its time is about to come. */
static void rest(struct asker *x, const struct mortal *m)
{
    uint64_t clock = about(x->of, x->group);
    uint64_t when = m->deadline + asker_below(x, 60);

    if (m->present && m->deadline && when > clock + 30 &&
        when < clock + 2000 && asker_below(x, 2))
        x->rest = when - clock - 30;
}

static void told(struct asker *x, const struct reply *r)
{
    struct expiry_row *s = x->row;
    struct mortal *m = &s->of[x->number].of[x->group];

    if (r->status == STATUS_EXPIRED) {
        m->known = false;
        return;
    }
    switch (x->o.op) {
    case OP_GET:
        told_get(x, m, r);
        break;
    case OP_SET:
        told_set(x, m, r);
        break;
    case OP_EXPIRE:
        told_expire(x, m, r);
        break;
    default:
        expect(x, r, alive(m, r->clock) ? STATUS_OK : STATUS_NOT_FOUND);
        m->present = false;
        break;
    }
    rest(x, m);
}

/* ---- what the stores hold ---- */

/* Sweeping needs no command: what is due by every clock there is has gone. */
static void swept(struct rows *r, uint32_t group)
{
    enum { LATE_MS = 1000 };
    const struct mem_table *t = rows_table(r, group);
    uint64_t now = UINT64_MAX;

    for (unsigned i = 0; i < r->c->o.nodes; i++)
        now = MIN_OF(now, cluster_wall(r->c, &r->c->nodes[i]));
    for (unsigned i = 0; i < t->n; i++) {
        struct slice key = mem_row_key(&t->v[i]);
        struct layout_value v;
        if (key.data[0] != LAYOUT_DATA ||
            layout_value_parse(mem_row_value(&t->v[i]), &v) != STATUS_OK)
            continue;
        if (v.expire_at_ms && v.expire_at_ms + LATE_MS < now)
            cluster_fail(r->c, "group %u: a key of %zu bytes is due since %"
                         PRIu64 " ms and still there",
                         group, key.size, now - v.expire_at_ms);
    }
}

static void quiet(struct rows *r, void *row UNUSED)
{
    for (uint32_t g = 1; g <= r->c->o.groups; g++)
        swept(r, g);
}

const struct row_kind row_expiry = {
    {next, told}, sizeof(struct expiry_row), init, quiet, NULL,
};
