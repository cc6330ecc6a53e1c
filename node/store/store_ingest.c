/* store_ingest.c - a table becomes one of RocksDB's files.
 *
 * The table is written in key order to STORE_INGEST_FILE in the store's own
 * directory, synced, and taken in by RocksDB under its own name: a hard link,
 * the directory synced, then the one record in the manifest, synced, that
 * makes it count. A crash leaves it counted whole or not at all; RocksDB
 * removes a link that does not count when it opens, we our name. As the group
 * record is in the file, a store that is opened again holds exactly the
 * entries up to its record.
 *
 * The file is written in pieces, with rests between them while nobody waits
 * (store_flush_rest_us), and each piece is sent to the disk at once: tens of
 * MiB in one sync would keep the disk from what the log syncs.
 *
 * A file that failed to be taken in is written anew: RocksDB may have stamped
 * it already. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/store/store_private.h"

enum {
    LOOK_EVERY = 256, /* records, for s->closing */
    PIECE_BYTES = 256 * 1024,
    RECORD_BYTES = 64, /* of work, beside its bytes */
    PATH_SIZE = 4200,
    /* Left free on the disk when a file is taken in: the manifest must not be
     * what meets a full disk, for then nobody knows whether the file counts. */
    HEADROOM_BYTES = 1024 * 1024,
};

static void path_of(const char *dir, char *path)
{
    snprintf(path, PATH_SIZE, "%s/" STORE_INGEST_FILE, dir);
}

void store_ingest_clean(const char *dir)
{
    char path[PATH_SIZE];

    path_of(dir, path);
    unlink(path); /* normally there is none */
}

static void step(const struct store *s, enum store_flush_step step)
{
    const struct store_env_options *o = &s->env->options;

    if (o->on_flush_step)
        o->on_flush_step(step, o->flush_step_arg);
}

static void write_ranges(rocksdb_sstfilewriter_t *w,
                         const struct table_view *v, char **err)
{
    struct slice begin, end;

    for (unsigned i = 0; !*err && table_view_range(v, i, &begin, &end); i++)
        rocksdb_sstfilewriter_delete_range(
            w, (const char *)begin.data, begin.size, (const char *)end.data,
            end.size, err);
}

/* Behind each piece of work. */
static void rest(struct store *s)
{
    unsigned us = store_flush_rest_us(s);

    if (us)
        usleep(us);
}

static void write_entries(struct store *s, rocksdb_sstfilewriter_t *w,
                          const struct table_view *v, int fd, char **err)
{
    struct table_iter it;
    struct slice value;
    unsigned n = 0;
    size_t piece = 0;

    table_iter_init(&it, v);
    for (table_iter_first(&it); !*err && table_iter_valid(&it);
         table_iter_next(&it)) {
        struct slice key = table_iter_key(&it);
        if (++n % LOOK_EVERY == 0 && atomic_load(&s->closing))
            return;
        value = (struct slice){0};
        if (table_iter_value(&it, &value) == TABLE_FOUND)
            rocksdb_sstfilewriter_put(w, (const char *)key.data, key.size,
                                      (const char *)value.data, value.size,
                                      err);
        else
            rocksdb_sstfilewriter_delete(w, (const char *)key.data, key.size,
                                         err);
        piece += RECORD_BYTES + key.size + value.size;
        if (piece >= PIECE_BYTES) {
            if (fd >= 0) /* to help; what counts is the sync at the end */
                (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
            rest(s);
            piece = 0;
        }
        if (n == 1)
            step(s, STORE_FLUSH_WRITING);
    }
}

static enum status write_file(struct store *s, const struct table_view *v,
                              const char *path)
{
    rocksdb_sstfilewriter_t *w =
        rocksdb_sstfilewriter_create(s->env->files, s->env->flush);
    char *err = NULL;
    int fd;

    rocksdb_sstfilewriter_open(w, path, &err);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (!err)
        write_ranges(w, v, &err);
    if (!err)
        write_entries(s, w, v, fd, &err);
    if (!err && !atomic_load(&s->closing))
        rocksdb_sstfilewriter_finish(w, &err); /* syncs it */
    rocksdb_sstfilewriter_destroy(w);
    if (fd >= 0)
        close(fd);
    if (err)
        return rocks_error(store_place(s), "flush_write", err, NULL, 0);
    return atomic_load(&s->closing) ? STATUS_CLOSED : STATUS_OK;
}

static enum status check_headroom(const char *dir)
{
    struct statvfs v;

    if (statvfs(dir, &v) != 0)
        return STATUS_IO_ERROR;
    return (uint64_t)v.f_bavail * v.f_frsize < HEADROOM_BYTES
               ? STATUS_DISK_FULL
               : STATUS_OK;
}

/* RocksDB's writer drops the file from the page cache as it goes; the next
 * reads are soon. In pieces, too: a kernel that is asked for all of it does
 * nothing else on this processor for tens of milliseconds. */
static void read_ahead(struct store *s, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st))
        st.st_size = 0;
    for (off_t at = 0; at < st.st_size; at += PIECE_BYTES) {
        posix_fadvise(fd, at, PIECE_BYTES, POSIX_FADV_WILLNEED);
        rest(s);
    }
    close(fd);
}

enum status store_ingest(struct store *s, const struct table_view *v)
{
    char path[PATH_SIZE], *err = NULL;
    const char *files[1] = {path};
    enum status status;

    path_of(s->dir, path);
    status = write_file(s, v, path);
    step(s, STORE_FLUSH_WRITTEN);
    if (status == STATUS_OK)
        status = check_headroom(s->dir);
    if (status != STATUS_OK) {
        unlink(path);
        return status;
    }
    read_ahead(s, path);
    rocksdb_ingest_external_file(s->db, files, 1, s->env->ingest, &err);
    step(s, STORE_FLUSH_INGESTED);
    status = rocks_error(store_place(s), "flush_ingest", err, NULL, 0);
    if (status != STATUS_OK)
        unlink(path);
    return status;
}
