/* operate.h - one operation of the library: submitted by public functions and
 * by what is built of them. */
#ifndef CLIENT_OPERATE_H
#define CLIENT_OPERATE_H

#include "client/engine.h"
#include "proto/operation.h"

/* The conditions and times of `with` (NULL: none) into `o`. INVALID: flags that
 * do not belong to that operation, or both a ttl and a deadline. */
MUST_CHECK enum status operation_with(struct operation *o,
                                      const struct coat_write *with);

/* Submit it, as coat_set() does. GET counts as a read, all else as a write. */
enum coat_status operate_submit(struct coat_client *c,
                                const struct operation *o,
                                const struct coat_call *how,
                                coat_on_reply *on_reply, void *user);

#endif
