/* store_iter.h - walking a view in key order, forward or backward.
 *
 *     struct store_iter *it = store_iter_new(view, &options);
 *     for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
 *         ... store_iter_key(it), store_iter_value(it) ...
 *     status = store_iter_status(it);
 *     store_iter_free(it);
 *
 * An iterator becomes invalid at its bounds AND on errors: look at the status
 * behind every loop. Used by one thread at a time. Holds a reference to its
 * view. */
#ifndef NODE_STORE_STORE_ITER_H
#define NODE_STORE_STORE_ITER_H

#include <stdbool.h>

#include "node/store/store_view.h"

struct store_iter;

struct store_iter_options {
    struct slice lower;   /* inclusive; empty: from the first key */
    struct slice upper;   /* exclusive; empty: to the last key */
    enum store_tier tier; /* STORE_CACHE_ONLY ends with INCOMPLETE where the
                           * disk would be needed */
    bool keep_cache;      /* do not put what is read into the block cache:
                           * for scans of everything */
};

/* A new iterator, not positioned (invalid). Copies the bounds. Give it back
 * with store_iter_free (NULL is legal). */
struct store_iter *store_iter_new(struct store_view *v,
                                  const struct store_iter_options *options);
void store_iter_free(struct store_iter *it);

/* Position at the first key, the last key, the first key >= `key`, the last
 * key <= `key`; all within the bounds. With STORE_ANY they MAY WAIT, as may
 * next and prev. */
void store_iter_first(struct store_iter *it);
void store_iter_last(struct store_iter *it);
void store_iter_seek(struct store_iter *it, struct slice key);
void store_iter_seek_back(struct store_iter *it, struct slice key);

bool store_iter_valid(const struct store_iter *it);

/* Asserts that it is valid. */
void store_iter_next(struct store_iter *it);
void store_iter_prev(struct store_iter *it);

/* Key and value here; asserts that it is valid. Borrowed until it moves. */
struct slice store_iter_key(const struct store_iter *it);
struct slice store_iter_value(const struct store_iter *it);

/* OK (a bound was reached), INCOMPLETE, CORRUPT or IO_ERROR. */
MUST_CHECK enum status store_iter_status(const struct store_iter *it);

#endif
