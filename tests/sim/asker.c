/* asker.c - see asker.h. */
#include "tests/sim/asker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/rows.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    SILENCE_MS = 1000,   /* after the deadline: the answer was lost */
    LONG_MS = 30000,     /* until not_after, at least */
};

void asker_init(struct asker *x, struct rows *of, unsigned place,
                const struct asker_kind *kind, void *row, unsigned number,
                struct asker *process)
{
    *x = (struct asker){.of = of, .kind = kind, .row = row,
                        .number = number, .place = place,
                        .process = process ? process : x};
    rng_init(&x->rng, of->c->o.seed * 4096 + place);
    if (process) {
        memcpy(x->session.client, process->session.client,
               sizeof x->session.client);
        return;
    }
    put_u64(x->session.client, rng_next(&x->rng));
    put_u64(x->session.client + 8, place);
}

void asker_release(struct asker *x)
{
    buf_release(&x->bytes);
}

/* ---- time ---- */

static void go(struct cluster *c, struct asker *x);
static void next(struct cluster *c, struct asker *x);

static void wake(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct asker *x = arg;

    if (dropped || x->out || c->now < x->wake_at)
        return;
    if (x->busy)
        go(c, x);
    else
        next(c, x);
}

static void again(struct asker *x, uint64_t ms)
{
    x->wake_at = x->of->c->now + ms;
    cluster_later(x->of->c, NULL, ms, wake, x);
}

static void silence(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                    bool dropped)
{
    struct asker *x = arg;

    if (dropped || !x->out || c->now < x->patience)
        return;
    x->out = false; /* its answer may come yet: to nobody */
    x->open = true;
    x->of->count.lost++;
    again(x, 1 + asker_below(x, 50));
}

void asker_run(struct asker *x)
{
    uint64_t ms = x->rest ? x->rest : 1 + asker_below(x, x->of->pause_max);

    x->rest = 0;
    if (!x->busy && x->of->running)
        again(x, ms);
}

static void next(struct cluster *c UNUSED, struct asker *x)
{
    if (!x->of->running)
        return;
    x->kind->next(x);
    asker_run(x);
}

/* ---- asking ---- */

static struct slice keep(struct asker *x, size_t at, struct slice s)
{
    return slice_of(x->bytes.data + at, s.size);
}

static void new_client(struct asker *x)
{
    put_u64(x->session.client, rng_next(&x->rng));
    x->session.sequence = 1;
    x->stamped = false;
}

/* All below what its process waits for; it may say so a little late. */
static void new_sequence(struct asker *x)
{
    uint64_t behind, oldest;
    struct rows *r = x->of;

    if (x->kind->momentary) {
        new_client(x);
        return;
    }
    behind = asker_below(x, 4);
    x->session.sequence = oldest = ++x->process->given;
    for (unsigned i = 0; i < r->n; i++)
        if (r->asker[i].process == x->process && r->asker[i].busy)
            oldest = MIN_OF(oldest, r->asker[i].session.sequence);
    x->session.acknowledged = oldest > behind ? oldest - behind : 0;
    x->stamped = false;
}

void asker_ask(struct asker *x, uint32_t group, const struct operation *o)
{
    asker_ask_in(x, slice_of(NULL, 0), true, group, o);
}

void asker_ask_in(struct asker *x, struct slice keyspace, bool exists,
                  uint32_t group, const struct operation *o)
{
    size_t key = o->key.size, value = o->value.size;

    buf_clear(&x->bytes);
    buf_append(&x->bytes, o->key.data, key);
    buf_append(&x->bytes, o->value.data, value);
    buf_append(&x->bytes, o->if_value.data, o->if_value.size);
    x->o = *o;
    x->o.key = keep(x, 0, o->key);
    x->o.value = keep(x, key, o->value);
    x->o.if_value = keep(x, key + value, o->if_value);
    x->keyspace = keyspace;
    x->exists = exists;
    x->group = group;
    x->id++;
    x->busy = true;
    x->open = x->twice = false;
    x->attempts = 0;
    x->last = STATUS_OK;
    x->first.known = false;
    x->floor_clock = x->of->heard[group].clock;
    x->floor_index = x->of->heard[group].index;
    x->fleeting = !asker_below(x, 12);
    new_sequence(x);
    again(x, 1);
}

/* Mostly who leads, as far as was heard. */
static struct sim_node *choose(struct asker *x)
{
    struct cluster *c = x->of->c;
    struct sim_node *n = NULL;

    if (x->attempts < 3 && asker_below(x, 4))
        n = cluster_node(c, x->of->heard[x->group].leader);
    if (!n)
        n = &c->nodes[asker_below(x, c->o.nodes)];
    return n->up && n->map && n->paused_until <= c->now ? n : NULL;
}

static void stamp(struct asker *x, const struct sim_node *n)
{
    struct heard *h = &x->of->heard[x->group];
    uint64_t now = h->clock ? h->clock + (x->of->c->now - h->at)
                            : shard_clock(n->loops[0].shard);

    x->session.not_after = now + (x->fleeting
                                      ? 100 + asker_below(x, 900)
                                      : LONG_MS + asker_below(x, 200000));
    x->stamped = true;
}

/* Who leads the group, and what an entry would be stamped with there now. */
static struct sim_node *leading(const struct asker *x, uint64_t *stamp)
{
    struct cluster *c = x->of->c;

    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        const struct replica *r;
        int64_t offset;
        if (!n->up || !n->map || n->paused_until > c->now)
            continue;
        r = shard_find(loop_of(n, x->group)->shard, x->group);
        if (!r || !r->raft || r->role != GROUP_LEADER ||
            !timekeeper_offset(loop_of(n, x->group)->shard, r, &offset))
            continue;
        *stamp = clock_peek(&r->clock, cluster_clock(c, n), offset);
        return n;
    }
    return NULL;
}

/* Asked for at the last moment. */
struct moment {
    struct asker *of;
    uint32_t generation;
    instant deadline;
};

static void send(struct asker *x, struct sim_loop *l, instant deadline)
{
    struct request q = {.keyspace = x->keyspace, .operation = x->o,
                        .deadline = deadline};

    if (operation_is_write(x->o.op))
        q.session = x->session;
    q.from = (struct origin){
        .conn = (uint64_t)x->generation << 32 | x->place, .id = x->id};
    loop_request(x->of->c, l, &q);
}

/* The first has had its turn: this one is in another entry. */
static void send_again(struct cluster *c UNUSED, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct moment *m = arg;
    struct asker *x = m->of;

    if (!dropped && x->out && x->generation == m->generation) {
        x->twice = true;
        send(x, l, m->deadline);
    }
    free(m);
}

static void send_twice(struct asker *x, struct sim_loop *l, instant deadline)
{
    struct moment *m = xmalloc(sizeof *m);

    *m = (struct moment){x, x->generation, deadline};
    send(x, l, deadline);
    cluster_later(x->of->c, l, 0, send_again, m);
}

/* Gives whom to ask, or NULL. */
static struct sim_node *at_the_last_moment(struct asker *x)
{
    uint64_t stamp;
    struct sim_node *n = leading(x, &stamp);

    if (n && !x->stamped) {
        x->session.not_after = stamp;
        x->stamped = x->open = true;
    }
    return n;
}

static void go(struct cluster *c, struct asker *x)
{
    bool write = operation_is_write(x->o.op);
    bool momentary = write && x->kind->momentary;
    struct sim_node *n = momentary ? at_the_last_moment(x) : choose(x);
    uint64_t ms = 300 + asker_below(x, 1500);
    struct sim_loop *l;
    instant deadline;

    x->attempts++;
    if (!n) {
        again(x, 20);
        return;
    }
    x->of->count.retries += x->attempts > 1;
    x->generation++;
    x->out = true;
    x->twice = false;
    x->at = n->place;
    x->patience = c->now + ms + SILENCE_MS;
    if (write && !x->stamped)
        stamp(x, n);
    deadline = instant_add(cluster_clock(c, n), MS(ms));
    cluster_later(c, NULL, ms + SILENCE_MS, silence, x);
    l = momentary ? loop_of(n, x->group) : &n->loops[x->place % n->n_loops];
    if (momentary)
        send_twice(x, l, deadline);
    else
        send(x, l, deadline);
}

/* ---- being answered ---- */

static _Noreturn void bad(const struct asker *x, const struct reply *r,
                          const char *what)
{
    cluster_fail(x->of->c,
                 "%s: asker %u (op %d, sequence %" PRIu64 ", group %u, key "
                 "%.*s) was told %s, version %" PRIu64 ", clock %" PRIu64
                 ": %s",
                 rows_name(x), x->place, (int)x->o.op, x->session.sequence,
                 x->group, (int)MIN_OF(x->o.key.size, (size_t)40),
                 (const char *)x->o.key.data, status_name(r->status),
                 r->version, r->clock, what);
}

/* Every answer to a write is that of its first execution. */
static void same_as_first(struct asker *x, const struct reply *r)
{
    struct first_answer *f = &x->first;
    uint64_t value =
        r->has_value ? 1 + XXH3_64bits(r->value.data, r->value.size) : 0;

    if (!f->known) {
        *f = (struct first_answer){true,        r->status, r->version,
                                   r->argument, r->clock,  value};
        return;
    }
    x->of->count.repeated++;
    if (f->status != r->status || f->version != r->version ||
        f->argument != r->argument || f->clock != r->clock ||
        f->value != value)
        bad(x, r, "another answer than the first one");
}

/* Nothing that was heard before it was asked lies behind it. */
static void not_before_it_was_asked(struct asker *x, const struct reply *r)
{
    bool write = operation_is_write(x->o.op);

    if (x->o.op == OP_SCAN || x->o.flags & OPERATION_STALE)
        return;
    if (r->clock < x->floor_clock)
        bad(x, r, "the group clock went back");
    if (write && r->clock > x->session.not_after)
        bad(x, r, "executed after its not_after");
    if (write && x->o.op != OP_EXPIRE && x->o.op != OP_KEYSPACE &&
        r->status == STATUS_OK &&
        r->version && r->version >> 10 <= x->floor_index)
        bad(x, r, "ordered before what was heard when it was asked");
}

static void finish(struct asker *x, const struct reply *r)
{
    struct heard *h = &x->of->heard[x->group];

    if (r->status != STATUS_EXPIRED && r->status != STATUS_NO_KEYSPACE) {
        not_before_it_was_asked(x, r);
        rows_heard(x->of, x->group, r);
        if (x->o.op != OP_SCAN)
            h->leader = x->of->c->nodes[x->at].id;
    }
    x->busy = x->out = false;
    rows_count(x, r->status);
    x->kind->told(x, r);
    asker_run(x);
}

/* It was certainly not executed, and never will be: the next sequence. */
static void too_late(struct asker *x, const struct reply *r)
{
    if (x->open) {
        x->of->count.expired++;
        finish(x, &(struct reply){.status = STATUS_EXPIRED});
        return;
    }
    rows_heard(x->of, x->group, &(struct reply){.clock = r->clock});
    x->fleeting = false;
    x->of->count.restamped++;
    new_sequence(x);
    again(x, 1);
}

static void refused(struct asker *x, const struct reply *r)
{
    x->last = r->status;
    switch (r->status) {
    case STATUS_UNKNOWN:
        x->open = true;
        break;
    case STATUS_NOT_LEADER:
    case STATUS_UNAVAILABLE:
    case STATUS_BUSY:
    case STATUS_TIMEOUT:
    case STATUS_DISK_FULL:
    case STATUS_MOVED: /* a door had a wrong map */
    case STATUS_NO_KEYSPACE: /* ... or an old one */
        break;
    default:
        bad(x, r, "that is no answer to this");
    }
    if (r->hint_node && r->hint_group < CLUSTER_GROUPS_MAX)
        x->of->heard[r->hint_group].leader = r->hint_node;
    again(x, 5 + asker_below(x, MIN_OF(x->attempts, 8u) * 40));
}

static bool outcome(const struct asker *x, enum status st)
{
    if (st == STATUS_NO_KEYSPACE && x->keyspace.size)
        return false; /* any node may say so, of a request that is executed */
    return status_retry(st) == RETRY_NO && st != STATUS_INVALID;
}

void asker_replied(struct asker *x, struct sim_node *n, const struct effect *e)
{
    const struct reply *r = &e->reply.reply;
    bool write = operation_is_write(x->o.op);
    bool current = e->reply.to.conn >> 32 == x->generation && x->out;

    if (e->reply.to.id != x->id || !x->busy)
        return; /* to one that has been answered */
    if (e->reply.op != x->o.op)
        bad(x, r, "an answer to something else");
    if (!current && (!write || !outcome(x, r->status)))
        return;
    x->out = false;
    if (r->status == STATUS_STALE_REQUEST)
        bad(x, r, "it never said that it had the answer");
    if (write && outcome(x, r->status)) {
        same_as_first(x, r);
        if (x->twice && current) { /* the other one is the same */
            x->twice = false;
            x->out = true;
            return;
        }
        if (!asker_below(x, 25)) { /* the answer gets lost */
            x->open = true;
            x->of->count.lost++;
            again(x, 1 + asker_below(x, 200));
            return;
        }
    }
    if (current)
        x->at = n->place;
    if (outcome(x, r->status) ||
        (r->status == STATUS_NO_KEYSPACE && !x->exists))
        finish(x, r);
    else if (write && (r->status == STATUS_EXPIRED ||
                       r->status == STATUS_INVALID))
        too_late(x, r);
    else
        refused(x, r);
}

void asker_died(struct asker *x, const struct sim_node *n)
{
    if (!x->out || x->at != n->place)
        return;
    x->out = false;
    x->open = true;
    again(x, 1 + asker_below(x, 100));
}
