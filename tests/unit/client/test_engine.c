/* test_engine.c - routing, redirects, retries and unknown outcomes, against
 * nodes on the test's own loop. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

/* Broken: nothing works at all. */
static void what_was_set_is_found_and_deleted(void **state)
{
    struct fixture *t = begin(3);
    struct answer a;

    (void)state;
    a = set(t, "k", "v1");
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.version, 1);
    a = get(t, "k");
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.size, 2);
    assert_memory_equal(a.value, "v1", 2);
    a = (struct answer){0};
    assert_int_equal(coat_delete(t->c, COAT_STR("k"), NULL, answer_take, &a),
                     COAT_OK);
    run_until(&t->loop, &a.done);
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(get(t, "k").status, COAT_NOT_FOUND);
    stop(t);
}

/* Broken: every request would take a detour, at twice the cost. */
static void requests_go_straight_to_the_leader(void **state)
{
    struct fixture *t = begin(3);
    struct coat_counters n;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        struct answer a;
        snprintf(key, sizeof key, "key%u", i);
        a = set(t, key, "v");
        assert_int_equal(a.attempts, 1);
        assert_int_equal(t->f.log[t->f.n_log - 1].node,
                         fake_leader(&t->f, key)->id);
    }
    coat_client_counters(t->c, &n);
    assert_int_equal(n.redirects, 0);
    assert_int_equal(n.retries, 0);
    assert_int_equal(n.requests, 50);
    assert_int_equal(n.replies, 50);
    stop(t);
}

/* Broken: a new leader would never be found, or asked for again each time. */
static void a_redirect_is_followed_at_once_and_remembered(void **state)
{
    struct fixture *t = begin(3);
    struct coat_counters n;
    struct fake_node *other;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    other = fake_other(&t->f, "k");
    fake_lead(&t->f, "k", other->id);
    assert_int_equal(set(t, "k", "w").attempts, 2);
    assert_int_equal(set(t, "k", "x").attempts, 1);
    assert_int_equal(t->f.log[2].node, other->id);
    coat_client_counters(t->c, &n);
    assert_int_equal(n.redirects, 1);
    stop(t);
}

/* Broken: during an election without hints requests would fail. */
static void without_a_hint_the_map_tells_the_leader(void **state)
{
    struct fixture *t = begin(3);
    struct answer a;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    fake_leader(&t->f, "k")->hint_none = true;
    fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    a = set(t, "k", "w");
    assert_int_equal(a.status, COAT_OK);
    assert_true(a.attempts >= 2);
    stop(t);
}

/* Broken: after a forwarded answer every request would go the long way. */
static void an_answer_that_names_the_leader_is_believed(void **state)
{
    struct fixture *t = begin(3);
    struct fake_node *old;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    old = fake_leader(&t->f, "k");
    old->mode = FAKE_FORWARD;
    fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    assert_int_equal(set(t, "k", "w").status, COAT_OK);
    assert_int_equal(t->f.log[1].node, old->id);
    assert_int_equal(set(t, "k", "x").status, COAT_OK);
    assert_int_not_equal(t->f.log[2].node, old->id);
    stop(t);
}

/* Broken: slots that moved would be looked for at their old place for ever. */
static void a_newer_map_is_fetched_when_a_slot_has_moved(void **state)
{
    struct fixture *t = begin(3);
    struct fake_node *n;
    struct coat_counters before, after;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    coat_client_counters(t->c, &before);
    n = fake_leader(&t->f, "k");
    n->mode = FAKE_REFUSE;
    n->refusal = STATUS_MOVED;
    n->refusals = 1;
    t->f.map->epoch++;
    for (unsigned s = 0; s < SLOT_COUNT; s++)
        t->f.map->owner[s] = 1 + t->f.map->owner[s] % 8;
    assert_int_equal(set(t, "k", "w").status, COAT_OK);
    assert_int_equal(t->f.log[1].node, fake_leader(&t->f, "k")->id);
    coat_client_counters(t->c, &after);
    assert_true(after.map_fetches > before.map_fetches);
    stop(t);
}

/* Broken: a moment of overload would become an error of the application. */
static void a_busy_answer_is_repeated_until_it_works(void **state)
{
    struct fixture *t = begin(1);
    struct answer a;

    (void)state;
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_BUSY;
    t->f.nodes[0].refusals = 3;
    a = set(t, "k", "v");
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(a.attempts, 4);
    stop(t);
}

/* Broken: a write that may have been executed would be executed twice. */
static void a_write_that_may_have_been_executed_is_not_repeated(void **state)
{
    static const enum status unsafe[] = {STATUS_UNKNOWN, STATUS_IO_ERROR,
                                         STATUS_INTERNAL};
    struct fixture *t = begin(1);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(unsafe); i++) {
        struct answer a;
        t->f.nodes[0].mode = FAKE_REFUSE;
        t->f.nodes[0].refusal = unsafe[i];
        t->f.nodes[0].refusals = 1;
        a = set(t, "k", "v");
        assert_int_equal((int)a.status, (int)unsafe[i]);
        assert_int_equal(a.attempts, 1);
    }
    assert_int_equal(t->f.n_log, 0);
    stop(t);
}

/* Broken: reads would fail where asking again is free. */
static void a_read_is_repeated_whatever_happened(void **state)
{
    struct fixture *t = begin(1);
    struct answer a;

    (void)state;
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_UNKNOWN;
    t->f.nodes[0].refusals = 2;
    a = get(t, "k");
    assert_int_equal(a.status, COAT_NOT_FOUND);
    assert_int_equal(a.attempts, 3);
    stop(t);
}

/* Broken: what asking again cannot change would be asked for seconds. */
static void final_answers_are_not_repeated(void **state)
{
    static const enum status final[] = {STATUS_NO_KEYSPACE, STATUS_DENIED,
                                        STATUS_DISK_FULL, STATUS_TIMEOUT};
    struct fixture *t = begin(1);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(final); i++) {
        struct answer a;
        t->f.nodes[0].mode = FAKE_REFUSE;
        t->f.nodes[0].refusal = final[i];
        t->f.nodes[0].refusals = 1;
        a = set(t, "k", "v");
        assert_int_equal((int)a.status, (int)final[i]);
        assert_int_equal(a.attempts, 1);
    }
    stop(t);
}

/* Broken: the application would believe that its write did not happen. */
static void a_connection_that_breaks_leaves_writes_unknown(void **state)
{
    struct fixture *t = begin(3);
    struct answer a;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    fake_leader(&t->f, "k")->mode = FAKE_DROP;
    a = set(t, "k", "w");
    assert_int_equal(a.status, COAT_UNKNOWN);
    assert_int_equal(a.attempts, 1);
    assert_true(a.detail[0]);
    stop(t);
}

/* Broken: a restarted node would be an error for every reader. */
static void a_connection_that_breaks_is_nothing_to_a_read(void **state)
{
    struct fixture *t = begin(3);
    struct fake_node *old;
    struct answer a;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    old = fake_leader(&t->f, "k");
    old->mode = FAKE_DROP;
    fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    a = get(t, "k");
    assert_int_equal(a.status, COAT_OK);
    assert_true(a.attempts >= 2);
    stop(t);
}

/* Broken: losing one machine would be losing its keys. */
static void a_dead_leader_is_replaced_by_the_next(void **state)
{
    struct fixture *t = begin(3);
    uint32_t next;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    next = fake_other(&t->f, "k")->id;
    fake_stop(fake_leader(&t->f, "k"));
    fake_lead(&t->f, "k", next);
    for (;;) { /* the connection's end may come after the first write */
        struct answer a = set(t, "k", "w");
        if (a.status == COAT_OK)
            break;
        assert_int_equal(a.status, COAT_UNKNOWN);
    }
    assert_int_equal(get(t, "k").status, COAT_OK);
    assert_int_equal(t->f.log[t->f.n_log - 1].node, next);
    stop(t);
}

/* Broken: a silent node would hold the application for ever. */
static void time_runs_out_as_unknown_for_writes_only(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct coat_call how = {.timeout = 500}; /* enough to be sent in */
    struct fixture *t;
    struct answer a = {0};

    (void)state;
    t = begin_with(1, o);
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_SILENT;
    assert_int_equal(get_how(t, "k", &how).status, COAT_TIMEOUT);
    assert_int_equal(coat_set(t->c, COAT_STR("k"), COAT_STR("w"), &how,
                              answer_take, &a), COAT_OK);
    run_until(&t->loop, &a.done);
    assert_int_equal(a.status, COAT_UNKNOWN);
    stop(t);
}

/* Broken: one stopped process would fail all reads of its keys. */
static void a_silent_node_is_left_for_another_by_reads(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t;
    struct answer a;

    (void)state;
    o.attempt_timeout = 50;
    t = begin_with(3, o);
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    fake_leader(&t->f, "k")->mode = FAKE_SILENT;
    fake_leader(&t->f, "k")->map_silent = true;
    fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    a = get(t, "k");
    assert_int_equal(a.status, COAT_OK);
    stop(t);
}

/* Broken: the application would not learn that nobody is there. */
static void nobody_there_is_a_timeout_that_says_where(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t = calloc(1, sizeof *t);
    struct answer a;
    char endpoint[sizeof t->f.endpoints];

    (void)state;
    start(t, 1, o);
    snprintf(endpoint, sizeof endpoint, "%s", t->f.endpoints);
    stop(t);
    t = calloc(1, sizeof *t);
    o.endpoints = endpoint; /* free again */
    o.timeout = 1000; /* enough to be refused in */
    start(t, 1, o);
    a = set(t, "k", "v");
    assert_int_equal(a.status, COAT_TIMEOUT);
    assert_int_equal(a.attempts, 0);
    assert_non_null(strstr(a.detail, endpoint));
    stop(t);
}

/* Broken: who named a port of something else, or a stopped process, would be
 * told that time is over and nothing more. */
static void a_silent_node_is_named_when_time_runs_out(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t = calloc(1, sizeof *t);
    struct answer a;

    (void)state;
    o.timeout = 200;
    start(t, 1, o);
    t->f.nodes[0].map_silent = true;
    a = get(t, "k");
    assert_int_equal(a.status, COAT_TIMEOUT);
    assert_int_equal(a.attempts, 0);
    assert_non_null(strstr(a.detail, t->f.endpoints));
    t->f.nodes[0].map_silent = false;
    t->f.nodes[0].mode = FAKE_SILENT;
    do /* until it is asked for the key itself, knowing the map */
        a = set(t, "k", "v");
    while (a.status == COAT_TIMEOUT);
    assert_int_equal(a.status, COAT_UNKNOWN);
    assert_non_null(strstr(a.detail, t->f.endpoints));
    stop(t);
}

/* Broken: before cluster init every command would hang until its timeout. */
static void a_node_without_a_cluster_says_so_at_once(void **state)
{
    struct fixture *t = begin(1);
    struct answer a;

    (void)state;
    t->f.nodes[0].not_initialised = true;
    a = set(t, "k", "v");
    assert_int_equal(a.status, COAT_NOT_INITIALISED);
    t->f.nodes[0].not_initialised = false;
    for (;;) { /* it may still wait for the answer before */
        a = set(t, "k", "v");
        if (a.status == COAT_OK)
            break;
        assert_int_equal(a.status, COAT_NOT_INITIALISED);
    }
    stop(t);
}

/* Broken: a dead first endpoint would keep everybody out. */
static void any_endpoint_will_do(void **state)
{
    struct fixture *t = calloc(1, sizeof *t);
    struct coat_options o = COAT_OPTIONS;
    static char endpoints[sizeof t->f.endpoints];

    (void)state;
    assert_int_equal(uv_loop_init(&t->loop), 0);
    fake_cluster_init(&t->f, &t->loop, 3, 8);
    snprintf(endpoints, sizeof endpoints, "%s", t->f.endpoints);
    fake_stop(&t->f.nodes[0]);
    for (unsigned g = 0; g < t->f.map->n_groups; g++)
        t->f.leaders[g] = 2;
    o.endpoints = endpoints;
    t->c = coat_client_new(&t->loop, &o, (char[COAT_ERROR_MAX]){0},
                           COAT_ERROR_MAX);
    assert_non_null(t->c);
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    stop(t);
}

/* Broken: stale reads would all load the leader. */
static void stale_reads_are_spread_over_the_replicas(void **state)
{
    struct fixture *t = begin(3);
    struct coat_call how = {.consistency = COAT_STALE};
    unsigned seen = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        t->f.nodes[i].mode = FAKE_FORWARD;
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(get_how(t, "k", &how).status, COAT_NOT_FOUND);
    for (unsigned i = 0; i < 3; i++)
        seen += t->f.nodes[i].requests > 5;
    assert_int_equal(seen, 3);
    stop(t);
}

/* Broken: a node of another kind on the port would be talked to for ever. */
static void an_unreadable_reply_breaks_the_connection(void **state)
{
    struct fixture *t = begin(1);

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_GARBAGE;
    assert_int_equal(set(t, "k", "w").status, COAT_UNKNOWN);
    t->f.nodes[0].mode = FAKE_SERVE;
    assert_int_equal(set(t, "k", "w").status, COAT_OK);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_set_is_found_and_deleted),
        cmocka_unit_test(requests_go_straight_to_the_leader),
        cmocka_unit_test(a_redirect_is_followed_at_once_and_remembered),
        cmocka_unit_test(without_a_hint_the_map_tells_the_leader),
        cmocka_unit_test(an_answer_that_names_the_leader_is_believed),
        cmocka_unit_test(a_newer_map_is_fetched_when_a_slot_has_moved),
        cmocka_unit_test(a_busy_answer_is_repeated_until_it_works),
        cmocka_unit_test(a_write_that_may_have_been_executed_is_not_repeated),
        cmocka_unit_test(a_read_is_repeated_whatever_happened),
        cmocka_unit_test(final_answers_are_not_repeated),
        cmocka_unit_test(a_connection_that_breaks_leaves_writes_unknown),
        cmocka_unit_test(a_connection_that_breaks_is_nothing_to_a_read),
        cmocka_unit_test(a_dead_leader_is_replaced_by_the_next),
        cmocka_unit_test(time_runs_out_as_unknown_for_writes_only),
        cmocka_unit_test(a_silent_node_is_left_for_another_by_reads),
        cmocka_unit_test(nobody_there_is_a_timeout_that_says_where),
        cmocka_unit_test(a_silent_node_is_named_when_time_runs_out),
        cmocka_unit_test(a_node_without_a_cluster_says_so_at_once),
        cmocka_unit_test(any_endpoint_will_do),
        cmocka_unit_test(stale_reads_are_spread_over_the_replicas),
        cmocka_unit_test(an_unreadable_reply_breaks_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
