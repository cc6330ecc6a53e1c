/* store_view.c - see store_view.h. */
#include "node/store/store_view.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/store_private.h"

struct store_base *store_base_new(struct store *s)
{
    struct store_base *b = xcalloc(1, sizeof *b);

    atomic_init(&b->refs, 1);
    b->store = s;
    b->snapshot = rocksdb_create_snapshot(s->db);
    b->read_any = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(b->read_any, b->snapshot);
    b->read_cache = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(b->read_cache, b->snapshot);
    rocksdb_readoptions_set_read_tier(b->read_cache, 1);
    return b;
}

struct store_base *store_base_ref(struct store_base *b)
{
    atomic_fetch_add(&b->refs, 1);
    return b;
}

void store_base_unref(struct store_base *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) > 1)
        return;
    rocksdb_readoptions_destroy(b->read_any);
    rocksdb_readoptions_destroy(b->read_cache);
    rocksdb_release_snapshot(b->store->db, b->snapshot);
    free(b);
}

struct store_view *store_view_take(struct store *s)
{
    struct store_view *v;

    pthread_mutex_lock(&s->lock);
    v = s->view_now;
    if (!v) {
        v = xcalloc(1, sizeof *v);
        atomic_init(&v->refs, 1);
        v->store = store_ref(s);
        if (table_bytes(s->active))
            v->active = table_view_take(s->active);
        if (s->immutable)
            v->immutable = table_view_ref(s->immutable_view);
        v->base = store_base_ref(s->base);
        atomic_fetch_add(&s->views, 1);
        /* store_apply and store_close forget it. */
        s->view_now = v;
    }
    store_view_ref(v);
    pthread_mutex_unlock(&s->lock);
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
    table_view_unref(v->active);
    table_view_unref(v->immutable);
    store_base_unref(v->base);
    atomic_fetch_sub(&v->store->views, 1);
    store_unref(v->store);
    free(v);
}

struct store *store_view_store(const struct store_view *v)
{
    return v->store;
}
