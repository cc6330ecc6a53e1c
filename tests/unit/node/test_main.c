/* test_main.c - the program as a person or a service manager meets it. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = daemon_new();
    return 0;
}

static int teardown(void **state)
{
    daemon_free(*state);
    return 0;
}

/* Would break: --check-config before a restart, in a service's start. */
static void good_settings_are_checked_without_a_start(void **state)
{
    struct daemon *d = *state;

    d->args[0] = "--check-config";
    assert_int_equal(daemon_start_refused(d), 0);
    assert_false(file_exists(d->data));
    d->args[1] = "--log-level=loud";
    assert_int_equal(daemon_start_refused(d), 2);
    must_say(d->log, "log-level");
}

/* Would break: which versions ran when it went wrong; lines that a log
 * collector cannot read: time, level, event, key=value. */
static void log_lines_have_time_level_and_event(void **state)
{
    struct daemon *d = *state;
    regex_t line;
    char *at, *save = NULL;

    assert_int_equal(regcomp(&line,
                             "^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:"
                             "[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z "
                             "(debug|info |warn |error) [a-z_]+( .*)?$",
                             REG_EXTENDED | REG_NOSUB), 0);
    daemon_start(d);
    daemon_stop(d);
    must_say(d->log, "node_start version=" COAT_VERSION " libraft=");
    must_say(d->log, "libuv=");
    must_say(d->log, "rocksdb=");
    for (at = strtok_r(d->log, "\n", &save); at;
         at = strtok_r(NULL, "\n", &save))
        if (regexec(&line, at, 0, NULL, 0))
            fail_msg("not a line of the log: %s", at);
    regfree(&line);
}

/* Would break: --log-level without effect. */
static void levels_below_the_wanted_one_are_not_logged(void **state)
{
    struct daemon *d = *state;

    d->args[0] = "--log-level=error";
    d->args[1] = "--listen=192.0.2.1:7410"; /* the last counts; not ours */
    assert_int_equal(daemon_start_refused(d), 1);
    assert_null(strstr(d->log, " info "));
    assert_null(strstr(d->log, " warn "));
    must_say(d->log, "192.0.2.1:7410");
}

/* Would break: a client that does not wait for its reply would end the daemon
 * by SIGPIPE. */
static void client_that_goes_early_ends_nothing(void **state)
{
    struct daemon *d = *state;
    struct ask a;

    daemon_start(d);
    for (unsigned i = 0; i < 50; i++) {
        ask_open(&a, d->port);
        for (unsigned k = 0; k < 20; k++)
            ask_send(&a, FRAME_REQUEST, MESSAGE_STATUS, k, slice_str(""));
        ask_close(&a);
    }
    ask_open(&a, d->port);
    (void)ask_status(&a);
    ask_close(&a);
    daemon_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(good_settings_are_checked_without_a_start),
        T(log_lines_have_time_level_and_event),
        T(levels_below_the_wanted_one_are_not_logged),
        T(client_that_goes_early_ends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
