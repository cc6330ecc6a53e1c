/* test_redis_key.c - commands about keys and their deadlines. */
#include "tests/unit/node/front/redis_talk.h"

#include <stdlib.h>
#include <time.h>

/* Would break: whoever counts on the number that comes back. */
static void keys_are_counted_and_deleted(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "mset k1 a k2 b k3 c\r\nexists k1 k2 k9 k1\r\ntype k1\r\n"
             "type k9\r\n",
         "+OK\r\n:3\r\n+string\r\n+none\r\n");
    talk(fd, "del k1 k9\r\nunlink k2 k3 k2\r\nexists k1 k2 k3\r\n",
         ":1\r\n:2\r\n:0\r\n");
    talk_close(fd);
}

/* Would break: sessions that never end, or end at once. */
static void deadlines_are_set_read_and_removed(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "ttl e9\r\npttl e9\r\nexpiretime e9\r\npexpiretime e9\r\n"
             "persist e9\r\nexpire e9 10\r\n",
         ":-2\r\n:-2\r\n:-2\r\n:-2\r\n:0\r\n:0\r\n");
    talk(fd, "set e1 v\r\nttl e1\r\npttl e1\r\nexpiretime e1\r\npersist e1\r\n",
         "+OK\r\n:-1\r\n:-1\r\n:-1\r\n:0\r\n");
    talk(fd, "expire e1 1000\r\n", ":1\r\n");
    talk_ttl(fd, "ttl e1\r\n", 1000);
    talk(fd, "persist e1\r\nttl e1\r\npexpire e1 4000000\r\n",
         ":1\r\n:-1\r\n:1\r\n");
    talk_ttl(fd, "ttl e1\r\n", 4000);
    talk(fd, "expireat e1 4102444800\r\nexpiretime e1\r\npexpiretime e1\r\n",
         ":1\r\n:4102444800\r\n:4102444800000\r\n");
    talk(fd, "pexpireat e1 4102444800123\r\npexpiretime e1\r\n",
         ":1\r\n:4102444800123\r\n");
    talk(fd, "expire e1 0\r\nexists e1\r\nset e1 v\r\nexpireat e1 1\r\n"
             "exists e1\r\nset e1 v\r\npexpire e1 -5\r\nexists e1\r\n",
         ":1\r\n:0\r\n+OK\r\n:1\r\n:0\r\n+OK\r\n:1\r\n:0\r\n");
    talk_close(fd);
}

/* Would break: a dashboard, or whoever renews a lease when half of it is gone:
 * the group's own clock stands still while nobody writes. */
static void what_is_left_shrinks_while_nobody_writes(void **state)
{
    enum { AT_MOST = 3000 };
    struct timespec moment = {.tv_nsec = 10000000};
    char first[32], reply[32];
    int fd = talk_open();

    (void)state;
    talk(fd, "set e2 v ex 1000\r\n", "+OK\r\n");
    talk_send(fd, "pttl e2\r\n");
    talk_read_reply(fd, first, sizeof first);
    for (unsigned i = 0;; i++) {
        assert_in_range(i, 0, AT_MOST);
        talk_send(fd, "pttl e2\r\n");
        talk_read_reply(fd, reply, sizeof reply);
        if (strtoll(reply + 1, NULL, 10) < strtoll(first + 1, NULL, 10))
            break;
        nanosleep(&moment, NULL);
    }
    talk_close(fd);
}

/* Would break: deadlines that should only be moved one way. */
static void deadlines_have_conditions(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "set c1 v\r\nexpire c1 10 xx\r\nexpire c1 10 gt\r\n"
             "expire c1 2000 nx\r\nexpire c1 9000 nx\r\n",
         "+OK\r\n:0\r\n:0\r\n:1\r\n:0\r\n");
    talk_ttl(fd, "ttl c1\r\n", 2000);
    talk(fd, "expire c1 900 gt\r\nexpire c1 5000 gt\r\n", ":0\r\n:1\r\n");
    talk_ttl(fd, "ttl c1\r\n", 5000);
    talk(fd, "expire c1 9000 lt\r\nexpire c1 900 lt\r\n", ":0\r\n:1\r\n");
    talk_ttl(fd, "ttl c1\r\n", 900);
    talk(fd, "expire c1 2000 xx\r\n", ":1\r\n");
    talk_ttl(fd, "ttl c1\r\n", 2000);
    talk(fd, "expire c1 10 nx gt\r\n",
         "-ERR NX and XX, GT or LT options at the same time are not "
         "compatible\r\n");
    talk(fd, "expire c1 10 gt lt\r\n",
         "-ERR GT and LT options at the same time are not compatible\r\n");
    talk(fd, "expire c1 10 foo\r\n", "-ERR Unsupported option foo\r\n");
    talk(fd, "expire c1 x\r\n",
         "-ERR value is not an integer or out of range\r\n");
    talk(fd, "expire c1 9223372036854775807\r\n",
         "-ERR invalid expire time in 'expire' command\r\n");
    talk_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_counted_and_deleted),
        cmocka_unit_test(deadlines_are_set_read_and_removed),
        cmocka_unit_test(what_is_left_shrinks_while_nobody_writes),
        cmocka_unit_test(deadlines_have_conditions),
    };
    return cmocka_run_group_tests(tests, redis_daemon_start,
                                  redis_daemon_stop);
}
