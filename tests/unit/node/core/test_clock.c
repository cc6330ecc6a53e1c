/* test_clock.c - the group clock only goes forward. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/clock.h"

/* A leader's wall clock that jumps back must not take deadlines back. */
static void stamps_never_go_back(void **state)
{
    struct group_clock c = {0};

    (void)state;
    assert_int_equal(clock_stamp(&c, 100), 100);
    assert_int_equal(clock_stamp(&c, 150), 150);
    assert_int_equal(clock_stamp(&c, 20), 150);
    assert_int_equal(clock_stamp(&c, 151), 151);
}

/* A new leader goes on from what the old one has stamped. */
static void a_new_leader_stamps_behind_what_it_saw(void **state)
{
    struct group_clock c = {0};

    (void)state;
    clock_saw(&c, 500);
    assert_int_equal(clock_stamp(&c, 300), 500);
    clock_saw(&c, 400);
    assert_int_equal(clock_stamp(&c, 300), 500);
    assert_int_equal(clock_stamp(&c, 600), 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_never_go_back),
        cmocka_unit_test(a_new_leader_stamps_behind_what_it_saw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
