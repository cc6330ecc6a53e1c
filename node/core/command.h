/* command.h - the payload of a Raft entry: a batch of commands.
 *
 * Little-endian, fixed layout, level 1:
 *
 *   entry    u8 level | u8 0 | u16 0 | u32 count | u64 clock (wall ms)
 *   command  u32 size (header included) | u8 op | u8 0 | u16 slot |
 *            u32 keyspace | u16 key size | u16 0 | u32 value size |
 *            key | value
 *
 * A decoder meets only what this program wrote and a majority kept; still all
 * is bounds-checked, and an op or level it does not know stops the replica
 * (ARCHITECTURE, Upgrades) instead of being skipped. */
#ifndef NODE_CORE_COMMAND_H
#define NODE_CORE_COMMAND_H

#include <stdint.h>

#include "node/core/event.h"

enum { COMMAND_LEVEL = 1, ENTRY_HEADER_BYTES = 16, COMMAND_HEADER_BYTES = 20 };

struct command {
    enum op op;
    uint16_t slot;
    uint32_t keyspace;
    struct slice key;
    struct slice value;
};

/* Bytes that `c` takes in an entry. */
size_t command_bytes(const struct command *c);
/* Append `c`; `out` already begins with an entry header. */
void command_append(struct buf *out, const struct command *c);
/* An entry header with count and clock 0. */
void entry_begin(struct buf *out);
/* Fill count and clock in. */
void entry_end(struct buf *out, uint32_t count, uint64_t clock_ms);

/* Reading an entry, command by command. */
struct entry_reader {
    struct reader bytes;
    uint32_t left;
    uint32_t position;   /* of the command given last, from 0 */
    uint64_t clock_ms;
    enum status status;  /* OK, CORRUPT, WRONG_VERSION */
};

/* Start; look at `status` for an unknown level. */
struct entry_reader entry_reader_of(struct slice entry);
/* The next command (slices borrow from the entry). False at the end or on an
 * error: look at `status`. */
bool entry_next(struct entry_reader *r, struct command *out);

#endif
