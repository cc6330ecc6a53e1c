/* sessions.h - a group's memory of first results: each write at most once.
 *
 * A write with a session (proto/operation.h) is looked up when it is applied.
 * What was executed before is not executed again: its first result comes back,
 * also when it is sent again while the first is still on its way (both are in
 * the log, the second finds the first's result). What the table holds is in the
 * store too, one record for each client and entry (or part of 1 MiB):
 *
 *   'r' client[16] index:u64be part:u16be ->
 *       format:u8 0:u8 results:u16 0:u32 acknowledged:u64 not_after_max:u64,
 *       then each result: sequence:u64 not_after:u64 size:u32 reply
 *
 * so that it survives restarts and moves with snapshots. Everything decided
 * here is a function of these records and of the log: replicas agree, also one
 * that was restored. So a client is known exactly while it has a record, and
 * its newest record stays until the clock is beyond the latest not_after of the
 * client: what was acknowledged stays refused (STALE_REQUEST) for as long as it
 * could come again.
 *
 * A result is dropped only when it is acknowledged or past not_after. A full
 * table refuses (BUSY) and never evicts. Pure; no malloc per command. */
#ifndef NODE_CORE_SESSIONS_H
#define NODE_CORE_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/write_set.h"
#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/operation.h"

enum {
    SESSION_CLIENTS_MAX = 16384,          /* in one group */
    SESSION_TABLE_BYTES_MAX = 64 << 20,
    SESSION_CLIENT_BYTES_MAX = 16 << 20,  /* of one client, of many */
};

struct session_record;
struct session_client;
struct session_row;

struct sessions {
    uint64_t seed;
    struct session_client *clients; /* a slab */
    uint32_t n_clients, used_clients, cap_clients, free_client;
    uint32_t *by_id;                /* open addressing: place + 1 */
    uint32_t by_id_size;
    struct session_row *rows;       /* open addressing: results */
    uint32_t n_rows, rows_size;
    uint32_t *by_time;              /* heap of clients by not_after_max, id */
    uint32_t *touched;              /* clients seen in this entry */
    uint32_t n_touched, cap_touched;
    uint32_t last;                  /* place + 1 of the client seen last */
    size_t result_at;               /* of sessions_remember(), in its bytes */
    size_t bytes;
    uint32_t clients_max;           /* as above; tests take less */
    size_t bytes_max, client_bytes_max;
};

void sessions_init(struct sessions *s, uint64_t seed);
void sessions_release(struct sessions *s);
/* Forget everything. */
void sessions_clear(struct sessions *s);

/* One record of the store; they come in the order of their keys. What it
 * remembers is read too: replies as operation.h has them, of outcomes that are
 * remembered. STATUS_CORRUPT, STATUS_WRONG_VERSION */
MUST_CHECK enum status sessions_load(struct sessions *s, struct slice key,
                                     struct slice value);

/* May this write be executed at `clock`?
 *
 * OK             yes; then sessions_remember() its result
 * EXISTS         it was: `*reply` is what was remembered (valid until the next
 *                call)
 * EXPIRED        the clock is beyond not_after
 * INVALID        not_after is more than SESSION_AHEAD_MAX_MS ahead
 * STALE_REQUEST  its client said that it has the reply
 * BUSY           the table is full */
MUST_CHECK enum status sessions_look(struct sessions *s,
                                     const struct session *q, uint64_t clock,
                                     struct slice *reply);

/* Append the reply's bytes to what this gives, then call
 * sessions_remembered(). Only after sessions_look() said OK. */
struct buf *sessions_remember(struct sessions *s, const struct session *q);
void sessions_remembered(struct sessions *s, const struct session *q);

/* The entry at `index` ends: append its records to `set` and drop what may be
 * dropped. For every entry with commands, also without sessions. */
void sessions_entry_end(struct sessions *s, uint64_t index, uint64_t clock,
                        struct write_set *set);

/* Bytes of a record's key. */
enum { SESSION_KEY_BYTES = 1 + 16 + 8 + 2 };

#endif
