/* test_main.c - the program around the commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <cmocka.h>

#include "tests/unit/client/cli/run_cli.h"

/* Broken: the exit code of a command would not reach the shell. */
static void the_exit_code_is_the_commands(void **state)
{
    struct run *r = RUN("--version");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_has(r->out, "coatcheck ");
    free(r);
    r = RUN("nonsense");
    assert_int_equal(r->code, 2);
    free(r);
}

/* Broken: output that was lost to a full disk would look complete. */
static void output_that_cannot_be_written_is_an_error(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;
    int full = open("/dev/full", O_WRONLY);

    (void)state;
    assert_true(full >= 0);
    r = run_child(COATCHECK,
                  (const char *const[]){"-e", t->f.endpoints, "status", NULL},
                  NULL, 0, full);
    close(full);
    assert_int_equal(r->code, 4);
    assert_has(r->err, "cannot write");
    assert_one_line(r->err);
    free(r);
    nodes_stop(t);
}

/* Broken: `coatcheck scan | head -1` would end with a complaint. */
static void a_reader_that_goes_away_ends_it_silently(void **state)
{
    static const char *const commands[] = {"status", "scan"};
    struct nodes *t = nodes_start(1);

    (void)state;
    RUN_CODE(0, "-e", t->f.endpoints, "set", "k", "v");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const char *const arguments[] = {"-e", t->f.endpoints, commands[i],
                                         NULL};
        struct run *r;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        close(ends[0]);
        r = run_child(COATCHECK, arguments, NULL, 0, ends[1]);
        close(ends[1]);
        assert_string_equal(r->err, "");
        assert_int_equal(r->code, 128 + SIGPIPE);
        free(r);
    }
    nodes_stop(t);
}

/* Broken: a socket would get the number of standard output, and libuv's
 * assertion about that would end the program. */
static void a_closed_output_is_an_error_and_nothing_else(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    r = run_child("/bin/sh",
                  (const char *const[]){
                      "-c", "exec \"$0\" -e \"$1\" set k v >&-", COATCHECK,
                      t->f.endpoints, NULL},
                  NULL, 0, -1);
    assert_int_equal(r->code, 4);
    assert_has(r->err, "cannot write the output");
    assert_one_line(r->err);
    free(r);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_the_commands),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_reader_that_goes_away_ends_it_silently),
        cmocka_unit_test(a_closed_output_is_an_error_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
