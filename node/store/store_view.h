/* store_view.h - a frozen state of a store, for readers on other threads.
 *
 * A view is what the store held between two store_apply calls. It stays so,
 * whatever is applied, deleted, flushed or compacted meanwhile, until its last
 * reference is given back. It holds a reference to its store.
 *
 * Thread rules: taken by the store's owner; referenced, read (store_get with
 * it, iterators on it) and given back on any thread, also several at a time.
 *
 * Held views pin tables in memory, above what the budgets count, and old
 * versions on disk: they are for one request, one scan page or one checkpoint,
 * not for ever. */
#ifndef NODE_STORE_STORE_VIEW_H
#define NODE_STORE_STORE_VIEW_H

#include "node/store/store.h"

/* The view of the state as of the last store_apply; gives a reference. Owner
 * only. Cheap when nothing was applied since the last call (the same view is
 * given again); otherwise about a microsecond. */
struct store_view *store_view_take(struct store *s);

/* One more reference; gives `v` back. */
struct store_view *store_view_ref(struct store_view *v);

/* Give a reference back. NULL is legal. Does not wait, except that the last
 * reference to a closed store closes it (see store.h). */
void store_view_unref(struct store_view *v);

/* The store it is a view of; borrowed. */
struct store *store_view_store(const struct store_view *v);

#endif
