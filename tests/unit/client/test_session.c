/* test_session.c - the blocking functions; the nodes run in a thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/session.h"
#include "tests/unit/client/fake_cluster.h"

struct fixture {
    uv_loop_t loop;
    struct fake_cluster f;
    struct coat_session *s;
};

static struct fixture *prepare(void)
{
    struct fixture *t = calloc(1, sizeof *t);

    assert_int_equal(uv_loop_init(&t->loop), 0);
    fake_cluster_init(&t->f, &t->loop, 3, 4);
    return t;
}

static void open_session(struct fixture *t)
{
    struct coat_options o = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    o.endpoints = t->f.endpoints;
    t->s = coat_connect(&o, error, sizeof error);
    assert_non_null(t->s);
}

static void finish(struct fixture *t)
{
    coat_disconnect(t->s);
    fake_thread_stop(&t->f);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t);
}

/* Broken: the short way of the manual page would not work. */
static void calls_wait_for_their_answers(void **state)
{
    struct fixture *t = prepare();
    struct coat_value value = {0};
    uint64_t version = 0;
    void *memory;

    (void)state;
    fake_thread_start(&t->f);
    open_session(t);
    assert_int_equal(coat_set_wait(t->s, COAT_STR("k"), COAT_STR("value"),
                                   NULL, &version),
                     COAT_OK);
    assert_int_equal(version, 1);
    assert_int_equal(coat_get_wait(t->s, COAT_STR("k"), NULL, &value),
                     COAT_OK);
    assert_int_equal(value.size, 5);
    assert_memory_equal(value.data, "value", 5);
    assert_int_equal(value.version, 1);
    memory = value.data;
    assert_int_equal(coat_set_wait(t->s, COAT_STR("k"), COAT_STR("v"), NULL,
                                   NULL),
                     COAT_OK);
    assert_int_equal(coat_get_wait(t->s, COAT_STR("k"), NULL, &value),
                     COAT_OK);
    assert_int_equal(value.size, 1);
    assert_ptr_equal(value.data, memory);
    assert_int_equal(coat_delete_wait(t->s, COAT_STR("k"), NULL, &version),
                     COAT_OK);
    assert_int_equal(coat_get_wait(t->s, COAT_STR("k"), NULL, &value),
                     COAT_NOT_FOUND);
    assert_int_equal(coat_delete_wait(t->s, COAT_STR("k"), NULL, NULL),
                     COAT_NOT_FOUND);
    assert_int_equal(coat_get_wait(t->s, COAT_STR(""), NULL, &value),
                     COAT_KEY_EMPTY);
    coat_value_release(&value);
    assert_null(value.data);
    finish(t);
}

/* Broken: a write would be sent into a connection that ended while the
 * program slept, and become unknown for nothing. */
static void a_connection_that_ended_meanwhile_is_noticed(void **state)
{
    struct fixture *t = prepare();

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        t->f.nodes[i].mode = FAKE_DROP;
    fake_thread_start(&t->f);
    open_session(t);
    assert_int_equal(coat_set_wait(t->s, COAT_STR("k"), COAT_STR("v"), NULL,
                                   NULL),
                     COAT_UNKNOWN);
    assert_true(coat_session_detail(t->s)[0]);
    finish(t);
}

/* Broken: without a cluster one would wait for the timeout, or not know why. */
static void connecting_says_why_it_fails(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    char error[COAT_ERROR_MAX] = "";
    struct fixture *t = prepare();

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        t->f.nodes[i].not_initialised = true;
    fake_thread_start(&t->f);
    o.endpoints = t->f.endpoints;
    assert_null(coat_connect(&o, error, sizeof error));
    assert_non_null(strstr(error, "cluster init"));
    fake_thread_stop(&t->f);
    o.timeout = 1000; /* nobody listens any more */
    assert_null(coat_connect(&o, error, sizeof error));
    assert_non_null(strstr(error, "127.0.0.1:"));
    o.endpoints = "a:b";
    assert_null(coat_connect(&o, error, sizeof error));
    assert_null(session_new(&o, error, sizeof error));
    coat_disconnect(NULL);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_wait_for_their_answers),
        cmocka_unit_test(a_connection_that_ended_meanwhile_is_noticed),
        cmocka_unit_test(connecting_says_why_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
