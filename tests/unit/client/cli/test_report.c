/* test_report.c - tables, JSON and short texts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/cli/report.h"
#include "proto/message.h"

/* Broken: columns would not stand under their names. */
static void a_table_has_a_line_per_row(void **state)
{
    static const struct report_column columns[] = {{"NAME", false},
                                                   {"SIZE", true}};
    struct report r;
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    (void)state;
    report_init(&r, columns, 2);
    report_row(&r, (const char *const[]){"a", "1"});
    report_row(&r, (const char *const[]){"bcdef", "1000"});
    report_row(&r, (const char *const[]){NULL, "7"});
    report_print(&r, f);
    report_release(&r);
    fclose(f);
    assert_string_equal(text, "NAME  SIZE\n"
                              "a        1\n"
                              "bcdef 1000\n"
                              "         7\n");
    free(text);
}

/* Broken: a reader with 53 bits would see other numbers. */
static void large_numbers_are_strings(void **state)
{
    json_t *j = json_u64(UINT64_MAX);

    (void)state;
    assert_string_equal(json_string_value(j), "18446744073709551615");
    json_decref(j);
}

static void assert_bytes(const char *data, size_t size, const char *name,
                         const char *text)
{
    json_t *j = json_object(), *v;

    json_set_bytes(j, "v", slice_of(data, size));
    v = json_object_get(j, name);
    assert_non_null(v);
    assert_string_equal(json_string_value(v), text);
    json_decref(j);
}

/* Broken: binary values would be lost in JSON. */
static void bytes_that_are_no_text_become_base64(void **state)
{
    (void)state;
    assert_bytes("abc", 3, "v", "abc");
    assert_bytes("", 0, "v", "");
    assert_bytes("\xff", 1, "v_base64", "/w==");
    assert_bytes("\xff\xfe", 2, "v_base64", "//4=");
    assert_bytes("\xff\xfe\xfd", 3, "v_base64", "//79");
    assert_bytes("\xff\xfe\xfd\x00", 4, "v_base64", "//79AA==");
}

/* Broken: sizes and times would mislead. */
static void texts_are_short_and_right(void **state)
{
    char t[33];
    uint8_t id[ID_BYTES] = {0x01, 0xab};

    (void)state;
    size_format(0, t);
    assert_string_equal(t, "0 B");
    size_format(1023, t);
    assert_string_equal(t, "1023 B");
    size_format(1536, t);
    assert_string_equal(t, "1.5 KiB");
    size_format((uint64_t)300 << 30, t);
    assert_string_equal(t, "300 GiB");
    size_format(UINT64_MAX, t);
    assert_string_equal(t, "16384 PiB");
    time_format(59999, t);
    assert_string_equal(t, "59 s");
    time_format(61000, t);
    assert_string_equal(t, "1 min 1 s");
    time_format(3661000, t);
    assert_string_equal(t, "1 h 1 min");
    time_format(90061000, t);
    assert_string_equal(t, "1 d 1 h");
    duration_format(7 * 86400000, t);
    assert_string_equal(t, "7d");
    duration_format(5400000, t);
    assert_string_equal(t, "90m");
    duration_format(1500, t);
    assert_string_equal(t, "1500ms");
    id_format(id, t);
    assert_string_equal(t, "01ab0000000000000000000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_has_a_line_per_row),
        cmocka_unit_test(large_numbers_are_strings),
        cmocka_unit_test(bytes_that_are_no_text_become_base64),
        cmocka_unit_test(texts_are_short_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
