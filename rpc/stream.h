/* stream.h - the seam between connections and what carries their bytes.
 *
 * conn.c speaks only to this; plain TCP (tcp.h) is one implementation, TLS can
 * become another one that owns a TCP stream below itself. A stream belongs to
 * one uv loop; everything here is called on that loop's thread. A stream is
 * made connected, by a listener or a dialer, and given to exactly one user.
 *
 * Callbacks come from the loop only, never from inside an operation. */
#ifndef RPC_STREAM_H
#define RPC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"

struct stream;

/* What a stream tells its user. */
struct stream_events {
    /* Where shall the next bytes go? Give memory that stays valid until the
     * on_bytes or on_end that follows; at least one byte. */
    uint8_t *(*on_space)(struct stream *s, size_t *size);
    /* `size` bytes, above 0, stand at `data`: the start of the space. */
    void (*on_bytes)(struct stream *s, uint8_t *data, size_t size);
    /* Nothing more will be read: the peer has ended (STATUS_CLOSED) or an error
     * (STATUS_CONNECTION). At most once. `detail` is borrowed. */
    void (*on_end)(struct stream *s, enum status why, const char *detail);
    /* The write is done, or failed: STATUS_CONNECTION. Once per write. */
    void (*on_wrote)(struct stream *s, enum status result);
    /* The end was sent behind all output, or could not be. Once. */
    void (*on_shut)(struct stream *s);
    /* The last callback; the stream is gone on return. After close only this
     * one and on_wrote come. */
    void (*on_closed)(struct stream *s);
};

struct stream_ops {
    /* Begin, or stop, asking for bytes. Both may be repeated. */
    MUST_CHECK enum status (*read_start)(struct stream *s);
    void (*read_stop)(struct stream *s);
    /* Hand over as much as is taken without waiting; `*taken` says how much,
     * maybe nothing. Not while a write is under way.
     * STATUS_CONNECTION  broken; close it. */
    MUST_CHECK enum status (*try_write)(struct stream *s, struct slice bytes,
                                        size_t *taken);
    /* Write all. Borrows `bytes` until on_wrote; one write at a time.
     * STATUS_CONNECTION  broken; there will be no on_wrote. */
    MUST_CHECK enum status (*write)(struct stream *s, struct slice bytes);
    /* Send the end of our output, once, after a write under way. on_shut.
     * STATUS_CONNECTION  broken; there will be no on_shut. */
    MUST_CHECK enum status (*shutdown)(struct stream *s);
    /* Drop everything; on_closed comes from the loop, after on_wrote of a
     * write under way. Once. */
    void (*close)(struct stream *s);
    /* The peer's address "host:port", or "" when it is gone already. */
    void (*peer)(struct stream *s, char *text, size_t size);
};

struct stream {
    const struct stream_ops *ops;
    const struct stream_events *events; /* set by the user before any call but
                                           close; NULL: nobody is told */
    void *user;                         /* the user's own */
};

#endif
