/* test_peers.c - items between nodes: lost connections, bad frames, the map. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "tests/sim/trial.h"

static struct trial t;

static struct sim_node *settled_leader(struct cluster_options *o)
{
    trial_start(&t, o);
    trial_run(&t, 5000); /* leadership is where the map wants it */
    return trial_elect(&t, 1);
}

/* Whoever waits for an answer by that connection need not wait for his
 * deadline; a write may have been executed. */
static void a_lost_connection_answers_what_was_passed_on(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *other;
    size_t set, get;

    (void)state;
    leader = settled_leader(&o);
    other = trial_other(&t, leader);
    t.clients.deadline_ms = 60000;
    t.c.delay_max = 40;
    set = trial_ask(&t, other, OP_SET, 0);
    get = trial_ask(&t, other, OP_GET, 0);
    trial_run(&t, 1);
    network_break(&t.c, other->place, leader->place, CHANNEL_BULK);
    trial_run(&t, 40);
    assert_int_equal(trial_past(&t, set)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, set)->status, STATUS_UNKNOWN);
    assert_int_equal(trial_past(&t, get)->status, STATUS_UNAVAILABLE);
    t.c.delay_max = 2;
    trial_run(&t, 1000); /* connected again */
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* The last set that was passed on, and whether it was answered. */
static uint64_t passed_on;
static unsigned answered;

static void watch_items(void *arg UNUSED, struct sim_node *n UNUSED,
                        struct slice items)
{
    struct reader in = reader_of(items);
    enum item_type type;
    struct slice body;
    struct forward f;
    struct reply reply;
    uint32_t refused;
    uint64_t id;

    while (item_next(&in, &type, &body)) {
        if (type == ITEM_FORWARD && forward_decode(body, &f) &&
            f.operation.op == OP_SET)
            passed_on = f.id;
        else if (type == ITEM_FORWARD_REPLY &&
                 forward_reply_decode(body, &id, &refused, &reply))
            answered += id == passed_on;
    }
}

/* Its next life may ask something else under that number. */
static void an_answer_does_not_go_to_a_nodes_next_life(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *other;

    (void)state;
    leader = settled_leader(&o);
    other = trial_other(&t, leader);
    t.clients.deadline_ms = 60000;
    t.c.judge.sent = watch_items;
    passed_on = answered = 0;
    trial_ask(&t, other, OP_SET, 0);
    trial_run(&t, 100);
    assert_true(passed_on);
    assert_int_equal(answered, 1);
    leader->slow_disk_until = t.c.now + 400; /* it is decided only then */
    trial_ask(&t, other, OP_SET, 0);
    trial_run(&t, 20);
    start_crash(&t.c, other);
    start_node(&t.c, other);
    trial_run(&t, 1000);
    assert_ptr_equal(trial_elect(&t, 1), leader);
    assert_int_equal(proposals_in_flight(&trial_replica(leader, 1)->proposals),
                     0);
    assert_int_equal(answered, 1);
    trial_judge(&t);
    trial_release(&t);
}

/* A lost control connection must not hang reads: their round is asked anew. */
static void reads_survive_a_lost_control_connection(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    leader = settled_leader(&o);
    for (unsigned round = 0; round < 20; round++) {
        size_t get = trial_ask(&t, leader, OP_GET, 0);
        trial_run(&t, 1);
        for (unsigned i = 0; i < o.nodes; i++)
            if (i != leader->place)
                network_break(&t.c, leader->place, i, CHANNEL_CONTROL);
        trial_run(&t, 300);
        assert_int_equal(trial_past(&t, get)->state, PAST_ANSWERED);
        assert_int_equal(trial_past(&t, get)->status, STATUS_NOT_FOUND);
    }
    trial_judge(&t);
    trial_release(&t);
}

/* Frames come from another program: whatever is in them, the node goes on. */
static void damaged_frames_do_no_harm(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    leader = settled_leader(&o);
    for (unsigned round = 0; round < 3000; round++) {
        struct event e = {.type = EVENT_PEER_FRAME};
        struct buf b = {0};
        unsigned size = (unsigned)cluster_random(&t.c, 80);
        size_t begun = item_begin(
            &b, (enum item_type)cluster_random(&t.c, ITEM_USE + 2));
        if (begun || size % 7 == 0)
            buf_clear(&b);
        for (unsigned i = 0; i < size; i++)
            buf_u8(&b, cluster_chance(&t.c, 500)
                           ? 0
                           : (uint8_t)cluster_random(&t.c, 255));
        if (size % 7)
            item_end(&b, 0);
        e.frame.node = trial_other(&t, leader)->id;
        e.frame.items = buf_slice(&b);
        loop_step(&t.c, &leader->loops[0], &e);
        buf_release(&b);
    }
    trial_run(&t, 3000);
    assert_int_equal(
        trial_answer(&t, trial_other(&t, NULL), OP_SET, 0)->status,
        STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* Where one item is nonsense the next may be, too: begin anew, so that both
 * sides know what is lost. */
static void a_malformed_item_ends_the_connections(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *other;
    struct event e = {.type = EVENT_PEER_FRAME};
    struct buf b = {0};
    unsigned broken;

    (void)state;
    leader = settled_leader(&o);
    other = trial_other(&t, leader);
    broken = t.c.count.broken;
    item_end(&b, item_begin(&b, (enum item_type)99));
    e.frame.node = other->id;
    e.frame.items = buf_slice(&b);
    loop_step(&t.c, &leader->loops[0], &e);
    trial_run(&t, 1);
    assert_int_equal(t.c.count.broken, broken + 2);
    /* A verdict on the earlier connections says nothing about these. */
    trial_run(&t, 1000);
    assert_int_equal(t.c.count.broken, broken + 2);
    b.size = ITEM_HEADER_BYTES - 1; /* cut */
    e.frame.items = buf_slice(&b);
    loop_step(&t.c, &leader->loops[0], &e);
    trial_run(&t, 1000);
    assert_int_equal(t.c.count.broken, broken + 4);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    buf_release(&b);
    trial_judge(&t);
    trial_release(&t);
}

static void tell_full(struct sim_node *n, uint32_t about, bool full)
{
    struct event e = {.type = EVENT_PEER_FULL};

    e.peer.node = about;
    e.peer.channel = CHANNEL_BULK;
    e.peer.full = full;
    loop_step(&t.c, &n->loops[0], &e);
}

/* What cannot leave must not gather here: who asks is told to come again. */
static void a_crowded_peer_gets_nothing_passed_on(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *other;

    (void)state;
    leader = settled_leader(&o);
    other = trial_other(&t, leader);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    tell_full(other, leader->id, true);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_BUSY);
    assert_int_equal(trial_answer(&t, other, OP_GET, 0)->status, STATUS_BUSY);
    tell_full(other, leader->id, false);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    /* The way back: values stay here, what is small goes. */
    tell_full(leader, other->id, true);
    assert_int_equal(trial_answer(&t, other, OP_GET, 0)->status, STATUS_BUSY);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    assert_int_equal(trial_answer(&t, other, OP_DELETE, 0)->status,
                     STATUS_OK);
    assert_int_equal(trial_answer(&t, other, OP_GET, 0)->status,
                     STATUS_NOT_FOUND);
    tell_full(leader, other->id, false);
    trial_judge(&t);
    trial_release(&t);
}

/* A node that was started with another address tells the meta group; all
 * shards of all nodes get the new map, also who was away meanwhile. */
static void a_changed_address_reaches_every_shard(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *moved, *away;

    (void)state;
    o.groups = 4;
    o.loops = 3;
    trial_start(&t, &o);
    moved = &t.c.nodes[0];
    away = &t.c.nodes[1];
    start_crash(&t.c, moved);
    start_node(&t.c, moved);
    start_crash(&t.c, away);
    trial_run(&t, 6000);
    start_node(&t.c, away);
    trial_run(&t, 6000);
    for (unsigned i = 0; i < o.nodes; i++) {
        struct sim_node *n = &t.c.nodes[i];
        for (unsigned k = 0; k < n->n_loops; k++) {
            const struct cluster_map *map = shard_map(n->loops[k].shard);
            assert_string_equal(map_node_find(map, moved->id)->peer_address,
                                "node1-2:7411");
        }
    }
    trial_judge(&t);
    trial_release(&t);
}

/* A voice that is not the replica it claims to be could vote twice. */
static void messages_of_a_wrong_sender_are_dropped(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *other;
    struct event e = {.type = EVENT_PEER_FRAME};
    struct message *m = message_new(MESSAGE_VOTE, 0);
    struct buf b = {0};
    size_t begun;
    uint64_t term;

    (void)state;
    leader = settled_leader(&o);
    other = trial_other(&t, leader);
    term = trial_replica(leader, 1)->term;
    m->group = 1;
    m->from = trial_replica(other, 1)->id;
    m->to = trial_replica(leader, 1)->id;
    m->term = term + 50;
    m->vote.last_index = 1000;
    m->vote.last_term = term + 50;
    m->vote.disrupt = true;
    begun = item_begin(&b, ITEM_RAFT);
    message_encode(m, &b);
    item_end(&b, begun);
    for (unsigned i = 0; i < o.nodes; i++)
        if (&t.c.nodes[i] != leader && &t.c.nodes[i] != other)
            e.frame.node = t.c.nodes[i].id; /* not who it says */
    e.frame.items = buf_slice(&b);
    loop_step(&t.c, &leader->loops[0], &e);
    assert_int_equal(group_term(trial_replica(leader, 1)->raft), term);
    message_free(m);
    buf_release(&b);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_connection_answers_what_was_passed_on),
        cmocka_unit_test(an_answer_does_not_go_to_a_nodes_next_life),
        cmocka_unit_test(reads_survive_a_lost_control_connection),
        cmocka_unit_test(damaged_frames_do_no_harm),
        cmocka_unit_test(a_malformed_item_ends_the_connections),
        cmocka_unit_test(a_crowded_peer_gets_nothing_passed_on),
        cmocka_unit_test(a_changed_address_reaches_every_shard),
        cmocka_unit_test(messages_of_a_wrong_sender_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
