/* test_shell.c - the shell: lines as commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static struct run *shell(const char *input, bool terminal)
{
    return run_cli_input(input, strlen(input), terminal,
                         (const char *const[]){"-e", e, "shell", NULL});
}

static void lines_are_commands(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    r = shell("# comment\n\nset k \"a b\"\nget k\nget nope\n", false);
    assert_int_equal(r->code, 1); /* the last command's */
    assert_string_equal(r->out, "ok\na b");
    free(r);
    r = shell("set k 'open\nfly away\nshell\nincr n\nexit\nincr n\n",
              false);
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "1\n");
    assert_has(r->err, "quote");
    assert_has(r->err, "fly");
    assert_has(r->err, "this is the shell");
    free(r);
    nodes_stop(t);
}

/* Broken: -5 would be an option that nobody knows, as it once was. */
static void a_negative_number_is_a_value_here_too(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    r = shell("set n -5\nincr n -2 --timeout 4000\n", false);
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "ok\n-7\n");
    free(r);
    r = shell("set n -xyz\n", false);
    assert_int_equal(r->code, 2);
    assert_has(r->err, "option");
    free(r);
    nodes_stop(t);
}

/* Broken: `set "a\x00b" v` would write the key a. */
static void a_word_with_a_nul_is_refused_and_not_cut(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    r = shell("set \"a\\x00b\" v\n", false);
    assert_int_equal(r->code, 2);
    assert_has(r->err, "NUL");
    free(r);
    RUN_CODE(1, "-e", e, "get", "a");
    nodes_stop(t);
}

/* Broken: a keyspace would stick to the next session, or not to this one. */
static void use_names_a_keyspace(void **state)
{
    struct run *r;

    (void)state;
    e = "127.0.0.1:1";
    r = shell("use a/b\nget k\n", false);
    assert_int_equal(r->code, 2);
    assert_has(r->err, "keyspace");
    free(r);
}

static void no_command_and_no_terminal_is_a_mistake(void **state)
{
    (void)state;
    RUN_CODE(2, "-e", "127.0.0.1:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_commands),
        cmocka_unit_test(a_negative_number_is_a_value_here_too),
        cmocka_unit_test(a_word_with_a_nul_is_refused_and_not_cut),
        cmocka_unit_test(use_names_a_keyspace),
        cmocka_unit_test(no_command_and_no_terminal_is_a_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
