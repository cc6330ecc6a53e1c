/* test_transact.c - building a transaction and reading what it gave. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

struct outcome_of {
    bool done;
    enum coat_status status;
    int first, n;
    char values[4][16];
    int64_t numbers[4];
};

static void take(const struct coat_reply *r, void *user)
{
    struct outcome_of *o = user;
    struct coat_reply results[4];

    o->done = true;
    o->status = r->status;
    o->n = r->status ? -1
                     : coat_transaction_results(r->value, &o->first, results,
                                                4);
    for (int i = 0; i < o->n && i < 4; i++)
        snprintf(o->values[i], sizeof o->values[i], "%.*s",
                 (int)results[i].value.size,
                 results[i].value.size ? (const char *)results[i].value.data
                                       : "");
}

static struct outcome_of transact(struct fixture *t,
                                  struct coat_transaction *x)
{
    struct outcome_of o = {0};

    assert_int_equal(coat_transact(t->c, x, NULL, take, &o), COAT_OK);
    run_until(&t->loop, &o.done);
    coat_transaction_free(x);
    return o;
}

/* Broken: the wrong list would run, or results would be another's. */
static void the_first_list_runs_if_all_holds_else_the_second(void **state)
{
    struct fixture *t = begin_once(3);

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct coat_transaction *x = coat_transaction_new();
        struct outcome_of o;
        coat_transaction_if_version(x, COAT_STR("{a}x"), COAT_EQUAL, 0);
        coat_transaction_if_value(x, COAT_STR("{a}y"), COAT_NOT_EQUAL,
                                  COAT_STR("no"));
        coat_transaction_set(x, COAT_STR("{a}x"), COAT_STR("5"), NULL);
        coat_transaction_incr(x, COAT_STR("{a}x"), 2, NULL);
        coat_transaction_else(x);
        coat_transaction_get(x, COAT_STR("{a}x"));
        coat_transaction_append(x, COAT_STR("{a}x"), COAT_STR("0"), NULL);
        coat_transaction_get(x, COAT_STR("{a}x"));
        o = transact(t, x);
        assert_int_equal(o.status, COAT_OK);
        assert_int_equal(o.first, round == 0);
        assert_int_equal(o.n, round ? 3 : 2);
        assert_string_equal(o.values[0], round ? "7" : "");
        assert_string_equal(o.values[round ? 2 : 1], round ? "70" : "7");
    }
    stop(t);
}

/* Broken: what can never work would be sent. */
static void what_is_wrong_is_told_when_it_is_submitted(void **state)
{
    struct fixture *t = begin_once(1);
    struct coat_transaction *x = coat_transaction_new();
    struct coat_write fence = {.flags = COAT_IF_FENCE, .fence = 1};

    (void)state;
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL), COAT_INVALID);
    coat_transaction_set(x, COAT_STR(""), COAT_STR("v"), NULL);
    coat_transaction_set(x, COAT_STR("k"), COAT_STR("v"), NULL);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL),
                     COAT_KEY_EMPTY);
    coat_transaction_free(x);
    x = coat_transaction_new();
    for (unsigned i = 0; i < 129; i++)
        coat_transaction_incr(x, COAT_STR("k"), 1, NULL);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL),
                     COAT_TOO_LARGE);
    coat_transaction_free(x);
    x = coat_transaction_new();
    coat_transaction_set(x, COAT_STR("k"), COAT_STR("v"), &fence);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL), COAT_INVALID);
    coat_transaction_free(x);
    x = coat_transaction_new();
    coat_transaction_if_version(x, COAT_STR("k"), (enum coat_relation)9, 1);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL), COAT_INVALID);
    coat_transaction_free(x);
    coat_transaction_free(NULL);
    stop(t);
}

/* Broken: a holder that slept would write behind its successor, in one piece.
 */
static void a_fence_goes_with_the_whole(void **state)
{
    static const uint64_t tokens[] = {7, 9, 8, 9};
    struct fixture *t = begin_once(3);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct coat_transaction *x = coat_transaction_new();
        struct outcome_of o;
        coat_transaction_if_version(x, COAT_STR("{a}y"), COAT_EQUAL, 0);
        coat_transaction_if_fence(x, COAT_STR("{a}lock"), tokens[i]);
        coat_transaction_incr(x, COAT_STR("{a}x"), 1, NULL);
        o = transact(t, x);
        assert_int_equal(o.status, i == 2 ? COAT_FENCED : COAT_OK);
        if (i == 3) /* the one that was refused did not count */
            assert_string_equal(o.values[0], "3");
    }
    stop(t);
}

static void check_fences(struct fixture *t, uint64_t first, uint64_t second,
                         const char *why)
{
    struct coat_transaction *x = coat_transaction_new();

    coat_transaction_get(x, COAT_STR("k"));
    coat_transaction_if_fence(x, COAT_STR("k"), first);
    coat_transaction_if_fence(x, COAT_STR("k"), second);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL), COAT_INVALID);
    assert_non_null(strstr(coat_client_refusal(t->c), why));
    coat_transaction_free(x);
}

/* Broken: one of two tokens would be forgotten without a word. */
static void a_transaction_has_one_fence(void **state)
{
    struct fixture *t = begin_once(1);
    struct coat_transaction *x = coat_transaction_new();

    (void)state;
    check_fences(t, 1, 2, "one fencing token");
    check_fences(t, 0, 2, "not 0");
    coat_transaction_if_fence(x, COAT_STR("k"), 1);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL), COAT_INVALID);
    coat_transaction_if_fence(x, COAT_STR(""), 1);
    assert_int_equal(coat_transact(t->c, x, NULL, take, NULL),
                     COAT_KEY_EMPTY);
    coat_transaction_free(x);
    stop(t);
}

/* Broken: bytes of something else would be read as results. */
static void results_of_nothing_are_refused(void **state)
{
    static const uint8_t cut[] = {1, 0, 2, 0, 9, 0, 0, 0, 1};

    (void)state;
    assert_true(coat_transaction_results(COAT_BYTES("", 0), NULL, NULL, 0) <
                0);
    for (size_t n = 1; n <= sizeof cut; n++)
        assert_true(
            coat_transaction_results(COAT_BYTES(cut, n), NULL, NULL, 0) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_list_runs_if_all_holds_else_the_second),
        cmocka_unit_test(what_is_wrong_is_told_when_it_is_submitted),
        cmocka_unit_test(a_fence_goes_with_the_whole),
        cmocka_unit_test(a_transaction_has_one_fence),
        cmocka_unit_test(results_of_nothing_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
