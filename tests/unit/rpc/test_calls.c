/* test_calls.c - outstanding requests: found once, ended once, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/bytes.h"
#include "proto/base/rng.h"
#include "rpc/calls.h"

/* What on_end was told, in order. */
struct ended {
    struct calls *calls;
    uintptr_t who[64];
    unsigned n;
    uintptr_t add; /* add this one from inside, once; 0: none */
    instant add_at;
};

static void *name(uintptr_t n)
{
    return (void *)n;
}

static void on_end(void *context, uint64_t id, void *user)
{
    struct ended *e = context;

    assert_true(e->n < ARRAY_LEN(e->who));
    assert_null(calls_find(e->calls, id));
    e->who[e->n++] = (uintptr_t)user;
    if (e->add) {
        assert_int_equal(calls_add(e->calls, e->add_at, name(e->add), &id),
                         STATUS_OK);
        e->add = 0;
    }
}

static uint64_t add(struct calls *c, uint64_t at, uintptr_t who)
{
    uint64_t id = 0;

    assert_int_equal(calls_add(c, (instant){at}, name(who), &id), STATUS_OK);
    assert_true(id != 0);
    return id;
}

static void a_call_is_taken_exactly_once(void **state)
{
    struct calls c;
    uint64_t id;

    (void)state;
    calls_init(&c, 4);
    id = add(&c, 10, 7);
    assert_ptr_equal(calls_find(&c, id), name(7));
    assert_ptr_equal(calls_take(&c, id), name(7));
    assert_null(calls_take(&c, id));
    assert_null(calls_find(&c, id));
    assert_int_equal(c.count, 0);
    calls_release(&c);
}

/* A late reply must not complete the call that took over the place: it would
 * hand one key's value to another request. */
static void a_late_reply_does_not_hit_the_successor(void **state)
{
    struct calls c;
    uint64_t first, second;

    (void)state;
    calls_init(&c, 1);
    first = add(&c, 10, 1);
    assert_ptr_equal(calls_take(&c, first), name(1));
    second = add(&c, 10, 2);
    assert_true(first != second);
    assert_null(calls_take(&c, first));
    assert_ptr_equal(calls_take(&c, second), name(2));
    calls_release(&c);
}

/* Ids come back from a peer: any number must be harmless. */
static void ids_that_were_never_given_find_nothing(void **state)
{
    struct calls c;
    struct rng r;
    uint64_t id;

    (void)state;
    calls_init(&c, 100);
    assert_null(calls_take(&c, 0));
    id = add(&c, 10, 1);
    assert_null(calls_take(&c, 0));
    assert_null(calls_take(&c, UINT64_MAX));
    assert_null(calls_take(&c, id + 1));
    assert_null(calls_take(&c, id + (UINT64_C(1) << 32)));
    rng_init(&r, 1);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t guess = rng_next(&r);
        if (guess != id)
            assert_null(calls_take(&c, guess));
    }
    assert_int_equal(c.count, 1);
    calls_release(&c);
}

static void beyond_the_limit_it_is_busy_and_keeps_nothing(void **state)
{
    struct calls c;
    uint64_t ids[33], extra = 0;

    (void)state;
    calls_init(&c, 33);
    for (unsigned i = 0; i < 33; i++)
        ids[i] = add(&c, i, i + 1);
    assert_int_equal(calls_add(&c, (instant){1}, name(99), &extra),
                     STATUS_BUSY);
    assert_int_equal(c.count, 33);
    assert_ptr_equal(calls_take(&c, ids[5]), name(6));
    add(&c, 1, 99);
    calls_release(&c);
}

static void calls_expire_by_deadline_and_not_before(void **state)
{
    struct calls c;
    struct ended e = {.calls = &c};

    (void)state;
    calls_init(&c, 10);
    assert_true(calls_next(&c).ms == INSTANT_NEVER.ms);
    add(&c, 30, 3);
    add(&c, 10, 1);
    add(&c, 20, 2);
    assert_int_equal(calls_next(&c).ms, 10);
    assert_int_equal(calls_expire(&c, (instant){9}, on_end, &e), 0);
    assert_int_equal(calls_expire(&c, (instant){20}, on_end, &e), 2);
    assert_int_equal(e.who[0], 1);
    assert_int_equal(e.who[1], 2);
    assert_int_equal(calls_next(&c).ms, 30);
    calls_release(&c);
}

static void a_call_without_deadline_never_expires(void **state)
{
    struct calls c;
    struct ended e = {.calls = &c};
    uint64_t id = 0;

    (void)state;
    calls_init(&c, 10);
    assert_int_equal(calls_add(&c, INSTANT_NEVER, name(1), &id), STATUS_OK);
    assert_int_equal(calls_expire(&c, INSTANT_NEVER, on_end, &e), 0);
    assert_ptr_equal(calls_take(&c, id), name(1));
    calls_release(&c);
}

/* A retry that is due at once, added from the callback, would loop for ever,
 * or hide what is due behind it. */
static void expiring_leaves_what_is_added_meanwhile(void **state)
{
    struct calls c;
    struct ended e = {.calls = &c, .add = 9, .add_at = {1}};

    (void)state;
    calls_init(&c, 10);
    add(&c, 5, 1);
    add(&c, 6, 2);
    assert_int_equal(calls_expire(&c, (instant){10}, on_end, &e), 2);
    assert_int_equal(e.who[1], 2);
    assert_int_equal(c.count, 1);
    assert_int_equal(calls_expire(&c, (instant){11}, on_end, &e), 1);
    assert_int_equal(e.who[2], 9);
    /* Outside of expiring a passed deadline is kept as it is. */
    add(&c, 3, 4);
    assert_int_equal(calls_next(&c).ms, 3);
    calls_release(&c);
}

/* A retry resends in the old order: writes of one connection keep theirs. */
static void failing_ends_the_oldest_first_and_leaves_new_ones(void **state)
{
    struct calls c;
    struct ended e = {.calls = &c, .add = 9, .add_at = {1}};
    uint64_t second;

    (void)state;
    calls_init(&c, 10);
    add(&c, 50, 1);
    second = add(&c, 10, 2);
    add(&c, 30, 3);
    add(&c, 20, 4);
    assert_ptr_equal(calls_take(&c, second), name(2));
    assert_int_equal(calls_fail_all(&c, on_end, &e), 3);
    assert_int_equal(e.who[0], 1);
    assert_int_equal(e.who[1], 3);
    assert_int_equal(e.who[2], 4);
    assert_int_equal(c.count, 1);
    assert_int_equal(calls_fail_all(&c, on_end, &e), 1);
    assert_int_equal(e.who[3], 9);
    calls_release(&c);
}

struct order {
    uint64_t last;
    const uint64_t *deadlines; /* by user - 1 */
    unsigned n;
};

static void check_order(void *context, uint64_t id, void *user)
{
    struct order *o = context;
    uint64_t at = o->deadlines[(uintptr_t)user - 1];

    assert_true(id != 0);
    assert_true(at >= o->last);
    o->last = at;
    o->n++;
}

/* Taking from the middle must leave all others in their order: a heap repaired
 * in one direction only shows it just now and then. */
static void what_is_left_after_taking_expires_in_order(void **state)
{
    enum { MANY = 60 };
    uint64_t deadlines[MANY], ids[MANY];
    struct calls c;
    struct rng r;

    (void)state;
    rng_init(&r, 7);
    calls_init(&c, MANY);
    for (unsigned round = 0; round < 300; round++) {
        struct order o = {.deadlines = deadlines};
        for (unsigned i = 0; i < MANY; i++) {
            deadlines[i] = rng_below(&r, 1000);
            ids[i] = add(&c, deadlines[i], i + 1);
        }
        for (unsigned i = round % 3; i < MANY; i += 3)
            assert_ptr_equal(calls_take(&c, ids[i]), name(i + 1));
        calls_expire(&c, (instant){1000}, check_order, &o);
        assert_int_equal(o.n, MANY - MANY / 3);
    }
    calls_release(&c);
}

/* Model check: a plain array does the same, slowly. Catches a heap or a list
 * that loses somebody after many removals from the middle. */
static void a_long_random_run_agrees_with_a_plain_array(void **state)
{
    enum { MANY = 200, STEPS = 20000 };
    struct {
        uint64_t id, at;
        bool there;
    } model[MANY] = {0};
    struct calls c;
    struct rng r;

    (void)state;
    rng_init(&r, 42);
    calls_init(&c, MANY);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rng_below(&r, MANY);
        uint64_t least = UINT64_MAX;
        if (model[i].there) {
            assert_ptr_equal(calls_take(&c, model[i].id), name(i + 1));
            model[i].there = false;
        } else {
            model[i].at = rng_below(&r, 50);
            model[i].id = add(&c, model[i].at, i + 1);
            model[i].there = true;
        }
        for (unsigned k = 0; k < MANY; k++) {
            if (model[k].there)
                least = MIN_OF(least, model[k].at);
        }
        assert_true(calls_next(&c).ms == least);
    }
    for (unsigned k = 0; k < MANY; k++) {
        if (model[k].there)
            assert_ptr_equal(calls_find(&c, model[k].id), name(k + 1));
    }
    calls_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_taken_exactly_once),
        cmocka_unit_test(a_late_reply_does_not_hit_the_successor),
        cmocka_unit_test(ids_that_were_never_given_find_nothing),
        cmocka_unit_test(beyond_the_limit_it_is_busy_and_keeps_nothing),
        cmocka_unit_test(calls_expire_by_deadline_and_not_before),
        cmocka_unit_test(a_call_without_deadline_never_expires),
        cmocka_unit_test(expiring_leaves_what_is_added_meanwhile),
        cmocka_unit_test(failing_ends_the_oldest_first_and_leaves_new_ones),
        cmocka_unit_test(what_is_left_after_taking_expires_in_order),
        cmocka_unit_test(a_long_random_run_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
