/* test_checkers.c - registers.h, wing_gong.h and witness.h against brute force
 * and on long histories. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/check/brute.h"
#include "tests/check/registers.h"
#include "tests/check/wing_gong.h"
#include "tests/check/witness.h"
#include "tests/unit/check/generate.h"

enum {
    REGISTERS = 1 << CHECK_GET | 1 << CHECK_SET,
    ALL = (1 << CHECK_KINDS) - 1,
    CONFIGURATIONS = 1000000,
};

static size_t pointers(const struct check_history *h,
                       const struct check_operation **ops)
{
    for (size_t i = 0; i < h->n; i++)
        ops[i] = &h->v[i];
    return h->n;
}

static const char *words_of(const struct check_history *h, uint64_t seed)
{
    static char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "seed %llu:\n",
                                   (unsigned long long)seed);

    for (size_t i = 0; i < h->n && used + 200 < sizeof text; i++) {
        check_operation_text(&h->v[i], text + used, 200);
        used += strlen(text + used);
        text[used++] = '\n';
        text[used] = '\0';
    }
    return text;
}

/* One small history through all checkers; gives whether it is linearizable. */
static bool agree(const struct shape *shape, uint64_t seed)
{
    const struct check_operation *ops[BRUTE_OPERATIONS_MAX];
    struct check_history h = {0};
    struct check_report report = {0};
    struct rng rng;
    enum check_verdict expected;
    bool truth;
    size_t n;

    rng_init(&rng, seed);
    generate(&rng, shape, 7, &h);
    n = pointers(&h, ops);
    truth = brute_linearizable(ops, n);
    expected = truth ? CHECK_LINEARIZABLE : CHECK_VIOLATION;
    if (check_registers_apply(ops, n) &&
        check_registers(ops, n, &report) != expected)
        fail_msg("registers.h: truth is %d: %s", truth, words_of(&h, seed));
    if (check_wing_gong(ops, n, CONFIGURATIONS, &report) != expected)
        fail_msg("wing_gong.h: truth is %d: %s", truth, words_of(&h, seed));
    if (!truth)
        assert_true(report.text[0] != '\0');
    check_history_release(&h);
    return truth;
}

static void compare(const struct shape *shape, size_t histories)
{
    size_t good = 0;

    for (size_t i = 0; i < histories; i++)
        good += agree(shape, i);
    /* A generator of one kind only would prove half of it. */
    assert_true(good > histories / 10);
    assert_true(good < histories - histories / 10);
}

/* Broken: the fast checker passes a lost write, or blames a good run. */
static void registers_agree_with_brute_force_on_50000_histories(void **state)
{
    (void)state;
    compare(&(struct shape){.operations = 7, .processes = 4,
                            .kinds = REGISTERS, .unique = true,
                            .unknown = 15, .lies = 80}, 50000);
}

/* Broken: the search forgets an order, or takes one that does not fit. */
static void the_search_agrees_with_brute_force_on_50000_histories(void **state)
{
    (void)state;
    compare(&(struct shape){.operations = 6, .processes = 4, .kinds = ALL,
                            .unknown = 15, .either = 15, .lies = 90}, 30000);
    compare(&(struct shape){.operations = 7, .processes = 3, .kinds = ALL,
                            .unique = true, .unknown = 20, .either = 10,
                            .lies = 90}, 20000);
}

/* Broken: histories with deletes only, of few values, where what changes
 * nothing now may be needed later. */
static void deletes_and_repeated_values_agree_with_brute_force(void **state)
{
    (void)state;
    compare(&(struct shape){.operations = 7, .processes = 4,
                            .kinds = REGISTERS | 1 << CHECK_DELETE |
                                     1 << CHECK_CAS,
                            .unknown = 25, .either = 25, .lies = 95}, 20000);
}

static enum check_verdict verify(const struct check_history *h,
                                 struct check_report *report)
{
    return check_history_verify(h, &(struct check_limits){0}, report);
}

/* Broken: a simulated hour could not be checked: undecided, or for ages. */
static void long_histories_are_decided(void **state)
{
    static const unsigned kinds[] = {REGISTERS, REGISTERS | 1 << CHECK_DELETE,
                                     1 << CHECK_GET | 1 << CHECK_ADD,
                                     ALL & ~(1 << CHECK_ADD)};
    struct check_history h = {0};
    struct check_report report;
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (uint32_t key = 0; key < 8; key++)
        generate(&rng, &(struct shape){.operations = 4000, .processes = 8,
                                       .kinds = kinds[key % 4], .unique = true,
                                       .unknown = 2, .places = true},
                 key, &h);
    /* Each key has its own order here. */
    for (size_t i = 0; i < h.n; i++)
        h.v[i].group = h.v[i].key;
    if (verify(&h, &report))
        fail_msg("%s", report.text);
    assert_int_equal(report.keys, 8);
    assert_int_equal(report.by_registers, 2);
    check_history_release(&h);
}

/* Broken: one wrong answer among thousands would be lost in the crowd. */
static void one_stale_read_among_thousands_is_found(void **state)
{
    static const unsigned kinds[] = {REGISTERS, REGISTERS | 1 << CHECK_DELETE};
    struct check_report report;
    struct rng rng;

    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct check_history h = {0};
        size_t at;
        rng_init(&rng, seed);
        generate(&rng, &(struct shape){.operations = 2000, .processes = 5,
                                       .kinds = kinds[seed % 2],
                                       .unique = true, .unknown = 1},
                 3, &h);
        for (at = h.n - 1; at > 0; at--)
            if (h.v[at].kind == CHECK_GET && h.v[at].outcome == CHECK_YES)
                break;
        for (size_t i = 0; i < h.n; i++)
            if (h.v[i].kind == CHECK_SET && h.v[i].outcome == CHECK_YES) {
                h.v[at].seen = h.v[i].value;
                break;
            }
        assert_int_equal(verify(&h, &report), CHECK_VIOLATION);
        assert_int_equal(report.key, 3);
        check_history_release(&h);
    }
}

/* Broken: a search that ran out of work would pass for a proof. */
static void work_that_runs_out_is_undecided(void **state)
{
    const struct check_operation *ops[600];
    struct check_history h = {0};
    struct check_report report = {0};
    struct rng rng;
    size_t n;

    (void)state;
    rng_init(&rng, 1);
    generate(&rng, &(struct shape){.operations = 600, .processes = 12,
                                   .kinds = ALL & ~(1 << CHECK_ADD),
                                   .unknown = 5}, 1, &h);
    n = pointers(&h, ops);
    assert_int_equal(check_wing_gong(ops, n, 20, &report), CHECK_UNDECIDED);
    assert_int_equal(check_wing_gong(ops, n, CONFIGURATIONS, &report),
                     CHECK_LINEARIZABLE);
    check_history_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_agree_with_brute_force_on_50000_histories),
        cmocka_unit_test(the_search_agrees_with_brute_force_on_50000_histories),
        cmocka_unit_test(deletes_and_repeated_values_agree_with_brute_force),
        cmocka_unit_test(long_histories_are_decided),
        cmocka_unit_test(one_stale_read_among_thousands_is_found),
        cmocka_unit_test(work_that_runs_out_is_undecided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
