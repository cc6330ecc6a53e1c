/* types.h - the one list of message types that travel in frames.
 *
 * A type is a number on the wire: never reused, never changed. Numbers below
 * 0x0100 are spoken between clients and nodes (proto/client.proto), those from
 * 0x0100 between nodes. `kind` is the frame kind that a message of this type
 * has; a receiver treats another combination as BAD_MESSAGE, and a number that
 * is not listed too: the frame itself was whole, so the connection lives on. */
#ifndef RPC_TYPES_H
#define RPC_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/* What the receiver owes for a frame. The value 3 stays unused: it stands in
 * the same place of a TLS ClientHello (see frame_parse). */
enum frame_kind {
    FRAME_REQUEST = 1, /* exactly one REPLY with the same id */
    FRAME_REPLY = 2,
    FRAME_ONEWAY = 4, /* nothing; the id is free for the message's own use */
    FRAME_PART = 5,   /* nothing: a REQUEST of this id is answered by several
                         of these before its REPLY, which is its end */
};

/*    name             number  kind */
#define MESSAGE_LIST(X)                                                        \
    X(GET, 0x0001, REQUEST)        /* GetRequest */                            \
    X(GET_REPLY, 0x0002, REPLY)    /* GetReply */                              \
    X(SET, 0x0003, REQUEST)        /* SetRequest */                            \
    X(DELETE, 0x0004, REQUEST)     /* DeleteRequest */                         \
    X(WRITE_REPLY, 0x0005, REPLY)  /* WriteReply, for SET and DELETE */        \
    X(OPERATE, 0x0006, REQUEST)    /* OperateRequest */                        \
    X(OPERATE_REPLY, 0x0007, REPLY) /* OperateReply */                         \
    X(SCAN, 0x0008, REQUEST)       /* ScanRequest */                           \
    X(SCAN_REPLY, 0x0009, REPLY)   /* ScanReply */                             \
    X(WATCH, 0x000a, REQUEST)      /* WatchRequest; its reply is an ERROR */   \
    X(WATCH_PART, 0x000b, PART)    /* proto/watch.h */                         \
    X(WATCH_CANCEL, 0x000c, ONEWAY) /* empty; the watch with this id ends */   \
    X(MAP, 0x0010, REQUEST)        /* MapRequest */                            \
    X(MAP_REPLY, 0x0011, REPLY)    /* MapReply */                              \
    X(STATUS, 0x0012, REQUEST)     /* StatusRequest */                         \
    X(STATUS_REPLY, 0x0013, REPLY) /* StatusReply */                           \
    X(INIT, 0x0014, REQUEST)       /* InitRequest */                           \
    X(INIT_REPLY, 0x0015, REPLY)   /* InitReply */                             \
    X(ERROR, 0x00ff, REPLY)        /* ErrorReply, for any request; with        \
                                      id 0 it is about the connection */       \
    X(HELLO, 0x0100, REQUEST)      /* who dials, first on a connection */      \
    X(HELLO_REPLY, 0x0101, REPLY)                                              \
    X(ITEMS, 0x0110, ONEWAY)       /* all else (node/core/peer_item.h) */

enum frame_type {
#define X(name, number, kind) MESSAGE_##name = number,
    MESSAGE_LIST(X)
#undef X
};

/* The type's name ("GET_REPLY"), or "UNLISTED". Static text. */
const char *message_name(uint16_t type);

/* Whether this type is listed and belongs into a frame of this kind. */
bool message_fits(uint16_t type, uint8_t kind);

#endif
