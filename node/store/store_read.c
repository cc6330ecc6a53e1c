/* store_read.c - see store.h: point reads.
 *
 * A key is looked for in the active table, in the immutable one, and then in
 * RocksDB; the first that knows it, as there or as deleted, answers. Before all
 * of them the owner looks into the row cache, which is always right: writes
 * take their keys out of it. */
#include <assert.h>

#include "node/store/store_private.h"

enum { MULTI_GET_CHUNK = 64 };

void store_value_release(struct store_value *v)
{
    if (v->pin)
        rocksdb_pinnableslice_destroy(v->pin);
    table_unref(v->table);
    row_segment_unref(v->rows);
    *v = (struct store_value){0};
}

static void value_set(struct store_value *v, rocksdb_pinnableslice_t *pin)
{
    size_t size;
    const char *data = rocksdb_pinnableslice_value(pin, &size);

    v->bytes = slice_of(data, size);
    v->pin = pin;
}

static enum table_answer view_tables(const struct store_view *v,
                                     struct slice key, struct slice *bytes)
{
    enum table_answer answer = TABLE_UNKNOWN;

    if (v->active)
        answer = table_view_get(v->active, key, bytes);
    if (answer == TABLE_UNKNOWN && v->immutable)
        answer = table_view_get(v->immutable, key, bytes);
    return answer;
}

/* As of now. The value holds its table: a flush that ends drops it. */
static enum table_answer own_tables(struct store *s, struct slice key,
                                    struct store_value *out)
{
    struct table *t;
    enum table_answer answer;

    pthread_mutex_lock(&s->lock);
    t = s->active;
    answer = table_get(t, key, &out->bytes);
    if (answer == TABLE_UNKNOWN && s->immutable) {
        t = s->immutable;
        answer = table_get(t, key, &out->bytes);
    }
    if (answer == TABLE_FOUND)
        out->table = table_ref(t);
    pthread_mutex_unlock(&s->lock);
    return answer;
}

/* Does memory of our own decide? Sets `out` and `status` if so. */
static bool get_from_memory(struct store *s, const struct store_view *view,
                            struct slice key, struct store_value *out,
                            enum status *status)
{
    enum table_answer answer;

    *out = (struct store_value){0};
    *status = STATUS_OK;
    if (!view && row_cache_get(s->rows, key, &out->bytes, &out->rows))
        return true;
    answer = view ? view_tables(view, key, &out->bytes)
                  : own_tables(s, key, out);
    *status = answer == TABLE_FOUND ? STATUS_OK : STATUS_NOT_FOUND;
    return answer != TABLE_UNKNOWN;
}

enum status store_get(struct store *s, const struct store_view *view,
                      struct slice key, enum store_tier tier,
                      struct store_value *out)
{
    rocksdb_pinnableslice_t *pin;
    char *err = NULL;
    enum status status;

    assert(!view || view->store == s);
    if (get_from_memory(s, view, key, out, &status))
        return status;
    pin = rocksdb_get_pinned(s->db, store_read_options(s, view, tier),
                             (const char *)key.data, key.size, &err);
    if (err) {
        assert(!pin);
        return rocks_error(store_place(s), "get", err, NULL, 0);
    }
    if (!pin)
        return STATUS_NOT_FOUND;
    value_set(out, pin);
    if (!view)
        row_cache_put(s->rows, key, out->bytes);
    return STATUS_OK;
}

void store_expect(struct store *s, const struct slice *keys, unsigned n)
{
    struct slice absent[EXPECT_MAX];
    unsigned here, n_absent = 0;

    n = MIN_OF(n, (unsigned)EXPECT_MAX);
    here = row_cache_expect(s->rows, keys, n);
    for (unsigned i = 0; i < n; i++)
        if (!(here & 1u << i))
            absent[n_absent++] = keys[i];
    if (!n_absent)
        return;
    pthread_mutex_lock(&s->lock);
    table_expect(s->active, absent, n_absent);
    pthread_mutex_unlock(&s->lock);
}

void store_keep(struct store *s, const struct store_view *view,
                struct slice key, struct slice value)
{
    struct store_value now;
    enum status status;
    bool known, same;

    assert(view->store == s);
    /* A write since the view was taken is in one of the tables; unless a flush
     * has ended, which is asked last. */
    known = get_from_memory(s, NULL, key, &now, &status);
    pthread_mutex_lock(&s->lock);
    same = view->base == s->base;
    pthread_mutex_unlock(&s->lock);
    if (!known && same)
        row_cache_put(s->rows, key, value);
    store_value_release(&now);
}

/* At most MULTI_GET_CHUNK keys; see store_multi_get. */
static void multi_get_chunk(struct store *s, const struct store_view *view,
                            const struct slice *keys, size_t n,
                            struct store_value *values,
                            enum status *statuses)
{
    const char *data[MULTI_GET_CHUNK];
    size_t sizes[MULTI_GET_CHUNK], which[MULTI_GET_CHUNK], below = 0;
    rocksdb_pinnableslice_t *pins[MULTI_GET_CHUNK] = {NULL};
    char *errs[MULTI_GET_CHUNK] = {NULL};

    for (size_t i = 0; i < n; i++) {
        if (get_from_memory(s, view, keys[i], &values[i], &statuses[i]))
            continue;
        data[below] = (const char *)keys[i].data;
        sizes[below] = keys[i].size;
        which[below++] = i;
    }
    if (!below)
        return;
    rocksdb_batched_multi_get_cf(s->db, store_read_options(s, view, STORE_ANY),
                                 s->cf, below, data, sizes, pins, errs, false);
    for (size_t j = 0; j < below; j++) {
        size_t i = which[j];
        if (errs[j]) {
            statuses[i] =
                rocks_error(store_place(s), "multi_get", errs[j], NULL, 0);
            if (pins[j])
                rocksdb_pinnableslice_destroy(pins[j]);
        } else if (pins[j]) {
            statuses[i] = STATUS_OK;
            value_set(&values[i], pins[j]);
            if (!view)
                row_cache_put(s->rows, keys[i], values[i].bytes);
        } else {
            statuses[i] = STATUS_NOT_FOUND;
        }
    }
}

enum status store_multi_get(struct store *s, const struct store_view *view,
                            const struct slice *keys, size_t n,
                            enum store_tier tier, struct store_value *values,
                            enum status *statuses)
{
    bool incomplete = false;

    assert(!view || view->store == s);
    /* RocksDB 7.8's batched read ignores the cache-only tier and reads the
     * disk: on a loop the keys are read one by one. */
    if (tier == STORE_CACHE_ONLY)
        for (size_t i = 0; i < n; i++)
            statuses[i] = store_get(s, view, keys[i], tier, &values[i]);
    else
        for (size_t i = 0; i < n; i += MULTI_GET_CHUNK)
            multi_get_chunk(s, view, keys + i,
                            MIN_OF(n - i, (size_t)MULTI_GET_CHUNK),
                            values + i, statuses + i);
    for (size_t i = 0; i < n; i++) {
        if (statuses[i] == STATUS_INCOMPLETE)
            incomplete = true;
        else if (statuses[i] != STATUS_OK && statuses[i] != STATUS_NOT_FOUND)
            return statuses[i];
    }
    return incomplete ? STATUS_INCOMPLETE : STATUS_OK;
}

static enum status record_decode(struct slice from, struct buf *bytes,
                                 struct group_record *out)
{
    buf_append(bytes, from.data, from.size);
    return group_record_decode(buf_slice(bytes), out);
}

enum status store_record_take(rocksdb_pinnableslice_t *pin, struct buf *bytes,
                              struct group_record *out)
{
    struct store_value v = {0};
    enum status status;

    buf_clear(bytes);
    if (!pin)
        return STATUS_NOT_FOUND;
    value_set(&v, pin);
    status = record_decode(v.bytes, bytes, out);
    store_value_release(&v);
    return status;
}

enum status store_group_record(struct store *s, const struct store_view *view,
                               struct buf *bytes, struct group_record *out)
{
    struct store_value v;
    enum status status;

    buf_clear(bytes);
    status = store_get(s, view, layout_single_key(LAYOUT_GROUP), STORE_ANY, &v);
    if (status == STATUS_OK)
        status = record_decode(v.bytes, bytes, out);
    store_value_release(&v);
    return status;
}
