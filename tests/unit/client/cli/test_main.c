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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_the_commands),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
