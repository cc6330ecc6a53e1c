/* coatcheck.h - the client library of Coatcheck, a replicated key-value store.
 *
 *     cc app.c $(pkg-config --cflags --libs coatcheck)
 *
 * THE SHORT WAY, blocking:
 *
 *     char error[COAT_ERROR_MAX];
 *     struct coat_options options = COAT_OPTIONS;
 *     struct coat_session *s = coat_connect(&options, error, sizeof error);
 *     if (!s)
 *         errx(1, "%s", error);
 *     enum coat_status rv = coat_set_wait(s, COAT_STR("ticket 7"),
 *                                         COAT_STR("blue coat"), NULL, NULL);
 *     if (rv)
 *         warnx("%s: %s", coat_status_text(rv), coat_session_detail(s));
 *     coat_disconnect(s);
 *
 * THE LONG WAY, asynchronous on your own libuv loop: coat_client_new(), then
 * coat_get(), coat_set(), coat_delete() with a callback each, and at the end
 * coat_client_close().
 *
 * WHAT IS PROMISED
 *  - A write that ended COAT_OK is on the disks of a majority of its replicas.
 *  - A get that was submitted after that sees it, from any client, unless it
 *    asked for COAT_STALE.
 *  - A request ends exactly once, with one status. The library repeats it
 *    within its time as long as it certainly was not executed (reads always
 *    may be repeated), and never otherwise: a write whose fate is not known
 *    ends COAT_UNKNOWN, and may still take effect shortly afterwards.
 *  - Writes to one key that are submitted one after the other on one lane (see
 *    struct coat_call) are executed in that order, without waiting between
 *    them. If an earlier one has to be repeated when a later one was already
 *    executed, it is not repeated but ends with the status that refused it.
 *
 * KEYS are 1..65,535 bytes, VALUES 0..16 MiB; any bytes.
 *
 * THREADS. A client belongs to its loop's thread and a session to one thread
 * at a time; there are no locks and no hidden threads. Several of them may live
 * in several threads. Functions without a client or session are safe anywhere.
 *
 * FORK. Neither survives a fork: in the child every submission gives
 * COAT_CLOSED, and closing does nothing.
 *
 * SIGNALS. Ignore SIGPIPE, as every program on libuv has to.
 *
 * Times are in milliseconds, kept to about 10. Pointers that a function takes
 * are borrowed until it returns, unless it says otherwise: keys and values are
 * copied. */
#ifndef COATCHECK_H
#define COATCHECK_H

#include <stddef.h>
#include <stdint.h>

#include "coatcheck_status.h" /* enum coat_status */

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* uv_loop_t; include <uv.h> before use */
struct coat_client;
struct coat_session;

#define COAT_VERSION_MAJOR 0
#define COAT_VERSION_MINOR 1
#define COAT_VERSION_PATCH 0

/* The library's version at run time, "0.1.0". Static text. */
const char *coat_version(void);

/* ---- outcomes ---- */

/* What a WRITE that ended so allows. */
enum coat_retry {
    COAT_RETRY_NO,     /* it succeeded, or asking again changes nothing */
    COAT_RETRY_SAFE,   /* it was not executed: it may be sent again */
    COAT_RETRY_UNSAFE, /* it may have been executed: look before repeating */
};

/* "NOT_FOUND"; "not found"; see above. Static texts. */
const char *coat_status_name(enum coat_status status);
const char *coat_status_text(enum coat_status status);
enum coat_retry coat_status_retry(enum coat_status status);

/* ---- bytes ---- */

struct coat_bytes {
    const void *data;
    size_t size;
};

/* A C string's bytes, without its NUL. */
#define COAT_STR(text) coat_bytes_str(text)
#define COAT_BYTES(data, size) ((struct coat_bytes){(data), (size)})

struct coat_bytes coat_bytes_str(const char *text);

/* ---- options; zero is the default everywhere ---- */

enum coat_consistency {
    COAT_DEFAULT = 0,  /* what the options say; there: linearizable */
    COAT_LINEARIZABLE, /* sees every write that ended before */
    COAT_STALE,        /* any replica's state, maybe a little old; cheaper */
};

struct coat_options {
    size_t size; /* of this struct; set by COAT_OPTIONS */

    /* Some nodes of the cluster, "host:port,[v6]:port"; the others are learned
     * from them. Default "127.0.0.1:7410". */
    const char *endpoints;
    const char *keyspace; /* default "default" */
    enum coat_consistency consistency;

    unsigned timeout;         /* of a request, its retries included; 5000 */
    unsigned attempt_timeout; /* after this a read is tried elsewhere; 1000 */
    unsigned connect_timeout; /* 2000 */
    unsigned attempts_max;    /* tries of one request; 64 */

    unsigned connections_per_node; /* 1..1024, opened when first used; 1 */
    unsigned requests_max;         /* outstanding, then COAT_BUSY; 65536 */
    size_t bytes_max; /* of outstanding requests, then COAT_BUSY; 256 MiB */

    uint64_t seed; /* of the jitter of retries; default: from the system */
};

#define COAT_OPTIONS {.size = sizeof(struct coat_options)}

enum {
    COAT_ERROR_MAX = 256, /* bytes that every error text fits in, with NUL */
    COAT_TIMEOUT_MAX = 24 * 3600 * 1000,
};

/* How to do one request; NULL stands for all zero. */
struct coat_call {
    unsigned timeout;                  /* 0: the options' */
    enum coat_consistency consistency; /* of a get */
    /* Requests of one lane travel to a node on one connection, number lane mod
     * connections_per_node; 0 lets the library choose by the key's group. Use
     * lanes when several independent users share a client. */
    unsigned lane;
};

/* ---- asynchronous ---- */

struct coat_reply {
    enum coat_status status;
    struct coat_bytes value; /* of a get with COAT_OK */
    uint64_t version;        /* of what was read or written; 0: none. Grows
                                with every change of the key */
    const char *detail;      /* what exactly, for a person; maybe "" */
    unsigned attempts;       /* tries that were sent */
};

/* Borrows `reply` and all it points to until it returns. It is never called
 * from inside the function that submitted the request, and may submit more or
 * close the client. */
typedef void coat_on_reply(const struct coat_reply *reply, void *user);

/* The client is gone; its loop has no handle of it any more. */
typedef void coat_on_close(void *user);

/* A client on `loop`, which must outlive it. Connects by itself as requests
 * come; nothing is sent before the loop runs. All that is submitted to one node
 * during one turn of the loop leaves in one write per connection.
 *
 * NULL: the options are wrong or the loop cannot take more handles; `error`
 * says what, in one line of at most COAT_ERROR_MAX bytes. */
struct coat_client *coat_client_new(struct uv_loop_s *loop,
                                    const struct coat_options *options,
                                    char *error, size_t error_size);

/* End it. Outstanding requests complete during the next turns of the loop:
 * COAT_CANCELLED if certainly not executed, reads too; writes that were sent
 * COAT_UNKNOWN. Then `on_close` (may be NULL) is called, last of all. Calling
 * it twice is a mistake. */
void coat_client_close(struct coat_client *client, coat_on_close *on_close,
                       void *user);

/* Submit a request. COAT_OK: `on_reply` will be called exactly once. Anything
 * else: it never will be, and nothing was kept:
 *
 *   COAT_KEY_EMPTY, COAT_KEY_TOO_LARGE, COAT_VALUE_TOO_LARGE
 *   COAT_INVALID  a timeout, consistency or lane out of range
 *   COAT_BUSY     requests_max or bytes_max are outstanding
 *   COAT_CLOSED   the client is being closed, or this is another process */
enum coat_status coat_get(struct coat_client *client, struct coat_bytes key,
                          const struct coat_call *how, coat_on_reply *on_reply,
                          void *user);
enum coat_status coat_set(struct coat_client *client, struct coat_bytes key,
                          struct coat_bytes value, const struct coat_call *how,
                          coat_on_reply *on_reply, void *user);
/* Ends COAT_NOT_FOUND when there was nothing to delete. */
enum coat_status coat_delete(struct coat_client *client, struct coat_bytes key,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user);

/* Requests that were submitted and have not ended. */
unsigned coat_outstanding(const struct coat_client *client);

/* What has happened since the start; all only grow. */
struct coat_counters {
    uint64_t requests;      /* submitted */
    uint64_t replies;       /* ended, whatever the status */
    uint64_t retries;       /* sent again */
    uint64_t redirects;     /* refused by a node that did not lead */
    uint64_t connects;      /* connections that came up */
    uint64_t disconnects;   /* connections that broke */
    uint64_t map_fetches;   /* cluster maps received */
};
void coat_client_counters(const struct coat_client *client,
                          struct coat_counters *out);

/* ---- blocking, on a loop of its own ---- */

/* Connect and learn the cluster's map. NULL after `options->timeout` without
 * an answer; `error` says why. */
struct coat_session *coat_connect(const struct coat_options *options,
                                  char *error, size_t error_size);
/* NULL is legal. */
void coat_disconnect(struct coat_session *session);

/* A value that a get gave; zero-initialised is empty and valid. Its memory is
 * used again by the next get into it. */
struct coat_value {
    void *data;
    size_t size;
    uint64_t version;
    size_t capacity; /* private */
};
void coat_value_release(struct coat_value *value);

/* Each waits until the request has ended and gives its status, those of
 * submitting included. `version` may be NULL. */
enum coat_status coat_get_wait(struct coat_session *session,
                               struct coat_bytes key,
                               const struct coat_call *how,
                               struct coat_value *value);
enum coat_status coat_set_wait(struct coat_session *session,
                               struct coat_bytes key, struct coat_bytes value,
                               const struct coat_call *how, uint64_t *version);
enum coat_status coat_delete_wait(struct coat_session *session,
                                  struct coat_bytes key,
                                  const struct coat_call *how,
                                  uint64_t *version);

/* What exactly went wrong in the last call, in one line; "" if nothing more is
 * known. Valid until the next call. */
const char *coat_session_detail(const struct coat_session *session);

#ifdef __cplusplus
}
#endif

#include "coatcheck_stream.h" /* ordered scans, watches */

#endif
