/* written.h - which keys may have been written behind a log index.
 *
 * A table of fixed size, made by the first SWEEP (expiry.h): per slot the last
 * entry that may have written one of the keys that fall there. A key falls into
 * several slots and may have been written behind an index if all of them were.
 * So a write is never missed; one that never was is seen about once in a
 * thousand keys while a thousand others were written behind the index.
 *
 * Pure; a replica's own knowledge, no state: what it answers decides what is
 * read, never what is done. The hash is seeded: clients choose the keys. */
#ifndef NODE_CORE_WRITTEN_H
#define NODE_CORE_WRITTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"

enum { WRITTEN_SLOTS = 32768, WRITTEN_PROBES = 4 };

/* Zero-initialised knows nothing and notes nothing. */
struct written {
    uint32_t *slots;  /* the entry's index less `base`; 0: none */
    uint64_t base;
    uint64_t from;    /* every write behind this index is noted */
    uint64_t seed;
};

void written_release(struct written *w);
/* The state is another one: nothing is known, until it begins again. */
void written_forget(struct written *w);

/* Every write behind the entry at `index` will be noted; of that entry perhaps
 * not all: its command that begins the table may come behind others. If it has
 * begun this does nothing. Allocates. */
void written_begin(struct written *w, uint64_t index, uint64_t seed);
/* The entry at `index` may write this key. What does not stand behind the
 * beginning is passed over: a step that is chosen anew names its entries
 * again. */
void written_note(struct written *w, struct slice key, uint64_t index);
/* ... any key. */
void written_note_all(struct written *w, uint64_t index);

/* May an entry behind `index`, of those that were noted, have written the key?
 * True if nobody knows. */
bool written_behind(const struct written *w, struct slice key,
                    uint64_t index);

#endif
