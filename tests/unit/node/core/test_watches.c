/* test_watches.c - watches in simulated clusters, held to what was applied.
 *
 * The truth is what the first replica that applied a step lists as changed.
 * Other replicas must list the same; a watcher must be told exactly what its
 * range has of it, in order, across leaders and crashes. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "proto/watch.h"
#include "tests/sim/trial.h"

enum { CONN = 2000, WATCHERS = 4, NOBODY = 3000, TRUTH_MAX = 40000,
       TOO_LARGE = 65000 /* for a history of 256 KiB */ };

static struct trial t;
static struct cluster_judge others;

struct truth {
    uint64_t version;
    enum change_kind kind;
    char key[16];
    uint64_t digest; /* of the value */
    size_t size;
};
static struct truth truth[TRUTH_MAX];
static unsigned n_truth;

struct watcher {
    const char *begin;  /* a prefix; "" is all */
    bool previous;      /* asks what was before */
    bool asked;         /* a watch is out */
    uint64_t id;
    bool known;         /* where it stands */
    uint64_t version, in_progress;
    unsigned count, skip; /* of in_progress: told; to be passed over */
    unsigned at;        /* the next one in `truth` */
    unsigned told, ends;
    bool resyncs;
    unsigned compacted;
    uint64_t slow;      /* ms until a part is taken */
    enum status last_end;
};
static struct watcher watchers[WATCHERS];
static unsigned n_watchers;
static uint64_t next_id;

/* ---- the truth ---- */

static uint64_t digest_of(struct slice s)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < s.size; i++)
        h = (h ^ s.data[i]) * 1099511628211u;
    return h;
}

static void note(const struct change *c, unsigned *at)
{
    struct truth one = {.version = c->version, .kind = c->kind,
                        .digest = digest_of(c->value),
                        .size = c->value.size};

    assert_true(c->key.size < sizeof one.key);
    memcpy(one.key, c->key.data, c->key.size);
    if (*at == n_truth) {
        assert_true(!n_truth || truth[n_truth - 1].version <= c->version);
        assert_true(n_truth < TRUTH_MAX);
        truth[n_truth++] = one;
    }
    assert_int_equal(truth[*at].version, one.version);
    assert_int_equal(truth[*at].kind, one.kind);
    assert_string_equal(truth[*at].key, one.key);
    assert_int_equal(truth[*at].digest, one.digest);
    ++*at;
}

static void on_applied(void *arg, struct sim_node *n, struct sim_replica *r)
{
    struct replica *x = trial_replica(n, r->group);
    const struct change *changes;
    unsigned count, at = n_truth;

    /* Not by a snapshot; and a cancelled step's entries may have gone. */
    if (r->group == 1 && x && x->raft && !x->apply.cancelled &&
        x->apply.state == APPLY_WRITING) {
        changes = machine_changes(applying_step(&x->apply), &count);
        if (count)
            for (at = 0; at < n_truth; at++)
                if (truth[at].version >= changes[0].version)
                    break;
        for (unsigned i = 0; i < count; i++)
            note(&changes[i], &at);
    }
    others.applied(arg, n, r);
}

/* ---- watchers ---- */

static bool wants(const struct watcher *w, const struct truth *one)
{
    return !strncmp(one->key, w->begin, strlen(w->begin));
}

/* What was before the change number `at` is what the last one before it of the
 * same key has left. */
static void told_before(const struct watch_event *e, unsigned at)
{
    for (unsigned i = at; i-- > 0;) {
        if (strcmp(truth[i].key, truth[at].key))
            continue;
        if (truth[i].kind != CHANGE_PUT)
            break;
        if (truth[i].size + truth[at].size > TOO_LARGE) {
            assert_int_equal(e->flags, WATCH_HAD_LARGE);
            return;
        }
        assert_int_equal(e->flags, WATCH_HAD_PREVIOUS);
        assert_int_equal(digest_of(e->previous), truth[i].digest);
        return;
    }
    assert_int_equal(e->flags, WATCH_HAD_NOTHING);
    assert_int_equal(e->previous.size, 0);
}

/* It is told one event; the next one in the truth has to be this. */
static void told(struct watcher *w, const struct watch_event *e)
{
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
    while (w->at < n_truth && !wants(w, &truth[w->at]))
        w->at++;
    assert_true(w->at < n_truth);
    assert_int_equal(e->version, truth[w->at].version);
    assert_int_equal(e->kind, truth[w->at].kind);
    assert_slice(e->key, truth[w->at].key);
    assert_int_equal(digest_of(e->value), truth[w->at].digest);
    if (w->previous)
        told_before(e, w->at);
    else
        assert_int_equal(e->flags, 0);
    w->at++;
    w->told++;
}

/* The first part of a watch from now on: from where? */
static void begun(struct watcher *w, struct watch_part p)
{
    struct watch_event e;
    uint64_t from = p.through + 1;

    if (watch_part_event(&p, &e))
        from = e.version;
    while (w->at < n_truth && truth[w->at].version < from)
        w->at++;
    w->known = true;
    w->version = from - 1;
}

static uint64_t on_part(void *arg UNUSED, struct sim_node *n UNUSED,
                        const struct effect *e)
{
    struct watcher *w = &watchers[(uint32_t)e->watch.to.conn - CONN];
    struct watch_part p;
    struct watch_event event;

    if (!w->asked || e->watch.to.id != w->id)
        return 0; /* of a node that has not heard of its end */
    assert_int_equal(watch_part_decode(e->watch.part, &p), STATUS_OK);
    if (!w->known)
        begun(w, p);
    while (watch_part_event(&p, &event))
        told(w, &event);
    assert_false(p.rows.failed);
    assert_true(p.through >= w->version);
    w->version = p.through;
    if (w->in_progress <= p.through)
        w->count = 0;
    /* All up to there was told. */
    for (unsigned i = w->at; i < n_truth && truth[i].version <= p.through; i++)
        assert_false(wants(w, &truth[i]));
    return w->slow;
}

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    uint32_t place = (uint32_t)e->reply.to.conn - CONN;
    struct watcher *w;

    if ((uint32_t)e->reply.to.conn == NOBODY)
        return;
    if (place >= WATCHERS) {
        others.replied(arg, n, e);
        return;
    }
    w = &watchers[place];
    assert_int_equal(e->reply.op, OP_WATCH);
    if (!w->asked || e->reply.to.id != w->id)
        return;
    w->asked = false;
    w->last_end = e->reply.reply.status;
    w->ends++;
    if (w->last_end == STATUS_COMPACTED && w->resyncs) {
        /* A replica that was started again or installed a snapshot leads. */
        w->compacted++;
        w->known = false;
        w->count = w->in_progress = 0;
        w->last_end = STATUS_OK;
    }
}

static void on_died(void *arg, struct sim_node *n)
{
    for (unsigned i = 0; i < n_watchers; i++)
        if (watchers[i].id >> 32 == n->id)
            watchers[i].asked = false;
    others.died(arg, n);
}

static void ask(struct watcher *w, struct sim_node *n)
{
    struct watch_request m = {.group = 1, .kind = WATCH_PREFIX,
                              .begin = slice_str(w->begin),
                              .after = w->version,
                              .flags = (w->known ? 0 : WATCH_FROM_NOW) |
                                       (w->previous ? WATCH_PREVIOUS : 0),
                              .progress_ms = 200};
    struct buf body = {0};
    struct request q = {.operation = {.op = OP_WATCH}};

    watch_encode(&m, &body);
    w->id = (uint64_t)n->id << 32 | ++next_id;
    w->asked = true;
    w->skip = w->count;
    w->count = 0;
    w->in_progress = w->skip ? w->in_progress : 0;
    q.from = (struct origin){.conn = CONN + (uint64_t)(w - watchers),
                             .id = w->id};
    q.operation.value = buf_slice(&body);
    q.deadline = (instant){t.c.now + 1000};
    loop_request(&t.c, loop_of(n, 1), &q);
    buf_release(&body);
}

static void ask_again(void)
{
    struct sim_node *n = trial_leader(&t, 1);

    for (unsigned i = 0; i < n_watchers && n; i++)
        if (!watchers[i].asked && watchers[i].last_end != STATUS_COMPACTED &&
            n->paused_until <= t.c.now)
            ask(&watchers[i], n);
}

static void start(const struct cluster_options *o, unsigned n)
{
    static const char *const prefixes[] = {"", "key-", "key-1", "nothing"};

    n_truth = 0;
    n_watchers = n;
    memset(watchers, 0, sizeof watchers);
    for (unsigned i = 0; i < n; i++)
        watchers[i].begin = prefixes[i % 4];
    trial_start(&t, o);
    others = t.c.judge;
    t.c.judge.applied = on_applied;
    t.c.judge.replied = on_replied;
    t.c.judge.died = on_died;
    t.c.judge.part = on_part;
}

static bool all_known(struct trial *x UNUSED, void *arg UNUSED)
{
    ask_again();
    for (unsigned i = 0; i < n_watchers; i++)
        if (!watchers[i].known)
            return false;
    return true;
}

static bool all_told(struct trial *x UNUSED, void *arg UNUSED)
{
    ask_again();
    for (unsigned i = 0; i < n_watchers; i++)
        if (!n_truth ||
            watchers[i].version < truth[n_truth - 1].version)
            return false;
    return true;
}

static void stop(void)
{
    trial_judge(&t);
    trial_release(&t);
}

/* ---- tests ---- */

/* The simplest promise: what is written is told, whole and in order. */
static void what_is_written_is_told(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    start(&o, 3);
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    leader = trial_elect(&t, 1);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 3)->status,
                         STATUS_OK);
        assert_int_equal(trial_answer(&t, leader, OP_DELETE, i % 3)->status,
                         STATUS_OK);
    }
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(watchers[0].told, 40);
    assert_int_equal(watchers[1].told, 40);
    stop();
}

/* Idle watches say so, so that a client knows how far it is. */
static void an_idle_watch_marks_its_progress(void **state)
{
    struct cluster_options o = trial_three();
    uint64_t before;

    (void)state;
    start(&o, 4);
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    assert_int_equal(trial_answer(&t, trial_elect(&t, 1), OP_SET, 0)->status,
                     STATUS_OK);
    before = watchers[3].version;
    trial_run(&t, 1000);
    assert_int_equal(watchers[3].told, 0); /* watches what nobody writes */
    assert_true(watchers[3].version > before);
    assert_true(watchers[3].version >= truth[n_truth - 1].version);
    stop();
}

/* I9 under everything that may happen. */
static void streams_are_whole_through_storms(void **state)
{
    unsigned ends = 0, told_sum = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct cluster_options o = trial_three();
        o.seed = seed;
        o.loops = 2;
        start(&o, 3);
        watchers[2].slow = 150;
        for (unsigned i = 0; i < 3; i++)
            watchers[i].resyncs = true;
        watchers[1].previous = watchers[2].previous = seed % 2;
        trial_wait(&t, 3000, all_known, NULL, "watches to begin");
        clients_run(&t.clients);
        for (unsigned i = 0; i < 200; i++) {
            if (i % 10 == 9)
                cluster_misfortune(&t.c);
            if (i % 40 == 39)
                cluster_heal(&t.c);
            ask_again();
            trial_run(&t, 50);
        }
        clients_stop(&t.clients);
        cluster_heal(&t.c);
        trial_run(&t, 6000);
        trial_wait(&t, 10000, all_told, NULL, "all to be told");
        for (unsigned i = 0; i < n_watchers; i++) {
            ends += watchers[i].ends - watchers[i].compacted;
            told_sum += watchers[i].told;
        }
        stop();
    }
    assert_true(ends > 5); /* leaders did change */
    assert_true(told_sum > 500);
}

static struct replica *leader_replica(void)
{
    return trial_replica(trial_elect(&t, 1), 1);
}

static void set_large(struct sim_node *leader, unsigned size)
{
    struct request q = {.operation = {.op = OP_SET,
                                      .key = slice_str(t.clients.keys[0])}};
    struct buf value = {0};

    memset(buf_grow(&value, size), 'x', size);
    q.from = (struct origin){.conn = NOBODY};
    q.operation.value = buf_slice(&value);
    q.deadline = (instant){t.c.now + 1000};
    loop_request(&t.c, loop_of(leader, 1), &q);
    buf_release(&value);
}

/* A watch that does not take its parts costs no more than its bound, and is
 * told so when what it misses has gone. Nobody else notices. */
static void a_slow_watch_is_cut_off_with_bounded_memory(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct shard *s;

    (void)state;
    start(&o, 2);
    trial_run(&t, 5000); /* leadership has settled */
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    leader = trial_elect(&t, 1);
    s = loop_of(leader, 1)->shard;
    s->o.recent_bytes_max = 1 << 20;
    watchers[0].slow = 5000;
    trial_run(&t, 400); /* its progress mark is on its way now */
    for (unsigned i = 0; i < 300; i++) { /* 3 MB */
        set_large(leader, 10000);
        trial_run(&t, 10);
        assert_true(s->watches.bytes < 400000);
        assert_true(leader_replica()->watched.recent.bytes <= 1 << 20);
    }
    trial_run(&t, 6000);
    assert_int_equal(watchers[0].last_end, STATUS_COMPACTED);
    assert_false(watchers[0].asked);
    assert_int_equal(watchers[1].ends, 0);
    assert_int_equal(watchers[1].told, 300);
    stop();
}

/* Broken: who asks what was before is not told, or is told something else; one
 * who does not ask pays for it. */
static void what_was_before_is_told_to_who_asks(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    start(&o, 2);
    leader = trial_elect(&t, 1);
    for (unsigned i = 0; i < 3; i++) /* before anybody asks */
        assert_int_equal(trial_answer(&t, leader, OP_SET, i)->status,
                         STATUS_OK);
    watchers[0].previous = true;
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 3)->status,
                         STATUS_OK);
        if (i % 4)
            continue;
        assert_int_equal(trial_answer(&t, leader, OP_DELETE, i % 3)->status,
                         STATUS_OK);
    }
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(watchers[0].told, 25);
    assert_int_equal(watchers[1].told, 25);
    stop();
}

static struct sim_node *hand_over(struct sim_node *leader)
{
    struct sim_node *next;

    trial_isolate(&t, leader, true);
    trial_run(&t, 3000);
    next = trial_elect(&t, 1);
    assert_true(next != leader);
    trial_isolate(&t, leader, false);
    return next;
}

/* Broken: a watch that is resumed at another replica misses what was before,
 * as that one had nobody who asked for it. */
static void what_was_before_is_known_at_the_next_leader(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct watcher *w = &watchers[0];

    (void)state;
    start(&o, 1);
    w->previous = true;
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    leader = trial_elect(&t, 1);
    n_watchers = 0; /* gone: nobody asks any more */
    w->asked = false;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 2)->status,
                         STATUS_OK);
    leader = hand_over(leader);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 2)->status,
                         STATUS_OK);
    n_watchers = 1;
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(w->told, 20);
    stop();
}

/* Broken: a watch is told an event without what was before, though it asked;
 * or loses its place though nothing of its own has changed. */
static void what_nobody_looked_at_is_compacted(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    uint64_t version;

    (void)state;
    start(&o, 4);
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    leader = trial_elect(&t, 1);
    version = watchers[0].version;
    n_watchers = 0;
    for (unsigned i = 0; i < 4; i++) {
        watchers[i] = (struct watcher){.begin = watchers[i].begin,
                                       .known = true, .previous = i != 1,
                                       .version = version};
    }
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_run(&t, 500);
    n_watchers = 4;
    ask_again();
    trial_run(&t, 1000);
    assert_int_equal(watchers[0].last_end, STATUS_COMPACTED);
    assert_int_equal(watchers[0].told, 0);
    assert_int_equal(watchers[1].told, 1);
    assert_true(watchers[3].asked); /* of what nobody writes */
    assert_true(watchers[3].version > version);
    stop();
}

static void cancel(struct sim_node *leader, struct watcher *w)
{
    struct event e = {.type = EVENT_WATCH_CANCEL};

    e.watch_cancel.from =
        (struct origin){.conn = CONN + (uint64_t)(w - watchers), .id = w->id};
    loop_step(&t.c, loop_of(leader, 1), &e);
    trial_run(&t, 100);
    assert_int_equal(w->last_end, STATUS_CANCELLED);
}

/* Broken: a small change of a large value cuts every watch of its group off; or
 * who was there is told other things than who comes back. */
static void what_is_too_large_to_be_kept_is_said_to_be(void **state)
{
    static const unsigned sizes[] = {50000, 25000, 25000, 10};
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct watcher *w = &watchers[0];
    uint64_t begin;

    (void)state;
    o.recent_bytes = 256 << 10;
    start(&o, 1);
    w->previous = true;
    trial_run(&t, 5000); /* leadership has settled */
    leader = trial_elect(&t, 1);
    trial_wait(&t, 3000, all_known, NULL, "the watch to begin");
    begin = w->version;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        set_large(leader, sizes[i]);
        trial_run(&t, 200);
    }
    assert_int_equal(w->told, 4);
    cancel(leader, w);
    *w = (struct watcher){.begin = "", .known = true, .previous = true,
                          .version = begin};
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(w->told, 4);
    assert_int_equal(w->ends, 0);
    stop();
}

enum { LONGER_THAN_REMEMBERED = 420000 };

/* Broken: the clock of a group to which nobody writes is thought to stand
 * still, and its watch is cut off by the next write. */
static void what_was_before_is_told_after_a_long_silence(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct watcher *w = &watchers[0];

    (void)state;
    start(&o, 1);
    w->previous = true;
    trial_run(&t, 5000); /* leadership has settled */
    leader = trial_elect(&t, 1);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_wait(&t, 3000, all_known, NULL, "the watch to begin");
    trial_run(&t, LONGER_THAN_REMEMBERED);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(w->told, 1);
    assert_int_equal(w->ends, 0);
    /* Silent and watched by nobody: who comes has to be waited for. */
    cancel(leader, w);
    w->known = false;
    n_watchers = 0;
    trial_run(&t, LONGER_THAN_REMEMBERED);
    n_watchers = 1;
    trial_wait(&t, 3000, all_known, NULL, "the watch to begin");
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_wait(&t, 3000, all_told, NULL, "all to be told");
    assert_int_equal(w->told, 2);
    stop();
}

static void too_old_unknown_and_not_led_are_refused(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct watcher *w = &watchers[0];

    (void)state;
    start(&o, 0);
    leader = trial_elect(&t, 1);
    *w = (struct watcher){.begin = "", .known = true, .version = 1};
    ask(w, leader);
    trial_run(&t, 500);
    assert_int_equal(w->last_end, STATUS_COMPACTED);
    ask(w, trial_other(&t, leader));
    trial_run(&t, 500);
    assert_int_equal(w->last_end, STATUS_NOT_LEADER);
    stop();
}

/* The client cancels, or its connection goes: nothing is left of it. */
static void a_cancelled_watch_leaves_nothing(void **state)
{
    struct cluster_options o = trial_three();
    struct event e = {.type = EVENT_WATCH_CANCEL};
    struct sim_node *leader;
    struct shard *s;

    (void)state;
    start(&o, 3);
    trial_wait(&t, 3000, all_known, NULL, "watches to begin");
    leader = trial_elect(&t, 1);
    s = loop_of(leader, 1)->shard;
    assert_int_equal(s->watches.count, 3);
    e.watch_cancel.from =
        (struct origin){.conn = CONN, .id = watchers[0].id};
    loop_step(&t.c, loop_of(leader, 1), &e);
    trial_run(&t, 100);
    assert_int_equal(watchers[0].last_end, STATUS_CANCELLED);
    e.watch_cancel.from.conn = CONN + 1;
    e.watch_cancel.whole = true;
    loop_step(&t.c, loop_of(leader, 1), &e);
    trial_run(&t, 100);
    assert_true(watchers[1].asked); /* nobody was there to be told */
    assert_int_equal(s->watches.count, 1);
    assert_int_equal(leader_replica()->watched.count, 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_told),
        cmocka_unit_test(an_idle_watch_marks_its_progress),
        cmocka_unit_test(streams_are_whole_through_storms),
        cmocka_unit_test(a_slow_watch_is_cut_off_with_bounded_memory),
        cmocka_unit_test(what_was_before_is_told_to_who_asks),
        cmocka_unit_test(what_was_before_is_known_at_the_next_leader),
        cmocka_unit_test(what_nobody_looked_at_is_compacted),
        cmocka_unit_test(what_was_before_is_told_after_a_long_silence),
        cmocka_unit_test(what_is_too_large_to_be_kept_is_said_to_be),
        cmocka_unit_test(too_old_unknown_and_not_led_are_refused),
        cmocka_unit_test(a_cancelled_watch_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
