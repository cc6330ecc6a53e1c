/* test_clock.c - the group clock goes forward, and with the majority. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/clock.h"

#define YEAR INT64_C(31536000000)
#define AT(n) ((instant){(n)})

/* A leader's wall clock that jumps back must not take deadlines back; the clock
 * does not stand still either, or nothing would expire until it caught up. */
static void stamps_never_go_back_and_never_stop(void **state)
{
    struct group_clock c = {0};

    (void)state;
    clock_lead(&c, AT(100));
    assert_int_equal(clock_stamp(&c, AT(100), 5000), 5100);
    assert_int_equal(clock_stamp(&c, AT(150), 5000), 5150);
    /* one hour back */
    assert_int_equal(clock_stamp(&c, AT(150), 5000 - 3600000), 5150);
    for (uint64_t now = 151; now <= 1150; now++)
        clock_stamp(&c, AT(now), 5000 - 3600000);
    assert_int_equal(c.last_ms, 5650); /* half of a second passed */
    /* and forward again */
    assert_int_equal(clock_stamp(&c, AT(1200), 5000), 6200);
}

/* Asking often or seldom makes no difference at half speed. */
static void half_speed_does_not_depend_on_how_often_it_is_asked(void **state)
{
    (void)state;
    for (unsigned step = 1; step <= 7; step++) {
        struct group_clock c = {.last_ms = 1000000};
        uint64_t now;
        clock_lead(&c, AT(10));
        for (now = 10; now < 10000; now += step)
            clock_stamp(&c, AT(now), 0);
        clock_stamp(&c, AT(now), 0);
        assert_in_range(c.last_ms, 1000000 + (now - 10) / 2 - 1,
                        1000000 + (now - 10) / 2);
    }
}

/* A new leader goes on from what the old one has stamped. */
static void a_new_leader_stamps_behind_what_it_saw(void **state)
{
    struct group_clock c = {0};

    (void)state;
    clock_saw(&c, 500);
    clock_lead(&c, AT(7000));
    assert_int_equal(clock_stamp(&c, AT(7000), -6700), 500);
    clock_saw(&c, 400);
    assert_int_equal(clock_stamp(&c, AT(7000), -6700), 500);
    assert_int_equal(clock_stamp(&c, AT(7001), -6700), 500);
    assert_int_equal(clock_stamp(&c, AT(7002), -6700), 501);
    assert_int_equal(clock_stamp(&c, AT(7002), -6400), 602);
}

static void looking_gives_no_stamp(void **state)
{
    struct group_clock c = {.last_ms = 10};

    (void)state;
    assert_int_equal(clock_peek(&c, AT(100), 0), 100);
    assert_int_equal(c.last_ms, 10);
}

/* One node a year ahead, as leader or not, changes nothing; nor a year late. */
static void one_wrong_clock_of_three_does_not_matter(void **state)
{
    int64_t ahead[] = {YEAR, 3, -2}, late[] = {3, -YEAR, -2};
    int64_t five[] = {YEAR, -YEAR, 5, YEAR, 4};

    (void)state;
    assert_int_equal(clock_median(ahead, 3), 3);
    assert_int_equal(clock_median(late, 3), -2);
    assert_int_equal(clock_median(five, 5), 5);
}

/* Of two clocks nobody knows which is right: the later one would drop keys too
 * early, which cannot be made good. */
static void of_two_clocks_the_lower_counts(void **state)
{
    int64_t two[] = {YEAR, 7}, four[] = {YEAR, 1, 3, 2}, one[] = {9};

    (void)state;
    assert_int_equal(clock_median(two, 2), 7);
    assert_int_equal(clock_median(four, 4), 2);
    assert_int_equal(clock_median(one, 1), 9);
}

/* What a node told ages by itself: its offset stays. */
static void a_slow_message_does_not_make_a_clock_late(void **state)
{
    struct told_clock t = {0};
    int64_t offset;

    (void)state;
    assert_false(told_clock_offset(&t, &offset));
    told_clock_add(&t, AT(1000), 9000); /* 3 ms on its way */
    assert_true(told_clock_offset(&t, &offset));
    assert_int_equal(offset, 8000);
    told_clock_add(&t, AT(6000), 9500); /* 4.5 s on its way */
    assert_true(told_clock_offset(&t, &offset));
    assert_int_equal(offset, 8000);
    told_clock_add(&t, AT(6500), 14501);
    assert_true(told_clock_offset(&t, &offset));
    assert_int_equal(offset, 8001);
}

/* A clock that was set back counts after a few messages. */
static void a_clock_set_back_is_believed_soon(void **state)
{
    struct told_clock t = {0};
    int64_t offset;

    (void)state;
    told_clock_add(&t, AT(0), (uint64_t)YEAR);
    for (unsigned i = 1; i <= CLOCK_TOLD_MAX; i++)
        told_clock_add(&t, AT(i * 500), i * 500 + 100);
    assert_true(told_clock_offset(&t, &offset));
    assert_int_equal(offset, 100);
}

static void absurd_clocks_do_not_overflow(void **state)
{
    struct told_clock t = {0};
    int64_t v[3] = {0, 5};
    struct group_clock c = {0};

    (void)state;
    told_clock_add(&t, AT(5), UINT64_MAX);
    assert_true(told_clock_offset(&t, &v[2]));
    assert_int_equal(clock_median(v, 3), 5);
    assert_int_equal(clock_stamp(&c, AT(1), -YEAR), 0);
    clock_stamp(&c, (instant){UINT64_MAX}, v[2]);
}

/* Alone a node cannot ask anybody: a jump of an hour must not drop all keys at
 * once; the operator has time to see the note. */
static void a_sole_voter_follows_a_jump_at_double_speed(void **state)
{
    struct own_clock c = {0};

    (void)state;
    own_clock_is(&c, AT(1000), 500000); /* the first is taken as it is */
    assert_int_equal(c.steady, 499000);
    assert_false(c.following);
    own_clock_is(&c, AT(2000), 501000 + 9000); /* small steps too */
    assert_int_equal(c.steady, 508000);
    own_clock_is(&c, AT(3000), 511000 + 20000);
    assert_true(c.following);
    assert_int_equal(c.steady, 509000);
    assert_int_equal(c.offset, 528000);
    own_clock_is(&c, AT(13000), 541000);
    assert_int_equal(c.steady, 519000);
    assert_true(c.following);
    own_clock_is(&c, AT(23000), 551000); /* caught up */
    assert_int_equal(c.steady, 528000);
    assert_false(c.following);
}

static void a_sole_voter_takes_a_step_back_at_once(void **state)
{
    struct own_clock c = {0};

    (void)state;
    own_clock_is(&c, AT(0), 500000);
    own_clock_is(&c, AT(1000), 100000);
    assert_int_equal(c.steady, 99000); /* the stamp goes on at half speed */
    assert_false(c.following);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_never_go_back_and_never_stop),
        cmocka_unit_test(half_speed_does_not_depend_on_how_often_it_is_asked),
        cmocka_unit_test(a_new_leader_stamps_behind_what_it_saw),
        cmocka_unit_test(looking_gives_no_stamp),
        cmocka_unit_test(one_wrong_clock_of_three_does_not_matter),
        cmocka_unit_test(of_two_clocks_the_lower_counts),
        cmocka_unit_test(a_slow_message_does_not_make_a_clock_late),
        cmocka_unit_test(a_clock_set_back_is_believed_soon),
        cmocka_unit_test(absurd_clocks_do_not_overflow),
        cmocka_unit_test(a_sole_voter_follows_a_jump_at_double_speed),
        cmocka_unit_test(a_sole_voter_takes_a_step_back_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
