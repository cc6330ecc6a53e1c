/* test_remember.c - groups look at old values while somebody asks, not longer.
 *
 * What watches are told of them: test_watches.c. */
#include "tests/unit/node/core/core_test.h"

#include "proto/watch.h"
#include "tests/sim/trial.h"

enum { CONN = 3000 };

static struct trial t;
static struct cluster_judge others;
static unsigned compacted; /* watches that were */

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    if ((uint32_t)e->reply.to.conn != CONN)
        others.replied(arg, n, e);
    else
        compacted += e->reply.reply.status == STATUS_COMPACTED;
}

static uint64_t on_part(void *arg UNUSED, struct sim_node *n UNUSED,
                        const struct effect *e UNUSED)
{
    return 0;
}

static void start(void)
{
    struct cluster_options o = trial_three();

    trial_start(&t, &o);
    others = t.c.judge;
    compacted = 0;
    t.c.judge.replied = on_replied;
    t.c.judge.part = on_part;
}

static void stop(void)
{
    trial_judge(&t);
    trial_release(&t);
}

static void ask(struct sim_node *n, uint64_t id, unsigned flags)
{
    struct watch_request m = {.group = 1, .kind = WATCH_PREFIX,
                              .flags = WATCH_FROM_NOW | flags};
    struct request q = {.operation = {.op = OP_WATCH}};
    struct buf body = {0};

    watch_encode(&m, &body);
    q.from = (struct origin){.conn = CONN, .id = id};
    q.operation.value = buf_slice(&body);
    q.deadline = (instant){t.c.now + 1000};
    loop_request(&t.c, loop_of(n, 1), &q);
    buf_release(&body);
}

static void watch(struct sim_node *n, uint64_t id, unsigned flags)
{
    ask(n, id, flags);
    trial_run(&t, 500);
}

static void cancel(struct sim_node *n, uint64_t id)
{
    struct event e = {.type = EVENT_WATCH_CANCEL};

    e.watch_cancel.from = (struct origin){.conn = CONN, .id = id};
    loop_step(&t.c, loop_of(n, 1), &e);
}

/* How long old values are looked at from now on, in the state of `n`. */
static uint64_t left(struct sim_node *n)
{
    const struct replica *r = trial_replica(n, 1);

    return r->machine.remember_until > r->applied_clock_ms
               ? r->machine.remember_until - r->applied_clock_ms
               : 0;
}

/* Broken: groups that nobody watches so would pay for it. */
static void a_watch_that_does_not_ask_changes_nothing(void **state)
{
    struct sim_node *leader;
    uint64_t last;

    (void)state;
    start();
    leader = trial_elect(&t, 1);
    last = group_last(trial_replica(leader, 1)->raft);
    watch(leader, 1, 0);
    assert_int_equal(left(leader), 0);
    assert_int_equal(group_last(trial_replica(leader, 1)->raft), last);
    stop();
}

static void all_replicas_look_at_old_values_when_one_asks(void **state)
{
    struct sim_node *leader;
    uint64_t last;

    (void)state;
    start();
    leader = trial_elect(&t, 1);
    watch(leader, 1, WATCH_PREVIOUS);
    trial_run(&t, 500);
    for (unsigned i = 0; i < 3; i++)
        assert_true(left(&t.c.nodes[i]) > 240000);
    /* One entry, however many ask and however long it is idle. */
    last = group_last(trial_replica(leader, 1)->raft);
    for (unsigned i = 2; i < 20; i++)
        watch(leader, i, WATCH_PREVIOUS);
    trial_run(&t, 20000);
    assert_int_equal(group_last(trial_replica(leader, 1)->raft), last);
    assert_int_equal(trial_replica(leader, 1)->watched.waiting, 0);
    stop();
}

/* Broken: a watch of ten minutes would end; or its group would look at old
 * values for ever. */
static void it_is_renewed_while_somebody_asks(void **state)
{
    struct sim_node *leader;

    (void)state;
    start();
    leader = trial_elect(&t, 1);
    watch(leader, 1, WATCH_PREVIOUS);
    for (unsigned i = 0; i < 40; i++) {
        leader = trial_elect(&t, 1);
        trial_run(&t, 10000);
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 3)->status,
                         STATUS_OK);
        if (trial_replica(leader, 1)->watched.count)
            assert_true(left(leader) > 220000);
    }
    assert_int_equal(trial_replica(leader, 1)->watched.count, 1);
    cancel(leader, 1);
    for (unsigned i = 0; i < 31; i++) {
        leader = trial_elect(&t, 1);
        trial_run(&t, 10000);
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 3)->status,
                         STATUS_OK);
        if (i < 22)
            assert_true(left(leader) > 0);
    }
    assert_int_equal(left(leader), 0);
    stop();
}

/* Somebody watches at `n`, and writes go on for ten minutes. */
static void assert_renewed_at(struct sim_node *n)
{
    assert_true(left(n) > 240000);
    watch(n, 2, WATCH_PREVIOUS);
    for (unsigned i = 0; i < 60; i++) {
        trial_run(&t, 10000);
        assert_int_equal(trial_answer(&t, n, OP_SET, i % 3)->status,
                         STATUS_OK);
        assert_true(left(n) > 220000);
    }
    assert_int_equal(trial_replica(n, 1)->watched.count, 1);
}

/* Broken: who goes on at another leader, when much is left, is cut off when
 * nothing is. */
static void a_new_leader_renews_it(void **state)
{
    struct sim_node *leader, *next;

    (void)state;
    start();
    trial_run(&t, 5000); /* leadership has settled */
    leader = trial_elect(&t, 1);
    watch(leader, 1, WATCH_PREVIOUS);
    trial_run(&t, 500);
    trial_isolate(&t, leader, true);
    trial_run(&t, 3000);
    next = trial_elect(&t, 1);
    assert_true(next != leader);
    assert_renewed_at(next);
    trial_isolate(&t, leader, false);
    stop();
}

/* Broken: the same, for who comes when the one who asked has gone. */
static void the_next_watch_renews_it(void **state)
{
    struct sim_node *leader;

    (void)state;
    start();
    trial_run(&t, 5000); /* leadership has settled */
    leader = trial_elect(&t, 1);
    watch(leader, 1, WATCH_PREVIOUS);
    trial_run(&t, 500);
    cancel(leader, 1);
    trial_run(&t, 20000);
    assert_renewed_at(leader);
    stop();
}

static void set(struct sim_node *n)
{
    struct request q = {.from = {.conn = CONN},
                        .operation = {.op = OP_SET,
                                      .key = slice_str(t.clients.keys[0]),
                                      .value = slice_str("v")},
                        .deadline = {t.c.now + 1000}};

    loop_request(&t.c, loop_of(n, 1), &q);
}

/* Broken: who begins while the first entries that list old values are being
 * written is cut off at once by those before them. */
static void who_begins_meanwhile_waits_for_it(void **state)
{
    struct sim_node *leader;

    (void)state;
    for (unsigned delay = 3; delay <= 10; delay++) {
        start();
        trial_run(&t, 5000); /* leadership has settled */
        leader = trial_elect(&t, 1);
        t.c.delay_max = delay;
        t.c.store_max = 10;
        for (unsigned i = 1; i < 60; i++) {
            ask(leader, i, WATCH_PREVIOUS);
            set(leader);
            trial_run(&t, 1);
        }
        trial_run(&t, 1000);
        assert_int_equal(compacted, 0);
        assert_int_equal(trial_replica(leader, 1)->watched.count, 59);
        assert_int_equal(trial_replica(leader, 1)->watched.waiting, 0);
        stop();
    }
}

/* Broken: a leader whose disk is full fills its log with what it cannot
 * apply. */
static void it_is_proposed_once_until_it_is_decided(void **state)
{
    struct sim_node *leader;
    struct replica *r;
    uint64_t last;

    (void)state;
    start();
    trial_run(&t, 5000); /* leadership has settled */
    leader = trial_elect(&t, 1);
    r = trial_replica(leader, 1);
    last = group_last(r->raft);
    t.c.stall = 1000;
    ask(leader, 1, WATCH_PREVIOUS);
    trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 450); /* less than until it gives way */
    assert_int_equal(r->apply.state, APPLY_STALLED);
    assert_int_equal(r->watched.waiting, 1);
    assert_int_equal(group_last(r->raft), last + 2);
    t.c.stall = 0;
    trial_run(&t, 1000);
    assert_int_equal(r->watched.waiting, 0);
    assert_int_equal(group_last(r->raft), last + 2);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_that_does_not_ask_changes_nothing),
        cmocka_unit_test(all_replicas_look_at_old_values_when_one_asks),
        cmocka_unit_test(it_is_renewed_while_somebody_asks),
        cmocka_unit_test(a_new_leader_renews_it),
        cmocka_unit_test(the_next_watch_renews_it),
        cmocka_unit_test(who_begins_meanwhile_waits_for_it),
        cmocka_unit_test(it_is_proposed_once_until_it_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
