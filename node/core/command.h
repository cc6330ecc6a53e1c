/* command.h - the payload of a Raft entry: a batch of commands.
 *
 * Little-endian, level 1:
 *
 *   entry     u8 level | u8 0 | u16 clients | u32 count | u64 clock (wall ms) |
 *             commands | clients
 *   command   u32 size (all of it) | u16 slot | u16 client, or 0xffff |
 *             u32 keyspace | [u64 sequence | u64 not_after] | operation
 *   client    id, 16 bytes | u64 acknowledged
 *
 * The part in brackets stands in commands that have a session: those name a row
 * of the table of clients, which is there once however many commands of one
 * client the entry has. A row's `acknowledged` is the highest of its commands.
 * The operation's bytes are those of proto/operation.h.
 *
 * A decoder meets only what this program wrote and a majority kept; still all
 * is bounds-checked, and an op or level it does not know stops the replica
 * (ARCHITECTURE, Upgrades) instead of being skipped. */
#ifndef NODE_CORE_COMMAND_H
#define NODE_CORE_COMMAND_H

#include <stdint.h>

#include "node/core/event.h"

enum {
    COMMAND_LEVEL = 1,
    ENTRY_HEADER_BYTES = 16,
    COMMAND_HEADER_BYTES = 12,
    COMMAND_SESSION_BYTES = 16,
    ENTRY_CLIENT_BYTES = 24,
    COMMAND_NO_CLIENT = 0xffff,
};

struct command {
    uint16_t slot;
    uint32_t keyspace;
    struct operation operation;
    struct session session; /* sequence 0: none */
};

/* Bytes that `c` takes in an entry at most (a new client's row counted). */
size_t command_bytes(const struct command *c);

/* An entry being built. Zero-initialised is empty. */
struct entry_writer {
    struct buf bytes;       /* header and commands */
    struct buf clients;     /* rows of the table */
    uint16_t *places;       /* open addressing by client id: row + 1 */
    uint16_t last;          /* the row of the last command with a session */
    uint32_t count;
};
void entry_writer_release(struct entry_writer *w);
/* Empty it; keeps the memory, but not more than some. */
void entry_writer_clear(struct entry_writer *w);
/* Append `c`; at most ENTRY_COMMANDS_MAX of them. Copies. */
void entry_writer_add(struct entry_writer *w, const struct command *c);
/* Bytes that the entry has. */
static inline size_t entry_writer_size(const struct entry_writer *w)
{
    return w->bytes.size + w->clients.size;
}
/* Write the whole entry, entry_writer_size() bytes, stamped, to `at`. There is
 * at least one command. */
void entry_writer_write(struct entry_writer *w, uint64_t clock_ms,
                        uint8_t *at);

/* Reading an entry, command by command. */
struct entry_reader {
    struct reader bytes;
    struct slice clients;
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
/* The table of clients: how many rows, and one of them. */
unsigned entry_clients(const struct entry_reader *r);
struct slice entry_client(const struct entry_reader *r, unsigned row,
                          uint64_t *acknowledged);

#endif
