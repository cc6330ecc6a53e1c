/* limits.h - every bound that both ends of a connection have to agree on. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

enum {
    KEY_BYTES_MAX = 65535,
    VALUE_BYTES_MAX = 16 * 1024 * 1024,
    KEYSPACE_NAME_MAX = 64,
    KEYSPACE_COUNT_MAX = 1024,
    KEYSPACE_DROPPING_MAX = 64, /* being dropped at the same time */

    SLOT_COUNT = 16384,
    GROUP_COUNT_MAX = 1024,  /* data groups; group 0 is the meta group */
    NODE_COUNT_MAX = 256,
    REPLICA_COUNT_MAX = 7,   /* voters of one group */
    ADDRESS_MAX = 255,       /* "host:port", bytes without the NUL */

    /* One frame's payload: the largest value, its key and an envelope. */
    FRAME_PAYLOAD_MAX = VALUE_BYTES_MAX + KEY_BYTES_MAX + 4096,

    /* One Raft entry holds at most this much, or one larger command. */
    ENTRY_BYTES_MAX = 256 * 1024,
    ENTRY_COMMANDS_MAX = 512,
};

/* The protocol's version in every frame. */
enum { PROTOCOL_VERSION = 1 };

#endif
