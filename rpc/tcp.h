/* tcp.h - streams over plain TCP (see stream.h).
 *
 * Every socket has TCP_NODELAY (a turn's output is one write already) and gives
 * up, with STATUS_CONNECTION, on a peer that has taken nothing of waiting
 * output for 20 s, or that does not answer keepalives for about 50 s of
 * silence. */
#ifndef RPC_TCP_H
#define RPC_TCP_H

#include <uv.h>

#include "rpc/stream.h"

/* Take the connection that waits at `server`; call it once per connection
 * callback of libuv. Gives the stream, or NULL when the peer is gone again or
 * descriptors ran out. */
struct stream *tcp_accept(uv_stream_t *server);

/* Called once per tcp_connect, from the loop: STATUS_OK, or STATUS_CONNECTION
 * with the reason in `detail` (borrowed); then close the stream. After
 * stream close it is not called any more. */
typedef void tcp_on_connect(struct stream *s, enum status result,
                            const char *detail);

/* A stream that is being connected to `to`. Until the callback it may only be
 * closed; set its events and user first. Gives the stream, or NULL with the
 * reason in `*detail` (static text). */
struct stream *tcp_connect(uv_loop_t *loop, const struct sockaddr *to,
                           tcp_on_connect *on_connect, const char **detail);

#endif
