/* test_map_fetch.c - when the map is asked for, and who is in it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "client/engine.h"
#include "tests/unit/client/fixture.h"

static unsigned asked(const struct fixture *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t->f.n_nodes; i++)
        n += t->f.nodes[i].map_requests;
    return n;
}

/* Broken: every request would fetch the whole map. */
static void a_quiet_cluster_is_asked_once(void **state)
{
    struct fixture *t = begin(3);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set(t, key, "v").status, COAT_OK);
    }
    assert_int_equal(asked(t), 1);
    stop(t);
}

/* Broken: in an election every client would flood the nodes with questions. */
static void many_reasons_to_ask_make_few_questions(void **state)
{
    struct fixture *t = begin(1);
    struct answer a[200];

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_MOVED;
    t->f.nodes[0].refusals = 400;
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        set_start(t, key, "v", &a[i]);
    }
    for (unsigned i = 0; i < 200; i++) {
        run_until(&t->loop, &a[i].done);
        assert_int_equal(a[i].status, COAT_OK);
    }
    assert_true(asked(t) < 30);
    stop(t);
}

/* Broken: a renumbered or new node would never be talked to. */
static void nodes_of_a_newer_map_are_used(void **state)
{
    struct fixture *t = begin(3);
    struct fake_node *n;
    char address[ADDRESS_MAX + 1];

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    n = fake_leader(&t->f, "k");
    /* The same port under another name stands for a new address. */
    snprintf(address, sizeof address, "localhost:%u",
             (unsigned)listener_address(n->listener)->port);
    memcpy(t->f.map->nodes[n->id - 1].client_address, address,
           sizeof address);
    t->f.map->epoch++;
    n->mode = FAKE_REFUSE;
    n->refusal = STATUS_MOVED;
    n->refusals = 1;
    assert_int_equal(set(t, "k", "w").status, COAT_OK);
    while (t->c->routes.map->epoch < t->f.map->epoch)
        uv_run(&t->loop, UV_RUN_ONCE);
    assert_int_equal(set(t, "k", "x").status, COAT_OK);
    assert_true(peer_at(t->c, address)->in_map);
    assert_non_null(peer_up_link(t->c, peer_at(t->c, address)));
    stop(t);
}

/* Broken: connections to nodes that left would stay open for ever. */
static void a_node_that_has_left_is_let_go(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t = calloc(1, sizeof *t);
    struct cluster_map *map;
    struct peer *p;
    char one[300], left[ADDRESS_MAX + 1];
    unsigned known = 0;

    (void)state;
    assert_int_equal(uv_loop_init(&t->loop), 0);
    fake_cluster_init(&t->f, &t->loop, 3, 8);
    snprintf(one, sizeof one, "%s", t->f.map->nodes[0].client_address);
    snprintf(left, sizeof left, "%s", t->f.map->nodes[2].client_address);
    o.endpoints = one;
    t->c = coat_client_new(&t->loop, &o, (char[COAT_ERROR_MAX]){0},
                           COAT_ERROR_MAX);
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set(t, key, "v").status, COAT_OK);
    }
    map = t->f.map;
    map->n_nodes = 2;
    map->epoch++;
    for (unsigned g = 0; g < map->n_groups; g++) {
        struct map_group *group = &map->groups[g];
        unsigned kept = 0;
        for (unsigned k = 0; k < group->n_replicas; k++)
            if (group->replicas[k].node != 3)
                group->replicas[kept++] = group->replicas[k];
        group->n_replicas = kept;
        t->f.leaders[g] = 1;
    }
    assert_int_equal(map_check(map, NULL), STATUS_OK);
    t->f.nodes[2].mode = FAKE_REFUSE;
    t->f.nodes[2].refusal = STATUS_MOVED;
    t->f.nodes[2].refusals = 1000;
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set(t, key, "v").status, COAT_OK);
    }
    do {
        uv_run(&t->loop, UV_RUN_ONCE);
        for (known = 0, p = t->c->peers; p; p = p->next)
            known += strcmp(p->text, left) == 0;
    } while (known);
    for (;;) {
        bool open = false;
        for (unsigned i = 0; i < FAKE_CONNS_MAX; i++)
            open |= t->f.nodes[2].conns[i] != NULL;
        if (!open)
            break;
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    stop(t);
}

/* Broken: a node that hangs would keep the client from learning the map. */
static void a_silent_node_does_not_keep_the_map_away(void **state)
{
    struct fixture *t = begin(3);

    (void)state;
    t->f.nodes[0].map_silent = true;
    t->f.nodes[1].map_silent = true;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_cluster_is_asked_once),
        cmocka_unit_test(many_reasons_to_ask_make_few_questions),
        cmocka_unit_test(nodes_of_a_newer_map_are_used),
        cmocka_unit_test(a_node_that_has_left_is_let_go),
        cmocka_unit_test(a_silent_node_does_not_keep_the_map_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
