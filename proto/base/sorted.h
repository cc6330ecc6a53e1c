/* sorted.h - search in arrays of structs that are sorted by a number of theirs.
 *
 * The macros name the number's field, a uint32_t; they evaluate `v` several
 * times. Sizes and offsets are constants, so the search is compiled as if
 * written out where it is used. */
#ifndef PROTO_BASE_SORTED_H
#define PROTO_BASE_SORTED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The place of the first of v[0..n) whose `member` is not below `number`, where
 * one with that number is or belongs; n if there is none. `v` may be NULL if n
 * is 0. */
#define SORTED_PLACE(v, n, member, number)                                     \
    sorted_place((v), (n), sizeof *(v), offsetof(__typeof__(*(v)), member),    \
                 (number))

/* The one of v[0..n) whose `member` is `number`, NULL if there is none. */
#define SORTED_FIND(v, n, member, number)                                      \
    ((__typeof__(&*(v)))sorted_find((v), (n), sizeof *(v),                     \
                                    offsetof(__typeof__(*(v)), member),        \
                                    (number)))

static inline uint32_t sorted_number(const void *v, size_t place, size_t size,
                                     size_t offset)
{
    uint32_t number;

    memcpy(&number, (const char *)v + place * size + offset, sizeof number);
    return number;
}

static inline unsigned sorted_place(const void *v, unsigned n, size_t size,
                                    size_t offset, uint32_t number)
{
    unsigned lo = 0, hi = n;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (sorted_number(v, mid, size, offset) < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* As bsearch(): who may write to the array may write to what is found. */
static inline void *sorted_find(const void *v, unsigned n, size_t size,
                                size_t offset, uint32_t number)
{
    unsigned at = sorted_place(v, n, size, offset, number);

    if (at == n || sorted_number(v, at, size, offset) != number)
        return NULL;
    return (char *)(uintptr_t)v + at * size;
}

#endif
