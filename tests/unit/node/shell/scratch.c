/* scratch.c - see scratch.h. */
#include "tests/unit/node/shell/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

void scratch_make(char *out)
{
    const char *base = getenv("COAT_TEST_DIR");

    if (!base || !*base)
        base = getenv("TMPDIR");
    if (!base || !*base)
        base = "/tmp";
    snprintf(out, SCRATCH_PATH, "%.200s/coat-shell.XXXXXX", base);
    assert_non_null(mkdtemp(out));
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int scratch_setup(void **state)
{
    *state = xcalloc(1, SCRATCH_PATH);
    scratch_make(*state);
    return 0;
}

int scratch_teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

const char *path_of(const char *dir, const char *name)
{
    static char ring[9][1024];
    static unsigned next;
    char *at = ring[next++ % ARRAY_LEN(ring)];

    snprintf(at, sizeof ring[0], "%s/%s", dir, name);
    return at;
}

bool file_exists(const char *path)
{
    return !access(path, F_OK);
}

long file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) ? -1 : (long)st.st_size;
}

void file_put(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, f), bytes.size);
    assert_int_equal(fclose(f), 0);
}

void file_get(const char *path, struct buf *out)
{
    long size = file_size(path);
    FILE *f = fopen(path, "rb");

    assert_non_null(f);
    *out = (struct buf){0};
    assert_int_equal(fread(buf_grow(out, (size_t)size + 1), 1,
                           (size_t)size + 1, f), size);
    out->size = (size_t)size;
    fclose(f);
}

void file_flip(const char *path, size_t at)
{
    struct buf b;

    file_get(path, &b);
    assert_true(at < b.size);
    b.data[at] ^= 0x10;
    file_put(path, buf_slice(&b));
    buf_release(&b);
}

void file_copy(const char *from, const char *to)
{
    struct buf b;

    file_get(from, &b);
    file_put(to, buf_slice(&b));
    buf_release(&b);
}

unsigned dir_count(const char *dir, const char *part)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
             strstr(e->d_name, part);
    closedir(d);
    return n;
}

void must_say(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

bool dir_in_memory(const char *path)
{
    struct statfs fs;

    return !statfs(path, &fs) && fs.f_type == 0x01021994;
}
