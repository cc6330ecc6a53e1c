/* test_group_effects.c - the vector of effects and who frees messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "raft/group_impl.h"

/* A message nobody took would leak; one that was taken would be freed twice
 * (both for the sanitizer). */
static void clearing_frees_what_nobody_took(void **state)
{
    struct group_effects fx = {0};
    struct message *taken = message_new(MESSAGE_VOTE, 0);

    (void)state;
    group_effects_add(&fx, GROUP_SEND)->send.message = taken;
    group_effects_add(&fx, GROUP_SEND)->send.message =
        message_new(MESSAGE_VOTE, 0);
    assert_ptr_equal(fx.v[0].send.message, taken);
    fx.v[0].send.message = NULL;
    group_effects_clear(&fx);
    assert_int_equal(fx.n, 0);
    message_free(taken);
    group_effects_release(&fx);
    assert_null(fx.v);
}

/* Order is the contract; growing must not disturb it. */
static void effects_stay_in_order_while_growing(void **state)
{
    struct group_effects fx = {0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        group_effects_add(&fx, GROUP_COMMIT)->commit.index = i;
    assert_int_equal(fx.n, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(fx.v[i].type, GROUP_COMMIT);
        assert_int_equal(fx.v[i].commit.index, i);
    }
    group_effects_release(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clearing_frees_what_nobody_took),
        cmocka_unit_test(effects_stay_in_order_while_growing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
