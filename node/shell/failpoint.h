/* failpoint.h - named places where a test lets the daemon crash, fail or wait.
 *
 * They stand at both sides of every write, sync, rename, apply and truncation.
 * Only builds with COAT_FAILPOINTS have them; elsewhere all of this is the
 * constant false. They are armed by the environment:
 *
 *     COAT_FAILPOINT=NAME=ACTION[@N],...
 *
 *   crash      kill -9 of itself
 *   error      what stands there fails (or has happened, but seems to fail)
 *   delay:MS   it takes so much longer
 *   @N         at the N-th time it is reached; @N+: from then on; else @1
 *
 * COAT_FAILPOINT=list prints the names and ends. A failpoint that acts says so
 * in the log first. */
#ifndef NODE_SHELL_FAILPOINT_H
#define NODE_SHELL_FAILPOINT_H

#include <stdbool.h>

/* NAME, and whether the code there can take an error. */
#define FAILPOINT_LIST(X)                                                      \
    /* the log's bytes: disk.c */                                              \
    X(WAL_WRITE_BEFORE, true)                                                  \
    X(WAL_WRITE_HALF, true)                                                    \
    X(WAL_WRITE_AFTER, true)                                                   \
    X(WAL_SYNC_AFTER, true)                                                    \
    X(PERSISTED_BEFORE, false)                                                 \
    X(PERSISTED_AFTER, false)                                                  \
    /* what is put into the log: disk.c */                                     \
    X(LOG_ENTRIES_BEFORE, false)                                               \
    X(LOG_ENTRIES_AFTER, false)                                                \
    X(LOG_VOTE_BEFORE, false)                                                  \
    X(LOG_VOTE_AFTER, false)                                                   \
    X(LOG_TRUNCATE_BEFORE, false)                                              \
    X(LOG_TRUNCATE_AFTER, false)                                               \
    X(LOG_RELEASE_BEFORE, false)                                               \
    X(LOG_RELEASE_AFTER, false)                                                \
    X(LOG_RESET_BEFORE, false)                                                 \
    X(LOG_RESET_AFTER, false)                                                  \
    X(LOG_RESET_DURABLE, false)                                                \
    /* segment files: walfiles.c */                                            \
    X(SEGMENT_CREATE_BEFORE, true)                                             \
    X(SEGMENT_FILL_HALF, true)                                                 \
    X(SEGMENT_FILLED, true)                                                    \
    X(SEGMENT_SYNCED, true)                                                    \
    X(SEGMENT_RENAMED, true)                                                   \
    X(SEGMENT_CREATED, false)                                                  \
    X(SEGMENT_RECYCLE_BEFORE, true)                                            \
    X(SEGMENT_RECYCLE_RENAMED, false)                                          \
    X(SEGMENT_RECYCLED, false)                                                 \
    X(SEGMENT_REMOVE_BEFORE, true)                                             \
    X(SEGMENT_REMOVED, true)                                                   \
    /* small files: files.c, datadir.c, stores.c */                            \
    X(FILE_WRITE_BEFORE, true)                                                 \
    X(FILE_WRITTEN, true)                                                      \
    X(FILE_SYNCED, true)                                                       \
    X(FILE_RENAMED, true)                                                      \
    X(FILE_REPLACED, false)                                                    \
    X(DIRECTORY_MADE, true)                                                    \
    X(IDENTITY_BEFORE, true)                                                   \
    X(IDENTITY_AFTER, false)                                                   \
    X(MAP_BEFORE, true)                                                        \
    X(MAP_AFTER, false)                                                        \
    X(CURRENT_BEFORE, true)                                                    \
    X(CURRENT_AFTER, false)                                                    \
    /* stores: stores.c */                                                     \
    X(STORE_OPENED, true)                                                      \
    X(STORE_RECORD_APPLIED, true)                                              \
    X(STORE_RECORD_FLUSHED, true)                                              \
    X(APPLY_BEFORE, true)                                                      \
    X(APPLY_AFTER, false)                                                      \
    X(FLUSH_BEFORE, true)                                                      \
    X(FLUSH_BEGUN, false)                                                      \
    X(FLUSHED_BEFORE, true)                                                    \
    X(FLUSHED_AFTER, false)                                                    \
    /* snapshots: checkpoints.c */                                             \
    X(CHECKPOINT_BEFORE, true)                                                 \
    X(CHECKPOINT_MADE, true)                                                   \
    X(CHECKPOINT_READ, true)                                                   \
    X(INSTALL_BEGUN, true)                                                     \
    X(INSTALL_PIECE_BEFORE, true)                                              \
    X(INSTALL_PIECE_AFTER, true)                                               \
    X(INSTALL_SYNC_BEFORE, true)                                               \
    X(INSTALL_SYNCED, true)                                                    \
    X(INSTALL_OPENED, true)                                                    \
    X(INSTALL_SWITCHED, false)                                                 \
    X(DROP_BEFORE, false)                                                      \
    X(DROP_AFTER, false)                                                       \
    /* cluster init and start: start.c */                                      \
    X(CREATE_STORES_MADE, true)                                                \
    X(CREATE_LOG_WRITTEN, true)                                                \
    X(START_LOG_OPENED, false)                                                 \
    X(START_LEFTOVERS, false)                                                  \
    X(STOP_LOG_SETTLED, false)

enum failpoint {
#define X(name, error) FAILPOINT_##name,
    FAILPOINT_LIST(X)
#undef X
    FAILPOINTS
};

#ifdef COAT_FAILPOINTS

/* Segments and flushes may be so much smaller, so that what is rare elsewhere
 * happens all the time. */
enum { FAILPOINT_SCALE = 32 };

/* Read the environment; before threads start. Ends the process with a line that
 * says why if it cannot be understood, and after having listed the names. */
void failpoints_init(void);
/* We are there. True: behave as if this had failed with EIO (errno is set). */
bool failpoint_reached(enum failpoint point);
/* Might it act some time? */
bool failpoint_armed(enum failpoint point);

#define FAILPOINT(name) failpoint_reached(FAILPOINT_##name)
#define FAILPOINT_ARMED(name) failpoint_armed(FAILPOINT_##name)

#else

enum { FAILPOINT_SCALE = 1 };

static inline void failpoints_init(void)
{
}
#define FAILPOINT(name) false
#define FAILPOINT_ARMED(name) false

#endif

/* Where an error makes no sense: crash and delay only. */
#define FAILPOINT_PASS(name) ((void)FAILPOINT(name))

#endif
