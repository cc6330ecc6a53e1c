/* glob.c - see glob.h. */
#include "proto/glob.h"

/* Does the set whose inside begins at p[*at] hold `c`? Moves *at behind the
 * set. */
static bool set_has(struct slice p, size_t *at, uint8_t c)
{
    size_t i = *at;
    bool negated = i < p.size && p.data[i] == '^', found = false;

    i += negated;
    while (i < p.size && p.data[i] != ']') {
        uint8_t low, high;
        if (p.data[i] == '\\' && i + 1 < p.size)
            i++;
        low = high = p.data[i++];
        if (i + 1 < p.size && p.data[i] == '-' && p.data[i + 1] != ']') {
            i++;
            if (p.data[i] == '\\' && i + 1 < p.size)
                i++;
            high = p.data[i++];
        }
        found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
    }
    *at = i + (i < p.size);
    return found != negated;
}

/* Does one item of the pattern, no *, take the byte? Moves *at behind it. */
static bool item_takes(struct slice p, size_t *at, uint8_t c)
{
    uint8_t item = p.data[(*at)++];

    switch (item) {
    case '?':
        return true;
    case '[':
        return set_has(p, at, c);
    case '\\':
        if (*at < p.size)
            item = p.data[(*at)++];
        return item == c;
    default:
        return item == c;
    }
}

/* Only the last * seen has to give bytes back: what an earlier one could take
 * more, the later one can take as well. */
bool glob_match(struct slice p, struct slice key)
{
    size_t at = 0, i = 0, star = 0, taken = 0;
    bool starred = false;

    while (i < key.size) {
        if (at < p.size && p.data[at] == '*') {
            starred = true;
            star = ++at;
            taken = i;
            if (at == p.size)
                return true;
            continue;
        }
        if (at < p.size && item_takes(p, &at, key.data[i])) {
            i++;
            continue;
        }
        if (!starred)
            return false;
        at = star;
        i = ++taken;
    }
    while (at < p.size && p.data[at] == '*')
        at++;
    return at == p.size;
}

/* Is there a ] for the set whose inside begins at p[*at]? Moves *at behind
 * it. */
static bool set_ends(struct slice p, size_t *at)
{
    while (*at < p.size) {
        uint8_t c = p.data[(*at)++];
        if (c == ']')
            return true;
        *at += c == '\\';
    }
    return false;
}

const char *glob_check(struct slice p)
{
    for (size_t at = 0; at < p.size;) {
        uint8_t c = p.data[at++];
        at += c == '\\';
        if (c == '[' && !set_ends(p, &at))
            return "a [ of the pattern has no ]: close the set, or write \\[ "
                   "for the [ itself";
    }
    return NULL;
}

void glob_prefix(struct slice p, struct buf *out)
{
    for (size_t i = 0; i < p.size; i++) {
        uint8_t c = p.data[i];
        if (c == '*' || c == '?' || c == '[')
            return;
        if (c == '\\' && i + 1 < p.size)
            c = p.data[++i];
        buf_u8(out, c);
    }
}
