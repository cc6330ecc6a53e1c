/* table_ranges.c - see table_ranges.h. */
#include "node/store/table_ranges.h"

#include <assert.h>

/* How many ranges begin at or below `key`. */
static unsigned begun(const struct table_ranges *r, struct slice key)
{
    unsigned lo = 0, hi = r->count;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (slice_compare(r->v[mid].begin, key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct table_range *table_ranges_find(const struct table_ranges *r,
                                            struct slice key)
{
    unsigned n;

    if (!r || !r->count)
        return NULL;
    n = begun(r, key);
    if (!n || slice_compare(key, r->v[n - 1].end) >= 0)
        return NULL;
    return &r->v[n - 1];
}

void table_ranges_add(struct table_ranges *r, struct table_range range)
{
    unsigned from = begun(r, range.begin), to;

    assert(r->count < r->cap);
    assert(slice_compare(range.begin, range.end) < 0);
    /* The one before may reach into it or up to it. */
    if (from && slice_compare(r->v[from - 1].end, range.begin) >= 0)
        range.begin = r->v[--from].begin;
    to = begun(r, range.end);
    if (to > from && slice_compare(r->v[to - 1].end, range.end) > 0)
        range.end = r->v[to - 1].end;
    memmove(&r->v[from + 1], &r->v[to],
            (r->count - to) * sizeof(struct table_range));
    r->v[from] = range;
    r->count = from + 1 + (r->count - to);
}
