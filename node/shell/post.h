/* post.h - letters between the loops of a node.
 *
 * A letter says itself what is to be done with it: `run` is called on the loop
 * it was posted to, owns the letter and frees it. Senders embed struct post as
 * the first field of whatever they send along. Letters of one loop to another
 * keep their order. They leave when the loop has carried out the effects at
 * hand, many with one wake-up. */
#ifndef NODE_SHELL_POST_H
#define NODE_SHELL_POST_H

#include "node/shell/node.h"

struct post {
    struct letter letter;
    void (*run)(struct loop *to, struct post *p);
};

/* Give `p` to the loop `to`. On the same loop it runs at once. */
void post_to(struct loop *from, struct loop *to, struct post *p);
/* Let what waits leave; the loop calls it when a drain or a callback ends. */
void post_flush(struct loop *from);

#endif
