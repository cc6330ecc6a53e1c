/* segments.c - see segments.h. */
#include "raft/wal/segments.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/bytes.h"

void wal_segments_release(struct wal_segments *s)
{
    free(s->array);
    *s = (struct wal_segments){.first = s->first};
}

struct wal_segment *wal_segments_push(struct wal_segments *s, uint64_t size)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->array = xrealloc(s->array, s->cap * sizeof *s->array);
    }
    s->array[s->count] = (struct wal_segment){.size = size};
    s->bytes += size;
    return &s->array[s->count++];
}

void wal_segments_pop(struct wal_segments *s)
{
    assert(s->count > 0 && s->array[0].live == 0);
    s->bytes -= s->array[0].size;
    s->count--;
    s->first++;
    /* A few hundred at most, once per segment: moving them is cheap. */
    memmove(s->array, s->array + 1, s->count * sizeof *s->array);
}

struct wal_segment *wal_segments_at(const struct wal_segments *s, uint64_t id)
{
    if (id < s->first || id - s->first >= s->count)
        return NULL;
    return &s->array[id - s->first];
}

uint64_t wal_segments_needed(struct wal_segments *s)
{
    if (s->needed < s->first)
        s->needed = s->first;
    while (s->needed + 1 < s->first + s->count &&
           !s->array[s->needed - s->first].live)
        s->needed++;
    return s->needed;
}
