/* bare.h - the inside of a daemon without its doors and its shard: a data
 * directory, a loop, the disk thread, and a log that a test may write. */
#ifndef TESTS_UNIT_NODE_SHELL_BARE_H
#define TESTS_UNIT_NODE_SHELL_BARE_H

#include "node/shell/node.h"
#include "raft/wal/recovery.h"
#include "tests/unit/node/shell/scratch.h"

enum { BARE_SEGMENT_BYTES = 256 * 1024, BARE_GROUPS = 8 };

/* What walfiles_open() told of one group, payloads copied. */
struct bare_group {
    struct wal_recovered_group g;
    struct buf text; /* the entries' payloads, one behind the other */
};

struct bare {
    struct node n;
    char wal[SCRATCH_PATH]; /* DATA/wal */
    struct bare_group groups[BARE_GROUPS];
    unsigned n_groups;
    bool lost_unnamed;
    char error[DATADIR_ERROR_SIZE];
};

/* Open a data directory; the log is not open yet. */
void bare_init(struct bare *b, const char *dir);
/* Close everything. What is not settled is lost. */
void bare_release(struct bare *b);

/* For cmocka: one in a folder of its own, into *state; with its log open; and
 * both gone. */
struct bare *bare_setup(void **state);
int bare_log_setup(void **state);
int bare_teardown(void **state);

/* walfiles_open(), filling groups, lost_unnamed and error. */
enum status bare_open_log(struct bare *b);
/* The same, which must work. */
void bare_must_open_log(struct bare *b);
/* Forget the log as a stop would. */
void bare_close_log(struct bare *b);
/* NULL when the log does not know it. */
const struct bare_group *bare_group(const struct bare *b, uint32_t group);

/* A group's RESET at `index`, and its term 1. */
void bare_reset(struct bare *b, uint32_t group, uint64_t index);
/* One entry of term 1 with this text behind the last one. */
void bare_append(struct bare *b, uint32_t group, const char *text);
/* Make everything durable. */
void bare_settle(struct bare *b);

/* Entry `index` has this text, read from disk like for a slow follower. */
void bare_must_read(struct bare *b, uint32_t group, uint64_t index,
                    const char *text);

/* DATA/wal/<segment>.seg */
const char *bare_segment(const struct bare *b, uint64_t segment);

#endif
