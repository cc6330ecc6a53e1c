/* bench.h - a loop, a listener on a free port of loopback, one accepted
 * connection under test and the raw socket at its other end. */
#ifndef TESTS_UNIT_RPC_BENCH_H
#define TESTS_UNIT_RPC_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rpc/conn.h"
#include "rpc/listener.h"

/* A host that is none, which the resolver finds out without asking anybody: a
 * name server that is far, or silent, would keep a test waiting for minutes. A
 * label of a name has at most 63 bytes; this one has 64. */
#define NO_SUCH_HOST                                                           \
    "no-such-host-no-such-host-no-such-host-no-such-host-no-such-host.invalid"

struct bench {
    uv_loop_t loop;
    struct conn_set *set;
    struct listener *listener;
    struct conn_events events;
    struct conn *conn; /* NULL before it is accepted and once it is closed */
    int fd;            /* the other end; blocking; -1 when closed */

    /* What the connection told. */
    unsigned frames;
    unsigned drains;
    unsigned closes;
    struct frame_header header; /* the last one */
    struct buf payload;
    struct buf ids; /* of all frames, u64 each */
    enum status why;
    char detail[200];

    void (*hook)(struct bench *b); /* called at the end of on_frame */
    unsigned wanted;               /* the hook's own */
};

/* What a test with a loop begins and ends with: a lost connection is a status,
 * not a signal, and who waits for what never comes is ended after a minute. */
void rules_begin(void);
void rules_end(void);

/* Open with one connection. */
void bench_open(struct bench *b, struct conn_options options);
/* The same for another protocol; `on_bytes` as in conn_events. */
typedef size_t bench_on_bytes(struct conn *c, struct slice bytes,
                              size_t *wanted);
void bench_open_bytes(struct bench *b, struct conn_options options,
                      bench_on_bytes *on_bytes);
/* Close all and check that nothing of it stays in the loop. */
void bench_close(struct bench *b);

/* One turn: waits for something to happen, then flushes. */
void bench_turn(struct bench *b);
#define BENCH_UNTIL(b, condition)                                              \
    do {                                                                       \
        while (!(condition))                                                   \
            bench_turn(b);                                                     \
    } while (0)

/* A few turns without waiting: whatever was going to happen has. */
void bench_settle(struct bench *b);

/* A connected blocking socket to a port of loopback. */
int raw_connect(uint16_t port);
void raw_send(int fd, struct slice bytes);
/* Exactly `size` bytes, waiting for them. */
void raw_read(int fd, void *to, size_t size);
/* What is there, maybe nothing; the peer's end gives -1. */
long raw_read_some(int fd, void *to, size_t size);

/* Append a frame to `out`. */
void put_frame(struct buf *out, uint8_t kind, uint16_t type, uint64_t id,
               struct slice payload);
struct frame_header header_of(uint8_t kind, uint16_t type, uint64_t id);

#endif
