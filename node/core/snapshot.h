/* snapshot.h - moving a whole store to a replica that is behind the log.
 *
 * The receiver pulls. Leader: WANTED -> CHECKPOINT effect -> the group
 * announces the checkpoint's index -> pieces are served as they are asked for
 * -> END -> the checkpoint is dropped. Receiver: INSTALL -> asks for the
 * manifest -> a new directory -> file after file, one piece at a time ->
 * commit: synced, opened, compared with the manifest, CURRENT switched, log
 * RESET -> the group goes on behind it. ARCHITECTURE, "Snapshots", has the
 * rules; the shell's install code carries them out in their order.
 *
 * A receiver whose sender falls silent asks again; after a while it gives up
 * and the group starts anew from disk. Nothing is switched before everything
 * is there, so that costs only time. */
#ifndef NODE_CORE_SNAPSHOT_H
#define NODE_CORE_SNAPSHOT_H

#include "node/core/event.h"

enum { SNAPSHOT_FILES_MAX = 4096, SNAPSHOT_PIECE = 256 * 1024 };

enum snapshot_send_state { SEND_NONE, SEND_CHECKPOINTING, SEND_SERVING };

/* On the leader: at most one checkpoint per group at a time. */
struct snapshot_send {
    enum snapshot_send_state state;
    uint64_t to;             /* replica */
    uint64_t token;          /* of the CHECKPOINT effect; names its directory */
    uint64_t wanted;         /* at least this index */
    uint64_t index;
    struct buf manifest;
    unsigned n_files;
    instant asked_at;        /* its receiver was heard of last */
};

enum snapshot_receive_state {
    RECEIVE_NONE,
    RECEIVE_MANIFEST,        /* asked for the list of files */
    RECEIVE_BEGINNING,       /* INSTALL_BEGIN is under way */
    RECEIVE_FILES,
    RECEIVE_WRITING,         /* a piece is being written */
    RECEIVE_WHOLE,           /* an APPLY of before is still under way */
    RECEIVE_COMMITTING,
};

/* On the receiver. */
struct snapshot_receive {
    enum snapshot_receive_state state;
    uint64_t from;           /* replica */
    uint64_t index, term, members_index;
    struct buf members;      /* encoded, from the manifest */
    struct snapshot_file *files;
    unsigned n_files;
    unsigned file;           /* the one being fetched */
    uint64_t offset;
    uint64_t ask;            /* number of the piece asked for */
    uint64_t token;          /* of INSTALL_* */
    instant asked_at, heard_at;
};

/* Has an INSTALL_* effect no answer yet? */
static inline bool snapshot_install_is_out(const struct snapshot_receive *r)
{
    return r->state == RECEIVE_BEGINNING || r->state == RECEIVE_WRITING ||
           r->state == RECEIVE_COMMITTING;
}

#endif
