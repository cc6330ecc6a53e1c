/* test_lock.c - taking, keeping and releasing locks, and the session's calls
 * that they stand on, against nodes in a thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

struct cluster {
    uv_loop_t loop;
    struct fake_cluster f;
    struct coat_session *s;
};

static struct cluster *open_cluster(void)
{
    struct cluster *c = calloc(1, sizeof *c);
    struct coat_options o = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    assert_int_equal(uv_loop_init(&c->loop), 0);
    fake_cluster_init(&c->f, &c->loop, 3, 4);
    fake_thread_start(&c->f);
    o.endpoints = c->f.endpoints;
    c->s = coat_connect(&o, error, sizeof error);
    assert_non_null(c->s);
    return c;
}

static void close_cluster(struct cluster *c)
{
    coat_disconnect(c->s);
    fake_thread_stop(&c->f);
    assert_int_equal(uv_loop_close(&c->loop), 0);
    free(c);
}

/* Broken: two would hold one lock, or nobody could release it. */
static void a_lock_has_one_holder_with_a_growing_token(void **state)
{
    struct cluster *c = open_cluster();
    struct coat_bytes name = COAT_STR("lock"), owner = COAT_STR("o");
    uint64_t token, other, again;

    (void)state;
    assert_int_equal(coat_lock_wait(c->s, name, owner, 5000, 0, &token),
                     COAT_OK);
    assert_true(token > 0);
    assert_int_equal(coat_lock_wait(c->s, name, owner, 5000, 30, &other),
                     COAT_NOT_MET);
    assert_int_equal(other, token);
    assert_int_equal(coat_lock_keep(c->s, name, token, 5000), COAT_OK);
    assert_int_equal(coat_lock_keep(c->s, name, token + 1, 5000),
                     COAT_NOT_MET);
    assert_int_equal(coat_unlock(c->s, name, token + 1), COAT_NOT_MET);
    assert_int_equal(coat_unlock(c->s, name, token), COAT_OK);
    assert_int_equal(coat_unlock(c->s, name, token), COAT_NOT_MET);
    assert_int_equal(coat_lock_wait(c->s, name, owner, 5000, 0, &again),
                     COAT_OK);
    assert_true(again > token);
    close_cluster(c);
}

static void senseless_locks_are_refused(void **state)
{
    struct cluster *c = open_cluster();
    struct coat_bytes name = COAT_STR("lock");

    (void)state;
    assert_int_equal(coat_lock_wait(c->s, name, name, 9, 0, NULL),
                     COAT_INVALID);
    assert_int_equal(coat_lock_wait(c->s, COAT_STR(""), name, 100, 0, NULL),
                     COAT_KEY_EMPTY);
    assert_int_equal(coat_lock_keep(c->s, name, 0, 100), COAT_INVALID);
    assert_int_equal(coat_unlock(c->s, name, 0), COAT_INVALID);
    close_cluster(c);
}

/* Broken: a blocking caller would have no counters and no batches. */
static void a_session_counts_and_does_many_at_once(void **state)
{
    struct cluster *c = open_cluster();
    struct coat_bytes keys[3] = {COAT_STR("a"), COAT_STR("b"), COAT_STR("c")};
    struct coat_value values[3] = {0};
    enum coat_status st[3];
    int64_t number;

    (void)state;
    assert_int_equal(coat_incr_wait(c->s, keys[0], 41, NULL, &number),
                     COAT_OK);
    assert_int_equal(coat_incr_wait(c->s, keys[0], 1, NULL, &number), COAT_OK);
    assert_int_equal(number, 42);
    assert_int_equal(coat_incr_wait(c->s, COAT_STR(""), 1, NULL, &number),
                     COAT_KEY_EMPTY);
    assert_int_equal(coat_mset_wait(c->s, keys + 1, keys, 1, NULL, NULL, st),
                     COAT_OK);
    assert_int_equal(coat_mget_wait(c->s, keys, 3, NULL, values, st), COAT_OK);
    assert_int_equal(st[1], COAT_OK);
    assert_int_equal(st[2], COAT_NOT_FOUND);
    assert_memory_equal(values[0].data, "42", 2);
    assert_memory_equal(values[1].data, "a", 1);
    assert_int_equal(coat_mdelete_wait(c->s, keys, 3, NULL, st), COAT_OK);
    assert_int_equal(st[0], COAT_OK);
    keys[1] = COAT_STR("");
    assert_int_equal(coat_mget_wait(c->s, keys, 3, NULL, values, st),
                     COAT_KEY_EMPTY);
    assert_int_equal(st[2], COAT_KEY_EMPTY);
    for (unsigned i = 0; i < 3; i++)
        coat_value_release(&values[i]);
    close_cluster(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_has_one_holder_with_a_growing_token),
        cmocka_unit_test(senseless_locks_are_refused),
        cmocka_unit_test(a_session_counts_and_does_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
