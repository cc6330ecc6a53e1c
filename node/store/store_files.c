/* store_files.c - see store_files.h. */
#include "node/store/store_files.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "node/store/store_iter.h"
#include "node/store/store_private.h"

enum status store_checkpoint(struct store *s, const char *dir, char *error,
                             size_t error_size)
{
    rocksdb_checkpoint_t *checkpoint;
    char *err = NULL;
    enum status status;

    if (access(dir, F_OK) == 0) {
        if (error && error_size)
            snprintf(error, error_size, "%s: exists", dir);
        return STATUS_EXISTS;
    }
    status = store_flush_wait(s);
    if (status != STATUS_OK) {
        if (error && error_size)
            snprintf(error, error_size, "%s: flush: %s", s->dir,
                     status_text(status));
        return status;
    }
    checkpoint = rocksdb_checkpoint_object_create(s->db, &err);
    /* 0: there is no log to copy. */
    if (!err)
        rocksdb_checkpoint_create(checkpoint, dir, 0, &err);
    if (checkpoint)
        rocksdb_checkpoint_object_destroy(checkpoint);
    status = rocks_error(store_place(s), "checkpoint", err, error, error_size);
    if (status != STATUS_OK)
        return status;
    return store_sync_parent(dir);
}

enum status store_read_record(struct store_env *env, const char *dir,
                              struct buf *bytes, struct group_record *out,
                              char *error, size_t error_size)
{
    struct slice key = layout_single_key(LAYOUT_GROUP);
    struct rocks_place place = {dir, 0, NULL};
    rocksdb_pinnableslice_t *pin;
    rocksdb_t *db;
    char path[4096], *err = NULL;
    int n = snprintf(path, sizeof path, "%s/CURRENT", dir);
    enum status status;

    buf_clear(bytes);
    if (n < 0 || (size_t)n >= sizeof path || access(path, F_OK) != 0) {
        if (error && error_size)
            snprintf(error, error_size, "%s: there is no store", dir);
        return STATUS_NOT_FOUND;
    }
    db = rocksdb_open_for_read_only(env->base, dir, 0, &err);
    if (!db || err) {
        assert(!db);
        return rocks_error(place, "open_read_only", err, error, error_size);
    }
    pin = rocksdb_get_pinned(db, env->read_any, (const char *)key.data,
                             key.size, &err);
    if (err)
        status = rocks_error(place, "read_record", err, error, error_size);
    else
        status = store_record_take(pin, bytes, out);
    rocksdb_close(db);
    return status;
}

/* ---- files ---- */

static bool all_digits(const char *from, const char *to)
{
    if (from == to)
        return false;
    for (; from < to; from++)
        if (!isdigit((unsigned char)*from))
            return false;
    return true;
}

bool store_file_name_valid(const char *name)
{
    size_t n = strlen(name);
    const char *end = name + n;

    if (n == 0 || n >= sizeof ((struct store_file *)0)->name)
        return false;
    if (!strcmp(name, "CURRENT") || !strcmp(name, "IDENTITY"))
        return true;
    if (!strncmp(name, "MANIFEST-", 9))
        return all_digits(name + 9, end);
    if (!strncmp(name, "OPTIONS-", 8))
        return all_digits(name + 8, end);
    if (n > 4 && (!strcmp(end - 4, ".sst") || !strcmp(end - 4, ".log")))
        return all_digits(name, end - 4);
    return false;
}

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct store_file *)a)->name,
                  ((const struct store_file *)b)->name);
}

/* Files that RocksDB and flushes make beside the store's own. */
static bool ignored(const char *name)
{
    return !strcmp(name, STORE_INGEST_FILE) || !strcmp(name, ".") ||
           !strcmp(name, "..") || !strcmp(name, "LOCK") ||
           !strncmp(name, "LOG", 3);
}

enum status store_file_list(const char *dir, struct store_file **files,
                            size_t *count)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    struct store_file *list = NULL;
    size_t n = 0, cap = 0;
    struct stat st;
    enum status status = STATUS_OK;

    *files = NULL;
    *count = 0;
    if (!d)
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
    while (status == STATUS_OK && (entry = readdir(d))) {
        if (ignored(entry->d_name))
            continue;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            status = STATUS_IO_ERROR;
        } else if (!S_ISREG(st.st_mode) ||
                   !store_file_name_valid(entry->d_name)) {
            status = STATUS_CORRUPT;
        } else {
            if (n == cap) {
                cap = cap ? 2 * cap : 64;
                list = xrealloc(list, cap * sizeof *list);
            }
            list[n] = (struct store_file){.size = (uint64_t)st.st_size};
            memcpy(list[n++].name, entry->d_name,
                   strlen(entry->d_name) + 1); /* it fits: checked above */
        }
    }
    closedir(d);
    if (status != STATUS_OK) {
        free(list);
        return status;
    }
    if (n)
        qsort(list, n, sizeof *list, file_compare);
    *files = list;
    *count = n;
    return STATUS_OK;
}

/* ---- checking ---- */

/* Is this record one that the layout allows? Kinds that this program does not
 * know are not judged. */
static enum status record_check(struct slice key, struct slice value)
{
    struct layout_value v;
    struct group_record r;
    struct slice user_key;
    uint32_t keyspace;
    enum status status;

    if (!key.size)
        return STATUS_CORRUPT;
    switch (key.data[0]) {
    case LAYOUT_DATA:
        status = layout_data_key_parse(key, &keyspace, &user_key);
        return status == STATUS_OK ? layout_value_parse(value, &v) : status;
    case LAYOUT_GROUP:
        return key.size == 1 ? group_record_decode(value, &r) : STATUS_CORRUPT;
    default:
        return STATUS_OK;
    }
}

enum status store_verify(struct store_view *v, struct store_digest *out)
{
    struct store_iter_options options = {.tier = STORE_ANY,
                                         .keep_cache = true};
    struct store_iter *it = store_iter_new(v, &options);
    struct store_digest digest = {0};
    struct buf last = {0};
    XXH3_state_t *hash = XXH3_createState();
    enum status status = STATUS_OK;

    if (!hash || XXH3_64bits_reset(hash) != XXH_OK)
        abort();
    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it), value = store_iter_value(it);
        uint8_t sizes[8];

        status = record_check(key, value);
        if (status == STATUS_OK && digest.records > 0 &&
            slice_compare(buf_slice(&last), key) >= 0)
            status = STATUS_CORRUPT;
        if (status != STATUS_OK)
            break;
        put_u32(sizes, (uint32_t)key.size);
        put_u32(sizes + 4, (uint32_t)value.size);
        XXH3_64bits_update(hash, sizes, sizeof sizes);
        XXH3_64bits_update(hash, key.data, key.size);
        XXH3_64bits_update(hash, value.data, value.size);
        digest.records++;
        digest.bytes += key.size + value.size;
        buf_clear(&last);
        buf_append(&last, key.data, key.size);
    }
    if (status == STATUS_OK)
        status = store_iter_status(it);
    digest.hash = XXH3_64bits_digest(hash);
    if (status == STATUS_OK && out)
        *out = digest;
    XXH3_freeState(hash);
    buf_release(&last);
    store_iter_free(it);
    return status;
}
