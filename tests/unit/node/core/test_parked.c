/* test_parked.c - a keyspace that is younger than a node's map. */
#include "tests/unit/node/core/asking.h"

#include "proto/keyspace.h"

static struct trial t;

static void start(void)
{
    struct cluster_options o = trial_three();

    trial_start(&t, &o);
    trial_run(&t, 3000);
    asking_begin(&t);
}

static void end(void)
{
    trial_judge(&t);
    trial_release(&t);
    asking_end();
}

static void change(enum keyspace_action action)
{
    struct keyspace_change c = {.action = action};
    struct operation o = {.op = OP_KEYSPACE, .key = slice_str("carts")};
    struct buf value = {0};

    keyspace_change_encode(&c, &value);
    o.value = buf_slice(&value);
    assert_int_equal(
        ask_op(trial_elect(&t, 0), "", o, NULL)->status, STATUS_OK);
    buf_release(&value);
}

static struct sim_node *not_leading(void)
{
    return trial_other(&t, trial_elect(&t, 0));
}

static uint64_t epoch_of(struct sim_node *n)
{
    return shard_map(n->loops[0].shard)->epoch;
}

/* The answer to creating it is there before other nodes have the map: who asks
 * them at once must not be told that there is no such keyspace. */
static void the_map_is_fetched_before_a_keyspace_is_refused(void **state)
{
    struct operation set = {.op = OP_SET, .key = slice_str("k"),
                            .value = slice_str("v")};
    unsigned young = 0;

    (void)state;
    start();
    for (unsigned round = 0; round < 10; round++) {
        struct sim_node *n = not_leading();
        uint64_t before = epoch_of(n);
        change(round % 2 ? KEYSPACE_DROP : KEYSPACE_CREATE);
        young += epoch_of(n) == before;
        if (round % 2 == 0)
            assert_int_equal(ask_op(n, "carts", set, NULL)->status,
                             STATUS_OK);
        trial_run(&t, 3000);
    }
    assert_true(young > 0); /* else nothing was tried here */
    end();
}

/* Whoever asks for what there is not gets his answer, soon, again and again. */
static void what_there_is_not_is_refused_soon(void **state)
{
    struct operation get = {.op = OP_GET, .key = slice_str("k")};

    (void)state;
    start();
    for (unsigned i = 0; i < 50; i++) {
        uint64_t begun = t.c.now;
        asking_send(not_leading(), "nowhere", &get, NULL);
        assert_int_equal(asking_wait()->status, STATUS_NO_KEYSPACE);
        assert_true(t.c.now - begun <= 310);
    }
    end();
}

/* With nobody to ask it is refused after a while. */
static void a_lonely_node_refuses_after_a_while(void **state)
{
    struct operation get = {.op = OP_GET, .key = slice_str("k")};
    struct sim_node *n;

    (void)state;
    start();
    n = not_leading();
    trial_isolate(&t, n, true);
    asking_send(n, "nowhere", &get, NULL);
    trial_run(&t, 400);
    assert_true(asking.answered);
    assert_int_equal(asking.reply.status, STATUS_NO_KEYSPACE);
    trial_isolate(&t, n, false);
    trial_run(&t, 3000);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_is_fetched_before_a_keyspace_is_refused),
        cmocka_unit_test(what_there_is_not_is_refused_soon),
        cmocka_unit_test(a_lonely_node_refuses_after_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
