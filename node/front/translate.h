/* translate.h - client messages to requests of the core, replies to messages.
 *
 * Pure. A request's tag is the number of its message type: its reply is written
 * in the form that belongs to it. */
#ifndef NODE_FRONT_TRANSLATE_H
#define NODE_FRONT_TRANSLATE_H

#include "node/core/event.h"
#include "proto/message.h"

/* Fill in what the message says (keyspace, operation, session) and the tag;
 * slices borrow from `payload`. False: `type` is another kind of message. Else
 * `*st` says whether it is a good one, `*why` (NULL or static text) what is
 * wrong with it. */
MUST_CHECK bool translate_request(uint16_t type, struct slice payload,
                                  struct request *q, enum status *st,
                                  const char **why);

/* The type of the message that answers a request with this tag. */
uint16_t translate_reply_type(uint32_t tag);
/* Append that message. */
void translate_reply(uint32_t tag, const struct reply *r,
                     const struct hint *hint, struct buf *out);

#endif
