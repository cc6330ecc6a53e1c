/* test_operate.c - conditions, numbers, deadlines; and that a write is executed
 * once however often it is sent. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

#define DO(a, call)                                                            \
    do {                                                                       \
        (a) = (struct answer){0};                                              \
        assert_int_equal(call, COAT_OK);                                       \
        run_until(&t->loop, &(a).done);                                        \
    } while (0)

static const struct coat_bytes k = {"k", 1};

/* Broken: a condition or a previous value would get lost on its way. */
static void conditions_and_previous_values_travel(void **state)
{
    struct fixture *t = begin_once(3);
    struct coat_write w = {.flags = COAT_IF_ABSENT};
    struct answer a;

    (void)state;
    DO(a, coat_set_with(t->c, k, COAT_STR("1"), &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    w.flags |= COAT_PREVIOUS;
    DO(a, coat_set_with(t->c, k, COAT_STR("2"), &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_NOT_MET);
    assert_true(a.has_value);
    assert_memory_equal(a.value, "1", 1);
    w = (struct coat_write){.flags = COAT_IF_VALUE, .if_value = COAT_STR("1")};
    DO(a, coat_set_with(t->c, k, COAT_STR("3"), &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    w = (struct coat_write){.flags = COAT_IF_VERSION,
                            .if_version = a.version + 1};
    DO(a, coat_delete_with(t->c, k, &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_NOT_MET);
    w.if_version = a.version;
    DO(a, coat_delete_with(t->c, k, &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    stop(t);
}

/* Broken: numbers, sizes or deadlines would not come back. */
static void results_come_back(void **state)
{
    struct fixture *t = begin_once(1);
    struct coat_write w = {.ttl = 5000};
    struct answer a;

    (void)state;
    DO(a, coat_incr(t->c, k, 5, NULL, NULL, answer_take, &a));
    assert_int_equal(a.number, 5);
    DO(a, coat_incr(t->c, k, -7, NULL, NULL, answer_take, &a));
    assert_int_equal(a.number, -2);
    assert_memory_equal(a.value, "-2", 2);
    DO(a, coat_append(t->c, k, COAT_STR("00"), NULL, NULL, answer_take, &a));
    assert_int_equal(a.number, 4);
    DO(a, coat_expire(t->c, k, &w, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    DO(a, coat_look(t->c, k, NULL, answer_take, &a));
    assert_int_equal(a.deadline, 1005000);
    assert_int_equal(a.number, 4);
    assert_false(a.has_value);
    w = (struct coat_write){.flags = COAT_PERSIST};
    DO(a, coat_expire(t->c, k, &w, NULL, answer_take, &a));
    DO(a, coat_look(t->c, k, NULL, answer_take, &a));
    assert_int_equal(a.deadline, 0);
    stop(t);
}

/* Broken: nonsense would travel to a node first, or be taken for something
 * else. */
static void flags_that_do_not_belong_there_are_refused(void **state)
{
    struct fixture *t = begin_once(1);
    struct coat_write w = {.flags = COAT_PERSIST};
    struct answer a;

    (void)state;
    assert_int_equal(coat_set_with(t->c, k, k, &w, NULL, answer_take, &a),
                     COAT_INVALID);
    w = (struct coat_write){.ttl = 1, .deadline = 1};
    assert_int_equal(coat_set_with(t->c, k, k, &w, NULL, answer_take, &a),
                     COAT_INVALID);
    w = (struct coat_write){.flags = COAT_KEEP_TTL};
    assert_int_equal(coat_delete_with(t->c, k, &w, NULL, answer_take, &a),
                     COAT_INVALID);
    w = (struct coat_write){.flags = 1u << 30};
    assert_int_equal(coat_incr(t->c, k, 1, &w, NULL, answer_take, &a),
                     COAT_INVALID);
    assert_int_equal(coat_outstanding(t->c), 0);
    stop(t);
}

/* Broken: a lost reply would leave the caller without knowing, or count
 * twice. */
static void a_lost_reply_is_asked_for_again(void **state)
{
    struct fixture *t = begin_once(3);
    struct answer a;

    (void)state;
    fake_leader(&t->f, "k")->forgets = 3;
    DO(a, coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.number, 1);
    assert_int_equal(t->f.n_log, 1);
    assert_int_equal(t->f.repeated, 3);
    assert_true(a.attempts >= 4);
    DO(a, coat_set(t->c, k, COAT_STR("v"), NULL, answer_take, &a));
    assert_int_equal(t->f.acknowledged, 2);
    stop(t);
}

/* Broken: a write that may have been executed would end as one that certainly
 * was not, because its last try was refused. */
static void a_refusal_does_not_speak_for_earlier_tries(void **state)
{
    struct fixture *t = begin_once(1);
    struct coat_call how = {.timeout = 1000}; /* enough for a first try */
    struct fake_node *n = &t->f.nodes[0];
    struct answer a;

    (void)state;
    n->forgets = 1;
    DO(a, coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    for (unsigned i = 0; i < 2; i++) {
        n->mode = FAKE_SERVE;
        n->forgets = 1;
        a = (struct answer){0};
        assert_int_equal(coat_incr(t->c, k, 1, NULL, &how, answer_take, &a),
                         COAT_OK);
        while (n->forgets)
            uv_run(&t->loop, UV_RUN_ONCE);
        n->mode = FAKE_REFUSE;
        n->refusal = i ? STATUS_INTERNAL : STATUS_BUSY;
        n->refusals = 1;
        while (n->refusals) /* of another kind than the first */
            uv_run(&t->loop, UV_RUN_ONCE);
        n->refusal = STATUS_BUSY;
        n->refusals = 1000;
        run_until(&t->loop, &a.done);
        assert_int_equal(a.status, COAT_UNKNOWN);
    }
    stop(t);
}

/* Broken: a node that says nothing would hold a write until its time is
 * over. */
static void a_silent_node_is_left_for_another(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t = calloc(1, sizeof *t);
    struct fake_node *silent;
    struct answer a;

    (void)state;
    o.attempt_timeout = 50;
    start(t, 3, o);
    silent = fake_leader(&t->f, "k");
    silent->mode = FAKE_SILENT;
    a = (struct answer){0};
    assert_int_equal(coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a),
                     COAT_OK);
    while (!silent->requests)
        uv_run(&t->loop, UV_RUN_ONCE);
    fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    run_until(&t->loop, &a.done);
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.number, 1);
    stop(t);
}

/* Broken: after a node's clock jumped a client would be refused for as long as
 * it believed what that node had told. */
static void a_wrong_idea_of_the_time_is_mended(void **state)
{
    struct fixture *t = begin_once(1);
    struct answer a;

    (void)state;
    t->f.nodes[0].clock = 1000000; /* 1970: the wall clock is far ahead */
    DO(a, coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.attempts, 2);
    assert_true(t->f.not_after <= 1000000 + SESSION_AHEAD_MAX_MS);
    t->f.nodes[0].clock = UINT64_C(4000000000000); /* 2096: far behind */
    DO(a, coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a));
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.number, 2);
    assert_int_equal(a.attempts, 2);
    stop(t);
}

/* Broken: what was executed, and is too old when it is asked for again, would
 * get another time, and run twice where its first result has gone. */
static void what_may_have_been_executed_gets_no_other_time(void **state)
{
    struct fixture *t = begin_once(1);
    struct fake_node *n = &t->f.nodes[0];
    struct answer a = {0};

    (void)state;
    n->forgets = 1;
    assert_int_equal(coat_incr(t->c, k, 1, NULL, NULL, answer_take, &a),
                     COAT_OK);
    while (n->forgets)
        uv_run(&t->loop, UV_RUN_ONCE);
    n->clock = UINT64_C(4000000000000); /* beyond its time */
    run_until(&t->loop, &a.done);
    assert_int_equal(a.status, (enum coat_status)STATUS_EXPIRED);
    assert_int_equal(t->f.n_log, 1);
    assert_int_equal(t->f.repeated, 0);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_and_previous_values_travel),
        cmocka_unit_test(results_come_back),
        cmocka_unit_test(flags_that_do_not_belong_there_are_refused),
        cmocka_unit_test(a_lost_reply_is_asked_for_again),
        cmocka_unit_test(a_refusal_does_not_speak_for_earlier_tries),
        cmocka_unit_test(a_silent_node_is_left_for_another),
        cmocka_unit_test(what_may_have_been_executed_gets_no_other_time),
        cmocka_unit_test(a_wrong_idea_of_the_time_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
