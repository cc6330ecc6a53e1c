/* test_address.c - reading and writing of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rpc/address.h"

static void good_addresses_are_read_and_written_back(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *back;
    } cases[] = {
        {"127.0.0.1:7410", "127.0.0.1", 7410, "127.0.0.1:7410"},
        {"node-1.example.org:1", "node-1.example.org", 1,
         "node-1.example.org:1"},
        {"my_host", "my_host", 99, "my_host:99"},
        {"[::1]:65535", "::1", 65535, "[::1]:65535"},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", 80, "[fe80::1%eth0]:80"},
        {"[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 99, "[::ffff:10.0.0.1]:99"},
        {"localhost:0", "localhost", 0, "localhost:0"},
        {"h:0007", "h", 7, "h:7"},
    };
    char error[ADDRESS_ERROR_SIZE], text[ADDRESS_MAX + 1];
    struct address a;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(address_parse(slice_str(cases[i].text), 99, &a, error),
                         STATUS_OK);
        assert_string_equal(a.host, cases[i].host);
        assert_int_equal(a.port, cases[i].port);
        address_format(&a, text);
        assert_string_equal(text, cases[i].back);
    }
}

/* Each mistake is named: "invalid address" helps nobody find it. */
static void mistakes_are_named(void **state)
{
    static const char *const cases[][2] = {
        {"", "'': the address is empty"},
        {":7410", "':7410': the host is missing"},
        {"host:", "'host:': the port behind ':' is missing"},
        {"host:x1", "'host:x1': the port is not a number"},
        {"host:-1", "'host:-1': the port is not a number"},
        {"host:65536", "'host:65536': the port is above 65535"},
        {"host:99999999999999999999",
         "'host:99999999999999999999': the port is above 65535"},
        {"a b:1", "'a b:1': the host holds a character that no host name has"},
        {"http://a:1",
         "'http://a:1': an IPv6 address must stand in brackets: [::1]:7410"},
        {"::1:7410",
         "'::1:7410': an IPv6 address must stand in brackets: [::1]:7410"},
        {"[::1:7410", "'[::1:7410': the bracket '[' is not closed"},
        {"[]:1", "'[]:1': there is nothing between the brackets"},
        {"[::1]7410",
         "'[::1]7410': only ':' and a port may follow the bracket ']'"},
        {"[host]:1", "'[host]:1': brackets are for IPv6 addresses only"},
        {"[::g]:1", "'[::g]:1': this is no IPv6 address"},
        {"[fe80::1%]:1", "'[fe80::1%]:1': the zone behind '%' is malformed"},
    };
    char error[ADDRESS_ERROR_SIZE];
    struct address a = {.host = "untouched", .port = 5};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(address_parse(slice_str(cases[i][0]), 99, &a, error),
                         STATUS_INVALID);
        assert_string_equal(error, cases[i][1]);
    }
    assert_string_equal(a.host, "untouched");
    assert_int_equal(address_parse(slice_str("host"), 0, &a, error),
                     STATUS_INVALID);
    assert_string_equal(error, "'host': the port is missing: write host:port");
}

/* What is read must fit when it is written back, brackets and port included;
 * and an error about a very long text must fit its buffer. */
static void too_long_a_host_is_refused_and_shown_shortened(void **state)
{
    char text[1000], back[ADDRESS_MAX + 1], error[ADDRESS_ERROR_SIZE];
    struct address a;

    (void)state;
    memset(text, 'h', sizeof text);
    assert_int_equal(
        address_parse(slice_of(text, ADDRESS_MAX - 7), 65535, &a, error),
        STATUS_INVALID);
    assert_true(strlen(error) < 120);
    assert_non_null(strstr(error, "...': the host is too long"));
    assert_int_equal(
        address_parse(slice_of(text, ADDRESS_MAX - 8), 65535, &a, error),
        STATUS_OK);
    address_format(&a, back);
    assert_int_equal(strlen(back), ADDRESS_MAX - 2);
    assert_int_equal(address_parse(slice_of(text, sizeof text), 1, &a, error),
                     STATUS_INVALID);
}

/* Error texts go to terminals and logs: no raw bytes of the input. */
static void control_characters_are_not_repeated(void **state)
{
    char error[ADDRESS_ERROR_SIZE];
    struct address a;

    (void)state;
    assert_int_equal(address_parse(slice_of("a\x1b[2J\0:1", 8), 1, &a, error),
                     STATUS_INVALID);
    assert_memory_equal(error, "'a?[2J?:1'", 10);
}

static void lists_are_split_at_commas(void **state)
{
    char error[ADDRESS_ERROR_SIZE];
    struct address a[3];
    unsigned n = 0;

    (void)state;
    assert_int_equal(
        address_parse_list(slice_str("a:1, b:2 ,[::1]"), 3, a, 3, &n, error),
        STATUS_OK);
    assert_int_equal(n, 3);
    assert_string_equal(a[0].host, "a");
    assert_string_equal(a[1].host, "b");
    assert_int_equal(a[1].port, 2);
    assert_string_equal(a[2].host, "::1");
    assert_int_equal(a[2].port, 3);
}

static void a_bad_list_says_which_part_is_bad(void **state)
{
    static const char *const cases[][2] = {
        {"", "'': the address is empty"},
        {"a:1,", "'': the address is empty"},
        {"a:1,,b:2", "'': the address is empty"},
        {"a:1,b:x", "'b:x': the port is not a number"},
        {"a:1,b:2,a:1", "'a:1': the address is there twice"},
        {"a,a:9", "'a:9': the address is there twice"},
        {"a,b,c,d", "'a,b,c,d': there are too many addresses"},
    };
    char error[ADDRESS_ERROR_SIZE];
    struct address a[3];
    unsigned n = 77;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            address_parse_list(slice_str(cases[i][0]), 9, a, 3, &n, error),
            STATUS_INVALID);
        assert_string_equal(error, cases[i][1]);
    }
    assert_int_equal(n, 77);
}

static void addresses_are_equal_by_host_and_port(void **state)
{
    struct address a = {.host = "a", .port = 1}, b = a;

    (void)state;
    assert_true(address_equal(&a, &b));
    b.port = 2;
    assert_false(address_equal(&a, &b));
    b.port = 1;
    b.host[0] = 'b';
    assert_false(address_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_are_read_and_written_back),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(too_long_a_host_is_refused_and_shown_shortened),
        cmocka_unit_test(control_characters_are_not_repeated),
        cmocka_unit_test(lists_are_split_at_commas),
        cmocka_unit_test(a_bad_list_says_which_part_is_bad),
        cmocka_unit_test(addresses_are_equal_by_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
