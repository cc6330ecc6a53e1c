/* test_requests.c - from a request to its group: here, elsewhere, refused. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

static struct trial t;

/* Any node takes any request. */
static void every_node_and_shard_serves_every_key(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    o.groups = 4;
    o.loops = 3;
    trial_start(&t, &o);
    for (unsigned i = 0; i < o.nodes; i++) {
        for (unsigned key = 0; key < t.clients.n_keys; key++) {
            struct sim_node *n = &t.c.nodes[i];
            const struct past *set = trial_answer(&t, n, OP_SET, key);
            const struct past *get;
            assert_int_equal(set->status, STATUS_OK);
            get = trial_answer(&t, &t.c.nodes[(i + 1) % 3], OP_GET, key);
            assert_int_equal(get->status, STATUS_OK);
        }
    }
    assert_int_equal(
        trial_answer(&t, &t.c.nodes[0], OP_DELETE, 0)->status, STATUS_OK);
    assert_int_equal(
        trial_answer(&t, &t.c.nodes[1], OP_GET, 0)->status, STATUS_NOT_FOUND);
    trial_judge(&t);
    trial_release(&t);
}

/* Without a leader a request is refused at once, not kept until its deadline;
 * a write that was refused can be repeated safely. */
static void without_a_leader_requests_are_refused_at_once(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *n;
    size_t number;

    (void)state;
    trial_start(&t, &o);
    n = trial_other(&t, trial_elect(&t, 1));
    t.clients.deadline_ms = 60000;
    for (unsigned i = 0; i < o.nodes; i++)
        if (&t.c.nodes[i] != n)
            start_crash(&t.c, &t.c.nodes[i]);
    trial_run(&t, 100);
    number = trial_ask(&t, n, OP_SET, 0);
    trial_run(&t, 5);
    assert_int_equal(trial_past(&t, number)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, number)->status, STATUS_UNAVAILABLE);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

static struct reply last_reply;
static unsigned replies;

static void note_reply(void *arg UNUSED, struct sim_node *n UNUSED,
                       const struct effect *e)
{
    last_reply = e->reply.reply;
    replies++;
}

static void send_request(struct sim_node *n, struct request *q)
{
    q->from = (struct origin){.conn = (uint64_t)77 << 32 | 50, .id = 1};
    q->deadline = (instant){t.c.now + 1000};
    loop_request(&t.c, &n->loops[0], q);
    trial_run(&t, 100);
}

static void an_unknown_keyspace_is_refused(void **state)
{
    struct cluster_options o = trial_three();
    struct request q = {.operation = {.op = OP_GET, .key = slice_str("k")},
                        .keyspace = slice_str("nowhere")};

    (void)state;
    trial_start(&t, &o);
    t.c.judge.replied = note_reply;
    replies = 0;
    send_request(&t.c.nodes[0], &q);
    assert_int_equal(replies, 1);
    assert_int_equal(last_reply.status, STATUS_NO_KEYSPACE);
    q.keyspace = slice_str("default");
    send_request(&t.c.nodes[0], &q);
    assert_int_equal(replies, 2);
    assert_int_equal(last_reply.status, STATUS_NOT_FOUND);
    trial_release(&t);
}

/* A full disk heals by deletes: they must go on. */
static void a_nearly_full_disk_refuses_only_sets(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    leader->nearly_full = true;
    trial_run(&t, 200);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status,
                     STATUS_DISK_FULL);
    assert_int_equal(trial_answer(&t, leader, OP_GET, 0)->status, STATUS_OK);
    assert_int_equal(trial_answer(&t, leader, OP_DELETE, 0)->status,
                     STATUS_OK);
    leader->nearly_full = false;
    trial_run(&t, 200);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* Over the bound the answer is BUSY, and what was taken is not lost. */
static void pending_writes_are_bounded(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t number[4];
    unsigned ok = 0, busy = 0;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    leader->loops[0].shard->o.pending_bytes_max = 300;
    for (unsigned i = 0; i < 4; i++)
        number[i] = trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 100);
    for (unsigned i = 0; i < 4; i++) {
        ok += trial_past(&t, number[i])->status == STATUS_OK;
        busy += trial_past(&t, number[i])->status == STATUS_BUSY;
    }
    assert_int_equal(ok + busy, 4);
    assert_true(ok > 0 && busy > 0);
    assert_int_equal(leader->loops[0].shard->pending_bytes, 0);
    leader->loops[0].shard->o.pending_bytes_max = 1 << 20;
    trial_judge(&t);
    trial_release(&t);
}

/* What was passed on is never passed on again: two nodes that each believe the
 * other leads would play ball with it. */
static void a_forwarded_request_is_not_forwarded_again(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *follower, *from;
    struct forward f = {.id = 5, .remaining_ms = 1000,
                        .operation = {.op = OP_SET, .value = slice_str("v")}};
    struct event e = {.type = EVENT_PEER_FRAME};
    struct buf b = {0};
    struct peer *p;
    struct reader r;
    enum item_type type;
    struct slice body;
    struct reply reply;
    uint64_t id;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    follower = trial_other(&t, leader);
    from = NULL;
    for (unsigned i = 0; i < o.nodes; i++)
        if (&t.c.nodes[i] != leader && &t.c.nodes[i] != follower)
            from = &t.c.nodes[i];
    f.operation.key = slice_str(t.clients.keys[0]);
    forward_encode(&b, &f);
    e.now = (instant){t.c.now};
    e.frame.node = from->id;
    e.frame.items = buf_slice(&b);
    shard_step(follower->loops[0].shard, &e, &follower->loops[0].fx);
    p = peers_find(follower->loops[0].shard, from->id, 0);
    r = reader_of(buf_slice(&p->out[CHANNEL_BULK]));
    assert_true(item_next(&r, &type, &body));
    assert_int_equal(type, ITEM_FORWARD_REPLY);
    assert_true(forward_reply_decode(body, &id, &reply));
    assert_int_equal(id, 5);
    assert_int_equal(reply.status, STATUS_NOT_LEADER);
    assert_int_equal(reply.hint_node, leader->id);
    p = peers_find(follower->loops[0].shard, leader->id, 0);
    assert_int_equal(p->out[CHANNEL_BULK].size, 0);
    buf_release(&b);
    trial_release(&t);
}

/* Reads that wait at a leader that is deposed need not wait longer. */
static void deposed_leaders_answer_their_reads(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t number;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    t.clients.deadline_ms = 600000;
    trial_isolate(&t, leader, true);
    number = trial_ask(&t, leader, OP_GET, 0);
    trial_run(&t, 10000);
    assert_int_equal(trial_past(&t, number)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, number)->status, STATUS_NOT_LEADER);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_and_shard_serves_every_key),
        cmocka_unit_test(without_a_leader_requests_are_refused_at_once),
        cmocka_unit_test(an_unknown_keyspace_is_refused),
        cmocka_unit_test(a_nearly_full_disk_refuses_only_sets),
        cmocka_unit_test(pending_writes_are_bounded),
        cmocka_unit_test(a_forwarded_request_is_not_forwarded_again),
        cmocka_unit_test(deposed_leaders_answer_their_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
