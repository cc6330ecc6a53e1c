/* message.h - what the replicas of one group say to each other.
 *
 * Pure. Our own form of libraft's messages: entries are references to blobs,
 * so that one payload is shared by the log tail, the wal and every message,
 * and is copied once, into the frame. Snapshots' bytes never travel in here:
 * MESSAGE_INSTALL only announces one, the files are streamed beside it.
 *
 * On the wire (little-endian): group u32, type u8, version u8, flags u16,
 * from u64, to u64, term u64, then the fields of the type in the order of the
 * struct below, then for MESSAGE_APPEND a count u32 and per entry term u64,
 * type u8, size u32, bytes. */
#ifndef RAFT_MESSAGE_H
#define RAFT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "raft/entry.h"
#include "raft/members.h"

enum message_type {
    MESSAGE_APPEND = 1,
    MESSAGE_APPEND_RESULT,
    MESSAGE_VOTE,
    MESSAGE_VOTE_RESULT,
    MESSAGE_INSTALL,
    MESSAGE_TIMEOUT_NOW,
};

enum {
    MESSAGE_ENTRIES_MAX = 1024,
    /* A sender splits at this many payload bytes; one larger entry goes
     * alone. */
    MESSAGE_BYTES_SPLIT = 1024 * 1024,
    MESSAGE_HEADER_BYTES = 32,
/* No term or index beyond this is believed (and none can overflow). */
#define MESSAGE_NUMBER_MAX (UINT64_C(1) << 62)
};

struct message {
    enum message_type type;
    uint8_t version; /* libraft's version of this type; carried as it is */
    uint32_t group;
    uint64_t from, to; /* replica ids, never 0 */
    uint64_t term;     /* of the sender; of a pre-vote: the term it wants */
    union {
        struct {
            uint64_t prev_index, prev_term; /* the entry before entries[0] */
            uint64_t commit;
        } append;
        struct {
            uint64_t rejected; /* 0: accepted; else the prev_index refused */
            uint64_t last_index;
            uint64_t last_term; /* of a rejection: the term there; or 0 */
            uint16_t features, capacity;
        } append_result;
        struct {
            uint64_t last_index, last_term;
            bool disrupt; /* the leader asked for this election */
            bool pre_vote;
        } vote;
        struct {
            bool granted, pre_vote;
            uint16_t features, capacity;
        } vote_result;
        struct {
            uint64_t index, index_term, members_index;
            struct members members;
        } install;
        struct {
            uint64_t last_index, last_term;
        } timeout_now;
    };
    unsigned n_entries; /* of MESSAGE_APPEND; else 0 */
    struct group_entry entries[];
};

/* The part that routing needs. */
struct message_header {
    uint32_t group;
    enum message_type type;
    uint64_t from, to;
};

/* A zeroed message with room for `n_entries`, which is set. Aborts without
 * memory. */
struct message *message_new(enum message_type type, unsigned n_entries);
/* Frees it and gives back its references to payloads. NULL is legal. */
void message_free(struct message *m);

/* Is it urgent and small (control channel), or does it carry entries? */
bool message_is_bulk(const struct message *m);

/* Bytes that message_encode will append. */
size_t message_size(const struct message *m);
/* Append the encoding. Each entry's payload is present, unless it is empty. */
void message_encode(const struct message *m, struct buf *out);

/* Only who and what; cheap. False: too short, or an unknown type. */
MUST_CHECK bool message_peek(struct slice bytes, struct message_header *out);

/* Decode exactly `bytes`, copying payloads into new blobs, and check it as
 * message_check does. On success gives a message that the caller frees.
 *
 * STATUS_BAD_MESSAGE  malformed; `*out` is NULL */
MUST_CHECK enum status message_decode(struct slice bytes, struct message **out);

/* Do the fields make sense by themselves (hazards L8, L9)? Ids and terms are
 * not zero and believable; from is not to; entries' terms neither decrease nor
 * lie outside [prev_term, term]; an index and its term are both zero or both
 * not; types are known; a CHANGE's payload is a member list.
 *
 * STATUS_BAD_MESSAGE  no: drop it; it must not reach libraft */
MUST_CHECK enum status message_check(const struct message *m);

#endif
