/* view.h - what entries about to be applied have to know of the store.
 *
 * A step first names keys (view_need), the shell fetches whether each is there
 * (FETCH), the machine then asks by key and notes its own earlier writes
 * (the overlay), so that an entry sees what entries before it in the same step
 * did. Keys nobody named need no note. Pure; reused between steps, nothing is
 * allocated once it has grown. The hash is seeded: clients choose the keys. */
#ifndef NODE_CORE_VIEW_H
#define NODE_CORE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"

struct view_row {
    uint64_t hash;
    uint32_t offset, size;
    bool present;
};

struct view {
    uint64_t seed;
    struct buf bytes;        /* the keys' bytes */
    struct view_row *rows;   /* unique keys, in the order they were named */
    unsigned n, cap;
    uint32_t *table;         /* open addressing: row number + 1 */
    unsigned table_size;     /* a power of two, 0 or at least 2 n */
    struct slice *keys;      /* view_keys() */
    unsigned keys_cap;
};

void view_init(struct view *v, uint64_t seed);
void view_release(struct view *v);
void view_clear(struct view *v);

/* The step has to know this store key. Copies; naming it again is harmless. */
void view_need(struct view *v, struct slice key);
static inline bool view_empty(const struct view *v)
{
    return v->n == 0;
}
/* The named keys, v->n of them; valid until the view changes. */
const struct slice *view_keys(struct view *v);
/* What was fetched, in the same order. */
void view_fill(struct view *v, const bool *present);

/* Is a named key there now? */
bool view_present(const struct view *v, struct slice key);
/* The step wrote or deleted this key. */
void view_note(struct view *v, struct slice key, bool present);

#endif
