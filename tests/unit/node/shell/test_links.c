/* test_links.c - what a peer must say before it is listened to. The daemon is
 * node 1 of a cluster of two; the test speaks as node 2, or as somebody who is
 * not. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/core/hello.h"

struct fixture {
    struct daemon *d;
    struct ask client;
    struct cluster_map *map;
    struct hello hello; /* as node 2 says it rightly */
};

static const uint8_t directory_2[ID_BYTES] = {2, 2, 2};

static struct cluster_map *map_of_two(struct ask *a)
{
    struct node_status s = ask_status(a);
    struct map_node nodes[2] = {{.id = 1}, {.id = 2}};
    struct map_plan plan = {.nodes = nodes, .n_nodes = 2, .replicas = 2,
                            .data_groups = 1, .cluster = {9}};
    struct cluster_map *map;

    memcpy(nodes[0].directory, s.directory.data, ID_BYTES);
    memcpy(nodes[0].client_address, s.client_address.data,
           s.client_address.size);
    memcpy(nodes[0].peer_address, s.peer_address.data, s.peer_address.size);
    memcpy(nodes[1].directory, directory_2, ID_BYTES);
    snprintf(nodes[1].client_address, ADDRESS_MAX, "127.0.0.1:9");
    snprintf(nodes[1].peer_address, ADDRESS_MAX, "127.0.0.1:10");
    assert_int_equal(map_initial(&plan, &map, NULL), STATUS_OK);
    return map;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    f->d = daemon_new();
    daemon_start(f->d);
    ask_open(&f->client, f->d->port);
    f->map = map_of_two(&f->client);
    f->hello = (struct hello){.level = HELLO_LEVEL, .node = 2, .to = 1,
                              .boot_count = 5, .map_epoch = 1, .shards = 1,
                              .cluster = {9}};
    memcpy(f->hello.directory, directory_2, ID_BYTES);
    *state = f;
    return 0;
}

static int setup_active(void **state)
{
    struct fixture *f;

    setup(state);
    f = *state;
    ask_init_all(&f->client, f->map);
    return 0;
}

/* Whatever was sent, the daemon is there, and stops in order. */
static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)ask_status(&f->client);
    ask_close(&f->client);
    daemon_stop(f->d);
    daemon_free(f->d);
    map_free(f->map);
    free(f);
    return 0;
}

static void send_hello(struct ask *p, const struct hello *h)
{
    struct buf b = {0};

    hello_encode(h, &b);
    ask_send(p, FRAME_REQUEST, MESSAGE_HELLO, 7, buf_slice(&b));
    buf_release(&b);
}

/* Its answer. */
static struct hello take_answer(struct ask *p)
{
    struct hello h;

    assert_true(ask_receive(p));
    assert_int_equal(p->h.type, MESSAGE_HELLO_REPLY);
    assert_int_equal(p->h.kind, FRAME_REPLY);
    assert_int_equal(p->h.id, 7);
    assert_int_equal(hello_decode(p->payload, &h), STATUS_OK);
    return h;
}

/* Say this on a new connection: it must be refused so, and closed. */
static void must_refuse(struct fixture *f, const struct hello *h,
                        enum status why)
{
    struct hello answer;
    struct ask p;

    ask_open(&p, f->d->peer_port);
    send_hello(&p, h);
    answer = take_answer(&p);
    if (answer.status != why)
        fail_msg("%s, not %s", status_name(answer.status), status_name(why));
    assert_true(answer.detail.size > 0);
    assert_false(ask_receive(&p));
    ask_close(&p);
}

static void must_accept(struct fixture *f, struct ask *p,
                        const struct hello *h)
{
    struct hello answer;

    ask_open(p, f->d->peer_port);
    send_hello(p, h);
    answer = take_answer(p);
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(answer.node, 1);
    assert_int_equal(answer.to, 2);
    assert_int_equal(answer.cluster[0], 9);
    assert_memory_equal(answer.directory, f->map->nodes[0].directory,
                        ID_BYTES);
    assert_int_equal(answer.boot_count, 1);
}

/* Ask until node 2 is up, or down; each question is a turn of the loop. */
static void wait_peers_up(struct fixture *f, unsigned want)
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
    struct fixture *f = *state;

    must_refuse(f, &f->hello, STATUS_NOT_INITIALISED);
}

/* Would break: nodes of two clusters on reused addresses; a node whose disk
 * was wiped, taken for the voter that it was; a copied directory. */
static void strangers_are_refused_by_status(void **state)
{
    struct fixture *f = *state;
    struct hello h = f->hello;

    h.cluster[5] = 1;
    must_refuse(f, &h, STATUS_WRONG_CLUSTER);
    h = f->hello;
    h.directory[5] = 1;
    must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.node = 3;
    must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.to = 2;
    must_refuse(f, &h, STATUS_WRONG_NODE);
    h = f->hello;
    h.level = HELLO_LEVEL + 1;
    must_refuse(f, &h, STATUS_WRONG_VERSION);
    assert_int_equal(ask_status(&f->client).n_peers_up, 0);
}

/* Would break: an older process or a restored copy of node 2 would speak with
 * its name beside the real one. */
static void lower_boot_counter_is_refused_once_seen(void **state)
{
    struct fixture *f = *state;
    struct hello older = f->hello;
    struct ask p;

    must_accept(f, &p, &f->hello);
    older.boot_count--;
    must_refuse(f, &older, STATUS_WRONG_NODE);
    ask_close(&p);
    must_refuse(f, &older, STATUS_WRONG_NODE);
    older.boot_count += 2;
    must_accept(f, &p, &older);
    must_refuse(f, &f->hello, STATUS_WRONG_NODE);
    ask_close(&p);
}

/* Would break: Raft messages from somebody who never said who he is. */
static void first_frame_has_to_be_a_hello(void **state)
{
    static const uint16_t types[] = {MESSAGE_ITEMS, MESSAGE_GET,
                                     MESSAGE_STATUS, 0x7777};
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        struct ask p;
        ask_open(&p, f->d->peer_port);
        ask_send(&p, FRAME_REQUEST, types[i], 7, slice_str("something"));
        assert_int_equal(take_answer(&p).status, STATUS_BAD_MESSAGE);
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
        assert_int_equal(take_answer(&p).status, STATUS_BAD_MESSAGE);
        assert_false(ask_receive(&p));
        ask_close(&p);
        buf_release(&b);
    }
}

/* Would break: status and routing, which look at who can be reached. */
static void peer_is_up_while_its_connections_live(void **state)
{
    struct fixture *f = *state;
    struct hello bulk = f->hello;
    struct ask c, b;

    bulk.channel = CHANNEL_BULK;
    must_accept(f, &c, &f->hello);
    must_accept(f, &b, &bulk);
    wait_peers_up(f, 1);
    ask_close(&c);
    ask_close(&b);
    wait_peers_up(f, 0);
    must_accept(f, &c, &f->hello);
    must_accept(f, &b, &bulk);
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
    struct fixture *f = *state;
    struct ask first, second;

    must_accept(f, &first, &f->hello);
    must_accept(f, &second, &f->hello);
    must_close(&first);
    ask_close(&first);
    must_refuse(f, &(struct hello){.level = HELLO_LEVEL, .shards = 1},
                STATUS_WRONG_CLUSTER); /* the others go on meanwhile */
    ask_close(&second);
}

/* Would break: one mistaken or malicious peer would end the node. Whatever
 * follows a good hello is taken, dropped or answered by closing. */
static void nonsense_behind_a_hello_harms_nobody(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[600];

    for (unsigned round = 0; round < 60; round++) {
        struct ask p;
        must_accept(f, &p, &f->hello);
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
                                        setup, teardown),
#define T(name) cmocka_unit_test_setup_teardown(name, setup_active, teardown)
        T(strangers_are_refused_by_status),
        T(lower_boot_counter_is_refused_once_seen),
        T(first_frame_has_to_be_a_hello),
        T(peer_is_up_while_its_connections_live),
        T(newer_connection_of_a_channel_replaces_the_older),
        T(nonsense_behind_a_hello_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
