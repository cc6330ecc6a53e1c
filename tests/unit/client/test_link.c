/* test_link.c - connections: how many, when, and how full. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "client/engine.h"
#include "tests/unit/client/fixture.h"

/* Broken: a system call per request; a fifth of the throughput. */
static void what_is_submitted_in_one_turn_leaves_in_one_write(void **state)
{
    struct fixture *t = begin(1);
    struct answer a[200];
    uint64_t before;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    before = conn_set_stats(t->c->set).writes;
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        set_start(t, key, "v", &a[i]);
    }
    run_until(&t->loop, &a[199].done);
    assert_int_equal(conn_set_stats(t->c->set).writes, before + 1);
    stop(t);
}

static void set_on_lane(struct fixture *t, unsigned lane)
{
    struct coat_call how = {.lane = lane};
    struct answer a = {0};

    assert_int_equal(coat_set(t->c, COAT_STR("k"), COAT_STR("v"), &how,
                              answer_take, &a),
                     COAT_OK);
    run_until(&t->loop, &a.done);
    assert_int_equal(a.status, COAT_OK);
}

/* Broken: users that share a client would share one connection, or have more
 * than was allowed. */
static void lanes_have_connections_of_their_own(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t;

    (void)state;
    o.connections_per_node = 3;
    t = begin_with(1, o);
    for (unsigned lane = 1; lane <= 12; lane++)
        set_on_lane(t, lane);
    assert_int_equal(t->f.nodes[0].connections, 3);
    stop(t);
}

/* Broken: a node that is full would lose writes, or be asked no more. */
static void a_refused_connection_is_tried_again(void **state)
{
    struct fixture *t = begin(1);
    struct answer a;

    (void)state;
    t->f.nodes[0].crowded = 2;
    a = set(t, "k", "v");
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(t->f.nodes[0].connections, 3);
    stop(t);
}

/* Broken: a write on a connection that was refused before anything was read
 * would be called unknown. */
static void a_write_on_a_refused_connection_was_not_executed(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t;

    (void)state;
    o.connections_per_node = 2;
    t = begin_with(1, o);
    set_on_lane(t, 2); /* connection 0, which also got the map */
    t->f.nodes[0].crowded = 1;
    set_on_lane(t, 1);
    assert_int_equal(t->f.n_log, 2);
    stop(t);
}

/* Broken: more than the output buffer holds would be lost or out of order. */
static void a_full_connection_is_waited_for(void **state)
{
    enum { N = 12, SIZE = 1 << 20 };
    struct fixture *t = begin(1);
    struct answer a[N] = {0};
    char *value = calloc(1, SIZE);

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_REFUSE; /* it keeps only small values */
    t->f.nodes[0].refusal = STATUS_NOT_MET;
    t->f.nodes[0].refusals = N;
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(coat_set(t->c, COAT_STR("k"), COAT_BYTES(value, SIZE),
                                  NULL, answer_take, &a[i]),
                         COAT_OK);
    assert_true(conn_set_stats(t->c->set).refused > 0);
    for (unsigned i = 0; i < N; i++) {
        run_until(&t->loop, &a[i].done);
        assert_int_equal(a[i].status, COAT_NOT_MET);
        assert_int_equal(a[i].attempts, 1);
    }
    free(value);
    stop(t);
}

/* Broken: a node that is back would be found only by chance. */
static void a_node_that_comes_back_is_used_again(void **state)
{
    struct fixture *t = begin(1);
    struct coat_counters n;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct answer a;
        fake_break(&t->f.nodes[0]);
        do {
            a = set(t, "k", "v");
            assert_true(a.status == COAT_OK || a.status == COAT_UNKNOWN);
        } while (a.status != COAT_OK);
    }
    coat_client_counters(t->c, &n);
    assert_true(n.connects >= 3);
    assert_true(n.disconnects >= 2);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_submitted_in_one_turn_leaves_in_one_write),
        cmocka_unit_test(lanes_have_connections_of_their_own),
        cmocka_unit_test(a_refused_connection_is_tried_again),
        cmocka_unit_test(a_write_on_a_refused_connection_was_not_executed),
        cmocka_unit_test(a_full_connection_is_waited_for),
        cmocka_unit_test(a_node_that_comes_back_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
