/* test_snapshots.c - whole stores for replicas that are behind the log. */
#include "tests/unit/node/core/core_test.h"

#include "tests/unit/node/core/asking.h"

static struct trial t;

/* A node is away until the log behind it is gone; gives it, still down. */
static struct sim_node *left_behind(const struct cluster_options *o)
{
    struct sim_node *leader, *lost;

    trial_start(&t, o);
    trial_run(&t, 5000);
    leader = trial_elect(&t, 1);
    lost = trial_other(&t, leader);
    start_crash(&t.c, lost);
    trial_run(&t, 500);
    for (unsigned i = 0; i < 100; i++) {
        enum op op = i % 5 == 4 ? OP_DELETE : OP_SET;
        enum status st = trial_answer(&t, leader, op, i % 3)->status;
        assert_true(st == STATUS_OK || st == STATUS_NOT_FOUND);
    }
    trial_run(&t, 500);
    assert_true(group_first(trial_replica(leader, 1)->raft) > 50);
    return lost;
}

static struct cluster_options flushing(unsigned padding)
{
    struct cluster_options o = trial_three();

    o.flush_bytes = 2000;
    o.trailing = 5;
    o.padding_bytes = padding;
    return o;
}

/* Several files, one empty, one of several pieces. */
static void a_replica_behind_the_log_gets_the_store(void **state)
{
    struct cluster_options o = flushing(600000);
    struct sim_node *lost;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_run(&t, 5000);
    assert_int_equal(t.c.count.installs, 1);
    assert_int_equal(trial_replica(lost, 1)->mode, REPLICA_SERVING);
    assert_int_equal(trial_replica(lost, 1)->applied,
                     trial_replica(trial_leader(&t, 1), 1)->applied);
    trial_judge(&t);
    trial_release(&t);
}

static bool installing(struct trial *x UNUSED, void *arg)
{
    struct replica *r = trial_replica(arg, 1);

    return r && r->mode == REPLICA_INSTALLING &&
           r->receive.state >= RECEIVE_FILES;
}

/* `lost` has a part of a file, and waits for the next. */
static bool waits_in_a_file(struct trial *x UNUSED, void *arg)
{
    const struct replica *r = trial_replica(arg, 1);

    return r && r->receive.state == RECEIVE_FILES && r->receive.offset;
}

static struct peer *peer_of(struct sim_node *n, const struct sim_node *other)
{
    struct peer *p = peers_with(loop_of(n, 1)->shard, other->id, 1);

    assert_non_null(p);
    return p;
}

/* Broken: files of two checkpoints would be put together to one store. */
static void a_piece_is_given_of_the_snapshot_that_is_asked_for_only(
    void **state)
{
    struct cluster_options o = flushing(2000000);
    struct snapshot_ask ask = {.group = 1, .size_max = 100};
    struct sim_node *lost, *sender;
    struct replica *r;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 5000, waits_in_a_file, lost, "a part of a file");
    sender = trial_leader(&t, 1);
    r = trial_replica(sender, 1);
    ask.replica = r->send.to;
    for (uint64_t i = 0; i < 3; i++) {
        struct effects fx = {0};
        struct buf b = {0};
        struct reader in;
        enum item_type type;
        struct slice body;
        ask.index = r->send.index + 1 - i;
        snapshot_ask_encode(&b, &ask);
        in = reader_of(buf_slice(&b));
        assert_true(item_next(&in, &type, &body));
        assert_true(snapshots_on_ask(loop_of(sender, 1)->shard,
                                     peer_of(sender, lost), body, &fx));
        assert_int_equal(fx.n, i == 1);
        effects_release(&fx);
        buf_release(&b);
    }
    trial_run(&t, 20000);
    trial_judge(&t);
    trial_release(&t);
}

/* Broken: a piece that was asked for twice would be written twice. */
static void a_piece_that_comes_again_is_passed_over(void **state)
{
    struct cluster_options o = flushing(2000000);
    struct snapshot_chunk c = {.group = 1, .bytes = slice_str("again")};
    struct effects fx = {0};
    struct buf b = {0};
    struct reader in;
    enum item_type type;
    struct slice body;
    struct sim_node *lost;
    const struct replica *r;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 5000, waits_in_a_file, lost, "a part of a file");
    r = trial_replica(lost, 1);
    c.replica = r->id;
    c.index = r->receive.index;
    c.file = r->receive.file;
    snapshot_chunk_encode(&b, &c);
    in = reader_of(buf_slice(&b));
    assert_true(item_next(&in, &type, &body));
    assert_true(snapshots_on_chunk(loop_of(lost, 1)->shard,
                                   peer_of(lost, trial_leader(&t, 1)), body,
                                   &fx));
    assert_int_equal(fx.n, 0);
    assert_int_equal(r->receive.state, RECEIVE_FILES);
    effects_release(&fx);
    buf_release(&b);
    trial_run(&t, 20000);
    assert_int_equal(t.c.count.installs, 1);
    trial_judge(&t);
    trial_release(&t);
}

static bool serving(struct trial *x UNUSED, void *arg)
{
    return trial_replica(arg, 1)->mode == REPLICA_SERVING;
}

/* Broken: stamps of who got the store and leads could be from before those in
 * it; and nobody would flush it, as the old one's flush is never answered. */
static void clock_and_flushes_are_those_of_the_new_store(void **state)
{
    struct cluster_options o = flushing(600000);
    struct sim_node *lost;
    struct replica *r;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 5000, installing, lost, "an install");
    r = trial_replica(lost, 1);
    r->flushing = true; /* under way in the old one */
    trial_wait(&t, 20000, serving, lost, "the new store");
    assert_int_equal(t.c.count.installs, 1);
    assert_true(r->applied_clock_ms > 0);
    assert_true(r->clock.last_ms >= r->applied_clock_ms);
    assert_false(r->flushing);
    trial_judge(&t);
    trial_release(&t);
}

static bool writing(struct sim_node *n)
{
    return trial_replica(n, 1)->apply.state == APPLY_WRITING;
}

/* A slow store may still be writing an entry of before when the new store is
 * there: it would have got that entry, on top of all that it has already. */
static void a_write_of_before_does_not_land_in_the_new_store(void **state)
{
    struct cluster_options o = flushing(600000);
    struct sim_node *leader, *slow;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000);
    leader = trial_elect(&t, 1);
    slow = trial_other(&t, leader);
    for (unsigned i = 0; !writing(slow); i++) {
        assert_true(i < 100);
        trial_answer(&t, leader, OP_SET, 0);
        t.c.store_max = 100000; /* ms, for what begins now */
        trial_run(&t, 200);
        t.c.store_max = 1;
    }
    trial_isolate(&t, slow, true);
    leader = trial_elect(&t, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(trial_answer(&t, leader, OP_SET, i % 3)->status,
                         STATUS_OK);
    trial_run(&t, 500);
    trial_isolate(&t, slow, false);
    trial_wait(&t, 20000, installing, slow, "an install");
    trial_run(&t, 100000);
    assert_true(t.c.count.installs >= 1);
    assert_int_equal(trial_replica(slow, 1)->mode, REPLICA_SERVING);
    trial_judge(&t);
    trial_release(&t);
}

/* The sender dies in the middle: somebody else's store does as well. */
static void another_sender_takes_over(void **state)
{
    struct cluster_options o = flushing(2000000);
    struct sim_node *lost, *sender;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 5000, installing, lost, "an install");
    sender = trial_leader(&t, 1);
    start_crash(&t.c, sender);
    trial_run(&t, 100);
    start_node(&t.c, sender);
    trial_run(&t, 60000); /* it gives up on the silent one after 30 s */
    assert_true(t.c.count.installs >= 1);
    assert_int_equal(trial_replica(lost, 1)->mode, REPLICA_SERVING);
    assert_int_equal(trial_answer(&t, lost, OP_SET, 0)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* The sender is gone for good, and the receiver's vote is needed, which it
 * cannot give while it installs: found by the simulator (a wiped node). */
static void who_installs_from_the_dead_votes_again(void **state)
{
    struct cluster_options o = flushing(2000000);
    struct sim_node *lost, *sender;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 5000, installing, lost, "an install");
    sender = trial_leader(&t, 1);
    start_crash(&t.c, sender);
    trial_run(&t, 600);
    trial_elect(&t, 1); /* within ten election timeouts */
    assert_int_equal(trial_answer(&t, lost, OP_SET, 0)->status, STATUS_OK);
    start_node(&t.c, sender);
    trial_judge(&t);
    trial_release(&t);
}

/* The receiver dies in the middle: nothing was switched, it begins anew. */
static void an_interrupted_install_begins_anew(void **state)
{
    struct cluster_options o = flushing(2000000);
    struct sim_node *lost;

    (void)state;
    lost = left_behind(&o);
    for (unsigned i = 0; i < 3; i++) {
        start_node(&t.c, lost);
        trial_wait(&t, 20000, installing, lost, "an install");
        trial_run(&t, 3 * i);
        start_crash(&t.c, lost);
        assert_int_equal(t.c.count.installs, 0);
        trial_run(&t, 200);
    }
    start_node(&t.c, lost);
    trial_run(&t, 20000);
    assert_int_equal(t.c.count.installs, 1);
    trial_judge(&t);
    trial_release(&t);
}

static bool switched(struct trial *x UNUSED, void *arg)
{
    struct sim_replica *r = cluster_replica(arg, 1);

    return r->install && r->install->store;
}

/* Between the switch of the store and the RESET of the log: the next start
 * finishes it. */
static void a_crash_after_the_switch_is_finished_at_start(void **state)
{
    struct cluster_options o = flushing(100);
    struct sim_node *lost;
    uint64_t before;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    lost->slow_disk_until = t.c.now + 60000; /* no RESET gets through ... */
    t.c.disk_max = 0;
    trial_wait(&t, 20000, switched, lost, "a switched store");
    before = mem_table_record(&cluster_replica(lost, 1)->open->live)
                 .applied_index;
    start_crash(&t.c, lost); /* ... and it is gone */
    lost->slow_disk_until = 0;
    assert_int_equal(t.c.count.installs, 0);
    start_node(&t.c, lost);
    assert_true(trial_replica(lost, 1)->applied > before);
    trial_run(&t, 5000);
    assert_int_equal(t.c.count.installs, 0); /* nothing was sent again */
    assert_int_equal(trial_replica(lost, 1)->applied,
                     trial_replica(trial_leader(&t, 1), 1)->applied);
    trial_judge(&t);
    trial_release(&t);
}

static bool committing(struct trial *x UNUSED, void *arg)
{
    struct sim_replica *r = cluster_replica(arg, 1);

    return r->install && r->install->committing;
}

/* An entry of a leader that cannot be: another of the same term. */
static void second_leader(struct sim_node *n)
{
    struct replica *r = trial_replica(n, 1);
    struct sim_node *leader = trial_leader(&t, 1);
    struct message *m = message_new(MESSAGE_APPEND, 0);
    struct event e = {.type = EVENT_PEER_FRAME};
    struct buf b = {0};
    size_t begun;

    for (unsigned i = 0; i < t.c.o.nodes; i++)
        if (&t.c.nodes[i] != n && &t.c.nodes[i] != leader)
            e.frame.node = t.c.nodes[i].id;
    m->group = 1;
    m->from = cluster_replica(cluster_node(&t.c, e.frame.node), 1)->id;
    m->to = r->id;
    m->term = group_term(r->raft);
    begun = item_begin(&b, ITEM_RAFT);
    message_encode(m, &b);
    item_end(&b, begun);
    e.frame.items = buf_slice(&b);
    cluster_replica(n, 1)->accused = true;
    loop_step(&t.c, loop_of(n, 1), &e);
    message_free(m);
    buf_release(&b);
    assert_null(r->raft);
    assert_int_equal(r->mode, REPLICA_FAILED);
}

/* The group stops by itself while its store is being switched. Started again
 * from the old store it would acknowledge what the RESET then drops: it has to
 * wait for the end of the switch, however long that takes. */
static void a_group_waits_for_its_switched_store(void **state)
{
    struct cluster_options o = flushing(100);
    struct sim_node *lost;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    t.c.disk_max = 0;
    t.c.store_max = 1000; /* long enough for a restart in between */
    trial_wait(&t, 60000, committing, lost, "a commit");
    lost->slow_disk_until = t.c.now + 8000;
    second_leader(lost);
    trial_run(&t, 7000);
    assert_null(trial_replica(lost, 1)->raft);
    assert_int_equal(t.c.count.installs, 0);
    t.c.store_max = 2;
    trial_run(&t, 10000);
    assert_int_equal(t.c.count.installs, 1);
    assert_int_equal(t.c.count.restarts, 1);
    assert_int_equal(trial_replica(lost, 1)->mode, REPLICA_SERVING);
    trial_judge(&t);
    trial_release(&t);
}

static bool failed(struct trial *x UNUSED, void *arg)
{
    return trial_replica(arg, 1)->mode == REPLICA_FAILED;
}

/* A switch that fails leaves everything as it was: the replica begins again,
 * and the next try succeeds. */
static void a_failed_switch_is_tried_again(void **state)
{
    struct cluster_options o = flushing(100);
    struct sim_node *lost;

    (void)state;
    lost = left_behind(&o);
    start_node(&t.c, lost);
    trial_wait(&t, 60000, committing, lost, "a commit");
    t.c.stall = 4000; /* everything the store is asked for fails */
    trial_wait(&t, 10000, failed, lost, "a failure");
    t.c.stall = 0;
    trial_run(&t, 10000);
    assert_int_equal(t.c.count.installs, 1);
    assert_int_equal(trial_replica(lost, 1)->mode, REPLICA_SERVING);
    trial_judge(&t);
    trial_release(&t);
}

/* While it is sent the log behind the snapshot stays, however much is written
 * and flushed meanwhile: else the receiver is never done. */
static void writing_goes_on_while_a_store_is_sent(void **state)
{
    struct cluster_options o = flushing(3000000);
    struct sim_node *lost;

    (void)state;
    lost = left_behind(&o);
    t.clients.pause_max = 3;
    clients_run(&t.clients);
    start_node(&t.c, lost);
    trial_run(&t, 10000);
    clients_stop(&t.clients);
    trial_run(&t, 4000);
    assert_true(t.c.count.installs >= 1);
    assert_true(t.c.count.installs <= 3);
    trial_judge(&t);
    trial_release(&t);
}

static struct operation increment(const char *key)
{
    return (struct operation){.op = OP_INCR, .key = slice_str(key),
                              .argument = 5};
}

static void lead_with(struct sim_node *n)
{
    for (unsigned i = 0; trial_elect(&t, 1) != n; i++) {
        struct sim_node *other = trial_elect(&t, 1);
        assert_true(i < 20);
        start_crash(&t.c, other);
        trial_run(&t, 1500);
        start_node(&t.c, other);
        trial_run(&t, 1500);
    }
}

/* What was executed before the snapshot is not executed by whoever got it. */
static void first_results_move_with_the_store(void **state)
{
    struct cluster_options o = flushing(100);
    struct session q = {.client = "sixteen bytes.", .sequence = 1,
                        .acknowledged = 1};
    struct sim_node *lost;
    uint64_t version;

    (void)state;
    lost = left_behind(&o);
    asking_begin(&t);
    q.not_after =
        trial_replica(trial_leader(&t, 1), 1)->applied_clock_ms + 200000;
    assert_int_equal(
        ask_op(trial_leader(&t, 1), "", increment("n"), &q)->status,
        STATUS_OK);
    version = asking.reply.version;
    for (unsigned i = 0; i < 100; i++)
        ask_op(trial_leader(&t, 1), "", increment("other"), NULL);
    start_node(&t.c, lost);
    trial_run(&t, 5000);
    assert_int_equal(t.c.count.installs, 1);
    lead_with(lost);
    assert_int_equal(ask_op(lost, "", increment("n"), &q)->status, STATUS_OK);
    assert_slice(asking.reply.value, "5");
    assert_true(asking.reply.version == version);
    q.sequence = 2;
    assert_int_equal(ask_op(lost, "", increment("n"), &q)->status, STATUS_OK);
    assert_slice(asking.reply.value, "10");
    trial_judge(&t);
    trial_release(&t);
    asking_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_behind_the_log_gets_the_store),
        cmocka_unit_test(
            a_piece_is_given_of_the_snapshot_that_is_asked_for_only),
        cmocka_unit_test(a_piece_that_comes_again_is_passed_over),
        cmocka_unit_test(clock_and_flushes_are_those_of_the_new_store),
        cmocka_unit_test(a_write_of_before_does_not_land_in_the_new_store),
        cmocka_unit_test(another_sender_takes_over),
        cmocka_unit_test(who_installs_from_the_dead_votes_again),
        cmocka_unit_test(an_interrupted_install_begins_anew),
        cmocka_unit_test(a_crash_after_the_switch_is_finished_at_start),
        cmocka_unit_test(a_group_waits_for_its_switched_store),
        cmocka_unit_test(a_failed_switch_is_tried_again),
        cmocka_unit_test(writing_goes_on_while_a_store_is_sent),
        cmocka_unit_test(first_results_move_with_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
