/* parse.c - see parse.h. */
#include "client/cli/parse.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool parse_u64(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

bool parse_i64(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return *digits >= '0' && *digits <= '9' && !*end && !errno;
}

/* strtod in the "C" locale, up to *end. */
static double number(const char *text, const char **end)
{
    static locale_t c_locale;
    char *stopped;
    double v;

    if (!c_locale)
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    v = strtod_l(text, &stopped, c_locale);
    *end = stopped;
    return v;
}

bool parse_double(const char *text, double *out)
{
    const char *end;

    if (!*text || strspn(text, "+-0123456789.eE") != strlen(text))
        return false; /* no blanks, no "inf", no hexadecimal */
    *out = number(text, &end);
    return end != text && !*end && isfinite(*out);
}

bool parse_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1},       {"ms", 1},     {"s", 1000},
                 {"m", 60000},  {"min", 60000}, {"h", 3600000},
                 {"d", 86400000}};
    const char *end;
    double v;

    if (*text < '0' || *text > '9' || text[strspn(text, "0123456789.")] == 'e')
        return false;
    v = number(text, &end);
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].name)) {
            v *= units[i].ms;
            *ms = v >= 1 && v <= 1e4 * 86400000 ? (uint64_t)v : 0;
            return *ms != 0;
        }
    return false;
}

bool parse_moment(const char *text, uint64_t *ms)
{
    struct tm tm = {0}, given;
    const char *end;
    double fraction = 0;
    time_t t;

    if (parse_u64(text, ms))
        return *ms != 0;
    end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end && *end == '.') {
        const char *after;
        fraction = number(end, &after);
        end = after;
    }
    if (!end || strcmp(end, "Z") != 0)
        return false;
    given = tm;
    t = timegm(&tm); /* makes March 2nd of February 30th */
    *ms = (uint64_t)t * 1000 + (uint64_t)(fraction * 1000 + 0.5);
    return t > 0 && tm.tm_mday == given.tm_mday;
}

bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char digits[32];
    size_t n = strlen(text);
    const char *unit = n ? strchr(units, text[n - 1]) : NULL;
    unsigned shift = unit && *unit ? 10 * ((unsigned)(unit - units) + 1) : 0;

    if (!n || n >= sizeof digits)
        return false;
    memcpy(digits, text, n + 1);
    if (shift)
        digits[n - 1] = 0;
    if (!parse_u64(digits, bytes) || *bytes > UINT64_MAX >> (shift + 1))
        return false;
    *bytes <<= shift;
    return true;
}
