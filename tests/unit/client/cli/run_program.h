/* run_program.h - runs a built program with one argument. Include behind
 * cmocka.h. */
#ifndef TESTS_UNIT_CLIENT_CLI_RUN_PROGRAM_H
#define TESTS_UNIT_CLIENT_CLI_RUN_PROGRAM_H

#include "tests/unit/client/cli/run_cli.h"

/* Into `out_path`, NULL: into the result. Freed by the caller. */
static inline struct run *run_program_to(const char *program,
                                         const char *argument,
                                         const char *out_path)
{
    struct run *r = calloc(1, sizeof *r);
    FILE *err = tmpfile();
    FILE *out = out_path ? fopen(out_path, "w") : tmpfile();
    int status;
    pid_t child;

    assert_true(out && err);
    fflush(NULL);
    child = fork();
    if (!child) {
        dup2(fileno(out), 1);
        dup2(fileno(err), 2);
        execl(program, program, argument, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    r->code = WEXITSTATUS(status);
    if (out_path)
        fclose(out);
    else
        r->out_size = read_file(out, r->out);
    r->err_size = read_file(err, r->err);
    return r;
}

static inline struct run *run_program(const char *program,
                                      const char *argument)
{
    return run_program_to(program, argument, NULL);
}

#endif
