/* test_room.c - memory for what clients do not take. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/front/room.h"

/* Broken: clients that take what they are sent would wait for those that do
 * not; or all of them together would fill the memory. */
static void while_memory_is_short_who_takes_everything_gets_more(void **state)
{
    (void)state;
    assert_false(room_is_short(ROOM_MANY, 1000));
    assert_true(room_is_short(ROOM_MANY + 1, 1000));
    assert_false(room_is_short(ROOM_ALL_MAX, 0));
    assert_true(room_is_short(ROOM_ALL_MAX + 1, 0));
}

/* Broken: a slow client would be cut off, or one that sleeps hold memory that
 * others need for ever. */
static void who_takes_nothing_is_stuck_once_memory_is_short(void **state)
{
    struct room_taking t = {.moved = 50};

    (void)state;
    assert_false(room_is_stuck(&t, 60, 100, 5, ROOM_ALL_MAX)); /* took some */
    assert_false(room_is_stuck(&t, 360, 100, 5, ROOM_ALL_MAX));
    assert_false(room_is_stuck(&t, 361, 100, 5, ROOM_MANY));
    assert_true(room_is_stuck(&t, 361, 100, 5, ROOM_MANY + 1));
    assert_false(room_is_stuck(&t, 362, 101, 5, ROOM_ALL_MAX));
    assert_false(room_is_stuck(&t, 663, 101, 0, ROOM_ALL_MAX)); /* all */
    assert_false(room_is_stuck(&t, 963, 101, 5, ROOM_ALL_MAX));
    assert_true(room_is_stuck(&t, 964, 101, 5, ROOM_ALL_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_memory_is_short_who_takes_everything_gets_more),
        cmocka_unit_test(who_takes_nothing_is_stuck_once_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
