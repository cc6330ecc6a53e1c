/* beside.c - see beside.h. */
#include "client/cli/beside.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

/* False: too long. */
static bool name_of(const char *file, const char *suffix, const char *more,
                    char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s.%s%s", file, suffix, more);

    errno = ENAMETOOLONG;
    return n >= 0 && n < PATH_MAX;
}

void beside_write(const char *file, const char *suffix, const char *fmt, ...)
{
    char path[PATH_MAX], other[PATH_MAX];
    va_list ap;
    FILE *f;

    if (!name_of(file, suffix, "", path) ||
        !name_of(file, suffix, ".new", other))
        return;
    f = fopen(other, "w");
    if (!f)
        return;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    if (!fclose(f))
        (void)rename(other, path);
}

FILE *beside_open(const char *file, const char *suffix)
{
    char path[PATH_MAX];

    return name_of(file, suffix, "", path) ? fopen(path, "r") : NULL;
}

void beside_drop(const char *file, const char *suffix)
{
    char path[PATH_MAX];

    if (name_of(file, suffix, "", path))
        (void)unlink(path);
}
