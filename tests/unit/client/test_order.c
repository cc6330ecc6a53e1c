/* test_order.c - writes to one key keep their order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/order.h"
#include "proto/base/rng.h"

static const int c1, c2; /* two connections, by address */

struct three {
    struct order o;
    struct order_write a, b, c;
};

static struct three *begin(uint32_t a, uint32_t b, uint32_t c)
{
    struct three *t = calloc(1, sizeof *t);

    order_init(&t->o);
    order_add(&t->o, &t->a, a);
    order_add(&t->o, &t->b, b);
    order_add(&t->o, &t->c, c);
    return t;
}

static void end(struct three *t)
{
    if (t->a.listed)
        order_remove(&t->o, &t->a);
    if (t->b.listed)
        order_remove(&t->o, &t->b);
    if (t->c.listed)
        order_remove(&t->o, &t->c);
    order_release(&t->o);
    free(t);
}

/* Broken: independent keys would wait for each other. */
static void different_keys_do_not_wait(void **state)
{
    struct three *t = begin(1, 2, 1 + 256); /* one bucket for 1 and 257 */

    (void)state;
    assert_true(order_may_send(&t->o, &t->a, &c1));
    assert_true(order_may_send(&t->o, &t->b, &c2));
    assert_true(order_may_send(&t->o, &t->c, &c2));
    end(t);
}

/* Broken: pipelined writes to one key could overtake each other. */
static void a_write_waits_until_the_older_is_on_the_same_way(void **state)
{
    struct three *t = begin(7, 7, 8);

    (void)state;
    assert_false(order_may_send(&t->o, &t->b, &c1));
    order_sent(&t->o, &t->a, &c1);
    assert_true(order_may_send(&t->o, &t->b, &c1));
    assert_false(order_may_send(&t->o, &t->b, &c2));
    order_remove(&t->o, &t->a);
    assert_true(order_may_send(&t->o, &t->b, &c2));
    end(t);
}

/* Broken: a refused write would be repeated behind a younger one. */
static void a_refused_write_waits_for_the_younger_ones(void **state)
{
    struct three *t = begin(7, 7, 7);

    (void)state;
    order_sent(&t->o, &t->a, &c1);
    order_sent(&t->o, &t->b, &c1);
    order_refused(&t->o, &t->a);
    assert_ptr_equal(order_first_unsent(&t->o, 7), &t->a);
    assert_false(order_may_send(&t->o, &t->a, &c1));
    assert_false(order_may_send(&t->o, &t->c, &c1));
    order_refused(&t->o, &t->b);
    assert_true(order_may_send(&t->o, &t->a, &c2));
    assert_false(order_may_send(&t->o, &t->b, &c2));
    order_sent(&t->o, &t->a, &c2);
    assert_ptr_equal(order_first_unsent(&t->o, 7), &t->b);
    assert_true(order_may_send(&t->o, &t->b, &c2));
    end(t);
}

/* Broken: an old value would come back after a newer one was acknowledged. */
static void an_executed_write_overtakes_the_older_ones(void **state)
{
    struct three *t = begin(7, 7, 8);

    (void)state;
    order_sent(&t->o, &t->a, &c1);
    order_sent(&t->o, &t->b, &c1);
    order_executed(&t->b);
    assert_true(t->a.overtaken);
    assert_false(t->b.overtaken);
    assert_false(t->c.overtaken);
    end(t);
    t = begin(7, 7, 7);
    order_sent(&t->o, &t->a, &c1);
    order_sent(&t->o, &t->b, &c1);
    order_sent(&t->o, &t->c, &c1);
    order_executed(&t->c); /* all of them, not the nearest */
    assert_true(t->a.overtaken && t->b.overtaken);
    end(t);
}

/* Broken: after growth writes would be lost or out of order. */
static void many_writes_keep_their_order_while_the_table_grows(void **state)
{
    enum { N = 5000, KEYS = 37 };
    struct order_write *w = calloc(N, sizeof *w);
    struct order o;
    struct rng rng;
    unsigned left = N;

    (void)state;
    rng_init(&rng, 5);
    order_init(&o);
    for (unsigned i = 0; i < N; i++)
        order_add(&o, &w[i], (uint32_t)rng_below(&rng, KEYS) * 4096);
    while (left) {
        uint32_t hash = (uint32_t)rng_below(&rng, KEYS) * 4096;
        struct order_write *first = order_first_unsent(&o, hash);
        if (!first)
            continue;
        for (struct order_write *x = w; x < first; x++)
            assert_true(x->hash != hash || !x->listed || x->sent_on);
        assert_true(order_may_send(&o, first, &c1));
        order_sent(&o, first, &c1);
        if (rng_below(&rng, 4) == 0)
            order_refused(&o, first);
        else
            left--;
    }
    for (unsigned i = 0; i < N; i++)
        order_remove(&o, &w[i]);
    order_release(&o);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(different_keys_do_not_wait),
        cmocka_unit_test(a_write_waits_until_the_older_is_on_the_same_way),
        cmocka_unit_test(a_refused_write_waits_for_the_younger_ones),
        cmocka_unit_test(an_executed_write_overtakes_the_older_ones),
        cmocka_unit_test(many_writes_keep_their_order_while_the_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
