/* session.h - what the command line needs of a session beyond coatcheck.h. */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/coatcheck.h"
#include "proto/base/macros.h"

/* A session that does not connect before its first request. NULL: the options
 * are wrong; `error` as for coat_connect. */
MUST_CHECK struct coat_session *session_new(const struct coat_options *options,
                                            char *error, size_t error_size);

/* For what waits in its own way: the session's client; before each call of the
 * caller (clears the detail); one turn of the loop; what went wrong. */
struct coat_client *session_client(struct coat_session *session);
void session_begin(struct coat_session *session);
void session_turn(struct coat_session *session);
void session_say(struct coat_session *session, const char *detail);

#endif
