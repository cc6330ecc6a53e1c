/* test_cli.c - options before the command, exit codes, error lines. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/client/cli/run_cli.h"

/* Broken: scripts could not tell failures apart. */
static void exit_codes_follow_the_status(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(COAT_OK), 0);
    assert_int_equal(exit_code_of(COAT_NOT_FOUND), 1);
    assert_int_equal(exit_code_of(COAT_NOT_MET), 1);
    assert_int_equal(exit_code_of(COAT_KEY_TOO_LARGE), 2);
    assert_int_equal(exit_code_of(COAT_TIMEOUT), 3);
    assert_int_equal(exit_code_of(COAT_UNAVAILABLE), 3);
    assert_int_equal(exit_code_of(COAT_NOT_INITIALISED), 3);
    assert_int_equal(exit_code_of(COAT_BUSY), 4);
    assert_int_equal(exit_code_of(COAT_DENIED), 4);
    assert_int_equal(exit_code_of(COAT_WRONG_CLUSTER), 4);
    assert_int_equal(exit_code_of(COAT_UNKNOWN), 5);
    assert_int_equal(exit_code_of((enum coat_status)999), 5);
}

/* Broken: a script would believe that a mistyped command worked. */
static void mistakes_of_usage_exit_with_2_and_say_what(void **state)
{
    static const char *const lines[][4] = {
        {"nonsense"}, {"--nonsense"}, {"-o", "yaml", "status"},
        {"--timeout", "x", "status"}, {"--timeout", "0", "status"},
        {"--timeout", "-5", "status"}, {"set"}, {"set", "k"}, {"get"},
        {"get", "a", "b"}, {"del"}, {"set", "a", "b", "c"}, {"cluster"},
        {"cluster", "nonsense"}, {"map", "x"}, {"status", "x"},
        {"bench", "--op", "x"}, {"-e", "a:b:c", "get", "k"},
        {"-k", "a b", "get", "k"}, {"-e", "", "status"},
        {"-k", "", "get", "k"}, {"get", "k", "-k", ""},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        const char *arguments[5] = {lines[i][0], lines[i][1], lines[i][2],
                                    lines[i][3], NULL};
        struct run *r = run_cli_input(NULL, 0, false, arguments);
        if (r->code != 2 || !r->err_size)
            fail_msg("line %u: exit %d, %s", i, r->code, r->err);
        assert_int_equal(r->out_size, 0);
        free(r);
    }
    RUN_CODE(2, "-o");
}

/* Broken: nobody would find out how to use it. */
static void help_is_at_every_level(void **state)
{
    static const char *const commands[] = {"set", "get", "del", "status",
                                           "map", "cluster", "bench"};
    struct run *r = RUN("--help");

    (void)state;
    assert_int_equal(r->code, 0);
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        struct run *h = RUN(commands[i], "--help");
        assert_has(r->out, commands[i]);
        assert_int_equal(h->code, 0);
        assert_has(h->out, "Usage: coatcheck");
        assert_has(h->out, commands[i]);
        free(h);
    }
    free(r);
    r = RUN("cluster", "init", "--help");
    assert_int_equal(r->code, 0);
    assert_has(r->out, "--replicas");
    free(r);
    r = RUN("--version");
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "coatcheck " COAT_VERSION "\n");
    free(r);
}

/* Broken: who tries -h first would be told of a mistake. */
static void a_letter_asks_for_help_as_its_name_does(void **state)
{
    static const char *const lines[][3] = {
        {NULL}, {"get"}, {"help"}, {"lock", "name"}, {"cluster"},
        {"cluster", "init"}, {"set", "k", "-5"},
    };
    struct run *by_name, *by_letter;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        const char *line[5] = {lines[i][0], lines[i][1], lines[i][2]};
        unsigned n = 0;
        while (line[n])
            n++;
        line[n] = "--help";
        by_name = run_cli_input(NULL, 0, false, line);
        line[n] = "-h";
        by_letter = run_cli_input(NULL, 0, false, line);
        assert_int_equal(by_letter->code, 0);
        assert_has(by_letter->out, "Usage: coatcheck");
        assert_string_equal(by_letter->out, by_name->out);
        free(by_name);
        free(by_letter);
    }
}

/* Broken: an error would not say what to do, or fill the screen. */
static void errors_are_one_line_that_says_what_to_do(void **state)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct cli cli = {.err = f};

    (void)state;
    assert_int_equal(cli_fail(&cli, "set k", COAT_UNKNOWN, "broke"), 5);
    fflush(f);
    assert_one_line(text);
    assert_has(text, "set k: the outcome is unknown (broke); it may have");
    rewind(f);
    assert_int_equal(cli_fail(&cli, "k", COAT_CONNECTION,
                              "cannot connect to h:1"), 3);
    fflush(f);
    assert_has(text, "coatcheck: k: cannot connect to h:1; check -e");
    fclose(f);
    free(text);
}

/* Broken: the environment would be ignored, or win over -e. */
static void endpoints_come_from_the_environment_unless_given(void **state)
{
    struct cli cli = {.out = stdout, .err = stderr};
    char name[] = "coatcheck", e[] = "-e", b[] = "b:2", get[] = "get",
         none[] = "";
    char *given[] = {name, e, b, get, none, NULL};
    char *plain[] = {name, get, none, NULL}, *again[] = {name, get, none, NULL};

    (void)state;
    setenv("COATCHECK_ENDPOINTS", "a:1", 1);
    assert_int_equal(cli_main(&cli, 3, plain), 2); /* an empty key */
    assert_string_equal(cli.endpoints, "a:1");
    assert_int_equal(cli_main(&cli, 5, given), 2);
    assert_string_equal(cli.endpoints, "b:2");
    unsetenv("COATCHECK_ENDPOINTS");
    assert_int_equal(cli_main(&cli, 3, again), 2);
    assert_string_equal(cli.endpoints, "127.0.0.1:7410");
}

/* Broken: commands would not use what was given before them. */
static void options_reach_the_library(void **state)
{
    struct cli cli = {.endpoints = "one:1,[::1]:2", .timeout = 7,
                      .keyspace = "ks"};
    struct address a[CLI_NODES_MAX];
    unsigned n;

    (void)state;
    assert_true(cli_endpoints(&cli, a, &n));
    assert_int_equal(n, 2);
    assert_int_equal(a[1].port, 2);
    assert_string_equal(cli_options(&cli).endpoints, "one:1,[::1]:2");
    assert_int_equal(cli_options(&cli).timeout, 7);
    assert_string_equal(cli_options(&cli).keyspace, "ks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes_follow_the_status),
        cmocka_unit_test(mistakes_of_usage_exit_with_2_and_say_what),
        cmocka_unit_test(help_is_at_every_level),
        cmocka_unit_test(a_letter_asks_for_help_as_its_name_does),
        cmocka_unit_test(errors_are_one_line_that_says_what_to_do),
        cmocka_unit_test(endpoints_come_from_the_environment_unless_given),
        cmocka_unit_test(options_reach_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
