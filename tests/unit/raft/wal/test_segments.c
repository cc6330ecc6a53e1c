/* test_segments.c - which segments are needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/wal/segments.h"

/* The oldest segment with a live entry, never the newest too early: entries
 * still come into that one. */
static void needed_is_the_oldest_with_entries(void **state)
{
    struct wal_segments s = {.first = 5};
    (void)state;

    for (unsigned i = 0; i < 40; i++)
        wal_segments_push(&s, 100);
    assert_int_equal(s.bytes, 4000);
    wal_segments_at(&s, 7)->live = 2;
    wal_segments_at(&s, 9)->live = 1;
    assert_int_equal(wal_segments_needed(&s), 7);
    wal_segments_pop(&s);
    wal_segments_pop(&s);
    assert_int_equal(s.first, 7);
    assert_int_equal(s.bytes, 3800);
    assert_int_equal(wal_segments_needed(&s), 7);
    wal_segments_at(&s, 7)->live = 0;
    assert_int_equal(wal_segments_needed(&s), 9);
    wal_segments_at(&s, 9)->live = 0;
    assert_int_equal(wal_segments_needed(&s), 44);
    wal_segments_at(&s, 44)->live = 1;
    wal_segments_push(&s, 100);
    assert_int_equal(wal_segments_needed(&s), 44);
    wal_segments_release(&s);
}

static void only_ids_in_range_are_found(void **state)
{
    struct wal_segments s = {.first = 5};
    (void)state;

    assert_null(wal_segments_at(&s, 5));
    wal_segments_push(&s, 1);
    assert_non_null(wal_segments_at(&s, 5));
    assert_null(wal_segments_at(&s, 4));
    assert_null(wal_segments_at(&s, 6));
    wal_segments_pop(&s);
    assert_null(wal_segments_at(&s, 5));
    wal_segments_push(&s, 2);
    assert_int_equal(wal_segments_at(&s, 6)->size, 2);
    wal_segments_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needed_is_the_oldest_with_entries),
        cmocka_unit_test(only_ids_in_range_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
