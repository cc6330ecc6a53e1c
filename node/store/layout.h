/* layout.h - what stands in a store: kinds of keys, record formats.
 *
 * Pure; knows nothing of RocksDB. One store holds one group's replica, in ONE
 * ordered key space (one column family), so that one batch is atomic against a
 * flush. The first byte of a key is the record's kind:
 *
 *   'g'                            the group record (exactly one)
 *   's'                            the slot table (exactly one)
 *   'm'                            the cluster map (one, in the meta group)
 *   'd' keyspace:u32be userkey     a user's record, in the user's key order
 *   'f' keyspace:u32be userkey     the highest fencing token presented
 *   'h'                            until when changes are listed with what was
 *                                  before (at most one)
 *   'k' keyspace:u32be             a keyspace's limits and what it holds here
 *   'r' client index part          first results (node/core/sessions.h)
 *   'x' deadline:u64be kind:u8 keyspace:u32be userkey
 *                                  a record of that kind may be due then; empty
 *
 * Other letters are free for later kinds. Integers inside keys are big-endian
 * (byte order is number order); inside values little-endian.
 *
 * A data record's value: format:u8 type:u8 flags:u16 version:u64
 * expire_at_ms:u64, then the user's bytes.
 *
 * Bytes read from disk are never trusted: every decode is bounds-checked and
 * answers STATUS_CORRUPT or STATUS_WRONG_VERSION. */
#ifndef NODE_STORE_LAYOUT_H
#define NODE_STORE_LAYOUT_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/limits.h"

enum layout_kind {
    LAYOUT_DATA = 'd',
    LAYOUT_FENCE = 'f',
    LAYOUT_GROUP = 'g',
    LAYOUT_REMEMBER = 'h',
    LAYOUT_KEYSPACE = 'k',
    LAYOUT_MAP = 'm',
    LAYOUT_SESSION = 'r',
    LAYOUT_SLOTS = 's',
    LAYOUT_DEADLINE = 'x',
};

enum {
    LAYOUT_DATA_PREFIX_BYTES = 5, /* 'd' and the keyspace */
    LAYOUT_DEADLINE_PREFIX_BYTES = 14, /* 'x', deadline, kind, keyspace */
    LAYOUT_KEYSPACE_KEY_BYTES = 5,
    LAYOUT_KEY_BYTES_MAX = LAYOUT_DEADLINE_PREFIX_BYTES + KEY_BYTES_MAX,
    LAYOUT_VALUE_HEADER_BYTES = 20,
    /* A value, or a first result that has one inside. */
    LAYOUT_VALUE_BYTES_MAX = VALUE_BYTES_MAX + (2 << 20),
    LAYOUT_MEMBERS_BYTES_MAX = 4096, /* in a group record */
};

/* ---- keys ---- */

/* The one-byte key of a kind that has exactly one record (or at most one:
 * 'g', 'h', 's', 'm').
 * Static bytes. */
struct slice layout_single_key(enum layout_kind kind);

/* Write the key of `user_key` in `keyspace` to `at`, which has room for
 * LAYOUT_DATA_PREFIX_BYTES + user_key.size bytes; gives that size. */
static inline size_t layout_data_key(uint8_t *at, uint32_t keyspace,
                                     struct slice user_key)
{
    at[0] = LAYOUT_DATA;
    put_be32(at + 1, keyspace);
    if (user_key.size)
        memcpy(at + LAYOUT_DATA_PREFIX_BYTES, user_key.data, user_key.size);
    return LAYOUT_DATA_PREFIX_BYTES + user_key.size;
}

/* The same, appended to `out` (not cleared first). */
void layout_data_key_append(struct buf *out, uint32_t keyspace,
                            struct slice user_key);

/* Take a data key apart; `user_key` borrows from `key`.
 * STATUS_CORRUPT  it is no data key, or its user key is empty or too long. */
MUST_CHECK enum status layout_data_key_parse(struct slice key,
                                             uint32_t *keyspace,
                                             struct slice *user_key);

/* Append the smallest key that is above every key that begins with `prefix`:
 * the exclusive end of a scan. `prefix` is not empty and not only 0xff. */
void layout_prefix_end(struct buf *out, struct slice prefix);

/* Append the exclusive end of all data keys of `keyspace` (the inclusive begin
 * is layout_data_key with an empty user key). */
void layout_keyspace_end(struct buf *out, uint32_t keyspace);

/* What the index of deadlines says: the record of `kind` (LAYOUT_DATA, ...)
 * may be due at `deadline`. The index may have more than is true, never less:
 * a record that was overwritten or deleted leaves its line behind; how it goes
 * is written in node/core/expiry.h. */
struct layout_deadline {
    uint64_t deadline;
    uint8_t kind;
    uint32_t keyspace;
    struct slice user_key;
};

/* Append its key. */
void layout_deadline_key_append(struct buf *out,
                                const struct layout_deadline *d);
/* Take such a key apart; d->user_key borrows from `key`. STATUS_CORRUPT */
MUST_CHECK enum status layout_deadline_key_parse(struct slice key,
                                                 struct layout_deadline *d);

/* Append the key of a fence: shaped like the data key of the same user key. */
void layout_fence_key_append(struct buf *out, uint32_t keyspace,
                             struct slice user_key);

/* The key of a keyspace's own record. */
static inline struct slice layout_keyspace_key(uint8_t *at, uint32_t keyspace)
{
    at[0] = LAYOUT_KEYSPACE;
    put_be32(at + 1, keyspace);
    return slice_of(at, LAYOUT_KEYSPACE_KEY_BYTES);
}

/* ---- values of data records ---- */

enum { LAYOUT_VALUE_FORMAT = 1 };

enum layout_type {
    LAYOUT_TYPE_BYTES = 0, /* a plain byte string */
};

struct layout_value {
    uint8_t type;          /* enum layout_type */
    uint16_t flags;        /* none yet: 0 */
    uint64_t version;      /* grows with every change of the key */
    uint64_t expire_at_ms; /* on the group clock; 0 is never */
    struct slice bytes;    /* the user's value; borrowed */
};

/* Write the LAYOUT_VALUE_HEADER_BYTES that stand before v->bytes. */
static inline void layout_value_header(uint8_t *at,
                                       const struct layout_value *v)
{
    at[0] = LAYOUT_VALUE_FORMAT;
    at[1] = v->type;
    put_u16(at + 2, v->flags);
    put_u64(at + 4, v->version);
    put_u64(at + 12, v->expire_at_ms);
}

/* Take a data record's value apart; `out->bytes` borrows from `value`.
 *
 * STATUS_CORRUPT        shorter than a header
 * STATUS_WRONG_VERSION  a format this program does not know */
MUST_CHECK enum status layout_value_parse(struct slice value,
                                          struct layout_value *out);

/* ---- fences ---- */

enum { LAYOUT_FENCE_FORMAT = 1, LAYOUT_FENCE_BYTES = 24 };

/* u8 format | 7 x 0 | u64 fence | u64 drop after. */
struct layout_fence {
    uint64_t fence;         /* the highest token presented for the key */
    uint64_t drop_after_ms; /* on the group clock; indexed as a deadline */
};

/* Write LAYOUT_FENCE_BYTES to `at`. */
void layout_fence_write(uint8_t *at, const struct layout_fence *f);
/* STATUS_CORRUPT, STATUS_WRONG_VERSION */
MUST_CHECK enum status layout_fence_parse(struct slice value,
                                          struct layout_fence *out);

/* ---- the group record ---- */

/* How far this store has applied the group's log. Written in the same batch as
 * every applied entry, of whatever type, so that store and index never part.
 * `members` is opaque here (raft/ encodes it). */
struct group_record {
    uint64_t applied_index;
    uint64_t applied_term;  /* the term of that entry */
    uint64_t change_index;  /* the last CHANGE entry's index; 0: none yet */
    uint64_t clock_ms;      /* the group clock after that entry */
    uint32_t format_level;  /* the committed feature level */
    struct slice members;   /* as that CHANGE set them; borrowed;
                             * at most LAYOUT_MEMBERS_BYTES_MAX */
};

/* Bytes that group_record_encode writes. */
size_t group_record_bytes(const struct group_record *r);

/* Write the record (with its CRC) to `at`, which has group_record_bytes(r) of
 * room; for write_set_put_reserve. */
void group_record_write(uint8_t *at, const struct group_record *r);

/* Append the record to `out` (not cleared first). */
void group_record_encode(const struct group_record *r, struct buf *out);

/* Take a record apart; `out->members` borrows from `bytes`.
 *
 * STATUS_CORRUPT        too short, too long, or the CRC does not match
 * STATUS_WRONG_VERSION  a format this program does not know */
MUST_CHECK enum status group_record_decode(struct slice bytes,
                                           struct group_record *out);

#endif
