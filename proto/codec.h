/* codec.h - client.proto's messages to bytes and back.
 *
 * Encoders append one message to `out` (growing it at most once for the small
 * ones), so that a reply can be written straight into a connection's output.
 * Decoders take one frame's whole payload. What they give borrows from `bytes`
 * and from `arena`. On anything but OK the output must not be used.
 *
 * Results of every decoder:
 *   STATUS_OK
 *   STATUS_BAD_MESSAGE   not that message, a required field is missing, or the
 *                        arena's limit is too low for it
 * Decoders of requests also:
 *   STATUS_KEY_EMPTY, STATUS_KEY_TOO_LARGE, STATUS_VALUE_TOO_LARGE
 *   STATUS_INVALID       a keyspace name or an enum outside of its range
 *                        (and what operation_check() says)
 *
 * Unknown fields are skipped. A status number that this program does not know
 * is kept as it is (status_known() tells). Pure; any thread.
 *
 * Get, set, delete, operate, scans, watches, their replies, and the
 * envelopes of map and init are written by hand (codec_fast.c,
 * codec_operate.c, codec_stream.c, codec_map.c) and allocate nothing but the
 * list of leaders; the rest goes through protobuf-c. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/message.h"

/* Is this key, value, keyspace name acceptable? For every door. A keyspace
 * name is 1..KEYSPACE_NAME_MAX of A-Z a-z 0-9 . _ -; an empty one stands for
 * "default" in requests and passes here. */
MUST_CHECK enum status key_check(struct slice key);
MUST_CHECK enum status value_check(struct slice value);
MUST_CHECK enum status keyspace_check(struct slice name);

void get_request_encode(const struct get_request *m, struct buf *out);
void set_request_encode(const struct set_request *m, struct buf *out);
void delete_request_encode(const struct delete_request *m, struct buf *out);
void get_reply_encode(const struct get_reply *m, struct buf *out);
void write_reply_encode(const struct write_reply *m, struct buf *out);
void error_reply_encode(const struct error_reply *m, struct buf *out);

MUST_CHECK enum status get_request_decode(struct slice bytes,
                                          struct get_request *m);
MUST_CHECK enum status set_request_decode(struct slice bytes,
                                          struct set_request *m);
MUST_CHECK enum status delete_request_decode(struct slice bytes,
                                             struct delete_request *m);
MUST_CHECK enum status get_reply_decode(struct slice bytes,
                                        struct get_reply *m);
MUST_CHECK enum status write_reply_decode(struct slice bytes,
                                          struct write_reply *m);
MUST_CHECK enum status error_reply_decode(struct slice bytes,
                                          struct error_reply *m);

/* `*why` (may be NULL) is set: NULL, or what exactly is wrong; static text. */
void operate_request_encode(const struct operate_request *m, struct buf *out);
void operate_reply_encode(const struct operate_reply *m, struct buf *out);
MUST_CHECK enum status operate_request_decode(struct slice bytes,
                                              struct operate_request *m,
                                              const char **why);
MUST_CHECK enum status operate_reply_decode(struct slice bytes,
                                            struct operate_reply *m);

/* ScanRequest and WatchRequest, which are built alike; the body is checked by
 * scan_decode() and watch_decode(). */
void stream_request_encode(const struct stream_request *m, struct buf *out);
void scan_reply_encode(const struct scan_reply *m, struct buf *out);
MUST_CHECK enum status stream_request_decode(struct slice bytes,
                                             struct stream_request *m);
MUST_CHECK enum status scan_reply_decode(struct slice bytes,
                                         struct scan_reply *m);

void map_request_encode(const struct map_request *m, struct buf *out);
void map_reply_encode(const struct map_reply *m, struct buf *out);
void init_request_encode(const struct init_request *m, struct buf *out);
void init_reply_encode(const struct init_reply *m, struct buf *out);

MUST_CHECK enum status map_request_decode(struct slice bytes,
                                          struct map_request *m);
/* `leaders` is allocated in the arena. The map inside is checked by
 * map_decode(), not here; so in init messages. */
MUST_CHECK enum status map_reply_decode(struct slice bytes,
                                        struct arena *arena,
                                        struct map_reply *m);
MUST_CHECK enum status init_request_decode(struct slice bytes,
                                           struct init_request *m);
MUST_CHECK enum status init_reply_decode(struct slice bytes,
                                         struct init_reply *m);

/* A decoded status lives in the arena; give it ARENA_STATUS_MAX. */
enum { ARENA_STATUS_MAX = 4 * 1024 * 1024 };
void status_reply_encode(const struct status_reply *m, struct buf *out);
MUST_CHECK enum status status_reply_decode(struct slice bytes,
                                           struct arena *arena,
                                           struct status_reply *m);

#endif
