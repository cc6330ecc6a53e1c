/* status.h - the one list of outcomes, for every layer and both processes.
 *
 * A status crosses the wire by its number, so numbers are never reused or
 * changed. `retry` says what the caller may do with a WRITE that ended so:
 *
 *   RETRY_SAFE    it was certainly not executed: send it again
 *   RETRY_NO      asking again gives the same answer, or it succeeded
 *   RETRY_UNSAFE  it may have been executed: asking again may do it twice,
 *                 unless it has a session (proto/operation.h): then the same
 *                 request, with the same session, may be sent again, to any
 *                 node, until its not_after; behind EXPIRED and STALE_REQUEST
 *                 nobody knows any more what came of it
 *
 * Reads may always be repeated. */
#ifndef PROTO_BASE_STATUS_H
#define PROTO_BASE_STATUS_H

#include <stdbool.h>

enum retry { RETRY_NO, RETRY_SAFE, RETRY_UNSAFE };

/*      name              wire  retry         text */
#define STATUS_LIST(X)                                                         \
    X(OK, 0, RETRY_NO, "ok")                                                   \
    X(NOT_FOUND, 1, RETRY_NO, "not found")                                     \
    X(NOT_MET, 2, RETRY_NO, "condition not met")                               \
    X(INVALID, 3, RETRY_NO, "invalid request")                                 \
    X(KEY_EMPTY, 4, RETRY_NO, "the key is empty")                              \
    X(KEY_TOO_LARGE, 5, RETRY_NO, "the key is longer than 65535 bytes")        \
    X(VALUE_TOO_LARGE, 6, RETRY_NO, "the value is larger than 16 MiB")         \
    X(NO_KEYSPACE, 7, RETRY_NO, "no such keyspace")                            \
    X(NOT_LEADER, 8, RETRY_SAFE, "this node does not lead the group")          \
    X(MOVED, 9, RETRY_SAFE, "the slot belongs to another group")               \
    X(BUSY, 10, RETRY_SAFE, "over a limit, try again later")                   \
    X(UNAVAILABLE, 11, RETRY_SAFE, "no leader can be reached")                 \
    X(TIMEOUT, 12, RETRY_SAFE, "timed out before it was executed")             \
    X(UNKNOWN, 13, RETRY_UNSAFE, "the outcome is unknown")                     \
    X(CANCELLED, 14, RETRY_SAFE, "cancelled before it was sent")               \
    X(DENIED, 15, RETRY_NO, "permission denied")                               \
    X(DISK_FULL, 16, RETRY_SAFE, "the disk is nearly full")                    \
    X(NOT_INITIALISED, 17, RETRY_SAFE, "no cluster yet: run cluster init")     \
    X(WRONG_CLUSTER, 18, RETRY_NO, "this node belongs to another cluster")     \
    X(WRONG_NODE, 19, RETRY_NO, "unknown or outdated directory id")            \
    X(WRONG_VERSION, 20, RETRY_NO, "unknown protocol or format version")       \
    X(BAD_FRAME, 21, RETRY_NO, "malformed frame")                              \
    X(BAD_MESSAGE, 22, RETRY_NO, "malformed or unknown message")               \
    X(CORRUPT, 23, RETRY_NO, "damaged data on disk")                           \
    X(IO_ERROR, 24, RETRY_UNSAFE, "input/output error")                        \
    X(NO_MEMORY, 25, RETRY_SAFE, "out of memory")                              \
    X(QUARANTINED, 26, RETRY_SAFE, "the replica is quarantined")               \
    X(EXISTS, 27, RETRY_NO, "exists already")                                  \
    X(CLOSED, 28, RETRY_SAFE, "closed")                                        \
    X(CONNECTION, 29, RETRY_SAFE, "cannot connect")                            \
    X(INTERNAL, 30, RETRY_UNSAFE, "internal error")                            \
    X(INCOMPLETE, 31, RETRY_SAFE, "not in memory")                             \
    X(STALLED, 32, RETRY_SAFE, "the store is stalled")                         \
    X(EXPIRED, 33, RETRY_UNSAFE, "the request is too old to be executed")      \
    X(STALE_REQUEST, 34, RETRY_UNSAFE, "a request acknowledged long ago")      \
    X(NOT_A_NUMBER, 35, RETRY_NO, "the value is not a number")                 \
    X(OVERFLOW, 36, RETRY_NO, "the number would overflow")                     \
    X(WRONG_TYPE, 37, RETRY_NO, "the key holds another type of value")         \
    X(CROSS_GROUP, 38, RETRY_NO, "the keys belong to several groups")          \
    X(TOO_LARGE, 39, RETRY_NO, "over 128 operations or 4 MiB at once")         \
    X(QUOTA, 40, RETRY_NO, "over the keyspace's limit")                        \
    X(BAD_CURSOR, 41, RETRY_NO, "malformed or foreign cursor")                 \
    X(COMPACTED, 42, RETRY_NO, "older than the history kept: resync")          \
    X(FENCED, 43, RETRY_NO, "a newer fencing token was presented")

enum status {
#define X(name, wire, retry, text) STATUS_##name = wire,
    STATUS_LIST(X)
#undef X
};

/* The status's name ("NOT_FOUND"), or "UNLISTED" for a number not in the list.
 * Static text. */
const char *status_name(enum status s);

/* One English phrase without a full stop. Static text. */
const char *status_text(enum status s);

/* Whether a write that ended so may be sent again; see above. */
enum retry status_retry(enum status s);

/* Is this number in the list? For numbers that come from a peer. */
bool status_known(unsigned wire);

#endif
