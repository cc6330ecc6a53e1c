/* store.c - see store.h: opening, closing, applying, reading. */
#include "node/store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/store/store_private.h"
#include "proto/base/log.h"

enum {
    POLL_BYTES = 256 * 1024,   /* applied between two looks at RocksDB */
    BATCH_KEPT_MAX = 1024 * 1024,
    RECORD_OVERHEAD = 48,      /* of a skip list node, about */
    MULTI_GET_CHUNK = 64,
};

/* ---- open and close ---- */

enum status store_sync_parent(const char *path)
{
    char *copy = xstrdup(path);
    size_t n = strlen(copy);
    const char *parent = copy;
    char *slash;
    int fd;
    enum status status = STATUS_OK;

    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = '\0';
    slash = strrchr(copy, '/');
    if (!slash)
        parent = ".";
    else if (slash == copy)
        parent = "/";
    else
        *slash = '\0';
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        status = errno == ENOSPC ? STATUS_DISK_FULL : STATUS_IO_ERROR;
    if (fd >= 0)
        close(fd);
    free(copy);
    return status;
}

static bool has_current(const char *dir)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/CURRENT", dir);

    return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

/* Do tables lie in `dir`? Then a missing CURRENT is damage, not a creation
 * that a crash interrupted. */
static bool has_tables(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    bool found = false;

    if (!d)
        return false;
    while (!found && (entry = readdir(d))) {
        size_t n = strlen(entry->d_name);
        found = n > 4 && !strcmp(entry->d_name + n - 4, ".sst");
    }
    closedir(d);
    return found;
}

/* Whether what lies in the directory suits the mode; sets *create. */
static enum status check_mode(const struct store_options *options,
                              bool *create, char *error, size_t error_size)
{
    bool exists = has_current(options->dir);
    const char *text;
    enum status status;

    *create = !exists;
    if (exists && options->mode == STORE_CREATE) {
        status = STATUS_EXISTS;
        text = "there is a store already";
    } else if (!exists && has_tables(options->dir)) {
        status = STATUS_CORRUPT;
        text = "tables, but no CURRENT file";
    } else if (!exists && options->mode == STORE_OPEN) {
        status = STATUS_NOT_FOUND;
        text = "there is no store";
    } else {
        return STATUS_OK;
    }
    if (error && error_size)
        snprintf(error, error_size, "%s: %s", options->dir, text);
    return status;
}

enum status store_open(struct store_env *env,
                       const struct store_options *options,
                       struct store **out, char *error, size_t error_size)
{
    static const char *const families[] = {"default"};
    const rocksdb_options_t *family_options[1];
    struct rocks_place place = {options->dir, options->tag, NULL};
    rocksdb_options_t *o;
    rocksdb_column_family_handle_t *cf = NULL;
    rocksdb_t *db;
    struct store *s;
    char *err = NULL;
    bool create;
    enum status status;

    *out = NULL;
    status = check_mode(options, &create, error, error_size);
    if (status != STATUS_OK)
        return status;
    o = rocksdb_options_create_copy(env->base);
    rocksdb_options_set_create_if_missing(o, create);
    family_options[0] = o;
    db = rocksdb_open_column_families(o, options->dir, 1, families,
                                      family_options, &cf, &err);
    rocksdb_options_destroy(o);
    if (!db || err) {
        assert(!db);
        return rocks_error(place, "open", err, error, error_size);
    }
    s = xcalloc(1, sizeof *s);
    s->env = env;
    s->db = db;
    s->cf = cf;
    s->dir = xstrdup(options->dir);
    s->tag = options->tag;
    s->batch = rocksdb_writebatch_create();
    atomic_init(&s->refs, 1);
    store_env_add(env, s);
    if (create && store_sync_parent(s->dir) != STATUS_OK) {
        if (error && error_size)
            snprintf(error, error_size, "%s: cannot sync its parent", s->dir);
        store_close(s);
        return STATUS_IO_ERROR;
    }
    /* Set only now: a store that never opened is not reported closed. */
    s->on_closed = options->on_closed;
    s->arg = options->arg;
    log_info("store_open", "store=%" PRIu64 " dir=%s created=%d", s->tag,
             s->dir, create);
    *out = s;
    return STATUS_OK;
}

/* The last reference is gone: iterators, pinned values and snapshots are. */
static void close_now(struct store *s)
{
    void (*on_closed)(void *) = s->on_closed;
    void *arg = s->arg;

    assert(!s->view_now);
    rocksdb_writebatch_destroy(s->batch);
    rocksdb_column_family_handle_destroy(s->cf);
    rocksdb_close(s->db);
    log_info("store_closed", "store=%" PRIu64 " dir=%s", s->tag, s->dir);
    store_env_remove(s->env, s);
    free(s->dir);
    free(s);
    if (on_closed)
        on_closed(arg);
}

struct store *store_ref(struct store *s)
{
    unsigned before = atomic_fetch_add(&s->refs, 1);

    assert(before > 0);
    (void)before;
    return s;
}

void store_unref(struct store *s)
{
    unsigned before;

    if (!s)
        return;
    before = atomic_fetch_sub(&s->refs, 1);
    assert(before > 0);
    if (before == 1)
        close_now(s);
}

void store_close(struct store *s)
{
    struct store_view *view;

    if (!s)
        return;
    /* The cached view holds a reference to the store: break the circle. */
    view = s->view_now;
    s->view_now = NULL;
    store_view_unref(view);
    store_unref(s);
}

enum status store_destroy(const char *dir, char *error, size_t error_size)
{
    struct rocks_place place = {dir, 0, NULL};
    rocksdb_options_t *o;
    char *err = NULL;
    enum status status;

    if (access(dir, F_OK) != 0 && errno == ENOENT)
        return STATUS_OK;
    o = rocksdb_options_create();
    rocksdb_destroy_db(o, dir, &err);
    rocksdb_options_destroy(o);
    status = rocks_error(place, "destroy", err, error, error_size);
    if (status != STATUS_OK)
        return status;
    if (access(dir, F_OK) == 0) {
        if (error && error_size)
            snprintf(error, error_size, "%s: other files are inside", dir);
        return STATUS_IO_ERROR;
    }
    return store_sync_parent(dir);
}

uint64_t store_tag(const struct store *s)
{
    return s->tag;
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

/* ---- write ---- */

/* STALLED when all stores together are so far behind with flushing that memory
 * would grow without bound; a failed store's own error comes first. */
static enum status check_budget(struct store *s)
{
    struct store_env *e = s->env;
    uint64_t limit = 2 * e->options.node_flush_bytes;
    enum status status;

    if (atomic_load(&e->memtable_bytes) <= limit)
        return STATUS_OK;
    store_poll(s);
    if (atomic_load(&e->memtable_bytes) <= limit)
        return STATUS_OK;
    status = store_background_status(s);
    return status == STATUS_OK ? STATUS_STALLED : status;
}

static void batch_fill(rocksdb_writebatch_t *b, const struct write_set *w)
{
    struct write_record r;
    size_t at = 0;

    while (write_set_next(w, &at, &r)) {
        const char *key = (const char *)r.key.data;
        const char *value = (const char *)r.value.data;
        switch (r.op) {
        case WRITE_PUT:
            rocksdb_writebatch_put(b, key, r.key.size, value, r.value.size);
            break;
        case WRITE_DELETE:
            rocksdb_writebatch_delete(b, key, r.key.size);
            break;
        case WRITE_DELETE_RANGE:
            rocksdb_writebatch_delete_range(b, key, r.key.size, value,
                                            r.value.size);
            break;
        }
    }
}

/* `n` more bytes are in the memtable. The sum first: a poll on another thread
 * takes away only what it saw in the store. */
static void account_add(struct store *s, uint64_t n)
{
    atomic_fetch_add(&s->env->memtable_bytes, n);
    atomic_fetch_add(&s->active_bytes, n);
    atomic_fetch_add(&s->unflushed_bytes, n);
    s->unpolled_bytes += n;
    if (s->unpolled_bytes >= POLL_BYTES) {
        s->unpolled_bytes = 0;
        store_poll(s);
    }
}

enum status store_apply(struct store *s, const struct write_set *w)
{
    uint64_t bytes = write_set_bytes(w) +
                     (uint64_t)write_set_count(w) * RECORD_OVERHEAD;
    char *err = NULL;
    enum status status;

    if (!write_set_count(w))
        return STATUS_OK;
    status = check_budget(s);
    if (status != STATUS_OK)
        return status;
    batch_fill(s->batch, w);
    rocksdb_write(s->db, s->env->write, s->batch, &err);
    if (write_set_bytes(w) > BATCH_KEPT_MAX) {
        rocksdb_writebatch_destroy(s->batch);
        s->batch = rocksdb_writebatch_create();
    } else {
        rocksdb_writebatch_clear(s->batch);
    }
    if (err)
        return rocks_error(store_place(s), "apply", err, NULL, 0);
    if (s->view_now) {
        struct store_view *old = s->view_now;
        s->view_now = NULL;
        store_view_unref(old);
    }
    account_add(s, bytes);
    return STATUS_OK;
}

/* ---- read ---- */

void store_value_release(struct store_value *v)
{
    if (v->pin)
        rocksdb_pinnableslice_destroy(v->pin);
    *v = (struct store_value){0};
}

static void value_set(struct store_value *v, rocksdb_pinnableslice_t *pin)
{
    size_t size;
    const char *data = rocksdb_pinnableslice_value(pin, &size);

    v->bytes = slice_of(data, size);
    v->pin = pin;
}

enum status store_get(struct store *s, const struct store_view *view,
                      struct slice key, enum store_tier tier,
                      struct store_value *out)
{
    rocksdb_pinnableslice_t *pin;
    char *err = NULL;

    assert(!view || view->store == s);
    *out = (struct store_value){0};
    pin = rocksdb_get_pinned(s->db, store_read_options(s, view, tier),
                             (const char *)key.data, key.size, &err);
    if (err) {
        assert(!pin);
        return rocks_error(store_place(s), "get", err, NULL, 0);
    }
    if (!pin)
        return STATUS_NOT_FOUND;
    value_set(out, pin);
    return STATUS_OK;
}

/* At most MULTI_GET_CHUNK keys; see store_multi_get. */
static void multi_get_chunk(struct store *s,
                            const rocksdb_readoptions_t *options,
                            const struct slice *keys, size_t n,
                            struct store_value *values,
                            enum status *statuses)
{
    const char *data[MULTI_GET_CHUNK];
    size_t sizes[MULTI_GET_CHUNK];
    rocksdb_pinnableslice_t *pins[MULTI_GET_CHUNK] = {NULL};
    char *errs[MULTI_GET_CHUNK] = {NULL};

    for (size_t i = 0; i < n; i++) {
        data[i] = (const char *)keys[i].data;
        sizes[i] = keys[i].size;
    }
    rocksdb_batched_multi_get_cf(s->db, options, s->cf, n, data, sizes, pins,
                                 errs, false);
    for (size_t i = 0; i < n; i++) {
        values[i] = (struct store_value){0};
        if (errs[i]) {
            statuses[i] =
                rocks_error(store_place(s), "multi_get", errs[i], NULL, 0);
            if (pins[i])
                rocksdb_pinnableslice_destroy(pins[i]);
        } else if (pins[i]) {
            statuses[i] = STATUS_OK;
            value_set(&values[i], pins[i]);
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
    const rocksdb_readoptions_t *any = store_read_options(s, view, STORE_ANY);
    bool incomplete = false;

    assert(!view || view->store == s);
    /* RocksDB 7.8's batched read ignores the cache-only tier and reads the
     * disk: on a loop the keys are read one by one. */
    if (tier == STORE_CACHE_ONLY)
        for (size_t i = 0; i < n; i++)
            statuses[i] = store_get(s, view, keys[i], tier, &values[i]);
    else
        for (size_t i = 0; i < n; i += MULTI_GET_CHUNK)
            multi_get_chunk(s, any, keys + i, MIN_OF(n - i, MULTI_GET_CHUNK),
                            values + i, statuses + i);
    for (size_t i = 0; i < n; i++) {
        if (statuses[i] == STATUS_INCOMPLETE)
            incomplete = true;
        else if (statuses[i] != STATUS_OK && statuses[i] != STATUS_NOT_FOUND)
            return statuses[i];
    }
    return incomplete ? STATUS_INCOMPLETE : STATUS_OK;
}

enum status store_record_take(rocksdb_pinnableslice_t *pin, struct buf *bytes,
                              struct group_record *out)
{
    struct store_value v;

    buf_clear(bytes);
    if (!pin)
        return STATUS_NOT_FOUND;
    value_set(&v, pin);
    buf_append(bytes, v.bytes.data, v.bytes.size);
    store_value_release(&v);
    return group_record_decode(buf_slice(bytes), out);
}

enum status store_group_record(struct store *s, const struct store_view *view,
                               struct buf *bytes, struct group_record *out)
{
    struct store_value v;
    enum status status;

    buf_clear(bytes);
    status = store_get(s, view, layout_single_key(LAYOUT_GROUP), STORE_ANY, &v);
    if (status != STATUS_OK)
        return status;
    return store_record_take(v.pin, bytes, out);
}
