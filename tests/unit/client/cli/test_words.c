/* test_words.c - lines as words, bytes as text and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "client/cli/words.h"

static void check(const char *line, unsigned n, const char *const *want)
{
    struct words w = {0};

    assert_null(words_split(&w, slice_str(line)));
    assert_int_equal(w.n, n);
    for (unsigned i = 0; i < n; i++)
        assert_string_equal(word_text(&w, i), want[i]);
    words_release(&w);
}

/* Broken: a value with blanks would become several. */
static void quotes_hold_blanks_together(void **state)
{
    (void)state;
    check("", 0, NULL);
    check("  \t ", 0, NULL);
    check("set k v\n", 3, (const char *const[]){"set", "k", "v"});
    check("a \"b c\" 'd \"e\\n' f\"g h\"i", 4,
          (const char *const[]){"a", "b c", "d \"e\\n", "fg hi"});
    check("\"\" ''", 2, (const char *const[]){"", ""});
    check("a\\ b \"\\n\\t\\x41\"", 2,
          (const char *const[]){"a b", "\n\tA"});
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const char *const bad[] = {"\"a", "'a", "\\", "\\q", "\\x4",
                                      "\\xzz", "a \"b\\"};
    struct words w = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(words_split(&w, slice_str(bad[i])));
    words_release(&w);
}

/* Broken: a line of scan would be two lines, or read back as something
 * else. */
static void any_bytes_are_one_line_and_read_back(void **state)
{
    uint32_t r = 1;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t bytes[40];
        struct buf back = {0};
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        for (unsigned i = 0; i < sizeof bytes; i++) {
            r = r * 1103515245 + 12345;
            bytes[i] = (uint8_t)(r >> 16);
        }
        text_escape(slice_of(bytes, sizeof bytes), f);
        fclose(f);
        assert_null(memchr(text, '\n', size));
        assert_null(memchr(text, '\t', size));
        assert_true(text_unescape(slice_of(text, size), &back));
        assert_int_equal(back.size, sizeof bytes);
        assert_memory_equal(back.data, bytes, sizeof bytes);
        buf_release(&back);
        free(text);
    }
}

static void readable_text_stays_as_it_is(void **state)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    (void)state;
    text_escape(slice_str("Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 "
                          "a\\b\x7f\xc0\x80\xed\xa0\x80"), f);
    fclose(f);
    assert_string_equal(text,
                        "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 "
                        "a\\\\b\\x7f\\xc0\\x80\\xed\\xa0\\x80");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_hold_blanks_together),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(any_bytes_are_one_line_and_read_back),
        cmocka_unit_test(readable_text_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
