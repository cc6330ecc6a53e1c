/* datadir.c - see datadir.h. Behind the header of file_seal():
 *
 * identity: "COATID": directory id | u64 boot count | u8 init state | 7 x 0 |
 *           cluster id
 * map:      "COATMP": encoded map */
#include "node/shell/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "node/shell/failpoint.h"
#include "proto/base/log.h"

enum { FILE_LEVEL = 1, IDENTITY_BYTES = 48 };

const char *init_state_name(enum init_state s)
{
    static const char *const names[] = {"blank", "accepted", "created",
                                        "serving"};
    return names[s];
}

enum status datadir_save_init(struct datadir *d, enum init_state init)
{
    struct buf b = {0};
    enum status st;

    buf_grow(&b, FILE_HEADER_BYTES);
    buf_append(&b, d->directory, ID_BYTES);
    buf_u64(&b, d->boot_count);
    buf_u64(&b, init);
    buf_append(&b, d->cluster, ID_BYTES);
    file_seal(&b, "COATID", FILE_LEVEL);
    st = FAILPOINT(IDENTITY_BEFORE)
             ? STATUS_IO_ERROR
             : file_replace(d->path, "identity", buf_slice(&b));
    FAILPOINT_PASS(IDENTITY_AFTER);
    if (st == STATUS_OK)
        d->init = init;
    buf_release(&b);
    return st;
}

enum status datadir_save_map(struct datadir *d, const struct cluster_map *map)
{
    struct buf b = {0};
    enum status st;

    buf_grow(&b, FILE_HEADER_BYTES);
    map_encode(map, &b);
    file_seal(&b, "COATMP", FILE_LEVEL);
    st = FAILPOINT(MAP_BEFORE) ? STATUS_IO_ERROR
                               : file_replace(d->path, "map", buf_slice(&b));
    FAILPOINT_PASS(MAP_AFTER);
    if (st == STATUS_OK && map != d->map) {
        map_free(d->map);
        d->map = map_copy(map);
    }
    buf_release(&b);
    return st;
}

static enum status read_identity(struct datadir *d, bool *fresh)
{
    struct buf b = {0};
    struct slice rest;
    struct reader r;
    uint64_t init;
    enum status st = file_read(d->path, "identity", &b);

    *fresh = st == STATUS_NOT_FOUND;
    if (st == STATUS_OK)
        st = file_unseal(&b, "COATID", FILE_LEVEL, &rest);
    if (st == STATUS_OK && rest.size != IDENTITY_BYTES)
        st = STATUS_CORRUPT;
    if (st == STATUS_OK) {
        r = reader_of(rest);
        memcpy(d->directory, reader_bytes(&r, ID_BYTES).data, ID_BYTES);
        d->boot_count = reader_u64(&r);
        init = reader_u64(&r);
        memcpy(d->cluster, reader_bytes(&r, ID_BYTES).data, ID_BYTES);
        if (init > INIT_STATE_ACTIVE)
            st = STATUS_CORRUPT;
        else
            d->init = (enum init_state)init;
    }
    buf_release(&b);
    return *fresh ? STATUS_OK : st;
}

static enum status read_map(struct datadir *d)
{
    struct buf b = {0};
    struct slice rest;
    enum status st = file_read(d->path, "map", &b);

    if (st == STATUS_OK)
        st = file_unseal(&b, "COATMP", FILE_LEVEL, &rest);
    if (st == STATUS_OK)
        st = map_decode(rest, &d->map);
    if (st == STATUS_OK && memcmp(d->map->cluster, d->cluster, ID_BYTES))
        st = STATUS_CORRUPT;
    buf_release(&b);
    return st == STATUS_WRONG_VERSION || st == STATUS_OK ? st : STATUS_CORRUPT;
}

static enum status lock(struct datadir *d, char *error)
{
    char path[4200], pid[32];
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int n;

    snprintf(path, sizeof path, "%s/lock", d->path);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        snprintf(error, DATADIR_ERROR_SIZE, "cannot open %s: %s", path,
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    if (fcntl(d->lock_fd, F_SETLK, &l)) {
        struct flock who = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        fcntl(d->lock_fd, F_GETLK, &who);
        snprintf(error, DATADIR_ERROR_SIZE,
                 "data directory %s is in use by another daemon (pid %d): "
                 "stop it or use another directory",
                 d->path, (int)who.l_pid);
        return STATUS_BUSY;
    }
    n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(d->lock_fd, 0) || write(d->lock_fd, pid, (size_t)n) != n) {
        snprintf(error, DATADIR_ERROR_SIZE, "cannot write %s: %s", path,
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    return STATUS_OK;
}

/* Magic numbers of statfs(2). */
static enum status check_filesystem(struct datadir *d, bool unsafe_disk,
                                    char *error)
{
    static const struct {
        long magic;
        const char *name;
        bool refused;
    } kinds[] = {
        {0x01021994, "tmpfs", true},      {(long)0x858458f6, "ramfs", true},
        {0x6969, "nfs", true},            {(long)0xff534d42, "cifs", true},
        {0x517b, "smb", true},            {(long)0xfe534d42, "smb2", true},
        {(long)0x9123683e, "btrfs", false}, {0x2fc12fc1, "zfs", false},
    };
    struct statfs fs;

    if (statfs(d->path, &fs)) {
        snprintf(error, DATADIR_ERROR_SIZE, "cannot examine %s: %s", d->path,
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if ((uint32_t)kinds[i].magic != (uint32_t)fs.f_type)
            continue;
        if (kinds[i].refused && !unsafe_disk) {
            snprintf(error, DATADIR_ERROR_SIZE,
                     "data directory %s is on %s, which does not keep what is "
                     "synced: use a local disk (or --unsafe-disk for a trial)",
                     d->path, kinds[i].name);
            return STATUS_DENIED;
        }
        log_warn("filesystem", "path=%s type=%s note=%s", d->path,
                 kinds[i].name,
                 kinds[i].refused ? "unsafe" : "copy-on-write_is_slow");
    }
    return STATUS_OK;
}

/* The median of a few 4 KiB overwrites + fdatasync, in microseconds; -1 when
 * they fail. */
static double measure_fsync(struct datadir *d)
{
    enum { TRIES = 9 };
    char path[4200], block[4096] = {0};
    double us[TRIES], median = -1;
    int fd;

    snprintf(path, sizeof path, "%s/fsync.probe", d->path);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (pwrite(fd, block, sizeof block, 0) != sizeof block || fsync(fd))
        goto out;
    for (unsigned i = 0; i < TRIES; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        block[0] = (char)i;
        if (pwrite(fd, block, sizeof block, 0) != sizeof block ||
            fdatasync(fd))
            goto out;
        clock_gettime(CLOCK_MONOTONIC, &b);
        us[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 +
                (double)(b.tv_nsec - a.tv_nsec) / 1e3;
        for (unsigned j = i; j > 0 && us[j] < us[j - 1]; j--) {
            double t = us[j];
            us[j] = us[j - 1];
            us[j - 1] = t;
        }
    }
    median = us[TRIES / 2];
out:
    close(fd);
    unlink(path);
    return median;
}

/* Does anything here belong to an identity? It is written before all else. */
static bool holds_data(const struct datadir *d)
{
    static const char *const names[] = {"wal", "groups", "map"};
    char path[4200];

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", d->path, names[i]);
        if (!access(path, F_OK))
            return true;
    }
    return false;
}

static void explain(const struct datadir *d, enum status st, const char *what,
                    char *error)
{
    if (st == STATUS_WRONG_VERSION)
        snprintf(error, DATADIR_ERROR_SIZE,
                 "data directory %s was written by a newer version (%s): run "
                 "that version",
                 d->path, what);
    else
        snprintf(error, DATADIR_ERROR_SIZE,
                 "data directory %s: %s is %s; restore it, or remove the whole "
                 "directory and let the node join anew",
                 d->path, what,
                 st == STATUS_CORRUPT ? "damaged or missing" : "unreadable");
}

enum status datadir_open(struct datadir *d, const char *path, bool unsafe_disk,
                         char *error)
{
    enum status st;
    bool fresh;

    *d = (struct datadir){.lock_fd = -1};
    if (snprintf(d->path, sizeof d->path, "%s", path) >= 4000) {
        snprintf(error, DATADIR_ERROR_SIZE, "data directory name too long");
        return STATUS_INVALID;
    }
    st = dir_make(path);
    if (st != STATUS_OK) {
        snprintf(error, DATADIR_ERROR_SIZE,
                 "cannot make data directory %s: %s", path, strerror(errno));
        return st;
    }
    st = lock(d, error);
    if (st == STATUS_OK)
        st = check_filesystem(d, unsafe_disk, error);
    if (st != STATUS_OK)
        goto out;
    st = read_identity(d, &fresh);
    if (st != STATUS_OK) {
        explain(d, st, "identity", error);
        goto out;
    }
    if (fresh) {
        if (holds_data(d)) {
            explain(d, STATUS_CORRUPT, "identity", error);
            st = STATUS_CORRUPT;
            goto out;
        }
        if (getrandom(d->directory, ID_BYTES, 0) != ID_BYTES) {
            snprintf(error, DATADIR_ERROR_SIZE, "no random numbers");
            st = STATUS_IO_ERROR;
            goto out;
        }
    }
    if (d->init != INIT_STATE_BLANK) {
        st = read_map(d);
        if (st != STATUS_OK) {
            explain(d, st, "map", error);
            goto out;
        }
    }
    d->boot_count++;
    st = datadir_save_init(d, d->init);
    if (st != STATUS_OK)
        snprintf(error, DATADIR_ERROR_SIZE, "cannot write %s/identity: %s",
                 path, status_text(st));
    d->fsync_us = measure_fsync(d);
out:
    if (st != STATUS_OK)
        datadir_close(d);
    return st;
}

void datadir_close(struct datadir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    d->lock_fd = -1;
    map_free(d->map);
    d->map = NULL;
}
