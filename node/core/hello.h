/* hello.h - how two nodes make sure of each other before they talk.
 *
 * Who dials sends HELLO as the first frame of a connection, the other answers
 * HELLO_REPLY; only then items flow, both ways. Both check: same cluster, the
 * node is in the map with exactly this data directory, and its boot counter is
 * not lower than one seen before (a copied or restored directory). A node whose
 * directory was wiped has a new directory id, so nobody takes it for the voter
 * that it was (ARCHITECTURE, Identity). Pure.
 *
 * Wire: u16 level | u8 channel | u8 0 | u32 node | u32 to node | u32 status |
 * cluster[16] | directory[16] | u64 boot count | u64 map epoch |
 * u16 shards | u16 detail size | detail */
#ifndef NODE_CORE_HELLO_H
#define NODE_CORE_HELLO_H

#include "node/core/event.h"
#include "proto/message.h"

enum { HELLO_LEVEL = 1, HELLO_SHARDS_MAX = 64 };

struct hello {
    uint16_t level;
    enum channel channel;
    uint32_t node;            /* who speaks */
    uint32_t to;              /* whom it believes to speak to */
    enum status status;       /* of a reply */
    uint8_t cluster[ID_BYTES];
    uint8_t directory[ID_BYTES];
    uint64_t boot_count;
    uint64_t map_epoch;
    uint16_t shards;          /* how many the speaker's node has, above 0 */
    struct slice detail;      /* of a refusal */
};

void hello_encode(const struct hello *h, struct buf *out);
/* BAD_MESSAGE, WRONG_VERSION */
MUST_CHECK enum status hello_decode(struct slice bytes, struct hello *out);

/* The highest boot counters seen, by node. */
struct boots {
    struct {
        uint32_t node;
        uint64_t boot_count;
    } *v;
    unsigned n, cap;
    bool changed; /* since the owner looked: keep it durably */
};
void boots_release(struct boots *b);
/* For a file: u32 n | n x {u32 node, u64 boot count} | u32 CRC32C. */
void boots_encode(const struct boots *b, struct buf *out);
/* Into an empty one; false when damaged. */
MUST_CHECK bool boots_decode(struct boots *b, struct slice bytes);

/* May `h`'s sender talk to node `self`? Remembers its boot counter if so.
 * `*why` is static text.
 *
 * NOT_INITIALISED  we belong to no cluster
 * WRONG_CLUSTER    it belongs to another one
 * WRONG_NODE       wrong address, unknown node, another data directory, or a
 *                  lower boot counter */
MUST_CHECK enum status hello_check(const struct hello *h,
                                   const struct cluster_map *map,
                                   uint32_t self, struct boots *boots,
                                   const char **why);

#endif
