/* peer.h - a daemon that is node 1 of a cluster of two; the test speaks as node
 * 2, or as somebody who is not. */
#ifndef TESTS_UNIT_NODE_SHELL_PEER_H
#define TESTS_UNIT_NODE_SHELL_PEER_H

#include "node/core/hello.h"
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

struct peer_test {
    struct daemon *d;
    struct ask client;
    struct cluster_map *map;
    struct hello hello; /* as node 2 says it rightly */
};

/* Group setups: a blank daemon; one whose cluster is made. */
int peer_setup(void **state);
int peer_setup_active(void **state);
/* Whatever was sent, the daemon is there, and stops in order. */
int peer_teardown(void **state);

void peer_send_hello(struct ask *p, const struct hello *h);
/* The answer to it. */
struct hello peer_take_answer(struct ask *p);
/* Say this on a new connection: it must be refused so, and closed. */
void peer_must_refuse(struct peer_test *f, const struct hello *h,
                      enum status why);
/* Say this on a new connection, which stays open. */
void peer_must_accept(struct peer_test *f, struct ask *p,
                      const struct hello *h);

#endif
