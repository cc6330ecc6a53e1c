/* test_jsonl.c - keys as JSON lines and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/cli/jsonl.h"

/* Broken: a dump would not give back what was in the cluster. */
static void any_key_and_value_reads_back(void **state)
{
    struct jsonl j = {0};
    uint32_t r = 7;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t bytes[64];
        size_t split = round % 60 + 1;
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        for (unsigned i = 0; i < sizeof bytes; i++) {
            r = r * 1103515245 + 12345;
            bytes[i] = round % 2 ? (uint8_t)(r >> 16)
                                 : (uint8_t)(' ' + (r >> 16) % 90);
        }
        jsonl_write(f, slice_of(bytes, split),
                    slice_of(bytes + split, sizeof bytes - split), round);
        fclose(f);
        assert_ptr_equal(memchr(text, '\n', size), text + size - 1);
        assert_null(jsonl_read(slice_of(text, size), &j));
        assert_int_equal(j.key.size, split);
        assert_memory_equal(j.key.data, bytes, split);
        assert_int_equal(j.value.size, sizeof bytes - split);
        assert_memory_equal(j.value.data, bytes + split, j.value.size);
        assert_int_equal(j.deadline, round);
        free(text);
    }
    jsonl_release(&j);
}

static void lines_that_are_none_say_why(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"key\":\"k\"}",
        "{\"value\":\"v\"}",
        "{\"key\":1,\"value\":\"v\"}",
        "{\"key_base64\":\"abc\",\"value\":\"v\"}",
        "{\"key_base64\":\"a=bc\",\"value\":\"v\"}",
        "{\"key_base64\":\"ab!=\",\"value\":\"v\"}",
        "{\"key\":\"k\",\"value\":\"v\",\"ttl_ms\":-1}",
        "{\"key\":\"k\",\"value\":\"v\",\"ttl_ms\":\"soon\"}",
        "{\"key\":\"k\",\"value\":\"v\",\"ttl_ms\":1,\"deadline_ms\":2}",
        "{\"key\":\"k\",\"value\":\"v\"} x"};
    struct jsonl j = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(jsonl_read(slice_str(bad[i]), &j));
    assert_null(jsonl_read(slice_str("{\"key_base64\":\"AP8=\",\"value\":\"\","
                                     "\"ttl_ms\":\"5\",\"more\":[]}"),
                           &j));
    assert_memory_equal(j.key.data, "\0\xff", 2);
    assert_int_equal(j.value.size, 0);
    assert_int_equal(j.ttl, 5);
    jsonl_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_key_and_value_reads_back),
        cmocka_unit_test(lines_that_are_none_say_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
