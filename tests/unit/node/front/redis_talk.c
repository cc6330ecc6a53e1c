/* redis_talk.c - see redis_talk.h. */
#include "tests/unit/node/front/redis_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct daemon *redis_daemon;

int redis_daemon_start(void **state)
{
    int fd;

    (void)state;
    redis_daemon = daemon_new();
    daemon_start(redis_daemon);
    daemon_init(redis_daemon, "3");
    /* The door asks again while the groups elect themselves. */
    fd = talk_open();
    talk(fd, "mset a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1\r\n", "+OK\r\n");
    talk(fd, "del a b c d e f g h\r\n", ":8\r\n");
    talk_close(fd);
    return 0;
}

int redis_daemon_stop(void **state)
{
    (void)state;
    daemon_stop(redis_daemon);
    daemon_free(redis_daemon);
    return 0;
}

int talk_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(redis_daemon->redis_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    alarm(110); /* a test that waits for what never comes ends so */
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

void talk_close(int fd)
{
    close(fd);
    alarm(0);
}

void talk_send_bytes(int fd, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = slice_of(bytes.data + n, bytes.size - (size_t)n);
    }
}

void talk_send(int fd, const char *text)
{
    talk_send_bytes(fd, slice_str(text));
}

void talk_expect_bytes(int fd, struct slice bytes)
{
    uint8_t *got = xmalloc(bytes.size + 1);
    size_t size = 0;

    while (size < bytes.size) {
        ssize_t n = recv(fd, got + size, bytes.size - size, 0);
        if (n <= 0 || memcmp(got, bytes.data, size + (size_t)n)) {
            got[size + (n > 0 ? (size_t)n : 0)] = 0;
            fail_msg("expected:\n%.2000s\ngot:\n%.2000s",
                     (const char *)bytes.data, (char *)got);
        }
        size += (size_t)n;
    }
    free(got);
}

void talk_expect(int fd, const char *text)
{
    talk_expect_bytes(fd, slice_str(text));
}

/* With a reset, if it did not read all that was sent. */
void talk_expect_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);

    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

void talk(int fd, const char *lines, const char *expected)
{
    talk_send(fd, lines);
    talk_expect(fd, expected);
}

static size_t read_line(int fd, char *reply, size_t size)
{
    size_t n = 0;

    do {
        assert_true(n + 1 < size);
        assert_int_equal(recv(fd, reply + n, 1, 0), 1);
    } while (reply[n++] != '\n');
    reply[n] = 0;
    return n;
}

void talk_read_reply(int fd, char *reply, size_t size)
{
    size_t n = read_line(fd, reply, size), more;

    if ((reply[0] != '$' && reply[0] != '=') || reply[1] == '-')
        return;
    more = strtoul(reply + 1, NULL, 10) + 2;
    assert_true(n + more < size);
    for (size_t got = 0; got < more;) {
        ssize_t k = recv(fd, reply + n + got, more - got, 0);
        assert_true(k > 0);
        got += (size_t)k;
    }
    reply[n + more] = 0;
}

void talk_ttl(int fd, const char *line, long seconds)
{
    char reply[64];

    talk_send(fd, line);
    talk_read_reply(fd, reply, sizeof reply);
    assert_int_equal(reply[0], ':');
    assert_in_range(strtol(reply + 1, NULL, 10), seconds / 2, seconds);
}
