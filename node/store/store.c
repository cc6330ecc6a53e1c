/* store.c - see store.h: opening, closing, applying. */
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
    s->active = table_new();
    s->rows = row_cache_new(&env->rows, env->row_seed ^ options->tag);
    s->base = store_base_new(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->flush_ended, NULL);
    atomic_init(&s->refs, 1);
    store_env_add(env, s);
    store_ingest_clean(s->dir);
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

    atomic_store(&s->closing, true);
    store_pool_cancel(s->env, s);
    assert(!s->view_now);
    row_cache_free(s->rows);
    store_base_unref(s->base);
    table_view_unref(s->immutable_view);
    table_unref(s->immutable);
    table_unref(s->active);
    rocksdb_column_family_handle_destroy(s->cf);
    rocksdb_close(s->db);
    log_info("store_closed", "store=%" PRIu64 " dir=%s", s->tag, s->dir);
    store_env_remove(s->env, s);
    pthread_cond_destroy(&s->flush_ended);
    pthread_mutex_destroy(&s->lock);
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
    pthread_mutex_lock(&s->lock);
    view = s->view_now;
    s->view_now = NULL;
    pthread_mutex_unlock(&s->lock);
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
    store_ingest_clean(dir);
    if (rmdir(dir) != 0 && errno != ENOENT) {
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

static void fill(struct table *t, const struct write_set *w)
{
    struct write_record r;
    size_t at = 0;

    while (write_set_next(w, &at, &r)) {
        switch (r.op) {
        case WRITE_PUT:
            table_put(t, r.key, r.value);
            break;
        case WRITE_DELETE:
            table_delete(t, r.key);
            break;
        case WRITE_DELETE_RANGE:
            table_delete_range(t, r.key, r.value);
            break;
        }
    }
}

/* What is changed must not be found in the row cache any more. */
static void forget(struct row_cache *rows, const struct write_set *w)
{
    struct write_record r;
    size_t at = 0;

    row_cache_share(rows);
    while (row_cache_count(rows) && write_set_next(w, &at, &r)) {
        if (r.op == WRITE_DELETE_RANGE)
            row_cache_clear(rows);
        else
            row_cache_remove(rows, r.key);
    }
}

enum status store_apply(struct store *s, const struct write_set *w)
{
    struct store_view *old;
    enum status status;

    if (!write_set_count(w))
        return STATUS_OK;
    status = store_budget_status(s);
    if (status != STATUS_OK)
        return status;
    forget(s->rows, w);
    pthread_mutex_lock(&s->lock);
    fill(s->active, w);
    atomic_fetch_add(&s->unflushed_bytes, write_set_bytes(w));
    store_account(s);
    old = s->view_now;
    s->view_now = NULL;
    pthread_mutex_unlock(&s->lock);
    store_view_unref(old);
    return STATUS_OK;
}
