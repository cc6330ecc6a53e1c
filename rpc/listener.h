/* listener.h - accepts connections at one address, for one uv loop.
 *
 * Everything on the loop's thread; callbacks come from the loop only. */
#ifndef RPC_LISTENER_H
#define RPC_LISTENER_H

#include <uv.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "rpc/address.h"
#include "rpc/stream.h"

struct listener;

/* Room for any error text of this file. */
enum { LISTENER_ERROR_SIZE = 400 };

/* How several loops of one process share a port (SO_REUSEPORT). The first one
 * makes sure that no other process has it. */
enum listener_share { LISTENER_ALONE, LISTENER_FIRST, LISTENER_NEXT };

struct listener_options {
    struct address address; /* a name is resolved once; port 0: any free one */
    enum listener_share share;
    unsigned conns_max; /* connections at once; see listener_left */
    /* What one connection too many is told before it is closed; borrowed until
     * the listener is gone. May be empty. */
    struct slice refusal;
};

/* A connection; takes over the stream: make a conn of it, or close it. It
 * counts until listener_left. */
typedef void listener_on_accept(struct listener *l, struct stream *stream,
                                void *user);

/* Bind and listen. Resolving a name blocks: call it before serving begins.
 * Gives the listener, or NULL with one line in error[LISTENER_ERROR_SIZE] that
 * names the address ("port in use: 127.0.0.1:7410"). */
MUST_CHECK struct listener *listener_new(uv_loop_t *loop,
                                         const struct listener_options *options,
                                         listener_on_accept *on_accept,
                                         void *user, char *error);

/* Stop accepting; accepted connections are not touched. No further callback.
 * The memory goes when the loop runs on. NULL is legal. */
void listener_free(struct listener *l);

/* The owner's connection from on_accept is gone: its place is free again. */
void listener_left(struct listener *l);

/* The address it is bound to, with the real port. */
const struct address *listener_address(const struct listener *l);

/* Connections now, and those refused since the start. */
unsigned listener_count(const struct listener *l);
uint64_t listener_refused(const struct listener *l);

#endif
