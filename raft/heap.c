/* heap.c - see heap.h. */
#include "raft/heap.h"

#include <raft.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"

static _Thread_local int64_t live;

int64_t heap_live(void)
{
    return live;
}

static void *heap_malloc(void *data UNUSED, size_t size)
{
    live++;
    return xmalloc(size);
}

static void *heap_calloc(void *data UNUSED, size_t n, size_t size)
{
    live++;
    return xcalloc(n, size);
}

static void *heap_realloc(void *data UNUSED, void *old, size_t size)
{
    live += !old;
    return xrealloc(old, size);
}

static void *heap_aligned_alloc(void *data UNUSED, size_t alignment,
                                size_t size)
{
    void *p = aligned_alloc(alignment, size);

    live++;
    if (!p)
        out_of_memory(size);
    return p;
}

static void heap_free(void *data UNUSED, void *p)
{
    live -= p != NULL;
    free(p);
}

static void heap_aligned_free(void *data UNUSED, size_t alignment UNUSED,
                              void *p)
{
    live -= p != NULL;
    free(p);
}

static struct raft_heap heap = {
    .malloc = heap_malloc,
    .free = heap_free,
    .calloc = heap_calloc,
    .realloc = heap_realloc,
    .aligned_alloc = heap_aligned_alloc,
    .aligned_free = heap_aligned_free,
};

__attribute__((constructor)) static void install(void)
{
    raft_heap_set(&heap);
}

bool heap_installed(void)
{
    return raft_heap_get() == &heap;
}
