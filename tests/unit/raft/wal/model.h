/* model.h - what a log must hold, kept naively, for randomized tests. */
#ifndef TESTS_UNIT_RAFT_WAL_MODEL_H
#define TESTS_UNIT_RAFT_WAL_MODEL_H

#include "tests/unit/raft/wal/disk.h"

enum { MODEL_GROUPS = 6, MODEL_ENTRIES = 4096, MODEL_OPS = 4096 };

struct model_entry {
    uint64_t term;
    uint32_t size;
    uint32_t seed; /* of its bytes */
    uint16_t type;
};

struct model_group {
    bool here;
    uint64_t term, vote;
    uint64_t reset_index, reset_term;
    uint8_t install_byte; /* all bytes of the install id */
    uint64_t released;
    uint64_t last, last_term;
    struct model_entry entry[MODEL_ENTRIES]; /* by index */
};

enum model_kind { M_ENTRY, M_TRUNCATE, M_VOTE, M_RESET, M_FORGET };

struct model_op {
    enum model_kind kind;
    unsigned group;
    uint64_t index, term;
    uint8_t install_byte;
    struct model_entry entry;
    uint64_t ticket; /* 0: inside of a longer append */
};

struct model {
    struct model_group now[MODEL_GROUPS];     /* everything applied */
    struct model_group durable[MODEL_GROUPS]; /* up to `done` */
    struct model_op op[MODEL_OPS];            /* since the last settle */
    unsigned ops;
    unsigned done; /* ops whose ticket is durable */
};

void model_init(struct model *m);
/* One random operation on both. */
void model_step(struct model *m, struct wal *w, struct rng *rng,
                wal_instant now, unsigned entry_bytes_max);
/* Note what has become durable. */
void model_settle(struct model *m, const struct wal *w);
/* Copy the unreleased part of some group forward. */
void model_rewrite(struct model *m, struct wal *w, unsigned group,
                   wal_instant now);
/* Read something back through wal_find() and the disk. */
void model_read(const struct model *m, struct wal *w, struct disk *d,
                struct rng *rng);

/* After a crash: the log must be what the model was at some moment between
 * its durable state and its end (`all`: exactly at its end; `none`: exactly
 * durable). The model becomes that. */
void model_check(struct model *m, const struct wal_recovered *found,
                 bool none, bool all);
/* Is the recovered group equal to this one? */
bool model_group_equal(const struct model_group *g,
                       const struct wal_recovered *found, unsigned group);
/* Print both. */
void model_explain(const struct model_group *g,
                   const struct wal_recovered *found, unsigned group);
/* Begin again from `now`: after a check. */
void model_restart(struct model *m);

#endif
