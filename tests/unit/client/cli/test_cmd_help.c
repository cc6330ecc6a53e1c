/* test_cmd_help.c - help, the manual page, completion. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Broken: the manual page would miss a command, or tell something else. */
static void every_command_is_in_the_manual_page(void **state)
{
    struct run *man = RUN("help", "--man");

    (void)state;
    assert_int_equal(man->code, 0);
    for (unsigned i = 0; cli_command_name(i); i++) {
        char section[64];
        struct run *help = RUN("help", cli_command_name(i));
        struct run *same = RUN(cli_command_name(i), "--help");
        snprintf(section, sizeof section, ".SS %s\n", cli_command_name(i));
        assert_has(man->out, section);
        assert_int_equal(help->code, 0);
        assert_int_equal(same->code, 0);
        assert_has(help->out, cli_command_name(i));
        free(help);
        free(same);
    }
    free(man);
    RUN_CODE(2, "help", "nonsense");
    e = "";
}

static void completion_knows_every_command(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        struct run *r = RUN("completion", shells[k]);
        assert_int_equal(r->code, 0);
        for (unsigned i = 0; cli_command_name(i); i++)
            assert_has(r->out, cli_command_name(i));
        free(r);
    }
    RUN_CODE(2, "completion", "cmd.exe");
    RUN_CODE(2, "completion");
}

/* ---- what each shell makes of its script ---- */

static const struct {
    const char *line, *completed; /* the last word */
} queries[] = {
    {"coatcheck -e x:1 per", "persist"},
    {"coatcheck --keyspace k -o js", "json"},
    {"coatcheck -e x:1 set --if-abs", "--if-absent"},
};

/* Run a shell with this on its standard input; false, and a visible line, if
 * this machine does not have it. */
static bool shell_run(const char *shell, const char *option,
                      const char *input, struct run **out)
{
    if (access(shell, X_OK)) {
        print_message("SKIPPED: there is no %s here\n", shell);
        return false;
    }
    *out = run_child(shell, (const char *const[]){option, NULL}, input,
                     strlen(input), -1);
    return true;
}

/* The shell's own check of the script. */
static bool syntax_is_right(const char *shell, const char *name,
                            const char *check)
{
    struct run *script = RUN("completion", name), *r;

    if (!shell_run(shell, check, script->out, &r)) {
        free(script);
        return false;
    }
    if (r->code || r->err_size)
        fail_msg("%s %s: %d %s", name, check, r->code, r->err);
    free(r);
    free(script);
    return true;
}

/* Each query, in $LINE, has to give what is expected, in <>. The script is the
 * file $SCRIPT, `coatcheck` is on the $PATH. */
static void check_queries(const char *shell, const char *name,
                          const char *option, const char *ask)
{
    char path[] = "/tmp/coatcheck-completion-XXXXXX", want[64];
    struct run *script = RUN("completion", name), *r;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, script->out, script->out_size),
                     script->out_size);
    close(fd);
    setenv("SCRIPT", path, 1);
    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        setenv("LINE", queries[i].line, 1);
        snprintf(want, sizeof want, "<%s>", queries[i].completed);
        if (!shell_run(shell, option, ask, &r))
            break;
        if (!strstr(r->out, want))
            fail_msg("%s: '%s' is no %s but '%s' (%s)", name,
                     queries[i].line, want, r->out, r->err);
        free(r);
    }
    unlink(path);
    free(script);
}

static void bash_completes_with_its_script(void **state)
{
    (void)state;
    if (syntax_is_right("/bin/bash", "bash", "-n"))
        check_queries("/bin/bash", "bash", "--norc",
                      ". $SCRIPT\nCOMP_WORDS=($LINE)\n"
                      "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_coatcheck\n"
                      "printf '<%s>\\n' \"${COMPREPLY[@]}\"\n");
}

/* A zsh on a terminal of its own gets the line, a tab and a return; `coatcheck`
 * is there a function that tells its last word, but for --help. */
static void zsh_completes_with_its_script(void **state)
{
    (void)state;
    if (syntax_is_right("/usr/bin/zsh", "zsh", "-n"))
        check_queries(
            "/usr/bin/zsh", "zsh", "-f",
            "zmodload zsh/zpty\nzpty inner zsh -f -i\n"
            "zpty -w inner 'autoload -Uz compinit; compinit -D -u; "
            ". $SCRIPT; coatcheck() { if [[ ${@[-1]} == --help ]]; then "
            "command coatcheck \"$@\"; else print -r -- \"<${@[-1]}>\"; fi }'\n"
            "zpty -w -n inner $LINE$'\\t\\n'\n"
            "zpty -w inner exit\n"
            "while zpty -r inner line; do print -rn -- $line; done\n");
}

static void fish_completes_with_its_script(void **state)
{
    (void)state;
    if (syntax_is_right("/usr/bin/fish", "fish", "--no-execute"))
        check_queries("/usr/bin/fish", "fish", "--no-config",
                      "source $SCRIPT\n"
                      "complete -C $LINE | string replace -r '^(\\S+).*' "
                      "'<$1>'\n");
}

/* The scripts ask the `coatcheck` that was built; nobody's settings count. */
static int set_environment(void **state)
{
    static char path[4096];

    (void)state;
    snprintf(path, sizeof path, "%.*s:%s",
             (int)(strrchr(COATCHECK, '/') - COATCHECK), COATCHECK,
             getenv("PATH"));
    return setenv("PATH", path, 1) ||
           setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_in_the_manual_page),
        cmocka_unit_test(completion_knows_every_command),
        cmocka_unit_test(bash_completes_with_its_script),
        cmocka_unit_test(zsh_completes_with_its_script),
        cmocka_unit_test(fish_completes_with_its_script),
    };

    return cmocka_run_group_tests(tests, set_environment, NULL);
}
