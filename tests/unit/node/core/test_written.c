/* test_written.c - no write is missed, and few are seen that were none. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/written.h"
#include "proto/base/rng.h"

static struct slice numbered(char *text, unsigned n)
{
    return slice_of(text, (size_t)snprintf(text, 16, "key %u", n));
}

static void who_knows_nothing_says_that_all_was_written(void **state)
{
    struct written w = {0};
    struct slice k = slice_str("k");

    (void)state;
    assert_true(written_behind(&w, k, 100));
    written_note(&w, k, 5); /* nobody listens */
    written_begin(&w, 8, 1);
    assert_true(written_behind(&w, k, 7)); /* entry 8 was not all noted */
    assert_false(written_behind(&w, k, 8));
    written_forget(&w);
    assert_true(written_behind(&w, k, 100));
    written_release(&w);
}

static void a_key_was_written_up_to_its_last_entry(void **state)
{
    struct written w = {0};
    struct slice k = slice_str("k");

    (void)state;
    written_begin(&w, 3, 1);
    written_note(&w, k, 1); /* named again: before the beginning */
    written_note(&w, k, 5);
    written_note(&w, k, 9);
    written_begin(&w, 20, 1); /* it has */
    assert_true(written_behind(&w, k, 8));
    assert_false(written_behind(&w, k, 9));
    written_note(&w, k, 5); /* named again */
    assert_false(written_behind(&w, k, 9));
    assert_true(written_behind(&w, k, 8));
    assert_false(written_behind(&w, slice_str("other"), 3));
    written_note_all(&w, 12);
    assert_true(written_behind(&w, slice_str("other"), 11));
    assert_false(written_behind(&w, slice_str("other"), 12));
    written_release(&w);
}

/* Broken: a record that was written since would be removed unread. */
static void no_write_is_missed(void **state)
{
    enum { KEYS = 5000, NOTES = 60000 };
    static uint64_t last[KEYS];
    struct written w = {0};
    struct rng rng;
    char text[16];

    (void)state;
    rng_init(&rng, 3);
    written_begin(&w, 0, 7);
    for (uint64_t index = 1; index <= NOTES; index++) {
        unsigned k = (unsigned)rng_below(&rng, KEYS);
        last[k] = index;
        written_note(&w, numbered(text, k), index);
        k = (unsigned)rng_below(&rng, KEYS);
        if (last[k])
            assert_true(
                written_behind(&w, numbered(text, k), last[k] - 1));
    }
    written_release(&w);
}

/* Broken: what was spared is read all the same. */
static void few_writes_are_seen_that_were_none(void **state)
{
    struct written w = {0};
    unsigned seen = 0;
    char text[16];

    (void)state;
    written_begin(&w, 1, 7);
    for (unsigned i = 0; i < 50000; i++) /* long ago */
        written_note(&w, numbered(text, i), 10);
    for (unsigned i = 50000; i < 51000; i++)
        written_note(&w, numbered(text, i), 20);
    for (unsigned i = 0; i < 50000; i++)
        seen += written_behind(&w, numbered(text, i), 10);
    assert_true(seen < 50);
    written_release(&w);
}

/* Indexes are kept as differences of 32 bits. */
static void a_table_that_is_full_of_time_begins_again(void **state)
{
    const uint64_t far = UINT64_C(2) + UINT32_MAX;
    struct written w = {0};
    struct slice k = slice_str("k");

    (void)state;
    written_begin(&w, 1, 1);
    written_note(&w, k, far - 1);
    assert_true(written_behind(&w, k, far - 2));
    assert_false(written_behind(&w, k, far - 1));
    written_note(&w, k, far);
    assert_true(written_behind(&w, k, far));
    written_begin(&w, far, 1);
    assert_false(written_behind(&w, k, far));
    written_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_nothing_says_that_all_was_written),
        cmocka_unit_test(a_key_was_written_up_to_its_last_entry),
        cmocka_unit_test(no_write_is_missed),
        cmocka_unit_test(few_writes_are_seen_that_were_none),
        cmocka_unit_test(a_table_that_is_full_of_time_begins_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
