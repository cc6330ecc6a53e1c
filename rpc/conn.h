/* conn.h - messages over one stream, on one uv loop: frames, or another
 * protocol's (on_bytes).
 *
 * A connection reads frames and hands each to on_frame; what is sent is
 * gathered and leaves in ONE write per loop turn: sending marks the connection
 * dirty in its conn_set, conn_set_flush writes out the dirty ones. The owner
 * of the loop calls it at the end of each turn, or has it called
 * (conn_set_drive).
 *
 * Everything is called on the loop's thread. Callbacks come only from the
 * loop, never from inside a call of this file, so every call is legal in every
 * callback. Nothing is allocated per frame, and a connection with nothing
 * under way holds no buffers: they come from the set's pool.
 *
 * Bounds: at most pending_max + reserve + one frame wait for sending, at most
 * one frame for its missing rest (it grows only with what has arrived), and
 * one read (64 KiB) of whole frames while paused. What has arrived of all such
 * frames of a set is at most partial_max. */
#ifndef RPC_CONN_H
#define RPC_CONN_H

#include <uv.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "rpc/frame.h"
#include "rpc/stream.h"

struct conn;
struct conn_set;

struct conn_events {
    /* A frame. `header` and `payload` are borrowed until return. */
    void (*on_frame)(struct conn *c, const struct frame_header *header,
                     struct slice payload);
    /* Sending was refused with BUSY, and now half of pending_max is free
     * again. May be NULL. */
    void (*on_drain)(struct conn *c);
    /* The end, exactly once and last, whoever closed it; the connection is
     * gone on return. `why` is STATUS_CLOSED when the peer ended it, BAD_FRAME,
     * WRONG_VERSION, CONNECTION, or what conn_close was given; `detail` a
     * phrase for a person, borrowed. */
    void (*on_close)(struct conn *c, enum status why, const char *detail);
    /* In place of on_frame (which is NULL then), for a protocol of other
     * messages: look at what was read so far and take one message from its
     * front. Gives what that took, above 0; or 0 when it is not whole, with
     * `*wanted`, above bytes.size, being how many bytes there have to be
     * before asking again makes sense; or 0 and has the connection paused, to
     * be given the same bytes again later. `bytes` is borrowed until return. */
    size_t (*on_bytes)(struct conn *c, struct slice bytes, size_t *wanted);
    /* What such a peer is told when it is closed because of partial_max. */
    const char *busy;
};

struct conn_options {
    /* Frames are refused while this much, in bytes, waits to be sent. */
    size_t pending_max;
    /* ... but those of CONN_CONTROL only while this much more waits. */
    size_t reserve;
    /* Largest payload accepted; at most FRAME_PAYLOAD_MAX. */
    uint32_t payload_max;
    /* Memory for beginnings of frames, of all connections together; beyond it
     * the one that has most is told BUSY and closed. 0: no bound. */
    size_t partial_max;
    /* For the side that answers: stop reading while half of pending_max waits
     * to be sent, go on at a quarter, so that a peer that does not take its
     * replies cannot ask for more. The side that asks must leave it off: two
     * ends that both stop would wait for each other for ever. */
    bool gate_reads;
};

/* 4 MiB pending, 1 MiB reserve, largest payload, 256 MiB partial, gate_reads
 * on. */
struct conn_options conn_options_default(void);

enum conn_priority { CONN_NORMAL, CONN_CONTROL };

/* The connections of one loop. They share one read buffer, a pool of spare
 * buffers and the list of dirty ones. `loop` is borrowed until the set is
 * gone. Gives the set; aborts only without memory. */
struct conn_set *conn_set_new(uv_loop_t *loop, struct conn_options options);

/* Close every connection (on_close with STATUS_CANCELLED comes from the loop)
 * and, when the last is gone, free the set. The loop has to run on for that.
 * No conn_new on it any more. NULL is legal. */
void conn_set_free(struct conn_set *set);

/* Write out what was sent since the last call: one write per connection. To
 * be called at the end of every loop turn, before the loop waits. */
void conn_set_flush(struct conn_set *set);

/* From now on flush by itself: after the poll phase and before waiting. For
 * whoever does not own the loop. */
void conn_set_drive(struct conn_set *set);

uv_loop_t *conn_set_loop(const struct conn_set *set);

/* Open connections, those being closed included. */
unsigned conn_set_count(const struct conn_set *set);

/* Counters since the set was made. */
struct conn_stats {
    uint64_t frames_in;
    uint64_t frames_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t writes;  /* system calls that wrote or tried to */
    uint64_t refused; /* sends that got BUSY */
};
struct conn_stats conn_set_stats(const struct conn_set *set);

/* A connection over `stream`, which is connected; takes it. Reading begins at
 * once. `events` is borrowed until on_close, `user` is the owner's own. */
struct conn *conn_new(struct conn_set *set, struct stream *stream,
                      const struct conn_events *events, void *user);

void *conn_user(const struct conn *c);
void conn_set_user(struct conn *c, void *user);

/* Append a frame with the `n` parts as its payload; copies them. It leaves
 * with the next flush.
 *
 * STATUS_BUSY     too much waits already; nothing was kept. on_drain will say.
 * STATUS_CLOSED   it is being closed; nothing was kept.
 * STATUS_INVALID  the payload is above FRAME_PAYLOAD_MAX; nothing was kept. */
MUST_CHECK enum status conn_send(struct conn *c,
                                 const struct frame_header *header,
                                 const struct slice *parts, unsigned n,
                                 enum conn_priority priority);

/* The same without a copy: encode the payload straight behind the header.
 * Append to the buffer that comes back, only append, then call conn_end or
 * conn_undo; no other call on this connection between. The buffer holds
 * earlier frames too: its size is not zero.
 *
 * Gives NULL where conn_send returns BUSY or CLOSED (conn_closing tells). */
MUST_CHECK struct buf *conn_begin(struct conn *c,
                                  const struct frame_header *header,
                                  enum conn_priority priority);
/* Fill in length and checksum.
 * STATUS_INVALID  the payload is above FRAME_PAYLOAD_MAX; nothing was kept. */
MUST_CHECK enum status conn_end(struct conn *c);
/* Forget the frame that was begun. */
void conn_undo(struct conn *c);

/* The same for the owner of an on_bytes: whatever is appended between the two
 * calls leaves as it is. */
MUST_CHECK struct buf *conn_begin_bytes(struct conn *c);
void conn_end_bytes(struct conn *c);

/* Bytes that wait to be sent, and bytes that have been. */
size_t conn_pending(const struct conn *c);
uint64_t conn_sent(const struct conn *c);
/* What waits to be sent by all connections of the set; costs nothing. */
size_t conn_set_pending(const struct conn_set *set);

/* Accept only payloads of this size from now on, at most the set's. */
void conn_limit(struct conn *c, uint32_t payload_max);

/* Deliver no further frame until conn_resume, and read no more. For an owner
 * that has enough requests of this peer under way. Both may be repeated; a
 * resumed connection delivers from the loop, not from inside the call. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Close, dropping what waits to be sent. No further callback but on_close,
 * which comes from the loop, with the first `why`. `detail` is copied (at most
 * 119 bytes), NULL is status_text. Repeating is harmless. */
void conn_close(struct conn *c, enum status why, const char *detail);

/* Close when everything sent has left; until then frames that come in are
 * dropped. conn_close may still cut it short. */
void conn_finish(struct conn *c, enum status why, const char *detail);

/* Whether conn_close or conn_finish has been called or the peer is gone. */
bool conn_closing(const struct conn *c);

/* The peer's "host:port" into text[ADDRESS_MAX + 1]; "" when it is gone. */
void conn_peer(const struct conn *c, char *text);

#endif
