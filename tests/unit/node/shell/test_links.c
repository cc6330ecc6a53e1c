/* test_links.c - what a peer must say before it is listened to. The daemon is
 * node 1 of a cluster of two; the test speaks as node 2, or as somebody who is
 * not. */
#include "tests/unit/node/shell/peer.h"

/* Ask until node 2 is up, or down; each question is a turn of the loop. */
static void wait_peers_up(struct peer_test *f, unsigned want)
{
    for (unsigned i = 0; i < 6000; i++) {
        if (ask_status(&f->client).n_peers_up == want)
            return;
        arena_release(&f->client.arena);
        arena_init(&f->client.arena, NULL, 0, ARENA_STATUS_MAX);
        (void)ask_receive_within(&f->client, 10);
    }
    fail_msg("never %u peers up", want);
}

/* Would break: a blank node would take part in a cluster it knows nothing
 * of. */
static void blank_node_refuses_every_hello(void **state)
{
    struct peer_test *f = *state;

    peer_must_refuse(f, &f->hello, STATUS_NOT_INITIALISED);
}

/* Would break: nodes of two clusters on reused addresses; a node whose disk
 * was wiped, taken for the voter that it was; a copied directory. */
static void strangers_are_refused_by_status(void **state)
{
    struct peer_test *f = *state;
    struct hello h = f->hello;

    h.cluster[5] = 1;
    peer_must_refuse(f, &h, STATUS_WRONG_CLUSTER);
    h = f->hello;
    h.directory[5] = 1;
    peer_must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.node = 3;
    peer_must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.to = 2;
    peer_must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.level = HELLO_LEVEL + 1;
    peer_must_refuse(f, &h, STATUS_WRONG_VERSION);
    assert_int_equal(ask_status(&f->client).n_peers_up, 0);
}

/* Would break: an older process or a restored copy of node 2 would speak with
 * its name beside the real one. */
static void lower_boot_counter_is_refused_once_seen(void **state)
{
    struct peer_test *f = *state;
    struct hello older = f->hello;
    struct ask p;

    peer_must_accept(f, &p, &f->hello);
    older.boot_count--;
    peer_must_refuse(f, &older, STATUS_WRONG_NODE);
    ask_close(&p);
    peer_must_refuse(f, &older, STATUS_WRONG_NODE);
    older.boot_count += 2;
    peer_must_accept(f, &p, &older);
    peer_must_refuse(f, &f->hello, STATUS_WRONG_NODE);
    ask_close(&p);
}

/* Would break: Raft messages from somebody who never said who he is. */
static void first_frame_has_to_be_a_hello(void **state)
{
    static const uint16_t types[] = {MESSAGE_ITEMS, MESSAGE_GET,
                                     MESSAGE_STATUS, 0x7777};
    struct peer_test *f = *state;

    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        struct ask p;
        ask_open(&p, f->d->peer_port);
        ask_send(&p, FRAME_REQUEST, types[i], 7, slice_str("something"));
        assert_int_equal(peer_take_answer(&p).status, STATUS_BAD_MESSAGE);
        assert_false(ask_receive(&p));
        ask_close(&p);
    }
    for (size_t size = 0; size < 60; size += 13) { /* and a whole one */
        struct buf b = {0};
        struct ask p;
        hello_encode(&f->hello, &b);
        ask_open(&p, f->d->peer_port);
        ask_send(&p, FRAME_REQUEST, MESSAGE_HELLO, 7,
                 slice_of(b.data, size));
        assert_int_equal(peer_take_answer(&p).status, STATUS_BAD_MESSAGE);
        assert_false(ask_receive(&p));
        ask_close(&p);
        buf_release(&b);
    }
}

/* Would break: status and routing, which look at who can be reached. */
static void peer_is_up_while_its_connections_live(void **state)
{
    struct peer_test *f = *state;
    struct hello bulk = f->hello;
    struct ask c, b;

    bulk.channel = CHANNEL_BULK;
    peer_must_accept(f, &c, &f->hello);
    peer_must_accept(f, &b, &bulk);
    wait_peers_up(f, 1);
    ask_close(&c);
    ask_close(&b);
    wait_peers_up(f, 0);
    peer_must_accept(f, &c, &f->hello);
    peer_must_accept(f, &b, &bulk);
    wait_peers_up(f, 1);
    ask_close(&c);
    ask_close(&b);
}

/* Read until it is closed; what comes meanwhile does not matter. */
static void must_close(struct ask *p)
{
    while (ask_receive(p))
        continue;
}

/* Would break: after a peer's restart the old connection, dead but not yet
 * known to be, would take the messages for the new one. */
static void newer_connection_of_a_channel_replaces_the_older(void **state)
{
    struct peer_test *f = *state;
    struct ask first, second;

    peer_must_accept(f, &first, &f->hello);
    peer_must_accept(f, &second, &f->hello);
    must_close(&first);
    ask_close(&first);
    peer_must_refuse(f, &(struct hello){.level = HELLO_LEVEL, .shards = 1},
                STATUS_WRONG_CLUSTER); /* the others go on meanwhile */
    ask_close(&second);
}

/* Would break: one mistaken or malicious peer would end the node. Whatever
 * follows a good hello is taken, dropped or answered by closing. */
static void nonsense_behind_a_hello_harms_nobody(void **state)
{
    struct peer_test *f = *state;
    uint8_t bytes[600];

    for (unsigned round = 0; round < 60; round++) {
        struct ask p;
        peer_must_accept(f, &p, &f->hello);
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((i * 131 + round * 17) >> (round % 5));
        bytes[0] = (uint8_t)round; /* an item's type, for many of them */
        ask_send(&p, FRAME_ONEWAY, MESSAGE_ITEMS, 0,
                 slice_of(bytes, round * 10));
        ask_send(&p, FRAME_ONEWAY, MESSAGE_ITEMS, 0xffffffffffffffffu,
                 slice_of(bytes, 8)); /* to a shard that is not there */
        ask_send(&p, FRAME_REQUEST, MESSAGE_GET, 1, slice_of(bytes, 8));
        ask_send(&p, FRAME_REQUEST, MESSAGE_HELLO, 1, slice_of(bytes, 8));
        (void)ask_status(&f->client); /* it lives */
        ask_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blank_node_refuses_every_hello,
                                        peer_setup, peer_teardown),
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, peer_setup_active, peer_teardown)
        T(strangers_are_refused_by_status),
        T(lower_boot_counter_is_refused_once_seen),
        T(first_frame_has_to_be_a_hello),
        T(peer_is_up_while_its_connections_live),
        T(newer_connection_of_a_channel_replaces_the_older),
        T(nonsense_behind_a_hello_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
