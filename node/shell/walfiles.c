/* walfiles.c - the log's segment files: made, mapped for recovery, removed.
 *
 * DATA/wal/ID is random (the log id); segments are named by their number in 16
 * hexadecimal digits and ".seg". A file being made carries another name. */
#include "node/shell/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/shell/failpoint.h"
#include "proto/base/log.h"
#include "proto/crc.h"
#include "raft/wal/recovery.h"

enum { PATH_SIZE = 4300, ZERO_BYTES = 4 << 20 };

static void segment_path(const char *dir, uint64_t segment, char *path)
{
    snprintf(path, PATH_SIZE, "%s/%016" PRIx64 ".seg", dir, segment);
}

int walfiles_descriptor(const char *dir, uint64_t segment, bool write)
{
    char path[PATH_SIZE];

    segment_path(dir, segment, path);
    return open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

static enum status failed(const char *what, const char *path)
{
    int e = errno;

    log_error("wal_file_failed", "what=%s path=%s error=\"%s\"", what, path,
              strerror(e));
    return e == ENOSPC || e == EDQUOT ? STATUS_DISK_FULL : STATUS_IO_ERROR;
}

/* In small synced pieces: one sync of the whole file would hold up the syncs of
 * the log itself, which share the file system's journal, for half a second; and
 * they feel each of 4 MiB. */
static enum status fill_zeros(int fd, uint32_t bytes, const char *path,
                              walfiles_pace *pace, void *arg)
{
    uint8_t *zeros = xcalloc(1, ZERO_BYTES);
    enum status st = STATUS_OK;

    if (fallocate(fd, 0, 0, bytes) && errno == ENOSPC)
        st = failed("allocate", path);
    for (uint32_t done = 0; done < bytes && st == STATUS_OK;) {
        uint32_t most = pace ? pace(arg, bytes - done) : ZERO_BYTES;
        uint32_t part = MIN_OF(bytes - done, MIN_OF(most, ZERO_BYTES));
        ssize_t n = pwrite(fd, zeros, part, done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || fdatasync(fd))
            st = failed("fill", path);
        else
            done += (uint32_t)n;
        if (done > bytes / 2 && done <= bytes / 2 + part &&
            FAILPOINT(SEGMENT_FILL_HALF))
            st = failed("fill", path);
    }
    free(zeros);
    return st;
}

static enum status make_new(const char *dir, const char *path, uint32_t bytes,
                            walfiles_pace *pace, void *arg)
{
    char temp[PATH_SIZE + 8];
    enum status st;
    int fd;

    snprintf(temp, sizeof temp, "%s.new", path);
    if (FAILPOINT(SEGMENT_CREATE_BEFORE))
        return failed("create", temp);
    fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("create", temp);
    st = fill_zeros(fd, bytes, temp, pace, arg);
    if (st == STATUS_OK && (FAILPOINT(SEGMENT_FILLED) || fsync(fd)))
        st = failed("fsync", temp);
    close(fd);
    if (st == STATUS_OK && (FAILPOINT(SEGMENT_SYNCED) || rename(temp, path)))
        st = failed("rename", temp);
    if (st != STATUS_OK) {
        unlink(temp);
        return st;
    }
    if (FAILPOINT(SEGMENT_RENAMED))
        return failed("sync", dir);
    st = dir_sync(dir);
    FAILPOINT_PASS(SEGMENT_CREATED);
    return st;
}

enum status walfiles_create(const char *dir, uint64_t segment,
                            uint64_t recycle_from, uint32_t bytes,
                            walfiles_pace *pace, void *arg)
{
    char path[PATH_SIZE], from[PATH_SIZE];
    struct stat st;

    segment_path(dir, segment, path);
    if (!recycle_from)
        return make_new(dir, path, bytes, pace, arg);
    segment_path(dir, recycle_from, from);
    if (!stat(from, &st) && st.st_size == (off_t)bytes) {
        if (FAILPOINT(SEGMENT_RECYCLE_BEFORE) || rename(from, path))
            return failed("recycle", from);
        FAILPOINT_PASS(SEGMENT_RECYCLE_RENAMED);
        if (dir_sync(dir) != STATUS_OK)
            node_die("log_directory_not_synced", dir);
        FAILPOINT_PASS(SEGMENT_RECYCLED);
        return STATUS_OK;
    }
    if (unlink(from) && errno != ENOENT)
        return failed("remove", from);
    return make_new(dir, path, bytes, pace, arg);
}

enum status walfiles_remove(const char *dir, uint64_t segment)
{
    char path[PATH_SIZE];

    segment_path(dir, segment, path);
    if (FAILPOINT(SEGMENT_REMOVE_BEFORE) ||
        (unlink(path) && errno != ENOENT))
        return failed("remove", path);
    if (FAILPOINT(SEGMENT_REMOVED))
        return failed("sync", dir);
    return dir_sync(dir);
}

/* ---- recovery ---- */

struct mapped {
    void *at;
    size_t size;
};

struct opening {
    struct node *n;
    char dir[PATH_SIZE];
    struct wal_recovery *recovery;
    struct mapped *maps;
    unsigned n_maps;
    char *error;
};

/* Read every block once: a mapped block that the disk cannot give would end the
 * process. Such blocks are replaced by zeros in the mapping, which recovery
 * takes for what it is, damage. */
static enum status probe(int fd, struct mapped *m, const char *path)
{
    enum { PIECE = 1 << 20, BLOCK = 4096 };
    uint8_t *scratch = xmalloc(PIECE);
    enum status st = STATUS_OK;

    for (size_t at = 0; at < m->size && st == STATUS_OK; at += PIECE) {
        if (pread(fd, scratch, PIECE, (off_t)at) >= 0)
            continue;
        for (size_t b = at; b < MIN_OF(at + PIECE, m->size); b += BLOCK) {
            if (pread(fd, scratch, BLOCK, (off_t)b) >= 0)
                continue;
            log_error("wal_block_unreadable", "path=%s offset=%zu error=\"%s\"",
                      path, b, strerror(errno));
            if (mmap((uint8_t *)m->at + b, BLOCK, PROT_READ,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                     0) == MAP_FAILED)
                st = failed("map", path);
        }
    }
    free(scratch);
    return st;
}

/* Make what is read lasting, and really read it (recovery.h). */
static enum status map_segment(struct opening *o, uint64_t id)
{
    char path[PATH_SIZE];
    struct mapped m = {MAP_FAILED, 0};
    struct stat info;
    enum status st;
    int fd;

    segment_path(o->dir, id, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd) || fstat(fd, &info)) {
        st = failed("open", path);
        goto out;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    m.size = (size_t)info.st_size;
    if (m.size) {
        m.at = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (m.at == MAP_FAILED) {
            st = failed("map", path);
            goto out;
        }
        madvise(m.at, m.size, MADV_SEQUENTIAL);
        st = probe(fd, &m, path);
        if (st != STATUS_OK) {
            munmap(m.at, m.size);
            goto out;
        }
    }
    o->maps = xrealloc(o->maps, (o->n_maps + 1) * sizeof *o->maps);
    o->maps[o->n_maps++] = m;
    st = wal_recovery_segment(o->recovery, id,
                              slice_of(m.size ? m.at : "", m.size));
    if (st != STATUS_OK)
        snprintf(o->error, DATADIR_ERROR_SIZE, "log segment %s: %s", path,
                 st == STATUS_WRONG_NODE
                     ? "belongs to another data directory"
                 : st == STATUS_WRONG_VERSION
                     ? "written by a newer version: run that version"
                     : status_text(st));
out:
    if (st != STATUS_OK && !o->error[0])
        snprintf(o->error, DATADIR_ERROR_SIZE, "log segment %s: %s", path,
                 status_text(st));
    if (fd >= 0)
        close(fd);
    return st;
}

static enum status map_all(struct opening *o)
{
    enum status st = STATUS_OK;
    struct dirent *e;
    DIR *d = opendir(o->dir);

    if (!d) {
        snprintf(o->error, DATADIR_ERROR_SIZE, "cannot list %s: %s", o->dir,
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    while (st == STATUS_OK && (e = readdir(d))) {
        char path[PATH_SIZE];
        uint64_t id;
        int end = 0;
        if (sscanf(e->d_name, "%16" SCNx64 ".seg%n", &id, &end) == 1 &&
            end == 20 && !e->d_name[20]) {
            st = map_segment(o, id);
        } else if (strstr(e->d_name, ".new")) {
            snprintf(path, sizeof path, "%s/%.255s", o->dir, e->d_name);
            unlink(path);
        }
    }
    closedir(d);
    if (st == STATUS_OK)
        st = dir_sync(o->dir);
    return st;
}

static void unmap_all(struct opening *o)
{
    for (unsigned i = 0; i < o->n_maps; i++)
        if (o->maps[i].size)
            munmap(o->maps[i].at, o->maps[i].size);
    free(o->maps);
}

static void report(const struct wal_recovered *found)
{
    for (unsigned i = 0; i < found->n_damage; i++) {
        const struct wal_damage *d = &found->damage[i];
        enum log_level level = d->kind == WAL_DAMAGE_TORN ? LOG_LEVEL_INFO
                                                          : LOG_LEVEL_ERROR;
        log_write(level, "wal_damage",
                  "segment=%" PRIu64 " offset=%u size=%u what=\"%s\"",
                  d->segment, d->offset, d->size, wal_damage_text(d->kind));
    }
}

/* The log's id: written once, before the first segment. */
static enum status log_id(struct opening *o, uint8_t *id)
{
    struct buf b = {0};
    enum status st = file_read(o->dir, "ID", &b);

    if (st == STATUS_OK && b.size == 20 &&
        crc32c(0, b.data, 16) == get_u32(b.data + 16)) {
        memcpy(id, b.data, 16);
    } else if (st == STATUS_NOT_FOUND &&
               o->n->dir.init < INIT_STATE_CREATED) {
        if (getrandom(id, 16, 0) != 16)
            return STATUS_IO_ERROR;
        buf_clear(&b);
        buf_append(&b, id, 16);
        buf_u32(&b, crc32c(0, id, 16));
        st = file_replace(o->dir, "ID", buf_slice(&b));
    } else {
        snprintf(o->error, DATADIR_ERROR_SIZE,
                 "%s/ID is damaged or missing: the log cannot be read; remove "
                 "the whole data directory and let the node join anew",
                 o->dir);
        st = STATUS_CORRUPT;
    }
    buf_release(&b);
    return st;
}

enum status walfiles_open(struct node *n, walfiles_each *each, void *arg,
                          bool *lost_unnamed, char *error)
{
    struct opening o = {.n = n, .error = error};
    struct wal_recovered *found = NULL;
    struct wal_options options;
    uint8_t id[WAL_LOG_ID_BYTES];
    enum status st;

    error[0] = 0;
    snprintf(o.dir, sizeof o.dir, "%s/wal", n->dir.path);
    st = dir_make(o.dir);
    if (st == STATUS_OK)
        st = log_id(&o, id);
    if (st != STATUS_OK)
        goto out;
    options = wal_options_default(id);
    if (n->o.segment_bytes)
        options.segment_bytes = n->o.segment_bytes;
    n->wal_options = options;
    o.recovery = wal_recovery_new(&options);
    st = map_all(&o);
    if (st != STATUS_OK)
        goto out;
    found = wal_recovery_finish(o.recovery);
    o.recovery = NULL;
    report(found);
    *lost_unnamed = found->lost_unnamed;
    for (unsigned i = 0; i < found->n_groups; i++)
        each(arg, found, i);
    for (unsigned i = 0; i < found->n_remove && st == STATUS_OK; i++)
        st = walfiles_remove(o.dir, found->remove[i]);
    if (st == STATUS_OK)
        journal_init(&n->journal, wal_new(&options, found));
out:
    if (st != STATUS_OK && !error[0])
        snprintf(error, DATADIR_ERROR_SIZE, "cannot open the log in %s: %s",
                 o.dir, status_text(st));
    wal_recovered_free(found);
    wal_recovery_free(o.recovery);
    unmap_all(&o);
    return st;
}
