/* store_iter.c - see store_iter.h. */
#include "node/store/store_iter.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/store_private.h"

struct store_iter {
    struct store_view *view;
    rocksdb_iterator_t *it;
    rocksdb_readoptions_t *options; /* RocksDB keeps pointers into bounds */
    struct buf bounds;              /* lower, then upper */
};

struct store_iter *store_iter_new(struct store_view *v,
                                  const struct store_iter_options *options)
{
    struct store_iter *it = xcalloc(1, sizeof *it);
    size_t lower = options->lower.size, upper = options->upper.size;
    rocksdb_readoptions_t *o = rocksdb_readoptions_create();

    it->view = store_view_ref(v);
    it->options = o;
    if (lower)
        buf_append(&it->bounds, options->lower.data, lower);
    if (upper)
        buf_append(&it->bounds, options->upper.data, upper);
    if (lower)
        rocksdb_readoptions_set_iterate_lower_bound(
            o, (const char *)it->bounds.data, lower);
    if (upper)
        rocksdb_readoptions_set_iterate_upper_bound(
            o, (const char *)it->bounds.data + lower, upper);
    rocksdb_readoptions_set_snapshot(o, v->snapshot);
    rocksdb_readoptions_set_fill_cache(o, !options->keep_cache);
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(o, 1);
    if (options->tier == STORE_CACHE_ONLY)
        rocksdb_readoptions_set_read_tier(o, 1);
    it->it = rocksdb_create_iterator(v->store->db, o);
    return it;
}

void store_iter_free(struct store_iter *it)
{
    if (!it)
        return;
    rocksdb_iter_destroy(it->it);
    rocksdb_readoptions_destroy(it->options);
    buf_release(&it->bounds);
    store_view_unref(it->view);
    free(it);
}

void store_iter_first(struct store_iter *it)
{
    rocksdb_iter_seek_to_first(it->it);
}

void store_iter_last(struct store_iter *it)
{
    rocksdb_iter_seek_to_last(it->it);
}

void store_iter_seek(struct store_iter *it, struct slice key)
{
    rocksdb_iter_seek(it->it, (const char *)key.data, key.size);
}

void store_iter_seek_back(struct store_iter *it, struct slice key)
{
    rocksdb_iter_seek_for_prev(it->it, (const char *)key.data, key.size);
}

bool store_iter_valid(const struct store_iter *it)
{
    return rocksdb_iter_valid(it->it);
}

void store_iter_next(struct store_iter *it)
{
    assert(store_iter_valid(it));
    rocksdb_iter_next(it->it);
}

void store_iter_prev(struct store_iter *it)
{
    assert(store_iter_valid(it));
    rocksdb_iter_prev(it->it);
}

struct slice store_iter_key(const struct store_iter *it)
{
    size_t size;
    const char *data;

    assert(store_iter_valid(it));
    data = rocksdb_iter_key(it->it, &size);
    return slice_of(data, size);
}

struct slice store_iter_value(const struct store_iter *it)
{
    size_t size;
    const char *data;

    assert(store_iter_valid(it));
    data = rocksdb_iter_value(it->it, &size);
    return slice_of(data, size);
}

enum status store_iter_status(const struct store_iter *it)
{
    char *err = NULL;

    rocksdb_iter_get_error(it->it, &err);
    return rocks_error(store_place(it->view->store), "iterate", err, NULL, 0);
}
