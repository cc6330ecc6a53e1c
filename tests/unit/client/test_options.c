/* test_options.c - the caller's options. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client/options.h"

static struct settings s;
static char error[COAT_ERROR_MAX];

/* Broken: a program without options would not work. */
static void zero_is_the_default_everywhere(void **state)
{
    struct coat_options o = COAT_OPTIONS;

    (void)state;
    assert_int_equal(settings_from(&o, &s, error), STATUS_OK);
    assert_int_equal(s.n_endpoints, 1);
    assert_string_equal(s.endpoints[0].host, "127.0.0.1");
    assert_int_equal(s.endpoints[0].port, 7410);
    assert_int_equal(s.timeout.ms, 5000);
    assert_int_equal(s.connections_per_node, 1);
    assert_int_equal(s.consistency, CONSISTENCY_LINEARIZABLE);
    assert_string_equal(s.keyspace, "");
    assert_int_equal(settings_from(NULL, &s, error), STATUS_OK);
}

/* Broken: what the caller asked for would not be done. */
static void what_is_given_is_taken(void **state)
{
    struct coat_options o = COAT_OPTIONS;

    (void)state;
    o.endpoints = "a:1,[::1]:2,c";
    o.keyspace = "sessions";
    o.consistency = COAT_STALE;
    o.timeout = 1;
    o.connections_per_node = 3;
    o.requests_max = 4;
    o.bytes_max = 5;
    o.seed = 6;
    assert_int_equal(settings_from(&o, &s, error), STATUS_OK);
    assert_int_equal(s.n_endpoints, 3);
    assert_string_equal(s.endpoints[1].host, "::1");
    assert_int_equal(s.endpoints[2].port, 7410);
    assert_string_equal(s.keyspace, "sessions");
    assert_int_equal(s.consistency, CONSISTENCY_STALE);
    assert_int_equal(s.timeout.ms, 1);
    assert_int_equal(s.connections_per_node, 3);
    assert_int_equal(s.requests_max, 4);
    assert_int_equal(s.bytes_max, 5);
    assert_int_equal(s.seed, 6);
}

static void assert_refused(const struct coat_options *o, const char *word)
{
    error[0] = 0;
    assert_int_equal(settings_from(o, &s, error), STATUS_INVALID);
    assert_non_null(strstr(error, word));
}

/* Broken: a mistake would show up later, as something else. */
static void mistakes_are_named(void **state)
{
    struct coat_options o = COAT_OPTIONS, good = COAT_OPTIONS;

    (void)state;
    o.endpoints = "host:99999";
    assert_refused(&o, "99999");
    o.endpoints = "";
    assert_int_equal(settings_from(&o, &s, error), STATUS_INVALID);
    o = good;
    o.keyspace = "a b";
    assert_refused(&o, "keyspace");
    o = good;
    o.timeout = COAT_TIMEOUT_MAX + 1;
    assert_refused(&o, "timeout");
    o = good;
    o.connections_per_node = 1025;
    assert_refused(&o, "connections_per_node");
    o = good;
    o.consistency = (enum coat_consistency)9;
    assert_refused(&o, "consistency");
    o = good;
    o.requests_max = UINT32_MAX;
    assert_refused(&o, "requests_max");
    o = good;
    o.size = 0;
    assert_refused(&o, "COAT_OPTIONS");
}

/* Broken: a program built with an older header would pass garbage. */
static void a_shorter_struct_counts_as_zero_behind_its_end(void **state)
{
    struct coat_options o = COAT_OPTIONS;

    (void)state;
    o.size = offsetof(struct coat_options, timeout);
    o.timeout = 1;
    o.requests_max = 1;
    assert_int_equal(settings_from(&o, &s, error), STATUS_OK);
    assert_int_equal(s.timeout.ms, 5000);
    assert_int_equal(s.requests_max, 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_is_the_default_everywhere),
        cmocka_unit_test(what_is_given_is_taken),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_shorter_struct_counts_as_zero_behind_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
