/* test_redis.c - the Redis door: replies in order, errors that cost nothing
 * else, bounds. */
#include "tests/unit/node/front/redis_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/limits.h"

static int setup(void **state)
{
    int *fd = xcalloc(1, sizeof *fd);

    *fd = talk_open();
    *state = fd;
    return 0;
}

/* Whatever the test did: the daemon still serves others. */
static int teardown(void **state)
{
    int fd = talk_open();

    talk(fd, "ping\r\n", "+PONG\r\n");
    talk_close(fd);
    talk_close(*(int *)*state);
    free(*state);
    return 0;
}

/* Would break: every client that sends a second command before the reply to the
 * first. */
static void replies_come_in_the_order_of_commands(void **state)
{
    int fd = *(int *)*state;
    struct buf send = {0}, expect = {0};
    char text[100];

    for (unsigned i = 0; i < 2000; i++) {
        int n = snprintf(text, sizeof text, "set o%u v%u\r\nget o%u\r\n",
                         i % 300, i, i % 300);
        buf_append(&send, text, (size_t)n);
        n = snprintf(text, sizeof text, "v%u", i);
        n = snprintf(text, sizeof text, "+OK\r\n$%d\r\nv%u\r\n", n, i);
        buf_append(&expect, text, (size_t)n);
        if (i % 7 == 0) {
            buf_append(&send, "ping\r\nnonsense\r\nget none\r\n", 27);
            n = snprintf(text, sizeof text,
                         "+PONG\r\n-ERR unknown command 'nonsense', with args "
                         "beginning with: \r\n$-1\r\n");
            buf_append(&expect, text, (size_t)n);
        }
    }
    talk_send_bytes(fd, buf_slice(&send));
    talk_expect_bytes(fd, buf_slice(&expect));
    buf_release(&send);
    buf_release(&expect);
}

/* Would break: a pipelined GET in front of a SET of the same key would see
 * what was set later. */
static void a_write_waits_for_reads_before_it(void **state)
{
    int fd = *(int *)*state;
    struct buf send = {0}, expect = {0};
    char text[100];

    talk(fd, "set w 0\r\n", "+OK\r\n");
    for (unsigned i = 1; i <= 500; i++) {
        int n = snprintf(text, sizeof text, "get w\r\nset w %u\r\n", i);
        buf_append(&send, text, (size_t)n);
        n = snprintf(text, sizeof text, "%u", i - 1);
        n = snprintf(text, sizeof text, "$%d\r\n%u\r\n+OK\r\n", n, i - 1);
        buf_append(&expect, text, (size_t)n);
    }
    talk_send_bytes(fd, buf_slice(&send));
    talk_expect_bytes(fd, buf_slice(&expect));
    buf_release(&send);
    buf_release(&expect);
}

/* Would break: more keys than are asked for at once would be forgotten, or come
 * in the order of groups. */
static void commands_of_many_keys_are_gathered_in_order(void **state)
{
    enum { MANY = 3000 };
    int fd = *(int *)*state;
    struct buf set = {0}, get = {0}, expect = {0};
    char text[100];

    buf_append(&set, "mset", 4);
    buf_append(&get, "mget", 4);
    snprintf(text, sizeof text, "*%u\r\n", MANY + 1);
    buf_append(&expect, text, strlen(text));
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, " many%u %06u", i, i);
        buf_append(&set, text, strlen(text));
        snprintf(text, sizeof text, " many%u", i);
        buf_append(&get, text, strlen(text));
        snprintf(text, sizeof text, "$6\r\n%06u\r\n", i);
        buf_append(&expect, text, strlen(text));
    }
    buf_append(&set, "\r\n", 2);
    /* Behind each other: the reads have to wait for all of the writes. */
    buf_append(&set, get.data, get.size);
    buf_append(&set, " none\r\nget many7\r\n", 18);
    talk_send_bytes(fd, buf_slice(&set));
    talk_expect(fd, "+OK\r\n");
    buf_append(&expect, "$-1\r\n$6\r\n000007\r\n", 17);
    talk_expect_bytes(fd, buf_slice(&expect));
    buf_clear(&get);
    buf_append(&get, "exists", 6);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, " many%u", i);
        buf_append(&get, text, strlen(text));
    }
    buf_append(&get, "\r\n", 2);
    talk_send_bytes(fd, buf_slice(&get));
    talk_expect(fd, ":3000\r\n");
    memcpy(get.data, "unlink", 6);
    talk_send_bytes(fd, buf_slice(&get));
    talk_expect(fd, ":3000\r\n");
    buf_release(&set);
    buf_release(&get);
    buf_release(&expect);
}

/* Would break: a typing mistake would cost a person the connection. */
static void a_wrong_command_is_an_error_and_nothing_else(void **state)
{
    int fd = *(int *)*state;

    talk(fd, "foo\r\n",
         "-ERR unknown command 'foo', with args beginning with: \r\n");
    talk(fd, "FOO a 'b c'\r\n",
         "-ERR unknown command 'FOO', with args beginning with: 'a' 'b c' "
         "\r\n");
    talk(fd, "get\r\n",
         "-ERR wrong number of arguments for 'get' command\r\n");
    talk(fd, "GeT a b\r\n",
         "-ERR wrong number of arguments for 'get' command\r\n");
    talk(fd, "mset a\r\n",
         "-ERR wrong number of arguments for 'mset' command\r\n");
    talk(fd, "mset a 1 b\r\n",
         "-ERR wrong number of arguments for 'mset' command\r\n");
    talk(fd, "\"foo\\r\\n+OK\" x\r\n",
         "-ERR unknown command 'foo  +OK', with args beginning with: 'x' "
         "\r\n");
    talk(fd, "set \"\" v\r\n", "-ERR the key is empty\r\n");
    talk(fd, "ping\r\n", "+PONG\r\n");
}

/* Would break: what stands behind a malformed command would be taken for
 * commands. */
static void a_malformed_command_closes_behind_what_came_before(void **state)
{
    int fd = *(int *)*state;

    talk(fd, "set m 1\r\nget m\r\n*1\r\n:5\r\nping\r\n",
         "+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got ':'\r\n");
    talk_expect_end(fd);
}

/* Would break: a web page could make a browser send commands. */
static void http_requests_are_cut_off(void **state)
{
    int fd = *(int *)*state;

    talk_send(fd, "POST / HTTP/1.1\r\nset x 1\r\n");
    talk_expect_end(fd);
}

/* Would break: the largest values, in both directions, and one more byte. */
static void the_largest_value_passes_and_one_byte_more_does_not(void **state)
{
    int fd = *(int *)*state;
    struct buf b = {0}, expect = {0};
    uint8_t *value;
    char head[80];

    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n",
             VALUE_BYTES_MAX);
    buf_append(&b, head, strlen(head));
    value = buf_grow(&b, VALUE_BYTES_MAX);
    for (size_t i = 0; i < VALUE_BYTES_MAX; i++)
        value[i] = (uint8_t)(i * 31 + i / 977);
    buf_append(&b, "\r\n", 2);
    talk_send_bytes(fd, buf_slice(&b));
    talk_expect(fd, "+OK\r\n");
    talk_send(fd, "get big\r\nstrlen big\r\ndel big\r\n");
    snprintf(head, sizeof head, "$%d\r\n", VALUE_BYTES_MAX);
    buf_append(&expect, head, strlen(head));
    buf_append(&expect, b.data + b.size - 2 - VALUE_BYTES_MAX,
               VALUE_BYTES_MAX + 2);
    buf_append(&expect, ":16777216\r\n:1\r\n", 15);
    talk_expect_bytes(fd, buf_slice(&expect));
    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n",
             VALUE_BYTES_MAX + 1);
    talk(fd, head, "-ERR Protocol error: invalid bulk length\r\n");
    talk_expect_end(fd);
    buf_release(&b);
    buf_release(&expect);
}

/* Would break: a client that asks and asks without taking replies would fill
 * the node's memory; or one that is only slow would be cut off. */
static void a_slow_reader_gets_everything(void **state)
{
    enum { SIZE = 200000, MANY = 400 };
    int fd = *(int *)*state;
    struct buf b = {0}, expect = {0};
    char head[80];

    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\ns\r\n$%d\r\n", SIZE);
    buf_append(&b, head, strlen(head));
    memset(buf_grow(&b, SIZE), 'x', SIZE);
    buf_append(&b, "\r\n", 2);
    talk_send_bytes(fd, buf_slice(&b));
    talk_expect(fd, "+OK\r\n");
    for (unsigned i = 0; i < MANY; i++)
        talk_send(fd, "get s\r\n");
    snprintf(head, sizeof head, "$%d\r\n", SIZE);
    buf_append(&expect, head, strlen(head));
    memset(buf_grow(&expect, SIZE), 'x', SIZE);
    buf_append(&expect, "\r\n", 2);
    for (unsigned i = 0; i < MANY; i++)
        talk_expect_bytes(fd, buf_slice(&expect));
    talk(fd, "del s\r\n", ":1\r\n");
    buf_release(&b);
    buf_release(&expect);
}

/* Would break: clients that leave in the middle of things would leave commands
 * behind, whose replies another client gets. */
static void a_client_that_leaves_takes_its_commands_along(void **state)
{
    int fd = *(int *)*state;

    for (unsigned i = 0; i < 50; i++) {
        int other = talk_open();
        talk_send(other, "get a\r\nset l 1\r\nget l\r\n"
                         "mget a b c d e\r\n*2\r\n");
        talk_close(other);
        alarm(110);
        talk(fd, "ping\r\n", "+PONG\r\n");
    }
    talk(fd, "get nothing\r\n", "$-1\r\n");
}

/* Would break: QUIT behind commands would swallow their replies. */
static void quit_ends_when_all_is_answered(void **state)
{
    int fd = *(int *)*state;

    talk(fd, "set q 1\r\nget q\r\nquit\r\nget q\r\n",
         "+OK\r\n$1\r\n1\r\n+OK\r\n");
    talk_expect_end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(replies_come_in_the_order_of_commands),
        T(a_write_waits_for_reads_before_it),
        T(commands_of_many_keys_are_gathered_in_order),
        T(a_wrong_command_is_an_error_and_nothing_else),
        T(a_malformed_command_closes_behind_what_came_before),
        T(http_requests_are_cut_off),
        T(the_largest_value_passes_and_one_byte_more_does_not),
        T(a_slow_reader_gets_everything),
        T(a_client_that_leaves_takes_its_commands_along),
        T(quit_ends_when_all_is_answered),
    };
    return cmocka_run_group_tests(tests, redis_daemon_start,
                                  redis_daemon_stop);
}
