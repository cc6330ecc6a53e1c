/* cluster_disk.h - the simulated disk of one node: what is durable, and what
 * was asked for and is not yet. Internal to cluster.c. */
#ifndef TESTS_UNIT_RAFT_CLUSTER_DISK_H
#define TESTS_UNIT_RAFT_CLUSTER_DISK_H

#include "cluster.h"

#define CHECK(c, what)                                                         \
    do {                                                                       \
        if (!(what)) {                                                         \
            print_error("seed %" PRIu64 " at %" PRIu64 " ms: %s\n", (c)->seed, \
                        (c)->now, #what);                                      \
            fail();                                                            \
        }                                                                      \
    } while (0)

enum persist_kind { PERSIST_VOTE, PERSIST_TRUNCATE, PERSIST_ENTRIES };

struct pending_persist {
    enum persist_kind kind;
    uint64_t seq, due;
    uint64_t term, vote, from;
    struct logged *entries;
    unsigned n;
};

/* NULL: not on disk. */
struct logged *cluster_logged_at(struct node *x, uint64_t index);
/* Forget `from` and what is behind it; what is below `first`. */
void cluster_log_cut(struct node *x, uint64_t from);
void cluster_log_drop(struct node *x, uint64_t first);
void cluster_log_add(struct cluster *c, struct node *x, uint64_t index,
                     const struct logged *e);

/* One more write behind those under way, due after a random time. */
struct pending_persist *cluster_persist_add(struct cluster *c, struct node *x,
                                            enum persist_kind kind,
                                            uint64_t seq);
/* It is durable now. */
void cluster_persist_write(struct cluster *c, struct node *x,
                           struct pending_persist *p);
void cluster_persist_free(struct pending_persist *p);

#endif
