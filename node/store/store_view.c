/* store_view.c - see store_view.h. */
#include "node/store/store_view.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/store_private.h"

struct store_view *store_view_take(struct store *s)
{
    struct store_view *v = s->view_now;

    if (v)
        return store_view_ref(v);
    v = xcalloc(1, sizeof *v);
    atomic_init(&v->refs, 1);
    v->store = store_ref(s);
    v->snapshot = rocksdb_create_snapshot(s->db);
    v->read_any = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(v->read_any, v->snapshot);
    v->read_cache = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(v->read_cache, v->snapshot);
    rocksdb_readoptions_set_read_tier(v->read_cache, 1);
    /* store_apply and store_close forget it. */
    s->view_now = store_view_ref(v);
    return v;
}

struct store_view *store_view_ref(struct store_view *v)
{
    unsigned before = atomic_fetch_add(&v->refs, 1);

    assert(before > 0);
    (void)before;
    return v;
}

void store_view_unref(struct store_view *v)
{
    unsigned before;

    if (!v)
        return;
    before = atomic_fetch_sub(&v->refs, 1);
    assert(before > 0);
    if (before > 1)
        return;
    rocksdb_readoptions_destroy(v->read_any);
    rocksdb_readoptions_destroy(v->read_cache);
    rocksdb_release_snapshot(v->store->db, v->snapshot);
    store_unref(v->store);
    free(v);
}

struct store *store_view_store(const struct store_view *v)
{
    return v->store;
}
