/* watch.h - asking a group for its changes, and the changes, as bytes.
 *
 * A WATCH request goes to the leader of one group. It is answered by any number
 * of WATCH_PART frames with the request's id and at the end, whoever ends it,
 * by exactly one ERROR reply that says why: NOT_LEADER (with a hint: ask there,
 * from where the parts ended), COMPACTED (what it asked for, or had not read
 * yet, is not kept any more: read everything anew), CANCELLED (the client sent
 * WATCH_CANCEL with the same id), BUSY, ...
 *
 * Little-endian:
 *
 *   request  u8 flags | u8 kind | u16 progress ms / 10 | u32 group |
 *            u64 after | u32 begin size | u32 end size | begin | end
 *
 *   part     u64 through | u64 clock | u32 events | u32 0 | events
 *   event    u8 kind | u8 flags | u16 key size | u32 value size |
 *            u32 previous size | u32 0 | u64 version | key | value |
 *            previous
 *
 * Events come in the order of their versions, each once, none left out; equal
 * versions (of one transaction) in the order in which they were made.
 * `through`: every change with a version up to it has been told by the end of
 * this part; a part without events is a progress mark. The first part has none
 * and comes at once: it says where the watch begins. Asking again with
 * `after` = `through` goes on exactly behind; events of the part with higher
 * versions come again then (a transaction that did not fit), in the same
 * order.
 *
 * PREVIOUS: every event tells what was there before: a value of up to
 * WATCH_PREVIOUS_BYTES_MAX, nothing, or that it was LARGE: larger than that, or
 * behind 32 MiB of old values which the same log entry has changed, or too
 * large for a message together with the new value, or, with it, larger than a
 * quarter of the history that the node keeps of a group (1 to 16 MiB: 128 MiB
 * for the groups of a loop thread). Groups look at old values only while
 * somebody asks. The first such watch has its group begin with it
 * (its own first part comes then), all replicas alike; the group goes on for at
 * least four minutes behind the last such watch, so that one can be resumed,
 * whoever leads by then. A watch that comes to a change of its range that was
 * made when nobody asked is COMPACTED: no event comes without what was before.
 *
 * Pure; all decoders check bounds; any thread. */
#ifndef PROTO_WATCH_H
#define PROTO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/limits.h"

enum watch_flag {
    WATCH_FROM_NOW = 1u << 0, /* `after` is not looked at */
    WATCH_PREVIOUS = 1u << 1, /* tell what was there before */
};
enum { WATCH_FLAGS_ALL = (1u << 2) - 1 };

enum watch_kind {
    WATCH_KEY = 1,    /* begin: the key */
    WATCH_PREFIX = 2, /* begin: the prefix, may be empty */
    WATCH_RANGE = 3,  /* begin inclusive, end exclusive or empty: no end */
};

enum {
    WATCH_HEADER_BYTES = 24,
    WATCH_PROGRESS_MIN_MS = 100,
    WATCH_PROGRESS_DEFAULT_MS = 1000,
    WATCH_PROGRESS_MAX_MS = 60000,
    WATCH_PART_HEADER_BYTES = 24,
    WATCH_EVENT_BYTES = 24, /* before key, value and previous */
    WATCH_PREVIOUS_BYTES_MAX = 1 << 20,
    /* A part ends here, or behind one larger event. */
    WATCH_PART_BYTES_MAX = 256 * 1024,
};

struct watch_request {
    uint32_t group;
    unsigned flags;
    enum watch_kind kind;
    struct slice begin, end;
    uint64_t after;        /* a version */
    uint32_t progress_ms;  /* an idle watch says so this often; 0: default */
};

void watch_encode(const struct watch_request *m, struct buf *out);
/* BAD_MESSAGE; INVALID; KEY_EMPTY, KEY_TOO_LARGE. Fills the default in. */
MUST_CHECK enum status watch_decode(struct slice bytes,
                                    struct watch_request *out);

/* ---- parts ---- */

enum change_kind {
    CHANGE_PUT = 1,
    CHANGE_DELETE = 2,
    CHANGE_EXPIRE = 3,
};

enum watch_event_flag {
    WATCH_HAD_PREVIOUS = 1u << 0, /* there was a value: it is `previous` */
    WATCH_HAD_NOTHING = 1u << 1,  /* there was none */
    WATCH_HAD_LARGE = 1u << 2,    /* there was one, not told. None of them:
                                     nobody looked */
};

struct watch_event {
    enum change_kind kind;
    unsigned flags;
    struct slice key;
    struct slice value;    /* of PUT */
    struct slice previous;
    uint64_t version;
};

static inline size_t watch_event_bytes(const struct watch_event *e)
{
    return WATCH_EVENT_BYTES + e->key.size + e->value.size + e->previous.size;
}
void watch_event_encode(const struct watch_event *e, struct buf *out);

/* Reserve a part's header at the end of `out`; gives where it begins. */
size_t watch_part_begin(struct buf *out);
void watch_part_end(struct buf *out, size_t begun, uint64_t through,
                    uint64_t clock_ms, uint32_t events);

struct watch_part {
    uint64_t through, clock_ms;
    uint32_t events;
    struct reader rows;
};
/* BAD_MESSAGE */
MUST_CHECK enum status watch_part_decode(struct slice bytes,
                                         struct watch_part *out);
/* The next event; false at the end, or with rows.failed. */
bool watch_part_event(struct watch_part *p, struct watch_event *out);

#endif
