/* test_redis_string.c - commands about values, byte by byte as Redis answers
 * them; tests/system/test_redis.py compares long random sequences with a real
 * one. */
#include "tests/unit/node/front/redis_talk.h"

#define NOT_AN_INTEGER "-ERR value is not an integer or out of range\r\n"
#define SYNTAX "-ERR syntax error\r\n"

/* Would break: locks and caches, which live of these options. */
static void set_takes_conditions_and_times(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "set s1 a nx\r\nset s1 b NX\r\nget s1\r\n",
         "+OK\r\n$-1\r\n$1\r\na\r\n");
    talk(fd, "set s2 a xx\r\nset s1 c XX GET\r\nset s1 d get\r\n",
         "$-1\r\n$1\r\na\r\n$1\r\nc\r\n");
    talk(fd, "set s2 x nx get\r\nset s2 y nx get\r\nget s2\r\n",
         "$-1\r\n$1\r\nx\r\n$1\r\nx\r\n");
    talk(fd, "set s1 e ex 1000\r\n", "+OK\r\n");
    talk_ttl(fd, "ttl s1\r\n", 1000);
    talk(fd, "set s1 f keepttl\r\n", "+OK\r\n");
    talk_ttl(fd, "ttl s1\r\n", 1000);
    talk(fd, "set s1 g\r\nttl s1\r\n", "+OK\r\n:-1\r\n");
    talk(fd, "set s1 h pxat 1\r\nget s1\r\n", "+OK\r\n$-1\r\n");
    talk(fd, "set s1 a nx xx\r\nset s1 a ex 1 px 1\r\nset s1 a ex\r\n"
             "set s1 a foo\r\nset s1 a keepttl ex 1\r\n",
         SYNTAX SYNTAX SYNTAX SYNTAX SYNTAX);
    talk(fd, "set s1 a ex 0\r\nset s1 a px -1\r\nset s1 a ex x\r\n"
             "set s1 a ex 9223372036854775807\r\n",
         "-ERR invalid expire time in 'set' command\r\n"
         "-ERR invalid expire time in 'set' command\r\n" NOT_AN_INTEGER
         "-ERR invalid expire time in 'set' command\r\n");
    talk(fd, "setex s3 0 v\r\nsetex s3 1000 v\r\n",
         "-ERR invalid expire time in 'setex' command\r\n+OK\r\n");
    talk_ttl(fd, "ttl s3\r\n", 1000);
    talk(fd, "psetex s3 x w\r\npsetex s3 4000000 w\r\n",
         NOT_AN_INTEGER "+OK\r\n");
    talk_ttl(fd, "ttl s3\r\n", 4000);
    talk(fd, "setnx s4 a\r\nsetnx s4 b\r\ngetset s4 c\r\ngetset s5 d\r\n",
         ":1\r\n:0\r\n$1\r\na\r\n$-1\r\n");
    talk(fd, "getdel s4\r\ngetdel s4\r\nexists s4\r\n",
         "$1\r\nc\r\n$-1\r\n:0\r\n");
    talk(fd, "getex s5 ex 1000\r\ngetex s5\r\n",
         "$1\r\nd\r\n$1\r\nd\r\n");
    talk_ttl(fd, "ttl s5\r\n", 1000);
    talk(fd, "getex s5 persist\r\nttl s5\r\n"
             "getex s9 ex 5\r\ngetex s5 ex 0\r\ngetex s5 foo\r\n",
         "$1\r\nd\r\n:-1\r\n$-1\r\n"
         "-ERR invalid expire time in 'getex' command\r\n" SYNTAX);
    talk_close(fd);
}

/* Would break: counters. */
static void numbers_are_added_to(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "incr n1\r\nincrby n1 41\r\ndecr n1\r\ndecrby n1 40\r\n"
             "incrby n1 -5\r\nget n1\r\n",
         ":1\r\n:42\r\n:41\r\n:1\r\n:-4\r\n$2\r\n-4\r\n");
    talk(fd, "set n2 x\r\nincr n2\r\nset n2 ' 1'\r\nincr n2\r\nincrby n1 x\r\n"
             "decrby n1 1.5\r\n",
         "+OK\r\n" NOT_AN_INTEGER "+OK\r\n" NOT_AN_INTEGER NOT_AN_INTEGER
             NOT_AN_INTEGER);
    talk(fd, "set n3 9223372036854775807\r\nincr n3\r\n"
             "set n3 -9223372036854775808\r\ndecr n3\r\n"
             "decrby n3 -9223372036854775808\r\n",
         "+OK\r\n-ERR increment or decrement would overflow\r\n"
         "+OK\r\n-ERR increment or decrement would overflow\r\n"
         "-ERR decrement would overflow\r\n");
    talk(fd, "set n4 10.5\r\nincrbyfloat n4 0.1\r\nincrbyfloat n4 -0.6\r\n"
             "incrbyfloat n4 x\r\nincrbyfloat n2 1\r\nincrbyfloat n4 inf\r\n",
         "+OK\r\n$4\r\n10.6\r\n$2\r\n10\r\n"
         "-ERR value is not a valid float\r\n"
         "-ERR value is not a valid float\r\n"
         "-ERR increment would produce NaN or Infinity\r\n");
    talk(fd, "set n5 1 ex 1000\r\nincr n5\r\n", "+OK\r\n:2\r\n");
    talk_ttl(fd, "ttl n5\r\n", 1000);
    talk_close(fd);
}

/* Would break: a value that is no number at all, as its exponent is beyond
 * everything, would be told from one only if something finite is added. */
static void infinity_is_refused_behind_the_value(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "set f1 1e400\r\nincrbyfloat f1 inf\r\n"
             "set f1 inf\r\nincrbyfloat f1 -inf\r\n"
             "del f1\r\nincrbyfloat f1 inf\r\n",
         "+OK\r\n-ERR increment would produce NaN or Infinity\r\n"
         "+OK\r\n-ERR increment would produce NaN or Infinity\r\n"
         ":1\r\n-ERR increment would produce NaN or Infinity\r\n");
    talk(fd, "set f1 1e39223372036854775807\r\nincrbyfloat f1 inf\r\n"
             "set f1 1e-9999\r\nincrbyfloat f1 inf\r\n"
             "set f1 5\r\nincrbyfloat f1 1e5000\r\n",
         "+OK\r\n-ERR value is not a valid float\r\n"
         "+OK\r\n-ERR value is not a valid float\r\n"
         "+OK\r\n-ERR value is not a valid float\r\n");
    talk_close(fd);
}

/* Would break: whoever builds values piece by piece. */
static void parts_of_values_are_read_and_written(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "append p1 Hello\r\nappend p1 ' World'\r\nget p1\r\nstrlen p1\r\n"
             "strlen p9\r\n",
         ":5\r\n:11\r\n$11\r\nHello World\r\n:11\r\n:0\r\n");
    talk(fd, "getrange p1 0 3\r\ngetrange p1 -5 -1\r\ngetrange p1 3 1\r\n"
             "getrange p1 0 100\r\ngetrange p9 0 -1\r\ngetrange p1 -100 1\r\n"
             "getrange p1 -1 -5\r\ngetrange p1 x 1\r\n",
         "$4\r\nHell\r\n$5\r\nWorld\r\n$0\r\n\r\n$11\r\nHello World\r\n"
         "$0\r\n\r\n$2\r\nHe\r\n$0\r\n\r\n" NOT_AN_INTEGER);
    talk(fd, "setrange p1 6 Redis\r\nget p1\r\nsetrange p2 3 x\r\nget p2\r\n",
         ":11\r\n$11\r\nHello Redis\r\n:4\r\n");
    talk_expect_bytes(fd, slice_of("$4\r\n\0\0\0x\r\n", 10));
    talk(fd, "setrange p3 5 \"\"\r\nexists p3\r\nsetrange p1 5 \"\"\r\n"
             "setrange p1 -1 x\r\nsetrange p1 16777216 x\r\n",
         ":0\r\n:0\r\n:11\r\n-ERR offset is out of range\r\n"
         "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    talk_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_takes_conditions_and_times),
        cmocka_unit_test(numbers_are_added_to),
        cmocka_unit_test(infinity_is_refused_behind_the_value),
        cmocka_unit_test(parts_of_values_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, redis_daemon_start,
                                  redis_daemon_stop);
}
