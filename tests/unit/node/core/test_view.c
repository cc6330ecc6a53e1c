/* test_view.c - what a step knows of the store, and its own earlier writes. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/view.h"

static struct slice key_of(char *text, size_t size, unsigned i)
{
    snprintf(text, size, "key %u", i);
    return slice_str(text);
}

static struct fetched found(const char *record)
{
    return (struct fetched){true, strlen(record), slice_str(record)};
}

static struct slice kept(const struct view *v, const char *key)
{
    const struct view_row *r = view_find(v, slice_str(key));

    assert_non_null(r);
    assert_true(r->now.present);
    return slice_of(r->now.record.data, r->now.record.size);
}

/* FETCH answers by position: each key once, in the order of naming. */
static void keys_are_named_once_and_in_order(void **state)
{
    struct view v;
    const struct slice *keys;

    (void)state;
    view_init(&v, 1);
    assert_true(view_empty(&v));
    view_need(&v, slice_str("b"), 5);
    view_need(&v, slice_str("a"), 7);
    view_need(&v, slice_str("b"), 9);
    view_need(&v, slice_str("a"), 6);
    view_need(&v, slice_str(""), 1);
    assert_int_equal(v.n, 3);
    keys = view_keys(&v);
    assert_slice(keys[0], "b");
    assert_slice(keys[1], "a");
    assert_slice(keys[2], "");
    assert_int_equal(view_wants(&v)[0], 9); /* who wants most */
    assert_int_equal(view_wants(&v)[1], 7);
    view_release(&v);
}

static void what_was_fetched_is_found_by_key(void **state)
{
    enum { N = 1000 };
    struct view v;
    struct fetched got[N] = {0};
    char text[16];

    (void)state;
    view_init(&v, 42);
    for (unsigned i = 0; i < N; i++) {
        view_need(&v, key_of(text, sizeof text, i), VIEW_WHOLE);
        if (i % 3 == 0)
            got[i] = found(i % 2 ? "odd" : "even");
    }
    assert_int_equal(v.n, N);
    for (unsigned i = 0; i < N; i++) {
        key_of(text, sizeof text, i);
        assert_slice(view_keys(&v)[i], text);
    }
    assert_true(view_fill(&v, got));
    for (unsigned i = 0; i < N; i++) {
        key_of(text, sizeof text, i);
        assert_int_equal(view_find(&v, slice_str(text))->now.present,
                         i % 3 == 0);
        if (i % 3 == 0)
            assert_slice(kept(&v, text), i % 2 ? "odd" : "even");
    }
    assert_null(view_find(&v, slice_str("nobody asked")));
    view_release(&v);
}

/* The shell may give more than was asked for; less means that it is cut. */
static void no_more_is_kept_than_was_wanted(void **state)
{
    struct view v;
    struct fetched got[4];

    (void)state;
    view_init(&v, 1);
    view_need(&v, slice_str("long"), 4);
    view_need(&v, slice_str("short"), 100);
    view_need(&v, slice_str("empty"), 100);
    got[0] = found("abcdefgh");
    got[1] = found("xyz");
    got[2] = found("");
    assert_true(view_fill(&v, got));
    assert_slice(kept(&v, "long"), "abcd");
    assert_slice(kept(&v, "short"), "xyz");
    assert_slice(kept(&v, "empty"), "");
    assert_int_equal(view_find(&v, slice_str("long"))->now.size, 8);
    assert_false(view_find(&v, slice_str("long"))->now.cut);
    assert_int_equal(view_fetched_bytes(&v), 7);
    view_need(&v, slice_str("cut"), 5);
    got[3] = found("12345678");
    got[3].record.size = 4;
    assert_false(view_fill(&v, got));
    assert_true(view_find(&v, slice_str("cut"))->now.cut);
    assert_slice(kept(&v, "cut"), "1234");
    view_release(&v);
}

/* A key of the last step would be found present without being fetched. */
static void a_cleared_view_knows_nothing(void **state)
{
    struct view v;
    struct fetched present = found("here"), absent = {0};

    (void)state;
    view_init(&v, 1);
    view_clear(&v); /* legal before anything was named */
    for (unsigned round = 0; round < 3; round++) {
        view_need(&v, slice_str("key"), 9);
        assert_int_equal(v.n, 1);
        assert_slice(view_keys(&v)[0], "key");
        view_fill(&v, round % 2 ? &absent : &present);
        assert_int_equal(view_find(&v, slice_str("key"))->now.present,
                         round % 2 == 0);
        view_clear(&v);
        assert_true(view_empty(&v));
        assert_null(view_find(&v, slice_str("key")));
    }
    view_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_named_once_and_in_order),
        cmocka_unit_test(what_was_fetched_is_found_by_key),
        cmocka_unit_test(no_more_is_kept_than_was_wanted),
        cmocka_unit_test(a_cleared_view_knows_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
