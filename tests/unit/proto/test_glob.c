/* test_glob.c - patterns against keys. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/glob.h"

static bool match(const char *pattern, const char *key)
{
    return glob_match(slice_str(pattern), slice_str(key));
}

static void wildcards_sets_and_escapes(void **state)
{
    (void)state;
    assert_true(match("*", ""));
    assert_true(match("", ""));
    assert_false(match("", "a"));
    assert_true(match("user:*", "user:1"));
    assert_false(match("user:*", "use"));
    assert_true(match("h?llo", "hello"));
    assert_false(match("h?llo", "hllo"));
    assert_true(match("h*llo", "heeeello"));
    assert_true(match("h[ae]llo", "hallo"));
    assert_false(match("h[ae]llo", "hillo"));
    assert_true(match("h[^e]llo", "hallo"));
    assert_false(match("h[^e]llo", "hello"));
    assert_true(match("h[a-c]llo", "hbllo"));
    assert_true(match("h[c-a]llo", "hbllo")); /* as Redis has it */
    assert_true(match("a\\*b", "a*b"));
    assert_false(match("a\\*b", "axb"));
    assert_true(match("[\\]]", "]"));
    assert_true(match("a\\", "a\\"));
    assert_true(match("[abc", "b"));
    assert_true(match("*a*b*c", "xxaxxbxxc"));
    assert_false(match("*a*b*c", "xxaxxcxxb"));
}

/* Broken: `scan '[a'` would find keys that nobody asked for; or a good pattern
 * would be refused. */
static void a_set_that_is_not_closed_is_told(void **state)
{
    static const char *const good[] = {"",   "a*",     "[ab]",  "[]",
                                       "]",  "[^]",    "[[]",   "\\[a",
                                       "\\", "[\\]]",  "[a-\\]]", "[a-]"};
    static const char *const bad[] = {"[",     "[a",      "x[a-",   "[a\\]",
                                      "[ab\\", "[a]*[b", "\\\\[a", "[^"};

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
        if (glob_check(slice_str(good[i])))
            fail_msg("%s is good", good[i]);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!glob_check(slice_str(bad[i])))
            fail_msg("%s is bad", bad[i]);
}

/* As the definition has it, with every way to split tried. */
static bool slow(const char *p, const char *k)
{
    if (!*p)
        return !*k;
    if (*p == '*')
        return slow(p + 1, k) || (*k && slow(p, k + 1));
    return *k && (*p == '?' || *p == *k) && slow(p + 1, k + 1);
}

/* Giving bytes back only to the last * is enough. Broken: matches are lost. */
static void it_agrees_with_trying_every_split(void **state)
{
    struct rng rng;
    char pattern[10], key[12];

    (void)state;
    rng_init(&rng, 7);
    for (unsigned i = 0; i < 200000; i++) {
        size_t np = rng_below(&rng, sizeof pattern);
        size_t nk = rng_below(&rng, sizeof key);
        for (size_t k = 0; k < np; k++)
            pattern[k] = "ab?**"[rng_below(&rng, 5)];
        for (size_t k = 0; k < nk; k++)
            key[k] = "ab"[rng_below(&rng, 2)];
        pattern[np] = key[nk] = 0;
        if (slow(pattern, key) != match(pattern, key))
            fail_msg("%s %s", pattern, key);
    }
}

/* The classic trap: a*a*a*...b against aaaa...: exponential when every * is
 * tried anew. */
static void many_stars_cost_no_more_than_the_product(void **state)
{
    char pattern[201], key[20001];

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[199] = 'b';
    pattern[200] = 0;
    memset(key, 'a', 20000);
    key[20000] = 0;
    assert_false(match(pattern, key));
}

static void the_prefix_is_what_stands_before_a_wildcard(void **state)
{
    static const struct {
        const char *pattern, *prefix;
    } cases[] = {{"user:*", "user:"}, {"*", ""},   {"a\\*b?c", "a*b"},
                 {"plain", "plain"},  {"x[ab]", "x"}, {"a\\", "a\\"}};
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&b);
        glob_prefix(slice_str(cases[i].pattern), &b);
        assert_true(slice_equal(buf_slice(&b), slice_str(cases[i].prefix)));
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_sets_and_escapes),
        cmocka_unit_test(a_set_that_is_not_closed_is_told),
        cmocka_unit_test(it_agrees_with_trying_every_split),
        cmocka_unit_test(many_stars_cost_no_more_than_the_product),
        cmocka_unit_test(the_prefix_is_what_stands_before_a_wildcard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
