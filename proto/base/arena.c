/* arena.c - see arena.h. */
#include "proto/base/arena.h"

#include <stdlib.h>

#include "proto/base/bytes.h"

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 4096 };

struct arena_block {
    struct arena_block *next;
    uint64_t pad;
    uint8_t data[];
};

void arena_init(struct arena *a, void *first, size_t first_size,
                size_t bytes_max)
{
    uintptr_t at = (uintptr_t)first;
    uintptr_t aligned = (at + ARENA_ALIGN - 1) & ~(uintptr_t)(ARENA_ALIGN - 1);

    *a = (struct arena){.bytes_max = bytes_max};
    if (first && first_size >= aligned - at) {
        a->at = (uint8_t *)aligned;
        a->end = (uint8_t *)first + first_size;
    }
}

void arena_release(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    *a = (struct arena){0};
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need;
    void *p;

    size += !size; /* never NULL for want of a block only */
    if (size > a->bytes_max - a->bytes || size > SIZE_MAX / 2)
        return NULL;
    need = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if ((size_t)(a->end - a->at) < need) {
        size_t bytes = MAX_OF(need, (size_t)ARENA_BLOCK);
        struct arena_block *b = xmalloc(sizeof *b + bytes);
        b->next = a->blocks;
        a->blocks = b;
        a->at = b->data;
        a->end = b->data + bytes;
    }
    p = a->at;
    a->at += need;
    a->bytes += size;
    return p;
}
