/* store_kept.h - the records that a group's machine holds in memory.
 *
 * First results (kind 'r'), keyspaces (kind 'k') and until when old values are
 * listed (kind 'h') are read when a replica starts and when a snapshot was
 * installed. Few and bounded: see node/core/sessions.h. */
#ifndef NODE_STORE_STORE_KEPT_H
#define NODE_STORE_STORE_KEPT_H

#include "node/store/store_view.h"
#include "node/store/write_set.h"

/* Append all of them to `out` as puts, in the order of their keys. MAY WAIT.
 * CORRUPT, IO_ERROR */
MUST_CHECK enum status store_kept(struct store *s, struct write_set *out);

#endif
