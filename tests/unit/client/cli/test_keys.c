/* test_keys.c - what commands about keys share: how values are printed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Broken: a person would have to read JSON on one line; or a pipe would get
 * other bytes than the value's. */
static void json_is_indented_for_people_only(void **state)
{
    static const char value[] = "{\"b\":[1,2],\"a\":null}";
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    RUN_CODE(0, "-e", e, "set", "k", value);
    EXPECT(0, value, "get", "k");
    r = run_cli_input(NULL, 0, true,
                      (const char *const[]){"-e", e, "get", "k", NULL});
    assert_has(r->out, "\r\n  \"b\": [");
    free(r);
    RUN_CODE(0, "-e", e, "set", "k", "{broken");
    r = run_cli_input(NULL, 0, true,
                      (const char *const[]){"-e", e, "get", "k", NULL});
    assert_string_equal(r->out, "{broken\r\n");
    free(r);
    nodes_stop(t);
}

static void bytes_that_are_no_text_are_escaped_unless_raw(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    r = run_cli_input("a\tb", 3, false,
                      (const char *const[]){"-e", e, "set", "k", "-", NULL});
    assert_int_equal(r->code, 0);
    free(r);
    EXPECT(0, "k\ta\\tb\n", "mget", "k");
    EXPECT(0, "k\ta\tb\n", "-o", "raw", "mget", "k");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_indented_for_people_only),
        cmocka_unit_test(bytes_that_are_no_text_are_escaped_unless_raw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
