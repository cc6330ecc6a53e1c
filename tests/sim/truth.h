/* truth.h - what happened to a group's keys, as the first replica that was to
 * apply it says; all others must say the same. For watches. */
#ifndef TESTS_SIM_TRUTH_H
#define TESTS_SIM_TRUTH_H

#include "node/core/change.h"
#include "tests/sim/cluster.h"

enum { TRUTH_KEY_MAX = 40 };

/* A user's key that something happened to. */
struct truth_key {
    uint8_t size, bytes[TRUTH_KEY_MAX];
    size_t last; /* place of the last event + 1 */
};

struct truth_event {
    uint64_t version;
    uint64_t at;         /* when a store was first given it, world time */
    uint64_t value;      /* digest */
    enum change_kind kind;
    unsigned key;        /* in `keys` */
    size_t before;       /* place of the same key's event before + 1 */
};

/* Zero-initialised is empty. */
struct truth {
    struct truth_event *v;
    size_t n, cap;
    struct truth_key *keys;
    unsigned n_keys, cap_keys;
};

void truth_release(struct truth *t);
/* A replica gives its store a step with these changes. */
void truth_note(struct truth *t, struct cluster *c, uint32_t group,
                const struct change *changes, unsigned n);
/* The first event with at least this version. */
size_t truth_find(const struct truth *t, uint64_t version);
static inline struct slice truth_key(const struct truth *t, size_t event)
{
    const struct truth_key *k = &t->keys[t->v[event].key];

    return slice_of(k->bytes, k->size);
}
uint64_t truth_digest(struct slice value);
/* The store holds what the last events say, and nothing else. */
void truth_equals(const struct truth *t, struct cluster *c, uint32_t group,
                  const struct mem_table *table);

#endif
