/* seen_set.h - configurations that a search has met: a set with dominance.
 *
 * A configuration is a byte string and a vector of numbers, "how much was used
 * up". One that used no less of anything than another of the same bytes
 * can do nothing more than that one: it counts as met.
 *
 * Keeps whole strings, not hashes of them: a collision must not turn a
 * pass into a violation. Zero-initialised is empty and valid. */
#ifndef TESTS_CHECK_SEEN_SET_H
#define TESTS_CHECK_SEEN_SET_H

#include <stdbool.h>

#include "proto/base/bytes.h"

struct seen_set {
    struct buf bytes; /* heads of items, items, vectors */
    size_t *slots;    /* 1 + where in `bytes`; 0: empty */
    size_t n;         /* configurations that were added */
    size_t n_items, n_slots;
};

void seen_set_release(struct seen_set *s);
/* Copies both; every call of one set has the same `n_used`. False: it was met
 * already. True: `*item_at`, `*used_at` are where it is now, for good. */
bool seen_set_add(struct seen_set *s, struct slice item, const uint32_t *used,
                  size_t n_used, size_t *item_at, size_t *used_at);
/* What was added, by the places that seen_set_add() gave. The slice is borrowed
 * until the next call of seen_set_add(). */
struct slice seen_set_item(const struct seen_set *s, size_t item_at);
void seen_set_used(const struct seen_set *s, size_t used_at, uint32_t *used,
                   size_t n_used);
/* It holds as many bytes as it may. */
bool seen_set_full(const struct seen_set *s);

#endif
