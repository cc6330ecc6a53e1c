/* row_watch.c - watches. See rows.h.
 *
 * Watchers of a key, a prefix or a range of one group, some slow, some going
 * away now and then, each resuming where its parts ended. They must be told
 * exactly what the truth (truth.h) has of their range, in order, each event
 * once; COMPACTED is the only excuse, then they begin anew. Whenever all is
 * quiet everybody has been told everything, and the events, replayed, make
 * what the stores hold. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/watch.h"
#include "tests/sim/truth.h"

enum {
    WATCHERS_MAX = 2 * ASKERS_OF_ROW_MAX,
    TICK_MS = 80,
    PROGRESS_MS = 200,
    SILENCE_MS = 3000, /* without a part: asks another node */
    TOLD_WITHIN_MS = 1500,
};

struct watcher {
    struct rows *of;
    unsigned number;
    uint32_t group;
    struct rng rng;
    enum watch_kind kind;
    char begin[24], end[24];
    bool previous;
    unsigned slow;       /* ms until it takes a part, at most */
    bool asked;          /* a watch is out */
    uint64_t id;
    uint32_t generation;
    unsigned at_node;
    uint64_t heard_at;   /* the last part, world time */
    bool known;          /* where it stands: */
    uint64_t from;       /* where it began: events up to there are not its */
    uint64_t version, in_progress;
    unsigned count, skip; /* of in_progress: told; to be passed over */
    size_t at;           /* the next one in the truth */
};

struct watches_row {
    struct truth truth[CLUSTER_GROUPS_MAX];
    struct watcher v[WATCHERS_MAX];
    unsigned n;
    uint64_t events, resyncs;
};

static struct watches_row *row_of(struct watcher *w)
{
    return w->of->row[ROW_watches];
}

static struct truth *truth_of(struct watcher *w)
{
    return &row_of(w)->truth[w->group];
}

static _Noreturn void wrong(struct watcher *w, const char *what,
                            uint64_t version)
{
    const struct truth *t = truth_of(w);

    cluster_fail(w->of->c, "watcher %u of group %u (%d, '%s'): %s, version %"
                 PRIu64 "; next is %" PRIu64 ", told through %" PRIu64,
                 w->number, w->group, (int)w->kind, w->begin, what, version,
                 w->at < t->n ? t->v[w->at].version : 0, w->version);
}

/* ---- events ---- */

static bool wants(struct watcher *w, size_t event)
{
    struct slice key = truth_key(truth_of(w), event);
    struct slice begin = slice_str(w->begin);

    if (truth_of(w)->v[event].version <= w->from)
        return false; /* it may begin ahead of what is applied */
    switch (w->kind) {
    case WATCH_KEY:
        return slice_equal(key, begin);
    case WATCH_PREFIX:
        return key.size >= begin.size &&
               slice_equal(slice_of(key.data, begin.size), begin);
    default:
        return slice_compare(key, begin) >= 0 &&
               slice_compare(key, slice_str(w->end)) < 0;
    }
}

/* What is told to have been before is what the event before left. */
static void check_previous(struct watcher *w, const struct watch_event *e)
{
    const struct truth *t = truth_of(w);
    size_t before = t->v[w->at].before;
    const struct truth_event *b = before ? &t->v[before - 1] : NULL;
    bool was = b && b->kind == CHANGE_PUT;

    if (e->flags & WATCH_HAD_NOTHING && was)
        wrong(w, "told that there was nothing before", e->version);
    if (e->flags & WATCH_HAD_PREVIOUS &&
        (!was || b->value != truth_digest(e->previous)))
        wrong(w, "told of something else before", e->version);
}

static void told(struct watcher *w, const struct watch_event *e)
{
    const struct truth *t = truth_of(w);

    if (e->version == w->in_progress) {
        w->count++;
    } else {
        w->in_progress = e->version;
        w->count = 1;
    }
    if (w->skip) {
        w->skip--; /* it came before the last watch ended */
        return;
    }
    while (w->at < t->n && !wants(w, w->at))
        w->at++;
    if (w->at == t->n)
        wrong(w, "told of what has not happened", e->version);
    if (e->version != t->v[w->at].version || e->kind != t->v[w->at].kind ||
        !slice_equal(e->key, truth_key(t, w->at)) ||
        (e->kind == CHANGE_PUT &&
         truth_digest(e->value) != t->v[w->at].value))
        wrong(w, "told something else than comes next", e->version);
    check_previous(w, e);
    w->at++;
    row_of(w)->events++;
    w->of->count.row[ROW_watches]++;
}

static void begun(struct watcher *w, const struct watch_part *p)
{
    w->at = truth_find(truth_of(w), p->through + 1);
    w->known = true;
    w->version = w->from = p->through;
}

static void part(struct watcher *w, struct slice bytes)
{
    const struct truth *t = truth_of(w);
    struct watch_part p;
    struct watch_event e;

    if (watch_part_decode(bytes, &p) != STATUS_OK)
        wrong(w, "a malformed part", 0);
    if (!w->known && p.events)
        wrong(w, "events before it knows where it begins", 0);
    if (!w->known)
        begun(w, &p);
    while (watch_part_event(&p, &e))
        told(w, &e);
    if (p.rows.failed)
        wrong(w, "a malformed part", 0);
    if (p.through < w->version)
        wrong(w, "a part goes back", p.through);
    w->version = p.through;
    if (w->in_progress <= p.through)
        w->count = 0;
    for (size_t i = w->at; i < t->n && t->v[i].version <= p.through; i++)
        if (wants(w, i))
            wrong(w, "not told, but the part is through", p.through);
    w->heard_at = w->of->c->now;
}

/* ---- asking ---- */

static void ask(struct watcher *w, struct sim_node *n)
{
    struct watch_request m = {.group = w->group, .kind = w->kind,
                              .begin = slice_str(w->begin),
                              .after = w->version,
                              .flags = (w->known ? 0u : WATCH_FROM_NOW) |
                                       (w->previous ? WATCH_PREVIOUS : 0u),
                              .progress_ms = PROGRESS_MS};
    struct buf body = {0};
    struct request q = {.operation = {.op = OP_WATCH}};

    if (w->kind == WATCH_RANGE)
        m.end = slice_str(w->end);
    watch_encode(&m, &body);
    w->id++;
    w->asked = true;
    w->at_node = n->place;
    w->heard_at = w->of->c->now;
    w->skip = w->count;
    w->count = 0;
    w->in_progress = w->skip ? w->in_progress : 0;
    q.from = (struct origin){
        .conn = (uint64_t)w->generation << 32 | (WATCHER_PLACE + w->number),
        .id = w->id};
    q.operation.value = buf_slice(&body);
    q.deadline = instant_add(cluster_clock(w->of->c, n), MS(1000));
    loop_request(w->of->c, loop_of(n, w->group), &q);
    buf_release(&body);
}

/* Its connection breaks. */
static void leave(struct watcher *w)
{
    struct sim_node *n = &w->of->c->nodes[w->at_node];
    struct event e = {.type = EVENT_WATCH_CANCEL};

    e.watch_cancel.from.conn =
        (uint64_t)w->generation << 32 | (WATCHER_PLACE + w->number);
    e.watch_cancel.whole = true;
    w->asked = false;
    w->generation++;
    if (n->up && n->paused_until <= w->of->c->now)
        loop_step(w->of->c, loop_of(n, w->group), &e);
}

static void tick(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct watcher *w = arg;
    struct sim_node *n = cluster_node(c, w->of->heard[w->group].leader);

    if (dropped)
        return;
    if (w->asked && (c->now > w->heard_at + SILENCE_MS + w->slow ||
                     (w->of->running && !rng_below(&w->rng, 150))))
        leave(w);
    if (!n || !rng_below(&w->rng, 4))
        n = &c->nodes[rng_below(&w->rng, c->o.nodes)];
    if (!w->asked && n->up && n->map && n->paused_until <= c->now)
        ask(w, n);
    cluster_later(c, NULL, TICK_MS, tick, w);
}

/* ---- the judge's hooks ---- */

static uint64_t on_part(struct rows *r, void *row, struct sim_node *n,
                        const struct effect *e)
{
    struct watches_row *s = row;
    uint32_t at = (uint32_t)e->watch.to.conn - WATCHER_PLACE;
    struct watcher *w;

    if (at >= s->n)
        return 0;
    w = &s->v[at];
    if (!w->asked || e->watch.to.id != w->id ||
        e->watch.to.conn >> 32 != w->generation || w->at_node != n->place)
        return 0; /* of a node that has not heard of its end */
    part(w, e->watch.part);
    return r->running && w->slow ? rng_below(&w->rng, w->slow) : 0;
}

static bool on_replied(struct rows *r, void *row, struct sim_node *n,
                       const struct effect *e)
{
    struct watches_row *s = row;
    uint32_t at = (uint32_t)e->reply.to.conn - WATCHER_PLACE;
    const struct reply *m = &e->reply.reply;
    struct watcher *w;

    if (at >= s->n)
        return false;
    w = &s->v[at];
    if (!w->asked || e->reply.to.id != w->id || w->at_node != n->place ||
        e->reply.to.conn >> 32 != w->generation)
        return true;
    w->asked = false;
    if (m->hint_node && m->hint_group < CLUSTER_GROUPS_MAX)
        r->heard[m->hint_group].leader = m->hint_node;
    switch (m->status) {
    case STATUS_COMPACTED:
        if (!w->known)
            wrong(w, "from now on is compacted", 0);
        s->resyncs++;
        w->known = false;
        w->count = 0;
        w->in_progress = 0;
        break;
    case STATUS_NOT_LEADER:
    case STATUS_UNAVAILABLE:
    case STATUS_TIMEOUT:
    case STATUS_BUSY:
        break;
    default:
        cluster_fail(r->c, "watcher %u was told %s", at,
                     status_name(m->status));
    }
    return true;
}

static void on_died(struct rows *r UNUSED, void *row, struct sim_node *n)
{
    struct watches_row *s = row;

    for (unsigned i = 0; i < s->n; i++) {
        struct watcher *w = &s->v[i];
        if (!w->asked || w->at_node != n->place)
            continue;
        w->asked = false;
        w->generation++;
    }
}

/* What is given to one store may be in others, in a snapshot of it, before it
 * is known to be executed; and stays in it if the replica stops meanwhile. */
static void on_applying(struct rows *r, void *row, struct sim_node *n,
                        struct sim_replica *x)
{
    struct watches_row *s = row;
    struct replica *replica = shard_find(loop_of(n, x->group)->shard, x->group);
    const struct change *changes;
    unsigned count;

    /* Of a cancelled step the entries may have gone. */
    if (x->group == 0 || !replica || !replica->raft ||
        replica->apply.cancelled || replica->apply.state != APPLY_WRITING)
        return;
    changes = machine_changes(applying_step(&replica->apply), &count);
    truth_note(&s->truth[x->group], r->c, x->group, changes, count);
}

/* ---- life ---- */

static void choose_range(struct watcher *w)
{
    const char *tag =
        w->of->clients->keys[(w->group - 1) * KEYS_PER_GROUP];

    w->kind = WATCH_PREFIX;
    switch (rng_below(&w->rng, 4)) {
    case 0: /* everything */
        break;
    case 1:
        snprintf(w->begin, sizeof w->begin, "{%s}", tag);
        break;
    case 2:
        w->kind = WATCH_KEY;
        snprintf(w->begin, sizeof w->begin, "%s", tag);
        break;
    default:
        w->kind = WATCH_RANGE;
        snprintf(w->begin, sizeof w->begin, "key-");
        snprintf(w->end, sizeof w->end, "{%s}m", tag);
        break;
    }
}

static void start(struct rows *r, void *row, unsigned n)
{
    struct watches_row *s = row;

    s->n = MIN_OF(2 * n, (unsigned)WATCHERS_MAX);
    for (unsigned i = 0; i < s->n; i++) {
        struct watcher *w = &s->v[i];
        *w = (struct watcher){.of = r, .number = i};
        rng_init(&w->rng, r->c->o.seed * 64 + i);
        w->group = 1 + (uint32_t)rng_below(&w->rng, r->c->o.groups);
        w->previous = rng_below(&w->rng, 2);
        w->slow = rng_below(&w->rng, 3) ? 0 : 2500;
        choose_range(w);
        cluster_later(r->c, NULL, 1 + i, tick, w);
    }
}

static void quiet(struct rows *r, void *row)
{
    struct watches_row *s = row;

    for (uint32_t g = 1; g <= r->c->o.groups; g++)
        truth_equals(&s->truth[g], r->c, g, rows_table(r, g));
    for (unsigned i = 0; i < s->n; i++) {
        struct watcher *w = &s->v[i];
        const struct truth *t = truth_of(w);
        if (!w->known)
            wrong(w, "finds nobody to watch", 0);
        for (size_t k = w->at; k < t->n; k++)
            if (wants(w, k) && t->v[k].at + TOLD_WITHIN_MS < r->c->now)
                wrong(w, "was not told", t->v[k].version);
    }
}

static void release(void *row)
{
    struct watches_row *s = row;

    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++)
        truth_release(&s->truth[g]);
}

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

const struct row_kind row_watches = {
    .bytes = sizeof(struct watches_row), .init = init, .start = start,
    .quiet = quiet, .release = release, .replied = on_replied,
    .died = on_died, .applying = on_applying, .part = on_part,
};
