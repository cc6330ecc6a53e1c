/* scan.h - one page of an ordered scan, as bytes.
 *
 * A scan asks ONE group for the keys of a keyspace in a range, in byte order or
 * backwards, and gets one page: what fits under its limits, and where to go on.
 * The same bytes travel from a client to its node, from node to node (passed
 * on) and to the worker that reads. Little-endian:
 *
 *   request  u8 flags | u8 0 | u16 key size | u32 group | u32 keys max |
 *            u32 bytes max | u32 begin size | u32 end size | u32 pattern size |
 *            key | begin | end | pattern
 *
 *   page     u8 flags (scan_page_flag) | 3 x 0 | u32 records | u64 counted |
 *            u64 index | u64 clock | u64 ownership | u32 next size | u32 0 |
 *            records | next
 *   record   u32 key size | u32 value size | u64 version | u64 expire at |
 *            key | value (unless SCAN_KEYS_ONLY)
 *
 * A page is linearizable as a whole: it shows what the group held at one moment
 * between the request and its reply (`index`: the log index of that moment).
 * Keys that are expired by the group clock of that moment, and keys of slots
 * which the group did not own then, are not in it.
 *
 * A page ends at a limit, at the end of the range, or after a bounded amount of
 * work: it may be empty and still not be the last. SCAN_PAGE_MORE: go on with
 * `next` as the new begin (backwards: as the new end).
 *
 * Pure; all decoders check bounds; any thread. */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/limits.h"

enum scan_flag {
    SCAN_REVERSE = 1u << 0,
    SCAN_KEYS_ONLY = 1u << 1,  /* values are left out, their sizes stay */
    SCAN_COUNT_ONLY = 1u << 2, /* no records at all, only `counted` */
    SCAN_STALE = 1u << 3,      /* any replica's state */
};
enum { SCAN_FLAGS_ALL = (1u << 4) - 1 };

enum {
    SCAN_HEADER_BYTES = 28,
    SCAN_PAGE_HEADER_BYTES = 48,
    SCAN_RECORD_BYTES = 24,             /* before key and value */
    SCAN_BOUND_BYTES_MAX = KEY_BYTES_MAX + 1, /* of begin and end */
    SCAN_PATTERN_BYTES_MAX = 256,
    SCAN_PAGE_BYTES_DEFAULT = 256 * 1024,
    SCAN_PAGE_BYTES_MAX = 1 << 20, /* records beyond this only if it is one */
};

struct scan {
    uint32_t group;        /* 0: the group of `key` */
    unsigned flags;
    uint32_t keys_max;     /* in this page; 0: as many as fit */
    uint32_t bytes_max;    /* of this page's records; 0: the default */
    struct slice key;      /* with group 0: routes by its slot */
    struct slice begin;    /* inclusive; empty: the first key */
    struct slice end;      /* exclusive; empty: behind the last key */
    struct slice pattern;  /* glob_check() likes it; empty: all */
};

void scan_encode(const struct scan *s, struct buf *out);
/* Slices borrow from `bytes`.
 * BAD_MESSAGE; INVALID: flags or sizes out of range, or a pattern with a set
 * that is not closed; KEY_EMPTY: no group. */
MUST_CHECK enum status scan_decode(struct slice bytes, struct scan *out);

/* Append the smallest bound above all keys that begin with `prefix` to `out`;
 * nothing when there is none (only 0xff bytes, or empty). */
void scan_prefix_end(struct slice prefix, struct buf *out);

/* ---- pages ---- */

enum scan_page_flag {
    SCAN_PAGE_MORE = 1u << 0,    /* `next` says where */
    SCAN_PAGE_VALUES = 1u << 1,  /* records have their values */
};

struct scan_record {
    struct slice key, value; /* value: empty without SCAN_PAGE_VALUES */
    uint32_t value_size;     /* as stored */
    uint64_t version;
    uint64_t expire_at;      /* ms since 1970 on the group clock; 0: never */
};

struct scan_page {
    unsigned flags;
    uint32_t records;      /* in it */
    uint64_t counted;      /* keys that matched, also those not in it */
    uint64_t index;        /* the log index it shows */
    uint64_t clock_ms;     /* the group clock there */
    uint64_t ownership;    /* of the slots owned there: the XOR over all groups
                              is the same whenever every slot has one owner */
    struct slice next;
    struct reader rows;    /* scan_page_record() reads them in turn */
};

/* Look at a whole page: its records are checked by scan_page_record().
 * BAD_MESSAGE */
MUST_CHECK enum status scan_page_decode(struct slice bytes,
                                        struct scan_page *out);
/* The next record (borrowed from the page). False at the end, or with
 * p->rows.failed when it is malformed. */
bool scan_page_record(struct scan_page *p, struct scan_record *out);

/* Writing one: begin, add records, end. Appends to `out`, which may hold other
 * bytes before. */
struct scan_writer {
    struct buf *out;
    size_t begun;
    uint32_t records;
    bool values;
};
void scan_writer_begin(struct scan_writer *w, struct buf *out, bool values);
void scan_writer_add(struct scan_writer *w, const struct scan_record *r);
static inline size_t scan_writer_bytes(const struct scan_writer *w)
{
    return w->out->size - w->begun - SCAN_PAGE_HEADER_BYTES;
}
/* `p`: flags but VALUES, counted, index, clock, ownership, next (copied; must
 * not point into `out`). */
void scan_writer_end(struct scan_writer *w, const struct scan_page *p);

/* What a slot adds (by XOR) to the ownership. */
uint64_t scan_ownership_of(uint16_t slot);

#endif
