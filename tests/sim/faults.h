/* faults.h - everything that goes wrong in a simulated cluster, as a schedule.
 *
 * The schedule is made before anything runs, and each fault draws from a
 * generator of its own: leaving one out changes no other. So a failing run can
 * be made smaller fault by fault. A fault that lasts ends by itself; several
 * overlap. Half of the seeds have all kinds, the others a mix of their own:
 * some kinds not at all, some much more often, as a bug may need one kind often
 * and be hidden by another. What only a broken peer or door does comes in some
 * seeds only, by a schedule of its own. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/cluster.h"

/* One row per kind: name, weight, function in faults.c. */
#define FAULT_LIST(X)                                                          \
    X(crash, 10)       /* a machine loses power, and comes back */             \
    X(between, 10)     /* the same between two effects */                      \
    X(everybody, 2)    /* all machines at once */                              \
    X(stop, 5)         /* a daemon is asked to end, and started again */       \
    X(pause, 6)        /* a process stands still for up to 10 s */             \
    X(clock, 4)        /* wall clocks +-5 s off, one a year; clocks drift */   \
    X(partition, 8)    /* two sides, both ways or one way */                   \
    X(ring, 2)         /* each node reaches only its two neighbours */         \
    X(alone, 4)        /* a group's leader is cut off */                       \
    X(deaf, 4)         /* a leader hears ever later, then nobody hears it */   \
    X(behind, 4)       /* a node is cut off until the others' logs are cut */  \
    X(broken, 6)       /* one connection breaks */                             \
    X(lossy, 5)        /* up to 30 percent lost, some connections break */     \
    X(late, 5)         /* everything takes longer, up to 5 s */                \
    X(again, 5)        /* messages of Raft arrive again, up to 2 s later */    \
    X(slow_link, 4)    /* from one node to another only */                     \
    X(slow_disk, 4)    /* writes take up to a second */                        \
    X(hung_disk, 4)    /* one node's writes end only later */                  \
    X(bad_sync, 4)     /* a sync fails: the process must end */                \
    X(full_disk, 4)    /* no new files, stores refuse; freed again */          \
    X(nearly_full, 2)  /* what adds data is refused */                         \
    X(bad_reads, 2)    /* old entries cannot be read for a while */            \
    X(slow_store, 4)   /* stores answer late, refuse, cannot checkpoint */     \
    X(slow_mail, 3)    /* letters between a node's shards take long */         \
    X(transfer, 6)     /* leadership is handed over */                         \
    X(change, 4)       /* a voter becomes a standby, or one again */           \
    X(flush, 4)        /* a node's stores are flushed */                       \
    X(flip, 3)         /* a bit of the log flips (victims only) */             \
    X(misdirect, 2)    /* a write went elsewhere (victims only) */             \
    X(bad_store, 2)    /* a store's file is damaged (victims only) */          \
    X(wipe, 1)         /* a data directory is emptied (victims only) */

/* The same: what others do wrong. */
#define FAULT_STRANGE_LIST(X)                                                  \
    X(forge, 2)        /* a message that no Raft would send */                 \
    X(misroute, 1)     /* a node's doors have a wrong map for a while */

enum fault_kind {
#define X(name, weight) FAULT_##name,
    FAULT_LIST(X)
    FAULT_USUAL,
    FAULT_LAST_USUAL = FAULT_USUAL - 1,
    FAULT_STRANGE_LIST(X)
#undef X
    FAULT_KINDS,
};
extern const char *const fault_names[FAULT_KINDS];

struct faults;
struct fault {
    struct faults *of;
    unsigned number;
    enum fault_kind kind;
    uint64_t at, seed;
};

enum { FAULTS_MAX = 4096 };

struct faults {
    struct cluster *c;
    struct rng rng; /* of the schedule */
    struct rng strange; /* of the one of strange kinds */
    struct rng last;    /* of finales */
    bool with_strange;
    unsigned weights[FAULT_KINDS]; /* of this seed */
    struct fault *v[FAULTS_MAX];
    unsigned n;
    const uint8_t *skip; /* borrowed: by number, not 0: left out; or NULL */
    unsigned n_skip;
    unsigned count[FAULT_KINDS]; /* that happened */
};

void faults_init(struct faults *f, struct cluster *c);
void faults_release(struct faults *f);
/* Some faults between now and `ms` later, one in about `every` ms. */
void faults_plan(struct faults *f, uint64_t ms, uint64_t every);
/* In the next `ms` one kind of those that take several steps and a while to do
 * harm, and seldom another: in a storm most are undone half-way by the next
 * fault. */
void faults_finale(struct faults *f, uint64_t ms);

#endif
