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
    assert_slice(view_keys(&v)[0], "long");
    assert_true(view_fill(&v, got));
    assert_slice(kept(&v, "long"), "abcd");
    assert_slice(kept(&v, "short"), "xyz");
    assert_slice(kept(&v, "empty"), "");
    assert_int_equal(view_find(&v, slice_str("long"))->now.size, 8);
    assert_false(view_find(&v, slice_str("long"))->now.cut);
    assert_int_equal(view_fetched_bytes(&v), 7);
    view_need(&v, slice_str("cut"), 5);
    assert_slice(view_keys(&v)[3], "cut");
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

/* Broken: a watch that asks for old values could make commands fail. */
static void a_wish_takes_nothing_from_a_need(void **state)
{
    struct view v;
    struct fetched got[4];

    (void)state;
    view_init(&v, 7);
    view_wish(&v, slice_str("only wished"), 4);
    view_need(&v, slice_str("both"), 2);
    view_wish(&v, slice_str("both"), 5);
    view_need(&v, slice_str("enough"), 6);
    view_wish(&v, slice_str("enough"), 6);
    assert_false(view_empty(&v));
    assert_slice(view_keys(&v)[0], "both");
    assert_slice(view_keys(&v)[1], "enough");
    assert_slice(view_keys(&v)[2], "only wished");
    assert_slice(view_keys(&v)[3], "both");
    assert_int_equal(v.asked, 4);
    assert_int_equal(view_wants(&v)[0], 2);
    assert_int_equal(view_wants(&v)[2], 4);
    assert_int_equal(view_wants(&v)[3], 5);
    got[0] = found("12345");
    got[1] = found("abcdefgh");
    got[2] = found("xyz");
    got[3] = found("12345");
    assert_true(view_fill(&v, got));
    assert_slice(kept(&v, "both"), "12345");
    assert_slice(kept(&v, "only wished"), "xyz");
    assert_slice(kept(&v, "enough"), "abcdef");
    got[3].record.size = 1; /* cut: what was needed is there all the same */
    got[2].record.size = 2;
    assert_false(view_fill(&v, got));
    assert_slice(kept(&v, "both"), "12");
    assert_false(view_find(&v, slice_str("both"))->now.cut);
    assert_slice(kept(&v, "only wished"), "xy");
    assert_false(view_find(&v, slice_str("only wished"))->now.cut);
    got[0].record.size = 1; /* what was needed is not there */
    got[3] = found("12345");
    assert_false(view_fill(&v, got));
    assert_slice(kept(&v, "both"), "1");
    assert_true(view_find(&v, slice_str("both"))->now.cut);
    view_clear(&v);
    view_need(&v, slice_str("next step"), 2);
    assert_slice(view_keys(&v)[0], "next step");
    assert_int_equal(v.asked, 1);
    view_release(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_named_once_and_in_order),
        cmocka_unit_test(what_was_fetched_is_found_by_key),
        cmocka_unit_test(no_more_is_kept_than_was_wanted),
        cmocka_unit_test(a_cleared_view_knows_nothing),
        cmocka_unit_test(a_wish_takes_nothing_from_a_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
