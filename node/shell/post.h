/* post.h - letters between the loops of a node.
 *
 * A letter says itself what is to be done with it: `run` is called on the loop
 * it was posted to, owns the letter and frees it. Senders embed struct post as
 * the first field of whatever they send along. Letters of one loop to another
 * keep their order. They leave when the loop has carried out the effects at
 * hand, or when POST_MANY have gathered, many with one wake-up.
 *
 * Each loop knows what waits for it, in bytes. Whoever takes something in from
 * outside that becomes letters looks at that: a door refuses (post_behind), a
 * connection to another node is closed, a sibling shard is told not to pass on
 * more (EVENT_PEER_FULL). */
#ifndef NODE_SHELL_POST_H
#define NODE_SHELL_POST_H

#include "node/shell/node.h"

struct post {
    struct letter letter;
    void (*run)(struct loop *to, struct post *p);
    size_t bytes; /* it holds, besides itself; does not change */
};

enum { POST_MANY = 64 };

/* Give `p` to the loop `to`. On the same loop it runs at once. */
void post_to(struct loop *from, struct loop *to, struct post *p);
/* Let what waits leave; the loop calls it when a drain or a callback ends. */
void post_flush(struct loop *from);

/* Bytes of letters that wait for `to`; any thread. */
size_t post_waiting(const struct loop *to);
/* Is any loop so far behind that this node should take nothing more in? Any
 * thread. */
bool post_behind(const struct node *n);
/* Tell this loop's shard which siblings do not keep up, or do again; once a
 * turn. */
void post_tell_full(struct loop *l);

#endif
