/* dialer.h - keeps one outgoing connection alive.
 *
 * Resolves the name (without blocking; numeric addresses at once), tries each
 * of its addresses, and after a failure or a loss waits and tries again: the
 * pause doubles from backoff_min to backoff_max, each time a random part of
 * its upper half, and is short again after the first frame of a connection has
 * arrived. Nobody who accepts and hangs up at once makes us spin.
 *
 *   STOPPED --> WAITING --> RESOLVING --> CONNECTING --> UP
 *                  ^            |              |          |
 *                  +------------+--------------+----------+
 *
 * and from everywhere back to STOPPED.
 *
 * Everything on the loop's thread; callbacks come from the loop only. */
#ifndef RPC_DIALER_H
#define RPC_DIALER_H

#include <uv.h>

#include "proto/base/time.h"
#include "rpc/address.h"
#include "rpc/conn.h"

struct dialer;

enum dialer_state {
    DIALER_STOPPED,
    DIALER_RESOLVING,
    DIALER_CONNECTING,
    DIALER_UP,
    DIALER_WAITING,
};

struct dialer_options {
    struct address address;
    duration connect_timeout; /* per address tried */
    duration backoff_min;     /* above 0 */
    duration backoff_max;
    uint64_t seed; /* of the jitter */
};

/* `address` with 2 s to connect, pauses of 50 ms to 2 s. */
struct dialer_options dialer_options_default(const struct address *address,
                                             uint64_t seed);

struct dialer_events {
    /* Connected; frames may be sent at once. `c` is valid until on_down; its
     * user pointer is the dialer's, leave it alone. */
    void (*on_up)(struct dialer *d, struct conn *c);
    /* As in conn_events. */
    void (*on_frame)(struct dialer *d, const struct frame_header *header,
                     struct slice payload);
    void (*on_drain)(struct dialer *d); /* may be NULL */
    /* The connection is gone; exactly once after each on_up. */
    void (*on_down)(struct dialer *d, enum status why, const char *detail);
    /* A try failed without coming up: every address of the name. `why` is
     * STATUS_CONNECTION; `detail` names the address. May be NULL. */
    void (*on_failed)(struct dialer *d, enum status why, const char *detail);
};

/* A dialer that is STOPPED. `set` gives the loop and outlives the dialer;
 * `events` is borrowed until dialer_free; `user` is the owner's own. */
struct dialer *dialer_new(struct conn_set *set,
                          const struct dialer_options *options,
                          const struct dialer_events *events, void *user);

/* Begin; nothing when it runs already. In WAITING: try now. */
void dialer_start(struct dialer *d);

/* Drop the connection or the try and stay STOPPED until dialer_start. A
 * connection that was up gets its on_down (STATUS_CANCELLED) from the loop. */
void dialer_stop(struct dialer *d);

/* Another address from now on. Connected or trying: starts over with it. */
void dialer_move(struct dialer *d, const struct address *address);

/* Stop for good. No further callback, not even on_down. The memory goes when
 * the loop runs on. NULL is legal. */
void dialer_free(struct dialer *d);

enum dialer_state dialer_state(const struct dialer *d);
const char *dialer_state_name(enum dialer_state s);

/* The pause after the next failure, before its jitter. */
duration dialer_pause(const struct dialer *d);

/* The connection while UP and not being closed, else NULL. */
struct conn *dialer_conn(const struct dialer *d);
void *dialer_user(const struct dialer *d);
const struct address *dialer_address(const struct dialer *d);

#endif
