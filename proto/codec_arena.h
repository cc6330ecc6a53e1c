/* codec_arena.h - an arena as protobuf-c's allocator; for codec_*.c only. */
#ifndef PROTO_CODEC_ARENA_H
#define PROTO_CODEC_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "proto/base/arena.h"
#include "proto/base/macros.h"

static inline void *codec_arena_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static inline void codec_arena_free(void *arena UNUSED, void *p UNUSED)
{
    /* The arena frees all at once. */
}

/* Allocates from `arena`, which it borrows; beyond its limit unpacking fails.*/
static inline ProtobufCAllocator codec_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){codec_arena_alloc, codec_arena_free, arena};
}

#endif
