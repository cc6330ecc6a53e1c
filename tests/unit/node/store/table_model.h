/* table_model.h - a sorted array that a table must equal, for its tests. */
#ifndef TESTS_UNIT_NODE_STORE_TABLE_MODEL_H
#define TESTS_UNIT_NODE_STORE_TABLE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/store/table.h"
#include "proto/base/rng.h"

enum { MODEL_KEYS = 3000, MODEL_VALUE_MAX = 60 };

/* Key number i; numbers are in key order. The text's head says how keys share
 * prefixes: some share many bytes, some none, some are prefixes of others. */
struct model {
    enum table_answer state[MODEL_KEYS]; /* UNKNOWN: never written */
    bool in_range[MODEL_KEYS];           /* below: deleted by a range */
    uint32_t stamp[MODEL_KEYS];          /* decides the value */
};

static inline struct slice model_key(char *at, unsigned i)
{
    static const char *const heads[] = {
        "a", "b-a-prefix-that-is-longer-than-what-a-node-can-keep-of-its-own:",
        "c:", "c:user:", "d"};
    unsigned part = i / (MODEL_KEYS / 5);

    return slice_of(at, (size_t)snprintf(at, 100, "%s%05u%s", heads[part],
                                         i / 2, i % 2 ? "+" : ""));
}

static inline struct slice model_value(char *at, uint32_t stamp)
{
    size_t n = stamp % MODEL_VALUE_MAX;

    for (size_t i = 0; i < n; i++)
        at[i] = (char)(stamp + i);
    return slice_of(at, n);
}

/* Change table and model in the same way, at random. */
static inline void model_change(struct rng *rng, struct model *m,
                                struct table *t)
{
    char k[100], k2[100], value[MODEL_VALUE_MAX];
    unsigned i = (unsigned)rng_below(rng, MODEL_KEYS);
    uint64_t dice = rng_below(rng, 1000);

    if (dice < 750) {
        m->state[i] = TABLE_FOUND;
        m->stamp[i] = (uint32_t)rng_next(rng);
        table_put(t, model_key(k, i), model_value(value, m->stamp[i]));
    } else if (dice < 995) {
        m->state[i] = TABLE_DELETED;
        table_delete(t, model_key(k, i));
    } else {
        unsigned most = dice == 999 ? MODEL_KEYS : 200;
        unsigned j = i + (unsigned)rng_below(rng, most);
        j = MIN_OF(j, (unsigned)MODEL_KEYS - 1);
        table_delete_range(t, model_key(k, i), model_key(k2, j));
        for (unsigned d = i; d < j; d++) {
            m->state[d] = TABLE_UNKNOWN;
            m->in_range[d] = true;
        }
    }
}

/* What a lookup must answer. */
static inline enum table_answer model_answer(const struct model *m, unsigned i)
{
    if (m->state[i] == TABLE_UNKNOWN && m->in_range[i])
        return TABLE_DELETED;
    return m->state[i];
}

static inline void model_check_value(const struct model *m, unsigned i,
                                     struct slice got)
{
    char want[MODEL_VALUE_MAX];

    assert_true(slice_equal(got, model_value(want, m->stamp[i])));
}

static inline void model_check_view(const struct model *m,
                                    const struct table_view *v)
{
    char k[100];
    struct slice value;

    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        assert_int_equal(table_view_get(v, model_key(k, i), &value),
                         model_answer(m, i));
        if (m->state[i] == TABLE_FOUND)
            model_check_value(m, i, value);
        assert_int_equal(table_view_covers(v, model_key(k, i), NULL, NULL),
                         m->in_range[i]);
    }
}

#endif
