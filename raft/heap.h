/* heap.h - libraft's memory is ours: it never runs out, it ends.
 *
 * libraft's own ways out of a failed allocation free what was never set
 * (raft_step(RAFT_START) with a failing malloc crashes); what runs out of
 * memory here ends at once instead, with a line that says so, like everything
 * else of ours (docs/decisions/0006). Installed before main(), for all
 * threads. */
#ifndef RAFT_HEAP_H
#define RAFT_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* Does libraft allocate through us? */
bool heap_installed(void);
/* Blocks that this thread took for libraft and has not given back. */
int64_t heap_live(void);

#endif
