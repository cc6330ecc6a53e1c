/* test_cmd_lock.c - lock and unlock, alone and around a command. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void a_lock_is_taken_once(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;
    char token[32];

    (void)state;
    e = t->f.endpoints;
    r = RUN("-e", e, "lock", "l", "--ttl", "10s", "--owner", "me");
    assert_int_equal(r->code, 0);
    snprintf(token, sizeof token, "%.*s", (int)strcspn(r->out, "\n"), r->out);
    free(r);
    EXPECT(0, "me", "get", "l");
    EXPECT(1, "", "lock", "l", "--wait", "30");
    EXPECT(1, "", "unlock", "l", "99");
    EXPECT(0, "ok\n", "unlock", "l", token);
    EXPECT(2, "", "unlock", "l");
    EXPECT(2, "", "lock");
    EXPECT(2, "", "lock", "l", "--ttl", "1");
    nodes_stop(t);
}

/* Broken: the lock would be free while the command runs, or not afterwards;
 * or the command's failure would get lost. */
static void a_command_runs_under_the_lock(void **state)
{
    struct nodes *t = nodes_start(1);
    char script[512];
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    snprintf(script, sizeof script,
             "%s -e %s lock l >/dev/null 2>&1; echo $? $COATCHECK_TOKEN; "
             "exit 7",
             COATCHECK, e);
    r = RUN("-e", e, "lock", "l", "sh", "-c", script);
    assert_int_equal(r->code, 7);
    assert_has(r->out, "1 1\n");
    free(r);
    EXPECT(1, "", "get", "l");
    EXPECT(127, "", "lock", "l", "/no/such/program");
    nodes_stop(t);
}

/* Broken: whoever ends `lock` would leave its command running without one. */
static void who_ends_it_ends_the_command(void **state)
{
    struct nodes *t = nodes_start(1);

    (void)state;
    e = t->f.endpoints;
    EXPECT(9, "told\n", "lock", "l", "sh", "-c",
           "trap 'echo told; exit 9' TERM; kill -TERM $PPID; "
           "while :; do sleep 0.02; done");
    EXPECT(1, "", "get", "l");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_is_taken_once),
        cmocka_unit_test(a_command_runs_under_the_lock),
        cmocka_unit_test(who_ends_it_ends_the_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
