/* test_cmd_help.c - help, the manual page, completion. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Run with these arguments; exit code and output have to be these. */
#define EXPECT(code_, out_, ...)                                               \
    do {                                                                       \
        struct run *r_ = RUN("-e", e, __VA_ARGS__);                            \
        if (r_->code != (code_))                                               \
            fail_msg("exit %d: %s", r_->code, r_->err);                        \
        assert_string_equal(r_->out, out_);                                    \
        free(r_);                                                              \
    } while (0)

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

static void bash_understands_its_script(void **state)
{
    struct run *script = RUN("completion", "bash"), *r;
    static char input[RUN_OUTPUT_MAX];

    (void)state;
    snprintf(input, sizeof input,
             "%s\nCOMP_WORDS=(coatcheck -e x:1 per)\nCOMP_CWORD=3\n"
             "_coatcheck\necho \"${COMPREPLY[@]}\"\n", script->out);
    r = run_child("/bin/bash", (const char *const[]){NULL}, input,
                  strlen(input), -1);
    assert_string_equal(r->out, "persist\n");
    free(r);
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_in_the_manual_page),
        cmocka_unit_test(completion_knows_every_command),
        cmocka_unit_test(bash_understands_its_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
