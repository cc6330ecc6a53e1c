/* store_iter.c - see store_iter.h.
 *
 * Three walks side by side: the active table, the immutable one, RocksDB. The
 * nearest key wins; at equal keys the youngest source, in that order. What a
 * younger source deleted, by a tombstone or a range, is passed by; of a range
 * all at once, by seeking behind it. */
#include "node/store/store_iter.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/store_private.h"

enum { ACTIVE, IMMUTABLE, ROCKS, SOURCES };

struct store_iter {
    struct store_view *view;
    rocksdb_iterator_t *rocks;
    rocksdb_readoptions_t *options; /* RocksDB keeps pointers into bounds */
    struct buf bounds;              /* lower, then upper */
    struct slice lower, upper;      /* of them; empty: none */
    const struct table_view *views[ROCKS]; /* NULL: nothing there */
    struct table_iter tables[ROCKS];

    /* Each source's key at or behind the position; no bytes: no more. */
    struct slice keys[SOURCES];
    int winner; /* -1: not valid */
    bool back;  /* the sources stand at or before the position */
};

struct store_iter *store_iter_new(struct store_view *v,
                                  const struct store_iter_options *options)
{
    struct store_iter *it = xcalloc(1, sizeof *it);
    size_t lower = options->lower.size, upper = options->upper.size;
    rocksdb_readoptions_t *o = rocksdb_readoptions_create();

    it->view = store_view_ref(v);
    it->views[ACTIVE] = v->active;
    it->views[IMMUTABLE] = v->immutable;
    for (int i = 0; i < ROCKS; i++)
        table_iter_init(&it->tables[i], it->views[i]);
    it->winner = -1;
    it->options = o;
    if (lower)
        buf_append(&it->bounds, options->lower.data, lower);
    if (upper)
        buf_append(&it->bounds, options->upper.data, upper);
    if (lower)
        it->lower = slice_of(it->bounds.data, lower);
    if (upper)
        it->upper = slice_of(it->bounds.data + lower, upper);
    if (lower)
        rocksdb_readoptions_set_iterate_lower_bound(
            o, (const char *)it->lower.data, lower);
    if (upper)
        rocksdb_readoptions_set_iterate_upper_bound(
            o, (const char *)it->upper.data, upper);
    rocksdb_readoptions_set_snapshot(o, v->base->snapshot);
    rocksdb_readoptions_set_fill_cache(o, !options->keep_cache);
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(o, 1);
    if (options->tier == STORE_CACHE_ONLY)
        rocksdb_readoptions_set_read_tier(o, 1);
    it->rocks = rocksdb_create_iterator(v->store->db, o);
    return it;
}

void store_iter_free(struct store_iter *it)
{
    if (!it)
        return;
    rocksdb_iter_destroy(it->rocks);
    rocksdb_readoptions_destroy(it->options);
    buf_release(&it->bounds);
    store_view_unref(it->view);
    free(it);
}

/* ---- one source ---- */

/* Read where source `i` stands; keys outside the bounds are none. */
static void load(struct store_iter *it, int i)
{
    struct slice key = {0};

    if (i == ROCKS) {
        if (rocksdb_iter_valid(it->rocks)) {
            size_t size;
            const char *data = rocksdb_iter_key(it->rocks, &size);
            key = slice_of(data, size);
        }
    } else if (it->views[i] && table_iter_valid(&it->tables[i])) {
        key = table_iter_key(&it->tables[i]);
        if (it->upper.size && slice_compare(key, it->upper) >= 0)
            key.size = 0;
        if (it->lower.size && slice_compare(key, it->lower) < 0)
            key.size = 0;
    }
    it->keys[i] = key;
}

static void step(struct store_iter *it, int i)
{
    if (i == ROCKS) {
        if (it->back)
            rocksdb_iter_prev(it->rocks);
        else
            rocksdb_iter_next(it->rocks);
    } else if (it->back) {
        table_iter_prev(&it->tables[i]);
    } else {
        table_iter_next(&it->tables[i]);
    }
    load(it, i);
}

/* To the first key >= `key`, or the last one <= it, by the direction. */
static void seek(struct store_iter *it, int i, struct slice key)
{
    if (i == ROCKS) {
        if (it->back)
            rocksdb_iter_seek_for_prev(it->rocks, (const char *)key.data,
                                       key.size);
        else
            rocksdb_iter_seek(it->rocks, (const char *)key.data, key.size);
    } else if (it->views[i]) {
        if (it->back)
            table_iter_seek_back(&it->tables[i], key);
        else
            table_iter_seek(&it->tables[i], key);
    }
    load(it, i);
}

/* Stands source `i` at `key`? */
static bool at(const struct store_iter *it, int i, struct slice key)
{
    return it->keys[i].size && slice_equal(it->keys[i], key);
}

/* ---- all of them ---- */

/* RocksDB's walk has ended by an error: what would come is not known. */
static bool failed(const struct store_iter *it)
{
    return !it->keys[ROCKS].size &&
           store_iter_status(it) != STATUS_OK;
}

static int nearest(const struct store_iter *it)
{
    int best = -1;

    for (int i = 0; i < SOURCES; i++) {
        int c;
        if (!it->keys[i].size)
            continue;
        c = best < 0 ? -1 : slice_compare(it->keys[i], it->keys[best]);
        if (it->back ? best < 0 || c > 0 : c < 0)
            best = i;
    }
    return best;
}

/* If a younger source's range covers the key of `i`, move `i` behind it. */
static bool pass_range(struct store_iter *it, int i)
{
    struct slice begin, end;

    for (int young = 0; young < i && young < ROCKS; young++) {
        if (!it->views[young] ||
            !table_view_covers(it->views[young], it->keys[i], &begin, &end))
            continue;
        if (it->back) {
            seek(it, i, begin);
            if (at(it, i, begin))
                step(it, i);
        } else {
            seek(it, i, end);
        }
        return true;
    }
    return false;
}

/* Move every source that stands at the key of `i` one further, `i` last. */
static void pass_key(struct store_iter *it, int i)
{
    for (int other = SOURCES - 1; other > i; other--)
        if (at(it, other, it->keys[i]))
            step(it, other);
    step(it, i);
}

/* Find the next entry that counts, from where the sources stand. */
static void settle(struct store_iter *it)
{
    struct slice value;
    int i;

    for (;;) {
        it->winner = -1;
        if (failed(it))
            return;
        i = nearest(it);
        if (i < 0)
            return;
        if (pass_range(it, i))
            continue;
        if (i == ROCKS ||
            table_iter_value(&it->tables[i], &value) == TABLE_FOUND)
            break;
        pass_key(it, i);
    }
    it->winner = i;
}

static void go(struct store_iter *it, bool back, struct slice key)
{
    it->back = back;
    for (int i = 0; i < SOURCES; i++)
        seek(it, i, key);
    settle(it);
}

/* ---- the interface ---- */

void store_iter_first(struct store_iter *it)
{
    if (it->lower.size) {
        go(it, false, it->lower);
        return;
    }
    it->back = false;
    rocksdb_iter_seek_to_first(it->rocks);
    for (int i = 0; i < ROCKS; i++)
        if (it->views[i])
            table_iter_first(&it->tables[i]);
    for (int i = 0; i < SOURCES; i++)
        load(it, i);
    settle(it);
}

void store_iter_last(struct store_iter *it)
{
    it->back = true;
    rocksdb_iter_seek_to_last(it->rocks);
    load(it, ROCKS);
    for (int i = 0; i < ROCKS; i++) {
        if (!it->views[i])
            continue;
        if (it->upper.size) {
            table_iter_seek_back(&it->tables[i], it->upper);
            if (table_iter_valid(&it->tables[i]) &&
                slice_equal(table_iter_key(&it->tables[i]), it->upper))
                table_iter_prev(&it->tables[i]);
        } else {
            table_iter_last(&it->tables[i]);
        }
        load(it, i);
    }
    settle(it);
}

void store_iter_seek(struct store_iter *it, struct slice key)
{
    if (slice_compare(key, it->lower) < 0)
        key = it->lower;
    go(it, false, key);
}

void store_iter_seek_back(struct store_iter *it, struct slice key)
{
    if (it->upper.size && slice_compare(key, it->upper) >= 0)
        store_iter_last(it);
    else
        go(it, true, key);
}

bool store_iter_valid(const struct store_iter *it)
{
    return it->winner >= 0;
}

/* Turn round: bring all other sources to the other side of the position. */
static void turn(struct store_iter *it, bool back)
{
    struct buf copy = {0};
    struct slice key = it->keys[it->winner];

    if (it->back == back)
        return;
    /* The winner's own seek may move the bytes of its key. */
    buf_append(&copy, key.data, key.size);
    it->back = back;
    for (int i = 0; i < SOURCES; i++)
        seek(it, i, buf_slice(&copy));
    buf_release(&copy);
}

static void move(struct store_iter *it, bool back)
{
    turn(it, back);
    /* Turning reads RocksDB again, which may fail. */
    if (it->keys[it->winner].size)
        pass_key(it, it->winner);
    settle(it);
}

void store_iter_next(struct store_iter *it)
{
    assert(store_iter_valid(it));
    move(it, false);
}

void store_iter_prev(struct store_iter *it)
{
    assert(store_iter_valid(it));
    move(it, true);
}

struct slice store_iter_key(const struct store_iter *it)
{
    assert(store_iter_valid(it));
    return it->keys[it->winner];
}

struct slice store_iter_value(const struct store_iter *it)
{
    struct slice value;
    size_t size;
    const char *data;

    assert(store_iter_valid(it));
    if (it->winner < ROCKS) {
        table_iter_value(&it->tables[it->winner], &value);
        return value;
    }
    data = rocksdb_iter_value(it->rocks, &size);
    return slice_of(data, size);
}

enum status store_iter_status(const struct store_iter *it)
{
    char *err = NULL;

    rocksdb_iter_get_error(it->rocks, &err);
    return rocks_error(store_place(it->view->store), "iterate", err, NULL, 0);
}
