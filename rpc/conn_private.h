/* conn_private.h - what conn.c and conn_set.c share. Not for anybody else. */
#ifndef RPC_CONN_PRIVATE_H
#define RPC_CONN_PRIVATE_H

#include <sys/queue.h>

#include "rpc/conn.h"

enum {
    READ_SIZE = 64 * 1024,  /* the shared read buffer */
    SPARE_SIZE_MIN = 4096,  /* what a buffer begins with */
    SPARE_SIZE_MAX = 65536, /* larger ones are not kept */
    SPARES_MAX = 32,
    DETAIL_SIZE = 120,
};

#define NO_FRAME SIZE_MAX

TAILQ_HEAD(conn_list, conn);

struct conn_set {
    uv_loop_t *loop;
    struct conn_options options;
    struct conn_list all;
    struct conn_list dirty; /* has output that no write is under way for */
    struct conn_list ready; /* has a callback due from the loop: see `idle` */
    unsigned count;
    unsigned ready_count;
    size_t pending, partial; /* of all: `counted`, `held` */
    struct conn_stats stats;

    /* Runs while `ready` is not empty: the loop does not wait then. */
    uv_idle_t idle;
    uv_prepare_t prepare; /* these two only when driven */
    uv_check_t check;
    bool driven;
    bool freeing;
    unsigned handles; /* not closed yet */

    uint8_t *space; /* READ_SIZE */
    struct buf spares[SPARES_MAX];
    unsigned spare_count;
};

struct conn {
    TAILQ_ENTRY(conn) in_all;
    TAILQ_ENTRY(conn) in_dirty;
    TAILQ_ENTRY(conn) in_ready;
    struct conn_set *set;
    struct stream *stream;
    const struct conn_events *events;
    void *user;

    /* Output: frames are appended to `out`; what a flush could not write at
     * once moves to `flight`, which stays as it is until it is written. */
    struct buf out;
    struct buf flight;
    size_t flight_at;
    size_t counted; /* of it, in set->pending */
    uint64_t sent;
    size_t begun; /* offset in `out` of the frame of conn_begin, or NO_FRAME */

    /* Input: the beginning of a frame whose rest is missing, `wanted` bytes
     * being needed to go on. Or, while `stashed`, whole frames that were read
     * when delivering had to stop. */
    struct buf in;
    size_t wanted;
    size_t held; /* memory of `in`, in set->partial */
    uint32_t payload_max;

    bool is_dirty;
    bool is_ready;
    bool flying; /* a write of `flight` is under way */
    bool paused; /* by the owner */
    bool gated;  /* by output that waits */
    bool stashed;
    bool delivering; /* inside the loop that calls on_frame */
    bool want_drain; /* somebody got BUSY */
    bool finishing;
    bool shut;
    bool closing;

    enum status why;
    char detail[DETAIL_SIZE];
};

/* conn_set.c */

/* Put `c` on the list for the next flush / for the loop's next round. */
void conn_set_mark_dirty(struct conn *c);
void conn_set_mark_ready(struct conn *c);
/* Take it off both. */
void conn_set_forget(struct conn *c);
/* Give `b`, which is without memory, some from the pool. */
void conn_set_borrow(struct conn_set *set, struct buf *b);
/* Empty `b` and give its memory to the pool, or free it. */
void conn_set_return(struct conn_set *set, struct buf *b);
void conn_set_add(struct conn_set *set, struct conn *c);
/* Takes `c` out; the set may be gone on return. */
void conn_set_remove(struct conn_set *set, struct conn *c);

/* conn.c */

/* Write what waits; no callback runs. */
void conn_write_out(struct conn *c);
/* Do what is due; callbacks run. */
void conn_run_ready(struct conn *c);

#endif
