/* failing_malloc.c - the k-th allocation of a process fails.
 *
 * Loaded with LD_PRELOAD before everything else. COAT_MALLOC_FAIL=K makes the
 * K-th call of malloc, calloc, realloc or aligned_alloc give NULL;
 * COAT_MALLOC_COUNT=FILE writes at the end how many there were. Allocations of
 * libraries and of the test itself count too. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong calls;
static unsigned long fail_at;
static const char *count_file;

__attribute__((constructor)) static void begin(void)
{
    const char *k = getenv("COAT_MALLOC_FAIL");

    count_file = getenv("COAT_MALLOC_COUNT");
    fail_at = k ? strtoul(k, NULL, 10) : 0;
    atomic_store(&calls, 0);
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%lu\n", atomic_load(&calls));
    int fd = count_file ? open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0600)
                        : -1;

    if (fd < 0)
        return;
    if (write(fd, text, (size_t)n) != n)
        _exit(2);
    close(fd);
}

static bool fails(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = fails() ? NULL : __libc_memalign(alignment, size);

    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}
