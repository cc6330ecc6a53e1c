/* test_resp.c - Redis commands out of a byte stream, however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "rpc/resp.h"

/* Parse all of `text`; one command must come out and take everything. */
static void must_parse(struct resp_parser *p, struct slice text)
{
    size_t size = 0;

    assert_int_equal(resp_parse(p, text, &size), RESP_COMMAND);
    assert_int_equal(size, text.size);
}

static void must_be(const struct resp_parser *p, uint32_t i, const char *text)
{
    assert_true(i < p->n_args);
    assert_true(slice_equal(resp_argument(p, i), slice_str(text)));
}

static void must_fail(const char *text, const char *error)
{
    struct resp_parser p = {0};
    size_t size = 0;

    assert_int_equal(resp_parse(&p, slice_str(text), &size), RESP_ERROR);
    assert_string_equal(p.error, error);
    /* and it stays so */
    assert_int_equal(resp_parse(&p, slice_str(text), &size), RESP_ERROR);
    resp_parser_release(&p);
}

/* Would break: the usual case. */
static void a_command_is_an_array_of_bulk_strings(void **state)
{
    struct resp_parser p = {0};

    (void)state;
    must_parse(&p,
               slice_str("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\n\r\n"));
    assert_int_equal(p.n_args, 3);
    must_be(&p, 0, "SET");
    must_be(&p, 1, "k");
    must_be(&p, 2, "a\r\nb\n");
    resp_parser_release(&p);
}

/* Would break: TCP cuts anywhere, between CR and LF too; and the read buffer
 * is another one each time. */
static void every_split_point_gives_the_same_commands(void **state)
{
    static const char text[] = "*2\r\n$3\r\nGET\r\n$12\r\nhello\r\nworld\r\n"
                               "set k \"v w\"\r\n*0\r\n\r\n*1\r\n$0\r\n\r\n";
    static const uint32_t counts[] = {2, 3, 0, 0, 1};
    enum { ALL = sizeof text - 1 };

    (void)state;
    for (size_t a = 0; a <= ALL; a++)
        for (size_t b = a; b <= ALL; b++) {
            const size_t ends[] = {a, b, ALL};
            struct resp_parser p = {0};
            unsigned n = 0;
            size_t at = 0;
            for (unsigned i = 0; i < 3; i++) {
                for (;;) {
                    size_t size = 0, left = ends[i] - at;
                    uint8_t *copy = xmalloc(left + 1);
                    enum resp_result r;
                    memcpy(copy, text + at, left);
                    r = resp_parse(&p, slice_of(copy, left), &size);
                    if (r == RESP_COMMAND) {
                        assert_int_equal(p.n_args, counts[n]);
                        if (n == 0)
                            must_be(&p, 1, "hello\r\nworld");
                        if (n == 1)
                            must_be(&p, 2, "v w");
                        n++;
                        at += size;
                    } else {
                        assert_int_equal(r, RESP_INCOMPLETE);
                        assert_true(size > left);
                        assert_true(size <= ALL - at + 1);
                    }
                    free(copy);
                    if (r != RESP_COMMAND)
                        break;
                }
            }
            assert_int_equal(n, 5);
            assert_int_equal(at, ALL);
            resp_parser_release(&p);
        }
}

/* Would break: a large value in pieces would be looked at again from its start
 * for each, or be asked for byte by byte. */
static void an_incomplete_value_says_how_much_is_missing(void **state)
{
    static const char head[] = "*2\r\n$3\r\nGET\r\n$1000000\r\n";
    struct resp_parser p = {0};
    size_t size = 0;

    (void)state;
    assert_int_equal(resp_parse(&p, slice_str(head), &size), RESP_INCOMPLETE);
    assert_int_equal(size, strlen(head) + 1000000 + 2);
    assert_int_equal(p.at, strlen(head));
    resp_parser_release(&p);
}

/* Would break: a line without an end, sent in small pieces, costs the square
 * of its length. */
static void a_line_is_searched_once(void **state)
{
    char text[2000];
    struct resp_parser p = {0};
    size_t size = 0;

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(resp_parse(&p, slice_of(text, 1000), &size),
                     RESP_INCOMPLETE);
    assert_int_equal(p.scanned, 1000);
    text[500] = '\n'; /* was looked at already: not looked at again */
    assert_int_equal(resp_parse(&p, slice_of(text, 1500), &size),
                     RESP_INCOMPLETE);
    assert_int_equal(p.scanned, 1500);
    resp_parser_release(&p);
}

/* Would break: the same text held back by its owner and looked at again. */
static void a_command_that_was_not_taken_is_given_again(void **state)
{
    struct slice text = slice_str("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    struct resp_parser p = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        must_parse(&p, text);
        assert_int_equal(p.n_args, 2);
        must_be(&p, 1, "k");
    }
    resp_parser_release(&p);
}

/* Would break: people who type into a socket, and scripts of theirs. */
static void lines_are_split_into_words_with_quotes(void **state)
{
    static const struct {
        const char *line;
        unsigned n;
        const char *words[4];
    } cases[] = {
        {"PING\r\n", 1, {"PING"}},
        {"PING\n", 1, {"PING"}},
        {"  a   b\tc  \r\n", 3, {"a", "b", "c"}},
        {"set k \"two words\"\r\n", 3, {"set", "k", "two words"}},
        {"a \"\\x41\\n\\t\\\"\\\\\\q\"\r\n", 2, {"a", "A\n\t\"\\q"}},
        {"a 'it\\'s' b\r\n", 3, {"a", "it's", "b"}},
        {"a '\\n'\r\n", 2, {"a", "\\n"}},
        {"a b\\nc\r\n", 2, {"a", "b\\nc"}},
        {"a \"\" ''\r\n", 3, {"a", "", ""}},
        {"ab\"cd\" e\r\n", 2, {"abcd", "e"}},
        {"a \"\\xZZ\"\r\n", 2, {"a", "xZZ"}},
        {"\r\n", 0, {NULL}},
        {"   \n", 0, {NULL}},
    };
    struct resp_parser p = {0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        must_parse(&p, slice_str(cases[i].line));
        assert_int_equal(p.n_args, cases[i].n);
        for (unsigned k = 0; k < cases[i].n; k++)
            must_be(&p, k, cases[i].words[k]);
    }
    resp_parser_release(&p);
}

/* Would break: clients tell what went wrong by these texts. */
static void what_is_malformed_is_named_as_redis_does(void **state)
{
    (void)state;
    must_fail("*x\r\n", "Protocol error: invalid multibulk length");
    must_fail("*01\r\n", "Protocol error: invalid multibulk length");
    must_fail("*1048577\r\n", "Protocol error: invalid multibulk length");
    must_fail("*1\r\n:1\r\n", "Protocol error: expected '$', got ':'");
    must_fail("*1\r\n\x01", "Protocol error: expected '$', got '?'");
    must_fail("*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
    must_fail("*1\r\n$16777217\r\n", "Protocol error: invalid bulk length");
    must_fail("*1\r\n$99999999999999999999\r\n",
              "Protocol error: invalid bulk length");
    must_fail("*1\n", "Protocol error: a line ends with CR LF");
    must_fail("*1\r\n$1\r\naXX",
              "Protocol error: a bulk string ends with CR LF");
    must_fail("a \"b\r\n", "Protocol error: unbalanced quotes in request");
    must_fail("a \"b\"c\r\n", "Protocol error: unbalanced quotes in request");
    must_fail("a 'b'c\r\n", "Protocol error: unbalanced quotes in request");
}

/* Would break: a client that never ends a line fills the node's memory. */
static void lines_have_a_limit(void **state)
{
    static const char *const begins[] = {"*", "*1\r\n$", "x"};
    static const char *const errors[] = {
        "Protocol error: too big mbulk count string",
        "Protocol error: too big bulk count string",
        "Protocol error: too big inline request"};
    char *text = xmalloc(RESP_LINE_MAX + 100);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned ended = 0; ended < 2; ended++) {
            struct resp_parser p = {0};
            size_t n = strlen(begins[i]), size = 0;
            memcpy(text, begins[i], n);
            memset(text + n, '1', RESP_LINE_MAX + 1);
            n += RESP_LINE_MAX + 1;
            if (ended)
                text[n - 1] = '\n';
            if (ended && i == 2) /* a line of exactly the limit */
                assert_int_equal(resp_parse(&p, slice_of(text + 1, n - 1),
                                            &size), RESP_COMMAND);
            else
                assert_int_equal(resp_parse(&p, slice_of(text, n), &size),
                                 RESP_ERROR);
            if (!ended)
                assert_string_equal(p.error, errors[i]);
            resp_parser_release(&p);
        }
    free(text);
}

/* Would break: many arguments below every single limit, but not together. */
static void a_command_has_a_limit_in_all(void **state)
{
    struct resp_parser p = {0};
    struct buf b = {0};
    size_t size = 0;

    (void)state;
    buf_append(&b, "*3\r\n", 4);
    for (unsigned i = 0; i < 2; i++) {
        buf_append(&b, "$16777216\r\n", 11);
        memset(buf_grow(&b, 16777216), 'v', 16777216);
        buf_append(&b, "\r\n", 2);
    }
    assert_int_equal(resp_parse(&p, buf_slice(&b), &size), RESP_ERROR);
    assert_string_equal(p.error, "Protocol error: too big request");
    resp_parser_release(&p);
    buf_release(&b);
}

/* Would break: one MSET of a million keys, and its memory is kept for ever. */
static void the_memory_of_a_large_command_is_given_back(void **state)
{
    struct resp_parser p = {0};
    struct buf b = {0};
    size_t size = 0;

    (void)state;
    buf_append(&b, "*20000\r\n", 8);
    for (unsigned i = 0; i < 20000; i++)
        buf_append(&b, "$1\r\nk\r\n", 7);
    must_parse(&p, buf_slice(&b));
    assert_int_equal(p.n_args, 20000);
    assert_int_equal(resp_parse(&p, slice_str("*1"), &size), RESP_INCOMPLETE);
    assert_true(p.cap <= 1024);
    resp_parser_release(&p);
    buf_release(&b);
}

/* Would break: INCR of " 1" or 1e3 counts on, where Redis refuses. */
static void only_canonical_integers_are_integers(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"7", 7}, {"-7", -7}, {"1000000", 1000000},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1.0", "1e3", "0x1",
        "9223372036854775808", "-9223372036854775809",
        "99999999999999999999"};
    int64_t v;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        char text[RESP_INTEGER_SIZE];
        assert_true(resp_to_integer(slice_str(good[i].text), &v));
        assert_true(v == good[i].value);
        assert_int_equal(resp_from_integer(text, v), strlen(good[i].text));
        assert_memory_equal(text, good[i].text, strlen(good[i].text));
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(resp_to_integer(slice_str(bad[i]), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_an_array_of_bulk_strings),
        cmocka_unit_test(every_split_point_gives_the_same_commands),
        cmocka_unit_test(an_incomplete_value_says_how_much_is_missing),
        cmocka_unit_test(a_line_is_searched_once),
        cmocka_unit_test(a_command_that_was_not_taken_is_given_again),
        cmocka_unit_test(lines_are_split_into_words_with_quotes),
        cmocka_unit_test(what_is_malformed_is_named_as_redis_does),
        cmocka_unit_test(lines_have_a_limit),
        cmocka_unit_test(a_command_has_a_limit_in_all),
        cmocka_unit_test(the_memory_of_a_large_command_is_given_back),
        cmocka_unit_test(only_canonical_integers_are_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
