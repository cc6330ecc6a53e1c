/* test_apply.c - committed entries into the store, results to who waits. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barriers_decide_what_they_overwrite),
        cmocka_unit_test(a_stalled_store_is_tried_again),
        cmocka_unit_test(waiting_entries_become_one_step),
        cmocka_unit_test(an_entry_is_not_applied_over_what_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
