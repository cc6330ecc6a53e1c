/* test_view.c - what a step knows of the store, and its own earlier writes. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/view.h"

static struct slice key_of(char *text, size_t size, unsigned i)
{
    snprintf(text, size, "key %u", i);
    return slice_str(text);
}

/* FETCH answers by position: each key once, in the order of naming. */
static void keys_are_named_once_and_in_order(void **state)
{
    struct view v;
    const struct slice *keys;

    (void)state;
    view_init(&v, 1);
    assert_true(view_empty(&v));
    view_need(&v, slice_str("b"));
    view_need(&v, slice_str("a"));
    view_need(&v, slice_str("b"));
    view_need(&v, slice_str(""));
    assert_int_equal(v.n, 3);
    keys = view_keys(&v);
    assert_slice(keys[0], "b");
    assert_slice(keys[1], "a");
    assert_slice(keys[2], "");
    view_release(&v);
}

static void what_was_fetched_is_found_by_key(void **state)
{
    enum { N = 1000 };
    struct view v;
    bool present[N];
    char text[16];

    (void)state;
    view_init(&v, 42);
    for (unsigned i = 0; i < N; i++) {
        view_need(&v, key_of(text, sizeof text, i));
        present[i] = i % 3 == 0;
    }
    assert_int_equal(v.n, N);
    for (unsigned i = 0; i < N; i++) {
        key_of(text, sizeof text, i);
        assert_slice(view_keys(&v)[i], text);
    }
    view_fill(&v, present);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(view_present(&v, key_of(text, sizeof text, i)),
                         i % 3 == 0);
    view_release(&v);
}

/* A second delete of one key in one step has to find nothing. */
static void a_note_hides_what_was_fetched(void **state)
{
    struct view v;
    bool present[] = {true, false};

    (void)state;
    view_init(&v, 1);
    view_need(&v, slice_str("there"));
    view_need(&v, slice_str("not"));
    view_fill(&v, present);
    view_note(&v, slice_str("there"), false);
    view_note(&v, slice_str("not"), true);
    view_note(&v, slice_str("nobody asked"), true);
    assert_false(view_present(&v, slice_str("there")));
    assert_true(view_present(&v, slice_str("not")));
    assert_int_equal(v.n, 2);
    view_release(&v);
}

/* A key of the last step would be found present without being fetched. */
static void a_cleared_view_knows_nothing(void **state)
{
    struct view v;
    bool present[] = {true}, absent[] = {false};

    (void)state;
    view_init(&v, 1);
    view_clear(&v); /* legal before anything was named */
    for (unsigned round = 0; round < 3; round++) {
        view_need(&v, slice_str("key"));
        assert_int_equal(v.n, 1);
        assert_slice(view_keys(&v)[0], "key");
        view_fill(&v, round % 2 ? absent : present);
        assert_int_equal(view_present(&v, slice_str("key")), round % 2 == 0);
        view_clear(&v);
        assert_true(view_empty(&v));
    }
    view_note(&v, slice_str("key"), true); /* of an empty view: nothing */
    assert_true(view_empty(&v));
    view_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_named_once_and_in_order),
        cmocka_unit_test(what_was_fetched_is_found_by_key),
        cmocka_unit_test(a_note_hides_what_was_fetched),
        cmocka_unit_test(a_cleared_view_knows_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
