/* own_port.h - a port that is a test's own as long as its process lives.
 *
 * One that the system chose is anybody's as soon as its socket is closed: a
 * node of another test that runs meanwhile would answer in the place of one
 * that is gone, and an outgoing connection can take it, too. These are below
 * the ephemeral range; each is owned by the name of an abstract socket, here
 * and in tests/system/cluster.py alike. */
#ifndef TESTS_UNIT_RPC_OWN_PORT_H
#define TESTS_UNIT_RPC_OWN_PORT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* No test of ours has it, and none gets it before this process has ended. */
static inline bool port_own(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1,
                     "coatcheck-test-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t size = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n;

    if (fd >= 0 && !bind(fd, (struct sockaddr *)&name, (socklen_t)size))
        return true; /* the descriptor stays open: it is the lock */
    close(fd);
    return false;
}

/* Nor does anybody else listen there. */
static inline bool port_idle(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    bool idle;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    idle = !bind(fd, (struct sockaddr *)&a, sizeof a);
    close(fd);
    return idle;
}

static inline uint16_t own_port(void)
{
    enum { FIRST = 11000, PORTS = 20000 };
    uint16_t port;
    uint32_t random;

    do {
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            abort();
        port = (uint16_t)(FIRST + random % PORTS);
    } while (!port_own(port) || !port_idle(port));
    return port;
}

#endif
