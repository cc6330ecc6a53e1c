/* members.h - who belongs to a group: replica ids and their roles, in order.
 *
 * Pure. The order of the list is part of its value: libraft keeps one slot per
 * server and confuses their progress when a list is only reordered (hazard
 * L4), so a change keeps everybody else where they are.
 *
 * Replica ids are given out by the meta group and never reused; addresses are
 * looked up in the cluster map, not here. */
#ifndef RAFT_MEMBERS_H
#define RAFT_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"

/* libraft's codes, which are in the log for ever. */
enum member_role {
    MEMBER_STANDBY = 0, /* gets the log, does not count (a learner) */
    MEMBER_VOTER = 1,
    MEMBER_SPARE = 2, /* never proposed by us (hazard L16) */
};

enum {
    MEMBERS_MAX = 16,
    /* The longest encoding of MEMBERS_MAX members. */
    MEMBERS_BYTES_MAX = 9 + MEMBERS_MAX * (8 + 21 + 1) + 7,
};

struct member {
    uint64_t replica; /* never 0 */
    enum member_role role;
};

/* A plain value: copy it by assignment. Zero-initialised is "nobody". */
struct members {
    unsigned n;
    struct member v[MEMBERS_MAX];
};

/* Append one. False, and nothing changed: full, id 0, or known already. */
MUST_CHECK bool members_add(struct members *m, uint64_t replica,
                            enum member_role role);
/* Take one out, keeping the others' order. False: not there. */
bool members_remove(struct members *m, uint64_t replica);

/* NULL when not a member; else valid as long as `m` does not change. */
const struct member *members_find(const struct members *m, uint64_t replica);
bool members_is_voter(const struct members *m, uint64_t replica);
unsigned members_voters(const struct members *m);
/* Votes that make a majority: voters / 2 + 1. */
unsigned members_quorum(const struct members *m);
/* Is `replica` the one and only voter? */
bool members_sole_voter(const struct members *m, uint64_t replica);
bool members_equal(const struct members *a, const struct members *b);

/* May a leader go from `from` to `to` in one step? One member is added at the
 * end, taken out, or gets another role; everybody else keeps place and role.
 *
 * STATUS_OK       yes
 * STATUS_EXISTS   they are equal: nothing to do
 * STATUS_INVALID  more than one difference, another order, a SPARE (L16), no
 *                 voter left, or online from several voters to one (L2) */
MUST_CHECK enum status members_step(const struct members *from,
                                    const struct members *to);

/* Append libraft's encoding of `m`: what a CHANGE entry's payload must be.
 * Addresses in it are the decimal replica ids. `m` is not empty. */
void members_encode(const struct members *m, struct buf *out);

/* The opposite, bounds-checked and strict: only what members_encode can have
 * written is accepted.
 *
 * STATUS_CORRUPT  anything else; `*out` is unspecified */
MUST_CHECK enum status members_decode(struct slice bytes, struct members *out);

#endif
