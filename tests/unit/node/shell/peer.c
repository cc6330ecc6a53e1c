/* peer.c - see peer.h. */
#include "tests/unit/node/shell/peer.h"

#include <stdio.h>
#include <stdlib.h>

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

int peer_setup(void **state)
{
    struct peer_test *f = xcalloc(1, sizeof *f);

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

int peer_setup_active(void **state)
{
    struct peer_test *f;

    peer_setup(state);
    f = *state;
    ask_init_all(&f->client, f->map);
    return 0;
}

int peer_teardown(void **state)
{
    struct peer_test *f = *state;

    (void)ask_status(&f->client);
    ask_close(&f->client);
    daemon_stop(f->d);
    daemon_free(f->d);
    map_free(f->map);
    free(f);
    return 0;
}

void peer_send_hello(struct ask *p, const struct hello *h)
{
    struct buf b = {0};

    hello_encode(h, &b);
    ask_send(p, FRAME_REQUEST, MESSAGE_HELLO, 7, buf_slice(&b));
    buf_release(&b);
}

struct hello peer_take_answer(struct ask *p)
{
    struct hello h;

    assert_true(ask_receive(p));
    assert_int_equal(p->h.type, MESSAGE_HELLO_REPLY);
    assert_int_equal(p->h.kind, FRAME_REPLY);
    assert_int_equal(p->h.id, 7);
    assert_int_equal(hello_decode(p->payload, &h), STATUS_OK);
    return h;
}

void peer_must_refuse(struct peer_test *f, const struct hello *h,
                      enum status why)
{
    struct hello answer;
    struct ask p;

    ask_open(&p, f->d->peer_port);
    peer_send_hello(&p, h);
    answer = peer_take_answer(&p);
    if (answer.status != why)
        fail_msg("%s, not %s", status_name(answer.status), status_name(why));
    assert_true(answer.detail.size > 0);
    assert_false(ask_receive(&p));
    ask_close(&p);
}

void peer_must_accept(struct peer_test *f, struct ask *p,
                      const struct hello *h)
{
    struct hello answer;

    ask_open(p, f->d->peer_port);
    peer_send_hello(p, h);
    answer = peer_take_answer(p);
    assert_int_equal(answer.status, STATUS_OK);
    assert_int_equal(answer.node, 1);
    assert_int_equal(answer.to, 2);
    assert_int_equal(answer.cluster[0], 9);
    assert_memory_equal(answer.directory, f->map->nodes[0].directory,
                        ID_BYTES);
    assert_int_equal(answer.boot_count, 1);
}
