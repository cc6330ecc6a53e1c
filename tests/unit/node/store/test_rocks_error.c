/* test_rocks_error.c - RocksDB's texts become the right statuses. */
#include "tests/unit/node/store/fixture.h"

#include <stdlib.h>

#include "node/store/rocks_error.h"
#include "proto/base/log.h"

static unsigned lines;

static void count_line(enum log_level level, const char *line)
{
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_non_null(strstr(line, "store=5"));
    lines++;
}

/* A stall taken for a failure would take a healthy replica out; a failure
 * taken for a stall would be repeated for ever. */
static void texts_become_statuses(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {
        {NULL, STATUS_OK},
        {"NotFound: ", STATUS_NOT_FOUND},
        {"Result incomplete: no blocking io", STATUS_INCOMPLETE},
        {"Result incomplete: Write stall", STATUS_STALLED},
        {"Corruption: block checksum mismatch", STATUS_CORRUPT},
        {"IO error: No space left on device: While appending to file: "
         "/x/000009.sst: No space left on device", STATUS_DISK_FULL},
        {"IO error: While fsync: /x/9.sst: Input/output error",
         STATUS_IO_ERROR},
        {"IO error: While lock file: /x/LOCK: Resource temporarily "
         "unavailable", STATUS_BUSY},
        {"IO error: lock hold by current process, acquire time 1 acquiring "
         "thread 2: /x/LOCK: No locks available", STATUS_BUSY},
        {"Invalid argument: /x: exists (error_if_exists is true)",
         STATUS_EXISTS},
        {"Invalid argument: /x: does not exist (create_if_missing is false)",
         STATUS_NOT_FOUND},
        {"Invalid argument: something", STATUS_INTERNAL},
        {"Not implemented: newer format", STATUS_WRONG_VERSION},
        {"Shutdown in progress: ", STATUS_CLOSED},
        {"A text of a later RocksDB", STATUS_IO_ERROR},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(rocks_status(cases[i].text), cases[i].status);
}

/* A failing store is asked thousands of times a second: one line, until the
 * kind of failure changes. */
static void a_repeated_error_is_logged_once(void **state)
{
    atomic_int last = STATUS_OK;
    struct rocks_place place = {"/x", 5, &last};
    char text[64] = "";

    (void)state;
    lines = 0;
    log_set(count_line, LOG_LEVEL_INFO);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rocks_error(place, "apply", strdup("IO error: bad"),
                                     text, sizeof text), STATUS_IO_ERROR);
    assert_string_equal(text, "IO error: bad");
    assert_int_equal(lines, 1);
    assert_int_equal(rocks_error(place, "get", strdup("Corruption: x"), NULL,
                                 0), STATUS_CORRUPT);
    assert_int_equal(lines, 2);
    assert_int_equal(rocks_error(place, "get",
                                 strdup("Result incomplete: no blocking io"),
                                 NULL, 0), STATUS_INCOMPLETE);
    assert_int_equal(lines, 2);
    assert_int_equal(rocks_error(place, "get", NULL, text, sizeof text),
                     STATUS_OK);
    log_set(NULL, LOG_LEVEL_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_statuses),
        cmocka_unit_test(a_repeated_error_is_logged_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
