/* asker.h - a client that asks one thing, and repeats it until it hears what
 * came of it.
 *
 * Each write has a session: however often it is sent, by however many nodes, it
 * must be executed at most once, and whoever hears of it hears the same. So
 * answers are lost on purpose, requests are repeated after a node's death or
 * after silence, and some may be executed only for a moment (`fleeting`).
 *
 * What belongs to one rule of the data API (counters, locks, ...) is an
 * asker_kind: rows.h has the list. */
#ifndef TESTS_SIM_ASKER_H
#define TESTS_SIM_ASKER_H

#include "tests/sim/cluster.h"

struct rows;
struct asker;

struct asker_kind {
    /* Ask something with asker_ask(), or let it be this time. */
    void (*next)(struct asker *x);
    /* What came of it: an outcome, or EXPIRED: nobody will ever know. */
    void (*told)(struct asker *x, const struct reply *r);
    /* Each write is a client of its own, and asked for twice at once, in the
     * last millisecond in which it may be executed. */
    bool momentary;
};

/* What the first answer to a write was: all others have to be the same. */
struct first_answer {
    bool known;
    enum status status;
    uint64_t version, argument, clock, value;
};

struct asker {
    struct rows *of;
    const struct asker_kind *kind;
    void *row;             /* the kind's own, shared by its askers */
    unsigned number;       /* among its kind's askers */
    unsigned place;        /* of its connections */
    uint32_t generation;   /* of its connection: another one each time */
    struct rng rng;

    bool busy, out;        /* asks something; waits for an answer */
    uint64_t id;           /* of what is asked */
    uint32_t group;
    struct slice keyspace; /* its row's; empty: "default" */
    bool exists;           /* the keyspace does: who denies it is behind */
    struct operation o;
    struct buf bytes;      /* what `o` points to */
    struct asker *process; /* whose session it shares; may be itself */
    uint64_t given;        /* of that session: sequences */
    struct session session;
    bool stamped;          /* its not_after was chosen */
    bool fleeting;         /* ... to come soon */
    bool open;             /* it may have been executed */
    bool twice;            /* ... and its second answer is to come */
    unsigned attempts;
    unsigned at;           /* place of the node that was asked */
    uint64_t patience;     /* until then, world time */
    uint64_t wake_at;      /* the wake that counts */
    uint64_t rest;         /* ms before the next one; 0: at random */
    enum status last;      /* the refusal of the latest attempt */
    struct first_answer first;
    uint64_t floor_clock, floor_index; /* heard of the group before */
};

/* `process` (NULL: itself): one with the same session, asking at the same
 * time. */
void asker_init(struct asker *x, struct rows *of, unsigned place,
                const struct asker_kind *kind, void *row, unsigned number,
                struct asker *process);
void asker_release(struct asker *x);
/* Begin to ask now and again. */
void asker_run(struct asker *x);
/* Ask a group; copies `o`. Only from next() or told(). */
void asker_ask(struct asker *x, uint32_t group, const struct operation *o);
/* In this keyspace, a borrowed name. If it `exists`, NO_KEYSPACE comes of nodes
 * that have not heard of it yet, and is no outcome. */
void asker_ask_in(struct asker *x, struct slice keyspace, bool exists,
                  uint32_t group, const struct operation *o);
/* For the judge's hooks. */
void asker_replied(struct asker *x, struct sim_node *n,
                   const struct effect *e);
void asker_died(struct asker *x, const struct sim_node *n);

/* 0 .. n-1 */
static inline uint64_t asker_below(struct asker *x, uint64_t n)
{
    return rng_below(&x->rng, n);
}

#endif
