/* flow.h - what scans and watches share: long work made of many requests.
 *
 * A flow is known to its client while it lives: the client's tick drives it
 * and closing the client ends it. Its requests go to one group each, by the
 * engine's way: routed to the leader, repeated while that is safe. */
#ifndef CLIENT_FLOW_H
#define CLIENT_FLOW_H

#include "client/engine.h"

struct flow {
    struct flow *next, *prev;
    struct coat_client *client;
    /* Every 10 ms; may end the flow, and others. */
    void (*on_tick)(struct flow *s);
    /* The client is being closed and has ended all requests: end now. */
    void (*on_close)(struct flow *s);
};

/* OK, or CLOSED. */
MUST_CHECK enum status flow_open(struct flow *s, struct coat_client *c);
void flow_close(struct flow *s);
/* The same when its owner lives on: `client` is NULL then. */
void flow_detach(struct flow *s);

/* For the engine: drive all; are there any; the end. */
void flows_tick(struct coat_client *c);
bool flows_alive(const struct coat_client *c);
void flows_end(struct coat_client *c);

/* One request to the group that has `slot`. `payload` is copied; the reply
 * comes as from operate_submit(). `timeout` in ms; 0: the client's (a watch has
 * none). `turn`: whom to try first when the leader is not known.
 * OK; BUSY; CLOSED. `*id` names it for flow_forget(). */
MUST_CHECK enum status flow_submit(struct coat_client *c,
                                   enum request_op op, uint16_t slot,
                                   enum consistency consistency,
                                   struct slice payload, unsigned timeout,
                                   unsigned turn, coat_on_reply *on_reply,
                                   void *user, uint64_t *id);
/* Its reply is not wanted any more; 0 and ended ones are legal. */
void flow_forget(struct coat_client *c, uint64_t id);

/* The node that has it does not answer, though its connection stands: others
 * come first from now on, and who leads is asked anew. */
void flow_silent(struct coat_client *c, uint64_t id);

/* End it now, without a reply; a watch's node is told. */
void flow_end(struct coat_client *c, uint64_t id);

/* A slot of this group by the client's map, by which requests are routed there;
 * -1: the group has none. */
int flow_slot_of(const struct coat_client *c, uint32_t group);

#endif
