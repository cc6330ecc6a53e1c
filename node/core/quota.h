/* quota.h - how much of a keyspace's limit each group may fill.
 *
 * A limit is about the whole keyspace; a group knows its own use alone. So the
 * leaders tell each other what their groups hold (item USE), twice a second and
 * when somebody asks, and each gives its group a share: what it has and a part
 * of what is left. The share goes into the group's log (LIMITS, keyspaces.h),
 * where it decides; here is only the arithmetic.
 *
 *   left  = limit - all uses
 *   share = own use + max(left / 2G, what a refused write needs, if it is left)
 *   most  = own use + left: a write beyond it is refused for good
 *
 * A group that was never heard of is waited for, with shares of what is there
 * already; from QUOTA_SILENT_MS on it counts as if it had filled its part of
 * the limit.
 *
 * A share is raised again only when every other group was heard of since, or
 * has been silent for QUOTA_SILENT_MS. So groups that are raised at once, none
 * knowing of the others, take in half of what is left together; with less left
 * than that each may take in the one write that asked, where only one fitted.
 * (That the words heard since tell of the others' last raise too is likely, not
 * certain: they leave 20 ms apart, a raise is filled within a commit.)
 *
 * Pure. */
#ifndef NODE_CORE_QUOTA_H
#define NODE_CORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/time.h"

enum { QUOTA_SILENT_MS = 3000, QUOTA_ROWS_MAX = 1024 };

/* What a group holds of a keyspace. */
struct quota_use {
    uint32_t keyspace, group;
    uint64_t index;       /* as of this entry */
    uint64_t keys, bytes;
    instant heard;
};

/* What all groups hold of one keyspace, as far as is known. */
struct quota {
    uint32_t keyspace;
    unsigned n, cap;
    struct quota_use *v;  /* by group */
    uint64_t keys, bytes; /* the sums */
    uint64_t changes;     /* grows with all that was heard */
    instant since;        /* when the first word of any group was heard */
};

struct quotas {
    struct quota *v;      /* by keyspace */
    unsigned n, cap;
};

void quotas_release(struct quotas *q);
/* Take it in, unless something later is known. */
void quotas_heard(struct quotas *q, const struct quota_use *use);
/* NULL: nothing is known of this one. */
const struct quota *quotas_find(const struct quotas *q, uint32_t keyspace);
const struct quota_use *quota_of(const struct quota *q, uint32_t group);
/* Is a group to be waited for that was never heard of? */
bool quota_is_new(const struct quota *q, instant now);
/* Was this group heard of after `since`, or is it silent? */
bool quota_is_heard(const struct quota *q, uint32_t group, instant since,
                    instant now);
/* It is not counted any more. */
void quotas_forget(struct quotas *q, uint32_t keyspace);

/* One measure of a share, keys or bytes. */
struct quota_ask {
    uint64_t limit;     /* above 0 */
    unsigned groups;    /* data groups, this one too */
    unsigned unknown;   /* others that nothing is known of */
    bool waiting;       /* ... and that are still waited for */
    uint64_t own;       /* this group's use */
    uint64_t others;    /* the sum of those known */
    uint64_t wanted;    /* own use as a refused write would make it; 0: none */
};
/* The share; `*most`: what it may become at most, as far as is known. */
uint64_t quota_share(const struct quota_ask *a, uint64_t *most);

/* USE: u8 1 if an answer is wanted | u8 0 | u16 0 | u32 n | n times {u32
 * keyspace | u32 group | u64 index | u64 keys | u64 bytes}. */
void quota_use_begin(struct buf *out, bool ask);
void quota_use_add(struct buf *out, size_t begun, const struct quota_use *u);
/* Begin to read; false: malformed. Then `n` times quota_use_read(). */
bool quota_use_decode(struct slice body, bool *ask, uint32_t *n,
                      struct reader *rest);
void quota_use_read(struct reader *rest, struct quota_use *out);

#endif
