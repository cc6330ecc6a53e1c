/* redis_cursor.h - where SCANs go on: numbers for positions.
 *
 * A Redis cursor is a number of 64 bits, a position is a key: a node keeps the
 * positions it gave numbers for, the last CURSORS_MAX of them and at most
 * CURSORS_BYTES_MAX of keys. One table per node, for the connections of all
 * loops; any thread. */
#ifndef NODE_FRONT_REDIS_CURSOR_H
#define NODE_FRONT_REDIS_CURSOR_H

#include <stdint.h>

#include "proto/base/bytes.h"

enum { CURSORS_MAX = 4096, CURSORS_BYTES_MAX = 16 << 20 };

struct redis_cursors;

/* `seed`: numbers begin anywhere below 2^52, so that those of another node or
 * of an earlier process are not taken for ours. */
struct redis_cursors *redis_cursors_new(uint64_t seed);
/* NULL is legal. */
void redis_cursors_free(struct redis_cursors *t);

/* Remember a position: a group and the key to go on with (copied). Gives its
 * number, never 0; fits a double. */
uint64_t redis_cursors_put(struct redis_cursors *t, uint32_t group,
                           struct slice next);
/* Look one up, as often as one likes; false: it is too old or not ours. The key
 * is appended to `next`. */
bool redis_cursors_find(struct redis_cursors *t, uint64_t cursor,
                        uint32_t *group, struct buf *next);

#endif
