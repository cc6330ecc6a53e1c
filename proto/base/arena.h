/* arena.h - bump allocation for one message or one turn, freed all at once.
 *
 * The first block can be the caller's own (the stack), so that a small message
 * is decoded without malloc. */
#ifndef PROTO_BASE_ARENA_H
#define PROTO_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;
struct arena {
    uint8_t *at;
    uint8_t *end;
    struct arena_block *blocks; /* what was malloc'ed, newest first */
    size_t bytes;               /* handed out in all */
    size_t bytes_max;           /* beyond this arena_alloc gives NULL */
};

/* `first` (may be NULL) is borrowed until release. */
void arena_init(struct arena *a, void *first, size_t first_size,
                size_t bytes_max);
void arena_release(struct arena *a);
/* 16-byte aligned memory, not initialised; NULL beyond bytes_max. Size 0 counts
 * as 1. */
void *arena_alloc(struct arena *a, size_t size);

#endif
