/* operation.h - one operation on one group's keys, as bytes.
 *
 * The same bytes travel from a client to its node (inside OperateRequest), from
 * node to node (passed on) and in the Raft log (a command): one codec, no
 * conversion. Fixed layout, little-endian:
 *
 *   u8 op | u8 0 | u16 key size | u32 flags | u32 value size | u64 argument |
 *   key | value | then, each only if its flag is set, in this order:
 *     u64 expire    OPERATION_TTL, OPERATION_DEADLINE
 *     u64 version   OPERATION_IF_VERSION
 *     u64 fence     OPERATION_IF_FENCE
 *     u32 size and that many bytes   OPERATION_IF_VALUE
 *
 * WHAT THE OPERATIONS DO (everything is decided when the command is applied, by
 * the group's state and clock; equal on all replicas)
 *
 *   SET        store `value`. Drops the key's deadline unless KEEP_TTL, TTL or
 *              DEADLINE is given. OK; NOT_MET if a condition fails
 *   DELETE     remove the key. OK; NOT_FOUND if there was none
 *   INCR       add the signed 64-bit `argument` to a decimal number; a missing
 *              key counts as 0. The reply's value is the new number as text.
 *              A number is written as this makes it: no plus, no leading
 *              zeroes. NOT_A_NUMBER, OVERFLOW; keeps the deadline
 *   INCR_FLOAT the same with `argument` as the bits of a double; shortest text
 *              that reads back as the same number, with an exponent only below
 *              1e-7 and from 1e21; NOT_A_NUMBER (also when the text is longer
 *              than 64 bytes), OVERFLOW
 *   APPEND     put `value` behind the present one (missing: empty). The reply's
 *              argument is the new length. VALUE_TOO_LARGE; keeps the deadline
 *   SET_RANGE  overwrite from offset `argument` on, zero-padded. As APPEND; an
 *              empty `value` changes nothing
 *   EXPIRE     change only the deadline (TTL, DEADLINE or PERSIST), if the
 *              EXPIRE_* conditions hold. OK; NOT_FOUND; NOT_MET. The version
 *              stays
 *   TRANSACT   `value` is a transaction (below); `key` is any of its keys, it
 *              routes. CROSS_GROUP if a key (of either list, or compared) is
 *              in a slot of another group
 *
 *   KEYSPACE   create, change or drop the keyspace named `key`: keyspace.h
 *
 *   GET        read. With META the value is left out, its size is in the
 *              reply's argument. Not a command: never in the log, but inside of
 *              transactions
 *
 * CONDITIONS are looked at before anything changes; all given must hold, else
 * NOT_MET and nothing is changed (with PREVIOUS the present value comes back
 * all the same; the reply's version is that of what is there).
 *
 * IF_FENCE: `fence` is a fencing token: the version that a lock's key got when
 * the lock was taken. Refused with FENCED when a higher one was presented for
 * this key before, whatever came of that; the highest is kept for a day after
 * its last use, also while the key does not exist.
 *
 * One log entry rewrites at most 64 MiB, and looks at values up to the one that
 * exceeds 32 MiB together: what comes behind that in the same entry gets BUSY
 * and can be sent again.
 *
 * A DEADLINE at or before the group clock: SET stores nothing and removes the
 * key, EXPIRE removes it; both OK, as an expiry (watchers see expire).
 *
 * A TRANSACTION, as etcd has it: if all compares hold the first list is
 * executed, else the second; atomically, each operation sees those before it.
 *
 *   u16 compares | u16 then | u16 else | u16 0 | compares | then | else
 *   compare:  u8 what (operation_compare) | u8 relation | u16 key size |
 *             u32 value size | u64 number | key | value
 *   then, else: operations (without IF_FENCE and TRANSACT inside)
 *
 * A fence is the transaction's own: IF_FENCE of TRANSACT, for its `key`, which
 * need not be one of those inside. FENCED before anything is compared.
 *
 * A failed operation (NOT_A_NUMBER, NOT_MET, ...; NOT_FOUND is no failure)
 * undoes the whole transaction, which ends with its status and the operation's
 * place in the reply's argument. So does a reply beyond 16 MiB: TOO_LARGE.
 * Its reply's value: u8 1 if the first list ran, else 0 | u8 0 | u16 n | n
 * times {u32 size, a reply as operation_reply_encode writes it}.
 *
 * Pure. All decoders check bounds; any thread. */
#ifndef PROTO_OPERATION_H
#define PROTO_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/limits.h"

enum op {
    OP_GET = 1,
    OP_SET = 2,
    OP_DELETE = 3,
    OP_NODE_UPDATE = 4,  /* meta group: a node's addresses; internal */
    OP_INCR = 5,
    OP_INCR_FLOAT = 6,
    OP_APPEND = 7,
    OP_SET_RANGE = 8,
    OP_EXPIRE = 9,
    OP_TRANSACT = 10,
    OP_SWEEP = 11,       /* the leader's: remove keys that are due; internal */
    OP_KEYSPACE = 12,    /* meta group: create, change, drop; see keyspace.h */
    OP_PURGE = 13,       /* a dropped keyspace's data in one group; internal */
    OP_SCAN = 14,        /* see scan.h; a read */
    OP_WATCH = 15,       /* see watch.h; a read that goes on */
    OP_REMEMBER = 16,    /* the leader's: for `argument` ms changes are listed
                            with what was before, for watches; internal */
    OP_LAST = OP_REMEMBER,
};

enum operation_flag {
    OPERATION_IF_ABSENT = 1u << 0,
    OPERATION_IF_PRESENT = 1u << 1,
    OPERATION_IF_VERSION = 1u << 2,  /* 0: absent */
    OPERATION_IF_VALUE = 1u << 3,    /* present and equal */
    OPERATION_IF_FENCE = 1u << 4,
    OPERATION_PREVIOUS = 1u << 5,    /* the reply's value: what was before */
    OPERATION_KEEP_TTL = 1u << 6,
    OPERATION_TTL = 1u << 7,         /* `expire`: ms from the group clock */
    OPERATION_DEADLINE = 1u << 8,    /* `expire`: ms since 1970 */
    OPERATION_PERSIST = 1u << 9,     /* EXPIRE: no deadline any more */
    OPERATION_EXPIRE_NX = 1u << 10,  /* EXPIRE only if it has none, */
    OPERATION_EXPIRE_XX = 1u << 11,  /* ... has one, */
    OPERATION_EXPIRE_GT = 1u << 12,  /* ... a later one (none is latest), */
    OPERATION_EXPIRE_LT = 1u << 13,  /* ... an earlier one */
    OPERATION_META = 1u << 14,       /* GET: without the value */
    OPERATION_STALE = 1u << 15,      /* GET, SCAN: any replica's state */
};
enum { OPERATION_FLAGS_ALL = (1u << 16) - 1 };

enum {
    OPERATION_HEADER_BYTES = 20,
    REMEMBER_MAX_MS = 3600000,     /* of OP_REMEMBER */
    TRANSACT_OPERATIONS_MAX = 128, /* compares and both lists together */
    TRANSACT_BYTES_MAX = 4 << 20,
};
/* Of `expire`, also added to a clock: nothing can overflow. */
#define OPERATION_EXPIRE_MAX (UINT64_C(1) << 60)

struct operation {
    enum op op;
    uint32_t flags;
    uint64_t argument;     /* INCR: int64; INCR_FLOAT: a double's bits;
                              SET_RANGE: the offset; else 0 */
    struct slice key, value;
    uint64_t expire;       /* with TTL or DEADLINE */
    uint64_t if_version;
    uint64_t fence;
    struct slice if_value;
};

/* Bytes that operation_encode() appends. */
size_t operation_bytes(const struct operation *o);
void operation_encode(const struct operation *o, struct buf *out);
/* The same to `at`, which has room for them; gives the place behind. */
uint8_t *operation_write(const struct operation *o, uint8_t *at);
/* Read one operation off `r`; slices borrow. Only layout and bounds:
 * BAD_MESSAGE. For bytes of a client call operation_check() next. */
MUST_CHECK enum status operation_decode(struct reader *r,
                                        struct operation *out);
/* Is it one that a client may ask for, with a legal combination of flags, key
 * and value within the limits (a transaction's inside too)? OK, KEY_EMPTY,
 * KEY_TOO_LARGE, VALUE_TOO_LARGE, TOO_LARGE, BAD_MESSAGE, INVALID.
 * `*why` (may be NULL) a static text or NULL. */
MUST_CHECK enum status operation_check(const struct operation *o,
                                       const char **why);
/* Does it change anything: a command? */
static inline bool operation_is_write(enum op op)
{
    return op != OP_GET && op != OP_SCAN && op != OP_WATCH;
}

/* ---- transactions ---- */

enum operation_compare { COMPARE_VERSION = 1, COMPARE_VALUE = 2 };
enum operation_relation {
    RELATION_EQUAL = 1, RELATION_NOT_EQUAL, RELATION_LESS, RELATION_GREATER,
};
struct compare {
    enum operation_compare what; /* an absent key: version 0; compares false
                                    with any value but as NOT_EQUAL */
    enum operation_relation relation;
    struct slice key;
    uint64_t version;
    struct slice value;          /* compared byte by byte */
};
struct transaction {
    unsigned n_compares, n_then, n_else;
    struct reader compares;      /* transaction_compare() reads them in turn, */
    struct reader operations;    /* ... operation_decode() these: then, else */
};
void transaction_begin(struct buf *out, unsigned compares, unsigned n_then,
                       unsigned n_else);
void transaction_compare_encode(struct buf *out, const struct compare *c);
MUST_CHECK enum status transaction_decode(struct slice value,
                                          struct transaction *out);
MUST_CHECK enum status transaction_compare(struct reader *r,
                                           struct compare *out);

/* ---- what comes back ---- */

struct operation_reply {
    enum status status;
    uint64_t version;   /* of what was read or written; 0: none */
    uint64_t expire_at; /* the key's deadline now; 0: none. Of GET, EXPIRE */
    uint64_t clock;     /* the group clock when it was executed; ms */
    uint64_t argument;  /* see above */
    bool has_value;     /* an empty value is not none */
    struct slice value;
};
size_t operation_reply_bytes(const struct operation_reply *m);
void operation_reply_encode(const struct operation_reply *m, struct buf *out);
uint8_t *operation_reply_write(const struct operation_reply *m, uint8_t *at);
MUST_CHECK enum status operation_reply_decode(struct slice bytes,
                                              struct operation_reply *m);

/* ---- exactly once ---- */

/* Who sends a write, so that it is executed at most once however often it is
 * sent (ARCHITECTURE, Exactly once). Zero `sequence`: nobody; then a write that
 * may have been proposed is never repeated. */
struct session {
    uint8_t client[16];    /* random, for the life of the client */
    uint64_t sequence;     /* 1..., one per write, never reused */
    uint64_t acknowledged; /* replies below it have arrived: forget them */
    uint64_t not_after;    /* group time, ms; at most 5 minutes ahead */
};
enum { SESSION_BYTES = 40, SESSION_AHEAD_MAX_MS = 300000 };
/* SESSION_BYTES: client | u64 sequence | u64 acknowledged | u64 not_after. */
void session_encode(const struct session *s, struct buf *out);
/* Empty bytes are no session: all zero.
 * BAD_MESSAGE (another size), INVALID (sequence 0, acknowledged beyond it) */
MUST_CHECK enum status session_decode(struct slice bytes, struct session *out);

#endif
