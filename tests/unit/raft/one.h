/* one.h - a single group, driven call by call, for tests of its parts. */
#ifndef TESTS_UNIT_RAFT_ONE_H
#define TESTS_UNIT_RAFT_ONE_H

#include "raft/group.h"

/* Replica 1 of group 9; the other members are names only. */
struct one {
    struct group *g;
    struct group_effects fx; /* of all calls since one_clear */
    instant now;
    struct group_options options;
    uint64_t seq; /* the highest seen in an effect */
};

/* `n` voters 1 .. n, bootstrapped; persisted and started unless `waiting`. */
void one_bootstrap(struct one *x, unsigned n, bool waiting);
/* Start with a log of `last` entries: a CHANGE to `n` voters in term 1 and
 * commands in `log_term`; the vote's record says `term`. */
void one_start(struct one *x, unsigned n, uint64_t term, uint64_t last,
               uint64_t log_term);
void one_release(struct one *x);

/* Forget the effects so far, remembering their highest seq. */
void one_clear(struct one *x);
/* The k-th effect of a type, or NULL. */
struct group_effect *one_find(struct one *x, enum group_effect_type type,
                              unsigned k);
unsigned one_count(struct one *x, enum group_effect_type type);
/* The k-th message of a type among the effects, or NULL. */
struct message *one_sent(struct one *x, enum message_type type, unsigned k);
/* Everything asked for is durable; adds effects. */
void one_persist(struct one *x);

/* Deliver; frees `m`. */
enum status one_receive(struct one *x, struct message *m);
struct message *one_message(enum message_type type, uint64_t from,
                            uint64_t term, unsigned n_entries);
/* `n` commands of `term` after (prev, prev_term). */
struct message *one_append(uint64_t from, uint64_t term, uint64_t prev,
                           uint64_t prev_term, uint64_t commit, unsigned n);
struct blob *one_members_blob(const struct members *m);
struct members one_members(unsigned voters, unsigned standbys);
/* As leader: `from` has accepted up to `last`. */
void one_accept(struct one *x, uint64_t from, uint64_t last);
void one_reject(struct one *x, uint64_t from, uint64_t rejected, uint64_t last);
/* Time out, win with 2's votes, and have the barrier accepted by 2. */
void one_elect(struct one *x);
/* One command of `size` bytes; the answer of group_submit. */
enum status one_submit(struct one *x, size_t size);

#endif
