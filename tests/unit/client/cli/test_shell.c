/* test_shell.c - the shell: lines as commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <termios.h>
#include <time.h>

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

/* A terminal with a program in it, and what it showed that nobody waited for
 * yet: one read may give more than one wait is for. */
struct screen {
    int terminal;
    char shown[4096];
    size_t n;
};

/* Wait until `text` was shown behind what was waited for before. */
static void wait_shown(struct screen *s, const char *text)
{
    const char *at;
    ssize_t got;

    while (!(at = strstr(s->shown, text))) {
        got = read(s->terminal, s->shown + s->n, sizeof s->shown - 1 - s->n);
        if (got <= 0)
            fail_msg("ended before '%s': %s", text, s->shown);
        s->n += (size_t)got;
        s->shown[s->n] = 0;
    }
    s->n = strlen(at + strlen(text));
    memmove(s->shown, at + strlen(text), s->n + 1);
}

/* The line editor shows its prompt before it takes the terminal: what is typed
 * in between is the kernel's, and so is an interrupt. */
static void wait_editor(const struct screen *s)
{
    struct timespec moment = {.tv_nsec = 1000000};
    struct termios t;

    for (;;) {
        assert_int_equal(tcgetattr(s->terminal, &t), 0);
        if (!(t.c_lflag & ICANON))
            return;
        nanosleep(&moment, NULL);
    }
}

static void type_at_prompt(struct screen *s, const char *text)
{
    wait_shown(s, "coatcheck> ");
    wait_editor(s);
    assert_int_equal(write(s->terminal, text, strlen(text)), strlen(text));
}

/* Broken: who thinks better of a line would be thrown out. */
static void an_interrupt_at_the_prompt_drops_the_line_only(void **state)
{
    struct screen s = {0};
    int status;
    pid_t child = forkpty(&s.terminal, NULL, NULL, NULL);

    (void)state;
    assert_true(child >= 0);
    if (!child) {
        setenv("COATCHECK_HISTORY", "", 1);
        setenv("TERM", "dumb", 1);
        execl(COATCHECK, COATCHECK, "-e", "127.0.0.1:1", (char *)NULL);
        _exit(127);
    }
    type_at_prompt(&s, "del everything");
    wait_shown(&s, "everything");
    assert_int_equal(write(s.terminal, "\003", 1), 1);
    type_at_prompt(&s, "fly\n");
    wait_shown(&s, "no command 'fly'");
    type_at_prompt(&s, "exit\n");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2); /* the last command's */
    close(s.terminal);
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
        cmocka_unit_test(an_interrupt_at_the_prompt_drops_the_line_only),
        cmocka_unit_test(no_command_and_no_terminal_is_a_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
