/* test_log.c - log lines and their levels. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/log.h"

static char last[2048];
static unsigned lines;

static void sink(enum log_level level, const char *line)
{
    snprintf(last, sizeof last, "%d %s", (int)level, line);
    lines++;
}

/* Broken: whoever reads the log by event name would not find it. */
static void a_line_is_the_event_and_then_its_fields(void **state)
{
    (void)state;
    log_set(sink, LOG_LEVEL_INFO);
    log_warn("group_leader", "group=%u term=%u", 7u, 3u);
    assert_string_equal(last, "2 group_leader group=7 term=3");
}

/* Broken: debugging lines would flood production. */
static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    log_set(sink, LOG_LEVEL_WARN);
    lines = 0;
    log_debug("a", "x=%d", 1);
    log_info("a", "x=%d", 1);
    assert_int_equal(lines, 0);
    log_error("a", "x=%d", 1);
    assert_int_equal(lines, 1);
    log_set(NULL, LOG_LEVEL_DEBUG);
    log_error("a", "x=%d", 1);
    assert_int_equal(lines, 1);
}

/* Broken: a long name would overrun the line's memory. */
static void a_line_too_long_is_cut(void **state)
{
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_set(sink, LOG_LEVEL_INFO);
    log_info("cut", "text=%s", text);
    assert_int_equal(strlen(last), 2 + 1023);
    lines = 0;
    log_info(text, "%s", "");
    assert_int_equal(lines, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_the_event_and_then_its_fields),
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(a_line_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
