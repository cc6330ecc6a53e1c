/* rows.h - the data API's part of the workload: one row per rule.
 *
 *   counters    each addition counts once, the sum is exact     row_count.c
 *   conditions  of those who compared equal, one succeeds       row_condition.c
 *   bank        transfers: every view of all accounts adds up   row_bank.c
 *   expiry      there until its deadline on the group's clock   row_expiry.c
 *   locks       tokens only grow, one holder, fences hold       row_lock.c
 *   scans       in order, complete, each page of one moment     row_scan.c
 *   watches     each change once, in order                      row_watch.c
 *   tenants     keyspaces: counted, limited, dropped whole      row_tenant.c
 *   moments     counters, by clients of a moment's life         row_count.c
 *
 * A row says what its askers (asker.h) ask, judges every answer at once, and
 * whenever the cluster is quiet compares what it knows with what the stores
 * hold. A new rule is a file row_*.c and a line in ROW_LIST. */
#ifndef TESTS_SIM_ROWS_H
#define TESTS_SIM_ROWS_H

#include "tests/sim/asker.h"
#include "tests/sim/clients.h"

#define ROW_LIST(X)                                                            \
    X(counters)                                                                \
    X(conditions)                                                              \
    X(bank)                                                                    \
    X(expiry)                                                                  \
    X(locks)                                                                   \
    X(scans)                                                                   \
    X(watches)                                                                 \
    X(tenants)                                                                 \
    X(moments)

enum row_number {
#define X(name) ROW_##name,
    ROW_LIST(X)
#undef X
    ROW_KINDS,
};
extern const char *const row_names[ROW_KINDS];

enum {
    ASKERS_OF_ROW_MAX = 3,
    ASKERS_MAX = ROW_KINDS * ASKERS_OF_ROW_MAX,
    ASKER_PLACE = 200, /* the first one's connections */
    WATCHER_PLACE = 300,
    BANK_ACCOUNTS = 4,
};

/* What a row is to the others. */
struct row_kind {
    struct asker_kind asker;
    size_t bytes;                    /* of the row itself, zeroed */
    void (*init)(struct rows *r, void *row);
    /* All is answered, all replicas are equal. */
    void (*quiet)(struct rows *r, void *row);
    void (*release)(void *row);      /* may be NULL */
    /* Of a row that has no askers: all may be NULL else. */
    void (*start)(struct rows *r, void *row, unsigned n);
    bool (*replied)(struct rows *r, void *row, struct sim_node *n,
                    const struct effect *e);
    void (*died)(struct rows *r, void *row, struct sim_node *n);
    void (*applying)(struct rows *r, void *row, struct sim_node *n,
                     struct sim_replica *x);
    uint64_t (*part)(struct rows *r, void *row, struct sim_node *n,
                     const struct effect *e);
};
#define X(name) extern const struct row_kind row_##name;
ROW_LIST(X)
#undef X

/* What was heard of a group, by whomever. */
struct heard {
    uint64_t clock, at; /* its clock; when, world time */
    uint64_t index;     /* of the log: that is what was answered */
    uint32_t leader;
};

struct rows {
    struct cluster *c;
    struct clients *clients;
    bool running;
    unsigned pause_max;
    struct heard heard[CLUSTER_GROUPS_MAX];
    uint64_t clock[CLUSTER_GROUPS_MAX]; /* the latest that was applied */
    void *row[ROW_KINDS];
    struct asker asker[ASKERS_MAX];
    unsigned n;
    struct {
        uint64_t row[ROW_KINDS]; /* outcomes */
        uint64_t retries, lost, repeated, restamped, expired;
    } count;
};

/* `askers`: of each row. */
void rows_init(struct rows *r, struct cluster *c, struct clients *clients,
               const unsigned *askers, unsigned pause_max);
void rows_release(struct rows *r);
void rows_run(struct rows *r);
/* Nothing new; what is under way goes on until it is answered. */
void rows_stop(struct rows *r);
unsigned rows_waiting(const struct rows *r);
/* It was too long: fail with what the first of them waits for. */
_Noreturn void rows_waited(const struct rows *r);
/* Nobody waits, replicas are equal: what do the stores hold? */
void rows_quiet(struct rows *r);

/* For the judge's hooks. */
bool rows_replied(struct rows *r, struct sim_node *n, const struct effect *e);
void rows_died(struct rows *r, struct sim_node *n);
void rows_applying(struct rows *r, struct sim_node *n, struct sim_replica *x);
void rows_applied(struct rows *r, struct sim_node *n, struct sim_replica *x);
uint64_t rows_part(struct rows *r, struct sim_node *n, const struct effect *e);

/* ---- for rows and askers ---- */

const char *rows_name(const struct asker *x);
void rows_count(struct asker *x, enum status st);
void rows_heard(struct rows *r, uint32_t group, const struct reply *m);
/* A key of the group: its tag, then the name; in a buffer that is used again
 * after several calls. */
struct slice rows_key(const struct rows *r, uint32_t group, const char *fmt,
                      ...) PRINTF(3, 4);
uint32_t rows_group(struct asker *x); /* any */
/* What the stores hold under this key; false: nothing that is there by the
 * group's clock. */
bool rows_stored(struct rows *r, uint32_t group, struct slice key,
                 struct layout_value *out);
bool rows_stored_in(struct rows *r, uint32_t group, uint32_t keyspace,
                    struct slice key, struct layout_value *out);
const struct mem_table *rows_table(struct rows *r, uint32_t group);
/* A decimal number, empty is 0; fails on anything else. */
int64_t rows_number(const struct rows *r, struct slice text);
_Noreturn void rows_fail(const struct asker *x, const char *fmt, ...)
    PRINTF(2, 3);

/* ---- numbers that are given out one by one ----
 *
 * Who adds one is told the number that came out: no two are told the same, and
 * nobody one that is not beyond what was heard before he asked. */
struct tally {
    uint64_t begun, heard; /* additions; the highest number told */
    uint64_t done, maybe;  /* outcomes: added; nobody knows */
    uint8_t *told;         /* by number */
    uint64_t cap;
};
void tally_release(struct tally *t);
/* An addition came out as `n`; `floor`: t->heard when it was asked for. */
void tally_added(struct tally *t, const struct asker *x, uint64_t floor,
                 uint64_t n);
/* It was read. */
void tally_read(struct tally *t, const struct asker *x, uint64_t floor,
                uint64_t n);
/* In the end it is `n`. */
void tally_is(const struct tally *t, const struct rows *r, uint32_t group,
              const char *what, uint64_t n);

#endif
