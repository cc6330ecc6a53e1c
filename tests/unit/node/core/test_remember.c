/* test_remember.c - groups look at old values while somebody asks, not longer.
 *
 * What watches are told of them: test_watches.c. */
#include "tests/unit/node/core/core_test.h"

#include "proto/watch.h"
#include "tests/sim/trial.h"

enum { CONN = 3000 };

static struct trial t;
static struct cluster_judge others;

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    if ((uint32_t)e->reply.to.conn != CONN)
        others.replied(arg, n, e);
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
    t.c.judge.replied = on_replied;
    t.c.judge.part = on_part;
}

static void stop(void)
{
    trial_judge(&t);
    trial_release(&t);
}

static void watch(struct sim_node *n, uint64_t id, unsigned flags)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_that_does_not_ask_changes_nothing),
        cmocka_unit_test(all_replicas_look_at_old_values_when_one_asks),
        cmocka_unit_test(it_is_renewed_while_somebody_asks),
        cmocka_unit_test(a_new_leader_renews_it),
        cmocka_unit_test(the_next_watch_renews_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
