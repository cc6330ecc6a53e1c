/* result.h - what came of a command, and where its bytes are.
 *
 * While a step is executed the buffers that it fills still move: a piece says
 * in which of them the bytes are and where. machine_bytes() makes a slice of it
 * once nothing is added any more; it is good until the step is cleared. */
#ifndef NODE_CORE_RESULT_H
#define NODE_CORE_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/status.h"

struct piece {
    enum {
        PIECE_NONE,   /* nothing; an empty value is not nothing */
        PIECE_AT,     /* at `data`: in an entry, or in what was fetched */
        PIECE_SET,    /* at `offset` of the write set's records */
        PIECE_OUT,    /* at `offset` of the step's own buffer */
    } where;
    uint32_t size;
    union {
        const uint8_t *data;
        size_t offset;
    };
};

/* The fields of struct operation_reply. */
struct result {
    enum status status;
    struct piece value;
    uint64_t version;
    uint64_t expire_at;
    uint64_t clock;
    uint64_t argument;
};

#endif
