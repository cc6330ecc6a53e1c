/* test_effects.c - the vector of effects. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/event.h"

/* The order is the contract; what is left of an earlier effect would be taken
 * for this one's. */
static void effects_are_zeroed_and_keep_their_order(void **state)
{
    struct effects fx = {0};

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 500; i++) {
            struct effect *e = effects_add(&fx, EFFECT_READ, i);
            struct effect zero = {.type = EFFECT_READ, .group = i};
            assert_memory_equal(e, &zero, sizeof zero);
            memset(&e->reply, 0xff, sizeof e->reply);
        }
        assert_int_equal(fx.n, 500);
        for (unsigned i = 0; i < 500; i++)
            assert_int_equal(fx.v[i].group, i);
        fx.n = 0; /* reused */
    }
    effects_release(&fx);
    assert_null(fx.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_are_zeroed_and_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
