/* entry.h - one entry of a group's log, as everybody but libraft sees it. */
#ifndef RAFT_ENTRY_H
#define RAFT_ENTRY_H

#include <stdint.h>

#include "proto/base/blob.h"
#include "proto/limits.h"

/* libraft's codes; they are on disk and on the wire. */
enum entry_type {
    ENTRY_COMMAND = 1,
    ENTRY_BARRIER = 2, /* a leader's first entry; nothing to execute */
    ENTRY_CHANGE = 3,  /* payload: members_encode() */
};

enum {
    /* A whole entry: one command with the largest key and value. */
    ENTRY_PAYLOAD_MAX = VALUE_BYTES_MAX + KEY_BYTES_MAX + 1024,
};

struct group_entry {
    uint64_t term;
    uint8_t type;         /* enum entry_type */
    struct blob *payload; /* NULL: empty (BARRIER), or not in memory */
};

#endif
