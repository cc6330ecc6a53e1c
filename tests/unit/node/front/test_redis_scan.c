/* test_redis_scan.c - commands over all keys of all groups. */
#include "tests/unit/node/front/redis_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MANY = 1000, LINE = 100 };

/* Keys scan:0000 ... and ten others. */
static int fill(void **state)
{
    struct buf b = {0};
    char line[LINE];
    int fd = talk_open();

    (void)state;
    talk(fd, "flushall\r\n", "+OK\r\n");
    buf_append(&b, "mset", 4);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, " scan:%04u v", i);
        buf_append(&b, line, strlen(line));
    }
    for (unsigned i = 0; i < 10; i++) {
        snprintf(line, sizeof line, " other[%u] v", i);
        buf_append(&b, line, strlen(line));
    }
    buf_append(&b, "\r\n", 2);
    talk_send_bytes(fd, buf_slice(&b));
    talk_expect(fd, "+OK\r\n");
    buf_release(&b);
    talk_close(fd);
    return 0;
}

static unsigned count_of(int fd, char type)
{
    char line[LINE];

    talk_read_reply(fd, line, sizeof line);
    if (line[0] != type)
        fail_msg("not %c but %s", type, line);
    return (unsigned)strtoul(line + 1, NULL, 10);
}

static void read_bulk(int fd, char *text, size_t size)
{
    char reply[LINE], *at;

    talk_read_reply(fd, reply, sizeof reply);
    assert_int_equal(reply[0], '$');
    at = strchr(reply, '\n') + 1;
    *strrchr(at, '\r') = 0;
    snprintf(text, size, "%s", at);
}

/* One call; gives the next cursor and marks the keys seen. */
static void scan_once(int fd, char *cursor, const char *options,
                      unsigned *seen, unsigned *others)
{
    char line[200], key[LINE];

    snprintf(line, sizeof line, "scan %s %s\r\n", cursor, options);
    talk_send(fd, line);
    assert_int_equal(count_of(fd, '*'), 2);
    read_bulk(fd, cursor, LINE);
    for (unsigned n = count_of(fd, '*'); n; n--) {
        read_bulk(fd, key, sizeof key);
        if (!strncmp(key, "scan:", 5))
            seen[strtoul(key + 5, NULL, 10)]++;
        else
            ++*others;
    }
}

/* Would break: a scan that misses keys, or never ends. */
static void a_scan_returns_every_key_once(void **state)
{
    static const char *const options[] = {"", "count 1", "count 7",
                                          "count 100000", "type string"};
    int fd = talk_open();

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
        unsigned *seen = xcalloc(MANY, sizeof *seen), others = 0;
        char cursor[LINE] = "0";
        do
            scan_once(fd, cursor, options[i], seen, &others);
        while (strcmp(cursor, "0"));
        for (unsigned k = 0; k < MANY; k++)
            assert_int_equal(seen[k], 1);
        assert_int_equal(others, 10);
        free(seen);
    }
    talk_close(fd);
}

/* Would break: a pattern that is forgotten on the way. */
static void a_scan_keeps_to_its_pattern(void **state)
{
    unsigned *seen = xcalloc(MANY, sizeof *seen), others = 0, sum = 0;
    char cursor[LINE] = "0";
    int fd = talk_open();

    (void)state;
    do
        scan_once(fd, cursor, "match scan:0?5* count 50", seen, &others);
    while (strcmp(cursor, "0"));
    for (unsigned k = 0; k < MANY; k++)
        sum += seen[k];
    assert_int_equal(sum, 100);
    assert_int_equal(seen[999] + seen[0] + others, 0);
    talk(fd, "scan 0 type hash\r\n", "*2\r\n$1\r\n0\r\n*0\r\n");
    talk(fd, "scan x\r\nscan 0 count 0\r\nscan 0 count x\r\nscan 0 match\r\n"
             "scan 0 foo 1\r\n",
         "-ERR invalid cursor\r\n-ERR syntax error\r\n"
         "-ERR value is not an integer or out of range\r\n"
         "-ERR syntax error\r\n-ERR syntax error\r\n");
    talk_send(fd, "scan 12345\r\n");
    talk_expect(fd, "-ERR invalid cursor: ");
    free(seen);
    talk_close(fd);
}

/* Would break: KEYS over several groups, brackets in keys and patterns. */
static void keys_gives_what_matches(void **state)
{
    int fd = talk_open();
    char key[LINE];

    (void)state;
    talk(fd, "keys scan:0123\r\n", "*1\r\n$9\r\nscan:0123\r\n");
    talk(fd, "keys other\\[3\\]\r\n", "*1\r\n$8\r\nother[3]\r\n");
    talk(fd, "keys other\\[[3\r\n", "*0\r\n"); /* other[ and a 3 */
    talk(fd, "keys scan:012[3\r\n", "*1\r\n$9\r\nscan:0123\r\n");
    talk(fd, "keys nothing*\r\n", "*0\r\n");
    talk(fd, "keys \"\"\r\n", "*0\r\n");
    talk_send(fd, "keys scan:09[0-9]?\r\n");
    assert_int_equal(count_of(fd, '*'), 100);
    for (unsigned i = 0; i < 100; i++) {
        read_bulk(fd, key, sizeof key);
        assert_memory_equal(key, "scan:09", 7);
    }
    talk_send(fd, "keys *\r\n");
    assert_int_equal(count_of(fd, '*'), MANY + 10);
    for (unsigned i = 0; i < MANY + 10; i++)
        read_bulk(fd, key, sizeof key);
    talk_close(fd);
}

/* Would break: what was set just before, in the same pipeline, would not be
 * counted. */
static void all_keys_are_counted(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "dbsize\r\nset one more\r\ndbsize\r\ndel one\r\ndbsize\r\n",
         ":1010\r\n+OK\r\n:1011\r\n:1\r\n:1010\r\n");
    talk_close(fd);
}

/* Would break: RANDOMKEY that knows only a few keys. */
static void any_key_may_be_the_random_one(void **state)
{
    unsigned *seen = xcalloc(MANY, sizeof *seen), different = 0;
    int fd = talk_open();
    char key[LINE];

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        talk_send(fd, "randomkey\r\n");
        read_bulk(fd, key, sizeof key);
        if (!strncmp(key, "scan:", 5))
            seen[strtoul(key + 5, NULL, 10)]++;
        else
            assert_memory_equal(key, "other[", 6);
    }
    for (unsigned i = 0; i < MANY; i++)
        different += seen[i] != 0;
    assert_true(different > 30);
    free(seen);
    talk_close(fd);
}

/* Would break: keys that are left over; RANDOMKEY of nothing. */
static void flushing_leaves_nothing(void **state)
{
    int fd = talk_open();

    (void)state;
    talk(fd, "flushdb now\r\n", "-ERR syntax error\r\n");
    talk(fd, "flushdb\r\ndbsize\r\nkeys *\r\nrandomkey\r\nscan 0 count 100\r\n",
         "+OK\r\n:0\r\n*0\r\n$-1\r\n*2\r\n$");
    talk_close(fd);
    fill(state);
    fd = talk_open();
    talk(fd, "flushall async\r\ndbsize\r\n", "+OK\r\n:0\r\n");
    talk_close(fd);
    fill(state);
}

static int start(void **state)
{
    redis_daemon_start(state);
    return fill(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_returns_every_key_once),
        cmocka_unit_test(a_scan_keeps_to_its_pattern),
        cmocka_unit_test(keys_gives_what_matches),
        cmocka_unit_test(all_keys_are_counted),
        cmocka_unit_test(any_key_may_be_the_random_one),
        cmocka_unit_test(flushing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, start, redis_daemon_stop);
}
