/* run_cli.h - runs the built `coatcheck` against fake nodes that a thread of
 * the test serves. COATCHECK is its path. */
#ifndef TESTS_UNIT_CLIENT_CLI_RUN_CLI_H
#define TESTS_UNIT_CLIENT_CLI_RUN_CLI_H

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/cli/cli.h"
#include "tests/unit/client/fake_cluster.h"

enum { RUN_OUTPUT_MAX = 4 * 1024 * 1024, RUN_ARGS_MAX = 32 };

struct run {
    int code;       /* exit code; 128 + N: ended by signal N */
    char out[RUN_OUTPUT_MAX];
    char err[RUN_OUTPUT_MAX];
    size_t out_size, err_size;
};

static inline size_t read_file(FILE *f, char *to)
{
    size_t n;

    rewind(f);
    n = fread(to, 1, RUN_OUTPUT_MAX - 1, f);
    to[n] = 0;
    fclose(f);
    return n;
}

/* What was written to a terminal; the other end is closed. */
static inline size_t read_terminal(int fd, char *to)
{
    size_t n = 0;
    ssize_t got;

    while ((got = read(fd, to + n, RUN_OUTPUT_MAX - 1 - n)) > 0)
        n += (size_t)got;
    to[n] = 0;
    close(fd);
    return n;
}

/* `program` with the arguments behind its name, up to NULL; `input` is what
 * comes on standard input, NULL for nothing; `out` is where its output goes,
 * -1: into the result, which is freed by the caller. */
static inline struct run *run_child(const char *program,
                                    const char *const *arguments,
                                    const char *input, size_t input_size,
                                    int out)
{
    struct run *r;
    FILE *in = tmpfile(), *caught = tmpfile(), *err = tmpfile();
    const char *argv[RUN_ARGS_MAX] = {program};
    int argc = 1, status;
    pid_t child;

    assert_true(in && caught && err);
    for (; arguments[argc - 1]; argc++) {
        assert_true(argc < RUN_ARGS_MAX - 1);
        argv[argc] = arguments[argc - 1];
    }
    if (input)
        assert_int_equal(fwrite(input, 1, input_size, in), input_size);
    fflush(in);
    rewind(in);
    child = fork();
    assert_true(child >= 0);
    if (!child) {
        dup2(fileno(in), 0);
        dup2(out < 0 ? fileno(caught) : out, 1);
        dup2(fileno(err), 2);
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    r = calloc(1, sizeof *r);
    r->code = WIFEXITED(status) ? WEXITSTATUS(status)
                                : 128 + WTERMSIG(status);
    fclose(in);
    r->out_size = read_file(caught, r->out);
    r->err_size = read_file(err, r->err);
    return r;
}

static inline struct run *run_cli_input(const char *input, size_t input_size,
                                        bool terminal,
                                        const char *const *arguments)
{
    struct run *r;
    int master = -1, slave = -1;

    if (terminal)
        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    r = run_child(COATCHECK, arguments, input, input_size, slave);
    if (terminal) {
        close(slave);
        r->out_size = read_terminal(master, r->out);
    }
    return r;
}

#define RUN(...)                                                               \
    run_cli_input(NULL, 0, false, (const char *const[]){__VA_ARGS__, NULL})

/* Run, and expect this exit code. */
#define RUN_CODE(want, ...)                                                    \
    do {                                                                       \
        struct run *run_ = RUN(__VA_ARGS__);                                   \
        if (run_->code != (want))                                              \
            fail_msg("exit %d: %s", run_->code, run_->err);                    \
        free(run_);                                                            \
    } while (0)

/* Run against `e`, the file's endpoints; exit code and output have to be
 * these. */
#define EXPECT(want, output, ...)                                              \
    do {                                                                       \
        struct run *run_ = RUN("-e", e, __VA_ARGS__);                          \
        if (run_->code != (want))                                              \
            fail_msg("exit %d: %s", run_->code, run_->err);                    \
        assert_string_equal(run_->out, output);                                \
        free(run_);                                                            \
    } while (0)

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

static inline void assert_one_line(const char *text)
{
    assert_non_null(strchr(text, '\n'));
    assert_string_equal(strchr(text, '\n'), "\n");
}

/* ---- nodes in a thread ---- */

struct nodes {
    uv_loop_t loop;
    struct fake_cluster f;
};

static inline struct nodes *nodes_prepare(unsigned n)
{
    struct nodes *t = calloc(1, sizeof *t);

    assert_int_equal(uv_loop_init(&t->loop), 0);
    fake_cluster_init(&t->f, &t->loop, n, 4);
    return t;
}

static inline struct nodes *nodes_start(unsigned n)
{
    struct nodes *t = nodes_prepare(n);

    fake_thread_start(&t->f);
    return t;
}

static inline void nodes_stop(struct nodes *t)
{
    fake_thread_stop(&t->f);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t);
}

#endif
