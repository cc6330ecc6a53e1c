/* files.c - small files sealed and replaced atomically, directories synced. */
#include "node/shell/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/shell/failpoint.h"
#include "proto/base/log.h"
#include "proto/crc.h"

enum { AT_LEVEL = 6, AT_CRC = 8 };

static uint32_t crc_of(const struct buf *b)
{
    return crc32c(crc32c(0, b->data, AT_CRC), b->data + FILE_HEADER_BYTES,
                  b->size - FILE_HEADER_BYTES);
}

void file_seal(struct buf *b, const char *magic, uint16_t level)
{
    memcpy(b->data, magic, AT_LEVEL);
    put_u16(b->data + AT_LEVEL, level);
    put_u32(b->data + AT_CRC, crc_of(b));
}

enum status file_unseal(const struct buf *b, const char *magic,
                        uint16_t level, struct slice *rest)
{
    /* The sum first: a flipped bit of the level is damage, not news. */
    if (b->size < FILE_HEADER_BYTES || memcmp(b->data, magic, AT_LEVEL) ||
        get_u32(b->data + AT_CRC) != crc_of(b))
        return STATUS_CORRUPT;
    if (get_u16(b->data + AT_LEVEL) > level)
        return STATUS_WRONG_VERSION;
    *rest = slice_of(b->data + FILE_HEADER_BYTES,
                     b->size - FILE_HEADER_BYTES);
    return STATUS_OK;
}

static enum status errno_status(void)
{
    return errno == ENOSPC || errno == EDQUOT ? STATUS_DISK_FULL
           : errno == ENOENT                  ? STATUS_NOT_FOUND
                                              : STATUS_IO_ERROR;
}

enum status dir_sync(const char *path)
{
    enum status st = STATUS_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno_status();
    if (fsync(fd))
        st = errno_status();
    close(fd);
    return st;
}

enum status dir_make(const char *path)
{
    char parent[4096];
    char *slash;

    if (mkdir(path, 0700)) {
        struct stat st;
        /* It may be there without being lasting: go on to sync the parent. */
        if (errno != EEXIST || stat(path, &st) || !S_ISDIR(st.st_mode))
            return errno_status();
    }
    if (FAILPOINT(DIRECTORY_MADE))
        return errno_status();
    if (snprintf(parent, sizeof parent, "%s", path) >= (int)sizeof parent)
        return STATUS_INVALID;
    slash = strrchr(parent, '/');
    if (!slash)
        return dir_sync(".");
    *(slash == parent ? slash + 1 : slash) = 0;
    return dir_sync(parent);
}

static enum status write_all(int fd, struct slice bytes)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t n = write(fd, bytes.data + done, bytes.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errno_status();
        done += (size_t)n;
    }
    return STATUS_OK;
}

enum status file_replace(const char *dir, const char *name, struct slice bytes)
{
    char path[4300], temp[4300];
    enum status st;
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(temp, sizeof temp, "%s/%s.new", dir, name);
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno_status();
    st = FAILPOINT(FILE_WRITE_BEFORE) ? errno_status() : write_all(fd, bytes);
    if (st == STATUS_OK && (FAILPOINT(FILE_WRITTEN) || fsync(fd)))
        st = errno_status();
    if (close(fd) && st == STATUS_OK)
        st = errno_status();
    if (st == STATUS_OK && (FAILPOINT(FILE_SYNCED) || rename(temp, path)))
        st = errno_status();
    if (st == STATUS_OK &&
        (FAILPOINT(FILE_RENAMED) || dir_sync(dir) != STATUS_OK))
        st = STATUS_UNKNOWN; /* which of the two is there after a crash */
    FAILPOINT_PASS(FILE_REPLACED);
    if (st != STATUS_OK)
        log_error("file_replace_failed", "path=%s status=%s", path,
                  status_name(st));
    return st;
}

enum status file_read(const char *dir, const char *name, struct buf *out)
{
    char path[4300];
    enum status st = STATUS_OK;
    int fd;

    buf_clear(out);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno_status();
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = STATUS_IO_ERROR;
        if (n <= 0)
            break;
        out->size += (size_t)n;
    }
    close(fd);
    return st;
}
