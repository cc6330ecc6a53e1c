/* test_quota.c - a limit is shared out by what groups hold. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/quota.h"
#include "proto/base/rng.h"

static struct quota_use use(uint32_t group, uint64_t index, uint64_t keys)
{
    return (struct quota_use){.keyspace = 5, .group = group, .index = index,
                              .keys = keys, .bytes = 10 * keys,
                              .heard = {index}};
}

/* Broken: a leader that was would make a group look emptier than it is. */
static void the_latest_word_of_a_group_counts(void **state)
{
    struct quotas q = {0};
    struct quota_use u[] = {use(2, 10, 7), use(1, 10, 1), use(2, 9, 3),
                            use(2, 11, 9)};
    uint64_t changes;

    (void)state;
    assert_null(quotas_find(&q, 5));
    for (unsigned i = 0; i < ARRAY_LEN(u); i++)
        quotas_heard(&q, &u[i]);
    assert_int_equal(quotas_find(&q, 5)->keys, 10);
    assert_int_equal(quotas_find(&q, 5)->bytes, 100);
    assert_int_equal(quota_of(quotas_find(&q, 5), 2)->keys, 9);
    assert_null(quota_of(quotas_find(&q, 5), 3));
    /* The same again is news of when, not of what. */
    changes = quotas_find(&q, 5)->changes;
    u[3].index = 12;
    u[3].heard.ms = 99;
    quotas_heard(&q, &u[3]);
    assert_int_equal(quotas_find(&q, 5)->changes, changes);
    assert_int_equal(quota_of(quotas_find(&q, 5), 2)->heard.ms, 99);
    u[0].keyspace = 4;
    quotas_heard(&q, &u[0]);
    quotas_forget(&q, 5);
    quotas_forget(&q, 6);
    assert_null(quotas_find(&q, 5));
    assert_int_equal(quotas_find(&q, 4)->keys, 7);
    quotas_release(&q);
}

/* Broken: a group that was silent for long would hold up every raise of all
 * others for as long again; or one that nobody heard of yet would not be waited
 * for. */
static void who_is_silent_is_waited_for_once(void **state)
{
    struct quota_use u = use(2, 1000, 7);
    struct quotas all = {0};
    const struct quota *q;

    (void)state;
    quotas_heard(&all, &u); /* at 1000 */
    u.index = u.heard.ms = 1500;
    quotas_heard(&all, &u);
    q = quotas_find(&all, 5);
    assert_true(quota_is_heard(q, 2, (instant){1499}, (instant){1500}));
    assert_false(quota_is_heard(q, 2, (instant){1500}, (instant){1500}));
    assert_false(quota_is_heard(q, 2, (instant){1600}, (instant){4499}));
    assert_true(quota_is_heard(q, 2, (instant){1600}, (instant){4500}));
    /* The next raise, later: not for another QUOTA_SILENT_MS. */
    assert_true(quota_is_heard(q, 2, (instant){4500}, (instant){4501}));
    /* Of group 3 nothing was ever heard. */
    assert_true(quota_is_new(q, (instant){3999}));
    assert_false(quota_is_heard(q, 3, (instant){3000}, (instant){3999}));
    assert_false(quota_is_new(q, (instant){4000}));
    assert_true(quota_is_heard(q, 3, (instant){3999}, (instant){4000}));
    quotas_release(&all);
}

static void a_share_is_what_there_is_and_a_part_of_the_rest(void **state)
{
    struct quota_ask a = {.limit = 1000, .groups = 5, .own = 100,
                          .others = 400};
    uint64_t most;

    (void)state;
    assert_int_equal(quota_share(&a, &most), 150);
    assert_int_equal(most, 600);
    a.wanted = 200; /* what is needed, as all others may be asking too */
    assert_int_equal(quota_share(&a, &most), 200);
    a.wanted = 120; /* less than the part */
    assert_int_equal(quota_share(&a, &most), 150);
    a.wanted = 600; /* all there is, and no more */
    assert_int_equal(quota_share(&a, &most), 600);
    assert_int_equal(most, 600);
    a.wanted = 601; /* does not fit: nothing is given for it */
    assert_int_equal(quota_share(&a, &most), 150);
    assert_int_equal(most, 600);
    a.others = 899;
    a.wanted = 0; /* the last one: whoever comes */
    assert_int_equal(quota_share(&a, &most), 101);
    assert_int_equal(most, 101);
    a.others = 2000; /* the limit was lowered */
    assert_int_equal(quota_share(&a, &most), 100);
    assert_int_equal(most, 100);
    a = (struct quota_ask){.limit = 10, .groups = 1};
    assert_int_equal(quota_share(&a, &most), 10);
    assert_int_equal(most, 10);
    a = (struct quota_ask){.limit = UINT64_MAX, .groups = 1024,
                           .unknown = 1023};
    assert_true(quota_share(&a, &most) > 0);
}

/* Broken: while nobody has been heard of, one group would take all, or would
 * say that there is nothing; or it would say for ever that there may be. */
static void the_unknown_are_waited_for_and_then_have_their_part(void **state)
{
    struct quota_ask a = {.limit = 100, .groups = 4, .unknown = 3, .own = 5,
                          .wanted = 90, .waiting = true};
    uint64_t most;

    (void)state;
    assert_int_equal(quota_share(&a, &most), 5);
    assert_int_equal(most, 100);
    a.waiting = false;
    assert_int_equal(quota_share(&a, &most), 5 + 2); /* 20 / (2 * 4) */
    assert_int_equal(most, 25);
    a.wanted = 25;
    assert_int_equal(quota_share(&a, &most), 25);
}

enum { GROUPS = 6 };

/* Groups that fill up at random. */
struct filling {
    uint64_t limit, sum;
    uint64_t held[GROUPS], share[GROUPS], most[GROUPS];
    uint64_t seen[GROUPS][GROUPS]; /* by whom, of whom */
    bool news[GROUPS];
};

static void share_now(struct filling *f, unsigned g, uint64_t wanted)
{
    struct quota_ask a = {.limit = f->limit, .groups = GROUPS,
                          .own = f->held[g],
                          .wanted = wanted ? f->held[g] + wanted : 0};

    for (unsigned k = 0; k < GROUPS; k++)
        a.others += k == g ? 0 : f->seen[g][k];
    f->share[g] = quota_share(&a, &f->most[g]);
}

/* It asks: all hear what it holds, and it what they hold. */
static void ask(struct filling *f, unsigned g)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        f->seen[i][g] = f->held[g];
        f->seen[g][i] = f->held[i];
        f->news[i] |= i != g;
    }
    share_now(f, g, 1);
}

static void write_one(struct filling *f, unsigned g)
{
    uint64_t share = f->share[g];

    if (f->news[g])
        share_now(f, g, 0);
    f->share[g] = MIN_OF(f->share[g], share);
    f->news[g] = false;
    if (f->held[g] == f->share[g])
        ask(f, g);
    if (f->held[g] == f->share[g])
        return;
    f->held[g]++;
    f->sum++;
}

/* Broken: a limit would hold for groups and not for the keyspace; or a few keys
 * would not fit, as they happen to be in one group. */
static void a_limit_gets_full_and_no_fuller(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct filling f = {0};
        struct rng rng;
        unsigned used = 1 + seed % GROUPS; /* so many of the groups */

        rng_init(&rng, seed);
        f.limit = 1 + rng_below(&rng, seed % 3 ? 40 : 5000);
        for (unsigned step = 0; step < 4 * f.limit + 1000; step++)
            write_one(&f, (unsigned)rng_below(&rng, used));
        assert_in_range(f.sum, f.limit, f.limit + GROUPS - 1);
    }
}

/* All groups with a write that was BUSY are raised at once, each knowing what
 * the others held before: then they fill what they were given. */
static void raise_together(struct filling *f, const uint64_t *wanted,
                           uint64_t filler)
{
    for (unsigned g = 0; g < GROUPS; g++)
        memcpy(f->seen[g], f->held, sizeof f->held);
    for (unsigned g = 0; g < GROUPS; g++)
        share_now(f, g, wanted[g]);
    for (unsigned g = 0; g < GROUPS; g++) {
        while (wanted[g] && f->held[g] + wanted[g] <= f->share[g])
            f->held[g] += wanted[g], f->sum += wanted[g];
        while (f->held[g] + filler <= f->share[g])
            f->held[g] += filler, f->sum += filler;
    }
}

/* Broken: groups that ask in the same moment would each be given all that is
 * left, again and again, or for a write that does not fit at all. */
static void groups_that_ask_together_take_one_write_too_much_each(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t size_max = 1 + seed % 50;
        struct filling f = {0};
        struct rng rng;

        rng_init(&rng, seed);
        f.limit = 1 + rng_below(&rng, seed % 3 ? 100 : 5000);
        for (unsigned round = 0; round < 300; round++) {
            uint64_t wanted[GROUPS];
            for (unsigned g = 0; g < GROUPS; g++) {
                wanted[g] = rng_below(&rng, size_max + 1);
                if (rng_below(&rng, 4) == 0) /* will never fit */
                    wanted[g] = f.limit + 1 + rng_below(&rng, f.limit);
            }
            raise_together(&f, wanted, round > 250 ? 1 : size_max);
        }
        assert_in_range(f.sum, f.limit, f.limit + (GROUPS - 1) * size_max);
    }
}

static void what_is_told_reads_back(void **state)
{
    struct quota_use u = {3, 4, 5, 6, 7, {8}}, got = {.heard = {8}};
    struct buf b = {0};
    struct reader r;
    uint32_t n;
    bool ask;

    (void)state;
    quota_use_begin(&b, true);
    quota_use_add(&b, 0, &u);
    assert_true(quota_use_decode(buf_slice(&b), &ask, &n, &r));
    assert_true(ask);
    assert_int_equal(n, 1);
    quota_use_read(&r, &got);
    assert_memory_equal(&u, &got, sizeof u);
    for (size_t size = 0; size < b.size; size++) {
        struct slice cut = exact_copy(buf_slice(&b), size);
        assert_false(quota_use_decode(cut, &ask, &n, &r));
        exact_free(cut);
    }
    put_u32(b.data + 4, UINT32_MAX);
    assert_false(quota_use_decode(buf_slice(&b), &ask, &n, &r));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_word_of_a_group_counts),
        cmocka_unit_test(who_is_silent_is_waited_for_once),
        cmocka_unit_test(a_share_is_what_there_is_and_a_part_of_the_rest),
        cmocka_unit_test(the_unknown_are_waited_for_and_then_have_their_part),
        cmocka_unit_test(a_limit_gets_full_and_no_fuller),
        cmocka_unit_test(groups_that_ask_together_take_one_write_too_much_each),
        cmocka_unit_test(what_is_told_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
