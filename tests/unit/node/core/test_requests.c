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
    uint32_t refused;

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
    assert_true(forward_reply_decode(body, &id, &refused, &reply));
    assert_int_equal(id, 5);
    assert_int_equal(reply.status, STATUS_NOT_LEADER);
    assert_int_equal(reply.hint_node, leader->id);
    p = peers_find(follower->loops[0].shard, leader->id, 0);
    assert_int_equal(p->out[CHANNEL_BULK].size, 0);
    buf_release(&b);
    trial_release(&t);
}

static struct reply step_forward(struct sim_node *at, uint32_t from,
                                 struct forward *f, uint32_t *refused)
{
    struct shard *s = at->loops[0].shard;
    struct event e = {.type = EVENT_PEER_FRAME};
    struct peer *p = peers_find(s, from, 0);
    struct buf b = {0};
    struct reader r;
    enum item_type type;
    struct slice body;
    struct reply reply = {.status = STATUS_OK}; /* no answer yet: taken */
    uint64_t id;

    buf_clear(&p->out[CHANNEL_BULK]);
    f->id++;
    forward_encode(&b, f);
    e.now = (instant){t.c.now};
    e.frame.node = from;
    e.frame.items = buf_slice(&b);
    shard_step(s, &e, &at->loops[0].fx);
    r = reader_of(buf_slice(&p->out[CHANNEL_BULK]));
    while (item_next(&r, &type, &body))
        if (type == ITEM_FORWARD_REPLY)
            assert_true(forward_reply_decode(body, &id, refused, &reply));
    buf_clear(&p->out[CHANNEL_BULK]);
    buf_release(&b);
    return reply;
}

/* A write that was refused can be sent again; one that was sent behind it,
 * before anybody could know, must not be executed before it. */
static void what_was_sent_behind_a_refused_write_is_refused_too(void **state)
{
    struct cluster_options o = trial_three();
    struct forward f = {.remaining_ms = 1000,
                        .operation = {.op = OP_SET, .value = slice_str("v")}};
    struct sim_node *leader;
    struct shard *s;
    uint32_t from, refused = 0;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    from = trial_other(&t, leader)->id;
    s = leader->loops[0].shard;
    f.operation.key = slice_str(t.clients.keys[0]);
    s->nearly_full = true;
    assert_int_equal(step_forward(leader, from, &f, &refused).status,
                     STATUS_DISK_FULL);
    assert_int_equal(refused, 1);
    s->nearly_full = false;
    assert_int_equal(step_forward(leader, from, &f, &refused).status,
                     STATUS_NOT_LEADER);
    assert_int_equal(refused, 2);
    f.seen = 1; /* the first is known there now, the second is not */
    assert_int_equal(step_forward(leader, from, &f, &refused).status,
                     STATUS_NOT_LEADER);
    f.seen = 3;
    assert_int_equal(step_forward(leader, from, &f, &refused).status,
                     STATUS_OK);
    assert_int_equal(proposals_open_empty(
                         &trial_replica(leader, 1)->proposals),
                     false);
    assert_int_equal(refused, 3);
    /* Reads overtake nobody. */
    s->nearly_full = true;
    step_forward(leader, from, &f, &refused);
    f.operation = (struct operation){.op = OP_GET, .key = f.operation.key};
    assert_int_equal(step_forward(leader, from, &f, &refused).status,
                     STATUS_OK);
    assert_int_equal(refused, 4);
    s->nearly_full = false;
    trial_release(&t);
}

/* The first may yet turn out to be overwritten, and be sent again. */
static void behind_an_undecided_write_nothing_goes_elsewhere(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *old;
    size_t first, second, third;

    (void)state;
    trial_start(&t, &o);
    old = trial_elect(&t, 1);
    t.clients.deadline_ms = 60000;
    trial_isolate(&t, old, true);
    first = trial_ask(&t, old, OP_SET, 0);
    trial_run(&t, 5000); /* it is deposed, the others have a leader */
    assert_int_equal(trial_past(&t, first)->state, PAST_PENDING);
    second = trial_ask(&t, old, OP_SET, 0);
    trial_run(&t, 5);
    assert_int_equal(trial_past(&t, second)->status, STATUS_NOT_LEADER);
    trial_isolate(&t, old, false);
    cluster_heal(&t.c);
    trial_run(&t, 5000);
    assert_int_equal(trial_past(&t, first)->status, STATUS_NOT_LEADER);
    third = trial_ask(&t, old, OP_SET, 0);
    trial_run(&t, 2000);
    assert_int_equal(trial_past(&t, third)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* The old leader may execute the first one when it wakes up, or refuse it. */
static void what_is_on_its_way_to_an_old_leader_is_not_overtaken(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *old, *via;
    size_t first, second, get, third;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000);
    old = trial_elect(&t, 1);
    via = trial_other(&t, old);
    t.clients.deadline_ms = 60000;
    old->paused_until = t.c.now + 4000;
    first = trial_ask(&t, via, OP_SET, 0);
    trial_run(&t, 3500);
    assert_ptr_not_equal(trial_leader(&t, 1), old);
    assert_int_equal(trial_past(&t, first)->state, PAST_PENDING);
    second = trial_ask(&t, via, OP_SET, 0);
    get = trial_ask(&t, via, OP_GET, 0);
    trial_run(&t, 5);
    assert_int_equal(trial_past(&t, second)->status, STATUS_NOT_LEADER);
    assert_int_equal(trial_past(&t, get)->status, STATUS_NOT_LEADER);
    trial_run(&t, 5000);
    assert_int_equal(trial_past(&t, first)->state, PAST_ANSWERED);
    third = trial_ask(&t, via, OP_SET, 0);
    trial_run(&t, 2000);
    assert_int_equal(trial_past(&t, third)->status, STATUS_OK);
    trial_judge(&t);
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
        cmocka_unit_test(what_was_sent_behind_a_refused_write_is_refused_too),
        cmocka_unit_test(behind_an_undecided_write_nothing_goes_elsewhere),
        cmocka_unit_test(
            what_is_on_its_way_to_an_old_leader_is_not_overtaken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
