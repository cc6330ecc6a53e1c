/* test_main.c - the program around the commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/client/cli/run_program.h"

/* Broken: the exit code of a command would not reach the shell. */
static void the_exit_code_is_the_commands(void **state)
{
    struct run *r = run_program(COATCHECK, "--version");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_has(r->out, "coatcheck ");
    free(r);
    r = run_program(COATCHECK, "nonsense");
    assert_int_equal(r->code, 2);
    free(r);
}

/* Broken: output that was lost to a full disk would look complete. */
static void output_that_cannot_be_written_is_an_error(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    setenv("COATCHECK_ENDPOINTS", t->f.endpoints, 1);
    r = run_program_to(COATCHECK, "status", "/dev/full");
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
