/* redis_talk.h - a Redis client of tests: what is sent, and byte by byte what
 * has to come back. */
#ifndef TESTS_UNIT_NODE_FRONT_REDIS_TALK_H
#define TESTS_UNIT_NODE_FRONT_REDIS_TALK_H

#include "tests/unit/node/shell/daemon.h"

/* One daemon for a whole test file, a cluster of one; no test harms it. */
extern struct daemon *redis_daemon;
int redis_daemon_start(void **state);
int redis_daemon_stop(void **state);

/* A connection to it. */
int talk_open(void);
void talk_close(int fd);
/* Send these bytes. */
void talk_send(int fd, const char *text);
void talk_send_bytes(int fd, struct slice bytes);
/* Exactly this comes back. */
void talk_expect(int fd, const char *text);
void talk_expect_bytes(int fd, struct slice bytes);
/* Nothing more comes back: the node closes. */
void talk_expect_end(int fd);
/* Send lines (inline commands), expect exactly this. */
void talk(int fd, const char *lines, const char *expected);
/* Send "ttl KEY"; at most this many seconds come back, and some of them: on a
 * busy machine time goes by between two commands. */
void talk_ttl(int fd, const char *line, long seconds);
/* One reply, whatever it is, as it stands on the wire; NUL-terminated. Bulk
 * strings and lines only. */
void talk_read_reply(int fd, char *reply, size_t size);

#endif
