/* session.h - what the command line needs of a session beyond coatcheck.h. */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/coatcheck.h"
#include "proto/base/macros.h"

/* A session that does not connect before its first request. NULL: the options
 * are wrong; `error` as for coat_connect. */
MUST_CHECK struct coat_session *session_new(const struct coat_options *options,
                                            char *error, size_t error_size);

#endif
