/* test_apply.c - committed entries into the store, results to who waits. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "proto/watch.h"
#include "tests/sim/trial.h"

enum { NOBODY = 3000, LARGE_KEYS = 40 /* more than a step may read */ };

static struct trial t;

static bool led_by_another(struct trial *x, void *arg)
{
    struct sim_node *leader = trial_leader(x, 1);

    return leader && leader != arg &&
           trial_replica(leader, 1)->applied >=
               trial_replica(leader, 1)->lead_floor;
}

static bool leads_alone(struct trial *x, void *arg)
{
    struct replica *r = trial_replica(arg, 1);

    return trial_leader(x, 1) == arg && r->applied >= r->lead_floor;
}

/* A leader with as many batches in flight as it may have is deposed, its
 * entries are replaced by nothing but barriers, it leads again: the dead
 * batches have to be decided, or nothing is ever submitted again. */
static void barriers_decide_what_they_overwrite(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t lost[4];

    (void)state;
    trial_start(&t, &o);
    leader = cluster_node(&t.c,
                          map_group_find(t.c.initial, 1)->replicas[0].node);
    trial_wait(&t, 10000, leads_alone, leader, "the preferred leader");
    t.clients.deadline_ms = 60000;
    trial_isolate(&t, leader, true);
    for (unsigned i = 0; i < 4; i++) {
        lost[i] = trial_ask(&t, leader, OP_SET, 0);
        trial_run(&t, 5); /* a batch each */
    }
    assert_int_equal(
        proposals_in_flight(&trial_replica(leader, 1)->proposals), 4);
    trial_wait(&t, 5000, led_by_another, leader, "another leader");
    trial_isolate(&t, leader, false);
    trial_wait(&t, 10000, leads_alone, leader, "the old leader again");
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(trial_past(&t, lost[i])->state, PAST_ANSWERED);
        assert_int_equal(trial_past(&t, lost[i])->status, STATUS_NOT_LEADER);
    }
    assert_int_equal(
        proposals_in_flight(&trial_replica(leader, 1)->proposals), 0);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* A stall is an event, not a failure: the same writes are tried again. */
static void a_stalled_store_is_tried_again(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t number;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    t.c.stall = 1000;
    number = trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 200);
    assert_int_equal(trial_past(&t, number)->state, PAST_PENDING);
    assert_int_equal(trial_replica(leader, 1)->apply.state, APPLY_STALLED);
    t.c.stall = 0;
    trial_run(&t, 50);
    assert_int_equal(trial_past(&t, number)->status, STATUS_OK);
    assert_int_equal(trial_past(&t, number)->state, PAST_ANSWERED);
    trial_judge(&t);
    trial_release(&t);
}

/* Entries that wait are applied as one step, deletes among them; each request
 * gets the result of its own command. */
static void waiting_entries_become_one_step(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t set, first, second, again;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    t.c.stall = 1000;
    trial_ask(&t, leader, OP_SET, 1); /* the others wait behind it */
    trial_run(&t, 30);
    set = trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 30);
    first = trial_ask(&t, leader, OP_DELETE, 0);
    second = trial_ask(&t, leader, OP_DELETE, 0);
    trial_run(&t, 30);
    again = trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 30);
    t.c.stall = 0;
    trial_run(&t, 100);
    assert_int_equal(trial_past(&t, set)->status, STATUS_OK);
    assert_int_equal(trial_past(&t, first)->status, STATUS_OK);
    assert_int_equal(trial_past(&t, second)->status, STATUS_NOT_FOUND);
    assert_int_equal(trial_past(&t, again)->status, STATUS_OK);
    assert_true(trial_past(&t, again)->version >
                trial_past(&t, second)->version);
    assert_int_equal(trial_answer(&t, leader, OP_GET, 0)->value, again);
    trial_judge(&t);
    trial_release(&t);
}

/* What has to be known before an entry is applied cannot be read: applying it
 * anyway would make this replica differ from the others. */
static void an_entry_is_not_applied_over_what_cannot_be_read(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    enum status st = STATUS_OK;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000); /* leadership is where the map wants it */
    leader = trial_elect(&t, 1);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    leader->damaged = true;
    cluster_replica(leader, 1)->unreadable = true;
    for (unsigned i = 0; i < 100 && trial_replica(leader, 1)->raft; i++)
        st = trial_answer(&t, leader, OP_DELETE, 0)->status;
    assert_int_equal(trial_replica(leader, 1)->mode, REPLICA_QUARANTINED);
    assert_string_equal(shard_replica_reason(loop_of(leader, 1)->shard, 1),
                        "the store cannot be read");
    assert_int_equal(st, STATUS_UNKNOWN);
    assert_true(trial_elect(&t, 1) != leader); /* the others go on */
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    assert_int_equal(trial_answer(&t, leader, OP_GET, 0)->status, STATUS_OK);
    trial_release(&t);
}

/* Steps of `of` from one entry to another: the smallest; entries in all. */
static struct {
    struct cluster_judge others;
    struct sim_node *of;
    uint64_t from, to, min, sum;
} steps;

static void on_applied(void *arg, struct sim_node *n, struct sim_replica *r)
{
    struct replica *x = trial_replica(n, r->group);

    steps.others.applied(arg, n, r);
    if (n != steps.of || r->group != 1 || !x ||
        x->apply.state != APPLY_WRITING || x->applied < steps.from ||
        x->applied >= steps.to)
        return;
    steps.min = MIN_OF(steps.min, x->apply.last - x->applied);
    steps.sum += x->apply.last - x->applied;
}

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    if ((uint32_t)e->reply.to.conn != NOBODY)
        steps.others.replied(arg, n, e);
    else
        assert_int_equal(e->reply.reply.status, STATUS_OK);
}

static uint64_t on_part(void *arg UNUSED, struct sim_node *n UNUSED,
                        const struct effect *e UNUSED)
{
    return 0;
}

/* Nobody asks for it, and an entry is made of it. */
static void write_alone(struct sim_node *n, const struct operation *o)
{
    struct request q = {.from = {.conn = NOBODY}, .operation = *o,
                        .deadline = {t.c.now + 1000}};

    loop_request(&t.c, loop_of(n, 1), &q);
    trial_run(&t, 20);
}

static void write_to_all(struct sim_node *n, enum op op, uint64_t argument)
{
    char key[8];

    for (unsigned i = 0; i < LARGE_KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        write_alone(n, &(struct operation){.op = op, .argument = argument,
                                           .key = slice_str(key),
                                           .value = slice_str("v")});
    }
}

static void watch_previous(struct sim_node *n)
{
    struct watch_request m = {.group = 1, .kind = WATCH_PREFIX,
                              .flags = WATCH_FROM_NOW | WATCH_PREVIOUS};
    struct buf body = {0};

    watch_encode(&m, &body);
    write_alone(n, &(struct operation){.op = OP_WATCH,
                                       .value = buf_slice(&body)});
    buf_release(&body);
    trial_run(&t, 200);
}

/* Broken: small writes over large values that are watched are applied one by
 * one, and each of these steps reads the values of all that wait. */
static void a_step_that_reads_too_much_is_halved(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    o.trailing = 1000; /* by its log, not by a snapshot */
    trial_start(&t, &o);
    steps.others = t.c.judge;
    steps.min = UINT64_MAX;
    t.c.judge.replied = on_replied;
    t.c.judge.part = on_part;
    t.c.judge.applied = on_applied;
    trial_run(&t, 5000); /* leadership is where the map wants it */
    leader = trial_elect(&t, 1);
    write_to_all(leader, OP_SET_RANGE, 1000000);
    watch_previous(leader);
    steps.from = trial_replica(leader, 1)->applied;
    steps.of = trial_other(&t, leader);
    trial_isolate(&t, steps.of, true);
    write_to_all(leader, OP_SET, 0);
    steps.to = trial_replica(leader, 1)->applied;
    assert_true(steps.to >= steps.from + LARGE_KEYS);
    trial_isolate(&t, steps.of, false);
    trial_run(&t, 1000);
    assert_true(steps.sum >= LARGE_KEYS);
    assert_true(steps.min >= 8);
    /* Not for ever. */
    write_to_all(leader, OP_SET, 0);
    assert_int_equal(trial_replica(steps.of, 1)->apply.halved, 0);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barriers_decide_what_they_overwrite),
        cmocka_unit_test(a_stalled_store_is_tried_again),
        cmocka_unit_test(waiting_entries_become_one_step),
        cmocka_unit_test(an_entry_is_not_applied_over_what_cannot_be_read),
        cmocka_unit_test(a_step_that_reads_too_much_is_halved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
