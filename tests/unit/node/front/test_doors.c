/* test_doors.c - both doors of a node at once: the same keys, and no reply goes
 * out by the other door. */
#include "tests/unit/node/front/redis_talk.h"
#include "tests/unit/node/shell/ask.h"

#include <stdio.h>

/* Would break: what one door wrote the other one would not find. */
static void both_doors_lead_to_the_same_keys(void **state)
{
    int fd = talk_open();
    struct ask a;

    (void)state;
    ask_open(&a, redis_daemon->port);
    ask_must_set(&a, "shared", "by native");
    talk(fd, "get shared\r\nset shared 'by redis'\r\n",
         "$9\r\nby native\r\n+OK\r\n");
    ask_get(&a, "shared", "by redis");
    ask_close(&a);
    talk_close(fd);
}

/* Would break: connections in the same place of both doors would get each
 * other's replies, or count each other's requests. */
static void connections_of_both_doors_are_told_apart(void **state)
{
    enum { CONNS = 8, ROUNDS = 50 };
    struct ask a[CONNS];
    int fd[CONNS];
    char key[20], line[100];

    (void)state;
    for (unsigned i = 0; i < CONNS; i++) {
        ask_open(&a[i], redis_daemon->port);
        fd[i] = talk_open();
    }
    for (unsigned n = 0; n < ROUNDS; n++)
        for (unsigned i = 0; i < CONNS; i++) {
            snprintf(key, sizeof key, "n%u", i);
            snprintf(line, sizeof line, "set r%u %02u\r\nget r%u\r\n", i, n,
                     i);
            talk_send(fd[i], line);
            ask_must_set(&a[i], key, line);
            ask_get(&a[i], key, line);
            snprintf(line, sizeof line, "+OK\r\n$2\r\n%02u\r\n", n);
            talk_expect(fd[i], line);
        }
    for (unsigned i = 0; i < CONNS; i++) {
        ask_close(&a[i]);
        talk_close(fd[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_doors_lead_to_the_same_keys),
        cmocka_unit_test(connections_of_both_doors_are_told_apart),
    };
    return cmocka_run_group_tests(tests, redis_daemon_start,
                                  redis_daemon_stop);
}
