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
 *    within its time. A write carries an id by which its group knows it again:
 *    however often it is sent, it is executed once, and each try gets the
 *    result of the first. When time runs out before an answer came, a write
 *    ends COAT_UNKNOWN; it may have been executed, but never twice, and not
 *    later than about half a minute afterwards. With the option at_most_once
 *    writes carry no id and are repeated only if they certainly were not
 *    executed.
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

    unsigned at_most_once; /* 1: writes carry no ids, see above */
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
    int has_value;           /* there is a value, maybe an empty one */
    int64_t number;          /* of coat_incr: the new number; of coat_look,
                                coat_append and coat_set_range: the value's
                                size; of a failed transaction: the place of the
                                operation that failed */
    uint64_t deadline;       /* when the key expires, ms since 1970; 0: never.
                                Of get, look and expire */
    uint64_t clock;          /* the group's clock then, ms since 1970, of get
                                and look as the node estimates it; 0: not
                                told */
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

/* Why the last submission was refused (COAT_INVALID), in one line; "" if its
 * status says it all. Static text. */
const char *coat_client_refusal(const struct coat_client *client);

/* ---- more than get, set and delete ---- */

/* Conditions: all that are given have to hold, else the write ends COAT_NOT_MET
 * and nothing has changed. */
enum coat_flag {
    COAT_IF_ABSENT = 1 << 0,
    COAT_IF_PRESENT = 1 << 1,
    COAT_IF_VERSION = 1 << 2,  /* it is `if_version`; 0: absent */
    COAT_IF_VALUE = 1 << 3,    /* it is `if_value`, byte by byte */
    COAT_IF_FENCE = 1 << 4,    /* no higher `fence` was presented for this key
                                  before, else COAT_FENCED (see locks) */
    COAT_PREVIOUS = 1 << 5,    /* the reply's value is what was before, also
                                  when a condition failed */
    COAT_KEEP_TTL = 1 << 6,    /* of a set: keep the key's deadline */
    COAT_PERSIST = 1 << 9,     /* of coat_expire: no deadline any more */
    COAT_EXPIRE_NX = 1 << 10,  /* of coat_expire: only if it has no deadline, */
    COAT_EXPIRE_XX = 1 << 11,  /* ... has one, */
    COAT_EXPIRE_GT = 1 << 12,  /* ... for a later one (never is the latest), */
    COAT_EXPIRE_LT = 1 << 13,  /* ... for an earlier one */
};

/* How a write is done; NULL stands for all zero. */
struct coat_write {
    unsigned flags;        /* enum coat_flag */
    uint64_t ttl;          /* ms from now on (the group's clock); 0: none */
    uint64_t deadline;     /* or this moment, ms since 1970; 0: none */
    uint64_t if_version;
    struct coat_bytes if_value;
    uint64_t fence;
};

/* As coat_set and coat_delete. A set without KEEP_TTL, ttl or deadline leaves
 * the key without a deadline. */
enum coat_status coat_set_with(struct coat_client *client,
                               struct coat_bytes key, struct coat_bytes value,
                               const struct coat_write *with,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user);
enum coat_status coat_delete_with(struct coat_client *client,
                                  struct coat_bytes key,
                                  const struct coat_write *with,
                                  const struct coat_call *how,
                                  coat_on_reply *on_reply, void *user);

/* Add to the decimal number that the value is; a missing key counts as 0. The
 * reply has the new one, in `number` and as text in `value`. The deadline
 * stays.
 * COAT_NOT_A_NUMBER, COAT_OVERFLOW */
enum coat_status coat_incr(struct coat_client *client, struct coat_bytes key,
                           int64_t delta, const struct coat_write *with,
                           const struct coat_call *how,
                           coat_on_reply *on_reply, void *user);
/* The same for floating numbers; the new one only as text, in `value`.
 * COAT_OVERFLOW: it would be infinite. */
enum coat_status coat_incr_float(struct coat_client *client,
                                 struct coat_bytes key, double delta,
                                 const struct coat_write *with,
                                 const struct coat_call *how,
                                 coat_on_reply *on_reply, void *user);

/* Put bytes behind the value, or over it from `offset` on (what lies between
 * becomes zeros). A missing key counts as empty; the deadline stays. */
enum coat_status coat_append(struct coat_client *client, struct coat_bytes key,
                             struct coat_bytes value,
                             const struct coat_write *with,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user);
enum coat_status coat_set_range(struct coat_client *client,
                                struct coat_bytes key, uint64_t offset,
                                struct coat_bytes value,
                                const struct coat_write *with,
                                const struct coat_call *how,
                                coat_on_reply *on_reply, void *user);

/* Change only the deadline: `with` has a ttl, a deadline or COAT_PERSIST. One
 * that has passed removes the key. COAT_NOT_FOUND, COAT_NOT_MET */
enum coat_status coat_expire(struct coat_client *client, struct coat_bytes key,
                             const struct coat_write *with,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user);

/* A get without the value: version, size (`number`) and deadline. */
enum coat_status coat_look(struct coat_client *client, struct coat_bytes key,
                           const struct coat_call *how,
                           coat_on_reply *on_reply, void *user);

/* ---- transactions over the keys of one group ---- */

/* If all conditions hold the first list of operations is executed, else the
 * second; all of it at once or nothing. Keys that share a hash tag ("{cart7}a",
 * "{cart7}b") share a group; else the answer may be COAT_CROSS_GROUP. At most
 * 128 conditions and operations and 4 MiB together: COAT_TOO_LARGE. An
 * operation that fails (a condition of its own, no number, ...) undoes the
 * whole: the transaction ends with its status.
 *
 *     struct coat_transaction *t = coat_transaction_new();
 *     coat_transaction_if_version(t, key, COAT_EQUAL, 17);
 *     coat_transaction_set(t, key, value, NULL);
 *     coat_transaction_else(t);
 *     coat_transaction_get(t, key);
 *     coat_transact(client, t, NULL, on_reply, user);
 *     coat_transaction_free(t);
 *
 * Building never fails; what is wrong is told by coat_transact. */
struct coat_transaction;
enum coat_relation { COAT_EQUAL = 1, COAT_NOT_EQUAL, COAT_LESS, COAT_GREATER };

struct coat_transaction *coat_transaction_new(void);
void coat_transaction_free(struct coat_transaction *t); /* NULL is legal */

/* Conditions. An absent key has version 0, and no value: only COAT_NOT_EQUAL
 * holds for it. */
void coat_transaction_if_version(struct coat_transaction *t,
                                 struct coat_bytes key,
                                 enum coat_relation relation,
                                 uint64_t version);
void coat_transaction_if_value(struct coat_transaction *t,
                               struct coat_bytes key,
                               enum coat_relation relation,
                               struct coat_bytes value);
/* Present a fencing token for `key`: if a higher one was presented for it
 * before, nothing is done and the transaction ends COAT_FENCED (neither list is
 * executed). One of a transaction; operations take none of their own. */
void coat_transaction_if_fence(struct coat_transaction *t,
                               struct coat_bytes key, uint64_t fence);
/* What follows belongs to the second list. */
void coat_transaction_else(struct coat_transaction *t);
/* Operations; each sees what those before it did. */
void coat_transaction_get(struct coat_transaction *t, struct coat_bytes key);
void coat_transaction_set(struct coat_transaction *t, struct coat_bytes key,
                          struct coat_bytes value,
                          const struct coat_write *with);
void coat_transaction_delete(struct coat_transaction *t, struct coat_bytes key,
                             const struct coat_write *with);
void coat_transaction_incr(struct coat_transaction *t, struct coat_bytes key,
                           int64_t delta, const struct coat_write *with);
void coat_transaction_append(struct coat_transaction *t, struct coat_bytes key,
                             struct coat_bytes value,
                             const struct coat_write *with);
void coat_transaction_expire(struct coat_transaction *t, struct coat_bytes key,
                             const struct coat_write *with);

/* Borrowed until it returns. The reply's value is to be read with the next
 * function. */
enum coat_status coat_transact(struct coat_client *client,
                               const struct coat_transaction *t,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user);

/* The results of a transaction that ended COAT_OK: how many, and in `*first`
 * (may be NULL) whether it was the first list; into `out` (may be NULL) those
 * of the operations 0 .. n-1, borrowing from `value`. A negative number: these
 * are not the results of a transaction. */
int coat_transaction_results(struct coat_bytes value, int *first,
                             struct coat_reply *out, unsigned n);

/* ---- many keys at once, of any groups; NOT atomic ---- */

/* Each key is a request of its own, sent to its group at once and in parallel;
 * `on_each` tells each one's end, in any order, with its place; `on_done` (may
 * be NULL) comes after the last. Submitting ends early with a status of
 * coat_get's; then only those before `*submitted` (may be NULL) will be told,
 * and `on_done` comes all the same. n may be 0. */
typedef void coat_on_each(size_t place, const struct coat_reply *reply,
                          void *user);
enum coat_status coat_mget(struct coat_client *client,
                           const struct coat_bytes *keys, size_t n,
                           const struct coat_call *how, coat_on_each *on_each,
                           coat_on_close *on_done, void *user,
                           size_t *submitted);
enum coat_status coat_mset(struct coat_client *client,
                           const struct coat_bytes *keys,
                           const struct coat_bytes *values, size_t n,
                           const struct coat_write *with,
                           const struct coat_call *how, coat_on_each *on_each,
                           coat_on_close *on_done, void *user,
                           size_t *submitted);
enum coat_status coat_mdelete(struct coat_client *client,
                              const struct coat_bytes *keys, size_t n,
                              const struct coat_call *how,
                              coat_on_each *on_each, coat_on_close *on_done,
                              void *user, size_t *submitted);

/* ---- keyspaces ---- */

/* A keyspace is a namespace of keys of its own; a client works in the one that
 * its options name. Limits and the default ttl are kept in the cluster map.
 *
 * Limits hold for the whole keyspace: a write beyond them is refused with
 * COAT_QUOTA. Groups agree on the rest by what they tell each other, so at the
 * end several may each take in one write more (docs/CLI.md).
 * Only a keyspace that was created with `keys_max` or `bytes_max` set (0 is no
 * limit for now) can be limited later: of others nobody has counted the keys.
 * The default ttl is that of sets that give none. */
enum coat_keyspace_set {
    COAT_KEYSPACE_KEYS = 1 << 0,
    COAT_KEYSPACE_BYTES = 1 << 1,
    COAT_KEYSPACE_TTL = 1 << 2,
};
struct coat_keyspace {
    unsigned set;         /* which of the next three are given */
    uint64_t keys_max;    /* 0: no limit */
    uint64_t bytes_max;   /* of keys and values; 0: no limit */
    uint64_t default_ttl; /* ms; 0: none */
    uint32_t id;          /* only told */
    int dropping;         /* only told: its data is being removed */
};

/* All may be repeated.
 * create  COAT_OK, also if it exists with the same settings; COAT_EXISTS with
 *         others; COAT_INVALID: not 1 to 64 of A-Z a-z 0-9 . _ -;
 *         COAT_TOO_LARGE: there are 1,024. `settings` may be NULL
 * alter   COAT_NO_KEYSPACE; COAT_INVALID: limits for one that is not counted
 * drop    nobody finds it from now on, its data is removed behind it.
 *         COAT_NO_KEYSPACE; COAT_INVALID: "default"; COAT_BUSY: many at once */
enum coat_status coat_keyspace_create(struct coat_client *client,
                                      const char *name,
                                      const struct coat_keyspace *settings,
                                      const struct coat_call *how,
                                      coat_on_reply *on_reply, void *user);
enum coat_status coat_keyspace_alter(struct coat_client *client,
                                     const char *name,
                                     const struct coat_keyspace *settings,
                                     const struct coat_call *how,
                                     coat_on_reply *on_reply, void *user);
enum coat_status coat_keyspace_drop(struct coat_client *client,
                                    const char *name,
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

/* Any request: submit it with coat_session_reply as on_reply and the session as
 * user, on coat_session_client(); then wait. The reply is kept until the next
 * call:
 *
 *     rv = coat_incr(coat_session_client(s), key, 1, NULL, NULL,
 *                    coat_session_reply, s);
 *     rv = coat_session_wait(s, rv, &reply); */
struct coat_client *coat_session_client(struct coat_session *session);
void coat_session_reply(const struct coat_reply *reply, void *session);
enum coat_status coat_session_wait(struct coat_session *session,
                                   enum coat_status submitted,
                                   const struct coat_reply **reply);

enum coat_status coat_incr_wait(struct coat_session *session,
                                struct coat_bytes key, int64_t delta,
                                const struct coat_call *how, int64_t *number);

/* Many keys; `statuses` has n places. The first status that is worse than
 * COAT_NOT_FOUND, else COAT_OK. values[i] as of coat_get_wait. */
enum coat_status coat_mget_wait(struct coat_session *session,
                                const struct coat_bytes *keys, size_t n,
                                const struct coat_call *how,
                                struct coat_value *values,
                                enum coat_status *statuses);
enum coat_status coat_mset_wait(struct coat_session *session,
                                const struct coat_bytes *keys,
                                const struct coat_bytes *values, size_t n,
                                const struct coat_write *with,
                                const struct coat_call *how,
                                enum coat_status *statuses);
enum coat_status coat_mdelete_wait(struct coat_session *session,
                                   const struct coat_bytes *keys, size_t n,
                                   const struct coat_call *how,
                                   enum coat_status *statuses);

/* Every keyspace, as a node tells now. */
typedef void coat_on_keyspace(const char *name,
                              const struct coat_keyspace *keyspace,
                              void *user);
enum coat_status coat_keyspaces_wait(struct coat_session *session,
                                     coat_on_keyspace *on_keyspace,
                                     void *user);

/* ---- locks ---- */

/* A lock is a key with a deadline: whoever created it holds it until it expires
 * or is released. Its version is the fencing TOKEN, which only grows: present
 * it with each write that the lock protects (COAT_IF_FENCE, or
 * coat_transaction_if_fence of a transaction), then a holder that
 * slept past its deadline is refused as soon as its successor wrote. Within one
 * group (hash tags) a transaction that asks for the lock's version is exact
 * even before that.
 *
 * coat_lock_wait takes it, waiting for at most `patience` ms (0: not at all)
 * while somebody else has it: COAT_OK, COAT_NOT_MET (it is taken; `*token` is
 * the holder's), or how the requests failed. `owner` is what the key holds, for
 * people. `ttl` is at least 10 ms.
 *
 * Keep it before the time is over; release it: COAT_NOT_MET when it is not
 * ours any more. */
enum coat_status coat_lock_wait(struct coat_session *session,
                                struct coat_bytes name,
                                struct coat_bytes owner, uint64_t ttl,
                                uint64_t patience, uint64_t *token);
enum coat_status coat_lock_keep(struct coat_session *session,
                                struct coat_bytes name, uint64_t token,
                                uint64_t ttl);
enum coat_status coat_unlock(struct coat_session *session,
                             struct coat_bytes name, uint64_t token);

/* Leader election among clients: a lock that is taken when it is free, kept
 * while its owner lives, and given up when it cannot be kept in time. Runs by
 * itself on the client's loop.
 *
 * `on_change` is called with the token when we are the leader, and with 0 when
 * we are not any more, at the latest when our time is over by this machine's
 * clock (the lock's ttl minus a tenth, from when the keeping request was
 * sent). coat_election_end gives the lock back and calls `on_end` (may be NULL)
 * when nothing of it is left; it has to end before the client is closed. NULL:
 * the name is not legal or ttl below 100 ms. */
struct coat_election;
typedef void coat_on_election(uint64_t token, void *user);
struct coat_election *coat_election_new(struct coat_client *client,
                                        struct coat_bytes name,
                                        struct coat_bytes owner, uint64_t ttl,
                                        coat_on_election *on_change,
                                        void *user);
void coat_election_end(struct coat_election *election, coat_on_close *on_end,
                       void *user);

/* What exactly went wrong in the last call, in one line; "" if nothing more is
 * known. Valid until the next call. */
const char *coat_session_detail(const struct coat_session *session);

#ifdef __cplusplus
}
#endif

#include "coatcheck_stream.h" /* ordered scans, watches */

#endif
