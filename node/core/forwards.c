/* forwards.c - see forwards.h. */
#include "node/core/forwards.h"

#include <stdlib.h>

void forwards_init(struct forwards *f, uint32_t max, size_t bytes_max,
                   uint32_t begin)
{
    *f = (struct forwards){.max = max, .bytes_max = bytes_max,
                           .begin = begin};
}

void forwards_release(struct forwards *f)
{
    free(f->v);
    *f = (struct forwards){0};
}

uint64_t forwards_add(struct forwards *f, const struct forwarded *w)
{
    uint32_t at, generation;

    if (f->count == f->max ||
        (f->count && f->bytes + w->bytes > f->bytes_max))
        return 0;
    if (f->free_head) {
        at = f->free_head - 1;
        f->free_head = f->v[at].next_free;
    } else {
        if (f->n == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 64;
            f->v = xrealloc(f->v, f->cap * sizeof *f->v);
        }
        at = f->n++;
        f->v[at].generation = f->begin;
    }
    generation = f->v[at].generation + 1;
    if (!generation) /* ids are not 0 */
        generation = 1;
    f->v[at] = *w;
    f->v[at].used = true;
    f->v[at].generation = generation;
    f->count++;
    f->bytes += w->bytes;
    return (uint64_t)generation << 32 | at;
}

static void drop(struct forwards *f, uint32_t at)
{
    f->v[at].used = false;
    f->v[at].next_free = f->free_head;
    f->free_head = at + 1;
    f->count--;
    f->bytes -= f->v[at].bytes;
}

bool forwards_take(struct forwards *f, uint64_t id, struct forwarded *out)
{
    uint32_t at = (uint32_t)id;

    if (at >= f->n || !f->v[at].used || f->v[at].generation != id >> 32)
        return false;
    *out = f->v[at];
    drop(f, at);
    return true;
}

instant forwards_expire(struct forwards *f, instant now, uint32_t node,
                        forwards_answer *answer, void *arg)
{
    instant earliest = INSTANT_NEVER;

    for (uint32_t at = 0; at < f->n; at++) {
        struct forwarded w = f->v[at];
        bool late = instant_reached(now, w.deadline);
        bool read = !operation_is_write(w.op);

        if (!w.used)
            continue;
        if (!late && !(node && w.node == node)) {
            earliest = instant_min(earliest, w.deadline);
            continue;
        }
        drop(f, at);
        answer(arg, &w,
               !read ? STATUS_UNKNOWN
               : late ? STATUS_TIMEOUT
                      : STATUS_UNAVAILABLE);
    }
    return earliest;
}
