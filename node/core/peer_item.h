/* peer_item.h - what nodes say to each other: a frame is a list of items.
 *
 * One frame per peer, channel and loop turn carries the items of all groups:
 * heartbeats, votes, entries and acknowledgements, read rounds, forwarded
 * requests, gossip. An item is
 *
 *   u32 size of the body | u8 type | u8 0 | u16 0 | body
 *
 * Bodies are little-endian and of fixed layout; RAFT's is raft/message.h's.
 * All input is bounds-checked: who sends a malformed item is broken, and the
 * connections with that node end (EFFECT_BREAK). */
#ifndef NODE_CORE_PEER_ITEM_H
#define NODE_CORE_PEER_ITEM_H

#include <stdint.h>

#include "node/core/event.h"
#include "proto/base/bytes.h"

enum item_type {
    ITEM_RAFT = 1,
    ITEM_READ_ROUND,
    ITEM_READ_ACK,
    ITEM_FORWARD,
    ITEM_FORWARD_REPLY,
    ITEM_GOSSIP,
    ITEM_MAP_ASK,
    ITEM_MAP_DATA,
    ITEM_SNAPSHOT_ASK,
    ITEM_SNAPSHOT_CHUNK,
    ITEM_USE, /* what groups hold of keyspaces with limits: quota.h */
};

enum { ITEM_HEADER_BYTES = 8 };

/* Open an item at the end of `out`; append the body, then close it. Gives what
 * item_end() needs. */
size_t item_begin(struct buf *out, enum item_type type);
void item_end(struct buf *out, size_t begun);

/* The next item of a frame; false at its end or when it is malformed
 * (`r->failed`). */
bool item_next(struct reader *r, enum item_type *type, struct slice *body);

/* READ_ROUND: u64 round | u32 n | n x {u32 group, u64 term}. Asks: are you
 * still in that term? READ_ACK: u64 round | u32 n | n x u8 yes, same order. */
struct round_row {
    uint32_t group;
    uint64_t term;
};

/* FORWARD: u64 id | u32 remaining ms | u32 seen | u32 keyspace | u32 size of
 * the session, 0 or SESSION_BYTES | session | operation (both as in
 * proto/operation.h). FORWARD_REPLY: u64 id | u32 hint group | u32 hint node |
 * u32 refused | operation reply.
 *
 * `refused` counts the writes of this connection that were refused so far
 * (they can be sent again), `seen` is the last count that the sender of a
 * FORWARD had heard of. So a write that was sent before its sender knew that an
 * earlier one of the same group was refused is known, and is refused too: else
 * it would overtake the earlier one. */
struct forward {
    uint64_t id;
    uint32_t remaining_ms;
    uint32_t seen;
    uint32_t keyspace;
    struct operation operation;
    struct session session;
};
void forward_encode(struct buf *out, const struct forward *f);
bool forward_decode(struct slice body, struct forward *out);
void forward_reply_encode(struct buf *out, uint64_t id, uint32_t refused,
                          const struct reply *r);
bool forward_reply_decode(struct slice body, uint64_t *id, uint32_t *refused,
                          struct reply *out);

/* GOSSIP: u64 map epoch | u64 wall clock ms | u32 n | n x {u32 group, u64
 * term}: the groups that the sender leads. */

/* SNAPSHOT_ASK: the receiver of a snapshot asks for one piece of it (event.h).
 * SNAPSHOT_CHUNK answers: bytes may be fewer than asked only at a file's end;
 * `status` other than OK: this checkpoint is gone. */
void snapshot_ask_encode(struct buf *out, const struct snapshot_ask *a);
bool snapshot_ask_decode(struct slice body, struct snapshot_ask *out);

struct snapshot_chunk {
    uint32_t group;
    uint64_t replica; /* for whom */
    uint64_t index;
    uint64_t ask;
    uint32_t file;
    uint64_t offset;
    enum status status;
    struct slice bytes;
};
void snapshot_chunk_encode(struct buf *out, const struct snapshot_chunk *c);
bool snapshot_chunk_decode(struct slice body, struct snapshot_chunk *out);

/* The manifest's bytes: u64 index | u64 term | u64 members index | u32 members
 * size | members | u32 n | n x {u8 name size, name, u64 size}. */
void manifest_encode(struct buf *out, uint64_t index, uint64_t term,
                     uint64_t members_index, struct slice members,
                     const struct snapshot_file *files, unsigned n);
/* `files` has room for `max`; false when malformed or more. */
bool manifest_decode(struct slice bytes, uint64_t *index, uint64_t *term,
                     uint64_t *members_index, struct slice *members,
                     struct snapshot_file *files, unsigned max, unsigned *n);

#endif
