/* test_tail.c - the in-memory log: index arithmetic, budget, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "raft/tail.h"

/* Append `n` commands of 10 bytes in `term`. */
static void fill(struct tail *t, unsigned n, uint64_t term)
{
    for (unsigned i = 0; i < n; i++) {
        struct blob *b = blob_new(10);
        struct group_entry e = {term, ENTRY_COMMAND, b};
        tail_append(t, &e, 10);
        blob_unref(b);
    }
}

/* The ring grows while it is wrapped; every index must keep its entry. */
static void entries_survive_growth_at_any_offset(void **state)
{
    (void)state;
    for (uint64_t first = 1; first < 200; first += 7) {
        struct tail t;
        tail_init(&t, first, NULL);
        for (uint64_t i = 0; i < 500; i++)
            fill(&t, 1, first + i);
        assert_int_equal(t.last, first + 499);
        for (uint64_t i = first; i <= t.last; i++)
            assert_int_equal(tail_term(&t, i), i);
        assert_null(tail_at(&t, first - 1));
        assert_null(tail_at(&t, t.last + 1));
        tail_release(&t);
    }
}

/* A forgotten suffix must not come back when shorter entries replace it. */
static void tail_forgets_what_is_truncated(void **state)
{
    struct tail_budget budget = {.bytes_max = SIZE_MAX};
    struct tail t;

    (void)state;
    tail_init(&t, 5, &budget);
    fill(&t, 10, 1);
    tail_truncate(&t, 8);
    assert_int_equal(t.last, 7);
    assert_int_equal(tail_term(&t, 8), 0);
    assert_int_equal(budget.bytes, 30);
    fill(&t, 1, 2);
    assert_int_equal(tail_term(&t, 8), 2);
    assert_int_equal(tail_bytes(&t, 5, 8), 40);
    tail_truncate(&t, 5);
    assert_int_equal(t.last, 4);
    assert_int_equal(budget.bytes, 0);
    tail_release(&t);
}

/* Bytes leave before terms do: terms are still needed to answer. */
static void payloads_leave_oldest_first_when_over_budget(void **state)
{
    struct tail_budget budget = {.bytes_max = 35};
    struct tail t;

    (void)state;
    tail_init(&t, 1, &budget);
    fill(&t, 10, 3);
    assert_int_equal(budget.bytes, 100);
    tail_trim(&t, 4);
    assert_int_equal(budget.bytes, 60);
    assert_false(tail_has_payload(&t, 4));
    assert_true(tail_has_payload(&t, 5));
    assert_int_equal(tail_term(&t, 4), 3);
    tail_trim(&t, 10);
    assert_int_equal(budget.bytes, 30);
    assert_true(tail_has_payload(&t, 8));
    tail_trim(&t, 10);
    assert_int_equal(budget.bytes, 30);
    /* Sizes are of the log, not of what is in memory. */
    assert_int_equal(tail_bytes(&t, 1, 10), 100);
    tail_release(&t);
    assert_int_equal(budget.bytes, 0);
}

/* Truncating below where trimming stopped must not hide later payloads. */
static void trimming_goes_on_after_a_truncation(void **state)
{
    struct tail_budget budget = {.bytes_max = 0};
    struct tail t;

    (void)state;
    tail_init(&t, 1, &budget);
    fill(&t, 10, 1);
    tail_trim(&t, 8);
    tail_truncate(&t, 4);
    fill(&t, 3, 2);
    assert_true(tail_has_payload(&t, 4));
    tail_trim(&t, 6);
    assert_false(tail_has_payload(&t, 4));
    assert_int_equal(budget.bytes, 0);
    tail_release(&t);
}

/* A flush forgets the prefix, a reset everything; the budget follows. */
static void forgetting_gives_the_bytes_back(void **state)
{
    struct tail_budget budget = {.bytes_max = SIZE_MAX};
    struct tail t;

    (void)state;
    tail_init(&t, 1, &budget);
    fill(&t, 10, 1);
    tail_forget(&t, 4);
    assert_int_equal(t.first, 5);
    assert_null(tail_at(&t, 4));
    assert_int_equal(budget.bytes, 60);
    tail_forget(&t, 10);
    assert_int_equal(t.last, 10);
    fill(&t, 2, 2);
    assert_int_equal(tail_bytes(&t, 11, 12), 20);
    tail_reset(&t, 100);
    assert_int_equal(t.last, 99);
    assert_int_equal(budget.bytes, 0);
    fill(&t, 1, 3);
    assert_int_equal(tail_term(&t, 100), 3);
    tail_release(&t);
}

/* After a restart entries are known whose bytes are only in the wal. */
static void sizes_are_known_without_payloads(void **state)
{
    struct group_entry e = {1, ENTRY_COMMAND, NULL};
    struct tail t;

    (void)state;
    tail_init(&t, 1, NULL);
    tail_append(&t, &e, 77);
    e.type = ENTRY_BARRIER;
    tail_append(&t, &e, 0);
    assert_false(tail_has_payload(&t, 1));
    assert_true(tail_has_payload(&t, 2));
    assert_int_equal(tail_bytes(&t, 1, 2), 77);
    assert_int_equal(tail_bytes(&t, 2, 1), 0);
    tail_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_survive_growth_at_any_offset),
        cmocka_unit_test(tail_forgets_what_is_truncated),
        cmocka_unit_test(payloads_leave_oldest_first_when_over_budget),
        cmocka_unit_test(trimming_goes_on_after_a_truncation),
        cmocka_unit_test(forgetting_gives_the_bytes_back),
        cmocka_unit_test(sizes_are_known_without_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
