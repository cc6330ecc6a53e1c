/* lanes.h - what links.c and items.c share: the channels to other nodes.
 *
 *   links.c  connections: dialed and accepted, hellos, up and down
 *   items.c  what goes through them, and how much of it may wait */
#ifndef NODE_SHELL_LANES_H
#define NODE_SHELL_LANES_H

#include "node/shell/post.h"
#include "rpc/dialer.h"

struct link;

/* One channel to one node. */
struct lane {
    struct link *link;
    enum channel channel;
    struct dialer *dialer;  /* NULL: the other side dials */
    struct conn *conn;      /* said hello; NULL: down */
    bool dialed;            /* conn is the dialer's */
    bool full;              /* much waits to be sent: the shards know */
    enum status told;       /* the trouble that the log tells of; OK: none */
    unsigned shards;        /* of that node, as it said */
    uint64_t number;        /* of conn */
    instant since;          /* of the last change: up or down */
    instant dialed_at;      /* a dialed connection that said no hello yet */
};

struct link {
    struct links *links;
    uint32_t node;
    struct lane lanes[2];
};

/* A connection that came to us. */
struct accepted {
    struct links *links;
    struct conn *conn;
    struct lane *lane;      /* once it said hello */
    instant since;
    struct accepted *next, **slot;
};

struct links {
    struct node *n;
    struct listener *listener;
    struct link **v;
    unsigned count;
    struct accepted *accepted;
    struct boots boots;
    uint64_t last_number;   /* of connections that came up */
    unsigned full;          /* lanes that are */
    bool stopping;
};

/* ---- links.c ---- */

/* NULL: no such node is known. */
struct link *link_of(const struct links *l, uint32_t node);
/* Tell all loops what happened to the lane. */
void lane_event(struct lane *lane, enum event_type type);

/* ---- items.c ---- */

/* A frame of the node behind the lane. */
void lane_items(struct lane *lane, const struct frame_header *h,
                struct slice payload);

#endif
