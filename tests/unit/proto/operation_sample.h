/* operation_sample.h - random operations, for the tests of their codecs. */
#ifndef TESTS_UNIT_PROTO_OPERATION_SAMPLE_H
#define TESTS_UNIT_PROTO_OPERATION_SAMPLE_H

#include <string.h>

#include "proto/base/rng.h"
#include "proto/operation.h"

static uint8_t sample_letters[4096];

static inline void sample_init(struct rng *rng)
{
    for (unsigned i = 0; i < sizeof sample_letters; i++)
        sample_letters[i] = (uint8_t)('a' + rng_below(rng, 26));
}

static inline struct slice sample_slice(struct rng *rng, size_t min,
                                        size_t max)
{
    return slice_of(sample_letters + rng_below(rng, 100),
                    min + (size_t)rng_below(rng, max - min + 1));
}

/* Any op, any flags: only what the layout asks for. */
static inline struct operation sample_operation(struct rng *rng)
{
    struct operation o = {
        .op = (enum op)(1 + rng_below(rng, OP_LAST)),
        .flags = (uint32_t)rng_below(rng, OPERATION_FLAGS_ALL + 1),
        .argument = rng_next(rng),
        .key = sample_slice(rng, 0, 300),
        .value = sample_slice(rng, 0, 1000),
    };

    if (o.flags & (OPERATION_TTL | OPERATION_DEADLINE))
        o.expire = rng_next(rng);
    if (o.flags & OPERATION_IF_VERSION)
        o.if_version = rng_next(rng);
    if (o.flags & OPERATION_IF_FENCE)
        o.fence = rng_next(rng);
    if (o.flags & OPERATION_IF_VALUE)
        o.if_value = sample_slice(rng, 0, 500);
    return o;
}

/* A set that clients may ask for. */
static inline struct operation sample_set(struct rng *rng)
{
    struct operation o = {.op = OP_SET,
                          .key = sample_slice(rng, 1, 50),
                          .value = sample_slice(rng, 0, 500)};

    if (rng_below(rng, 2)) {
        o.flags |= OPERATION_TTL;
        o.expire = rng_below(rng, 100000);
    }
    if (rng_below(rng, 2)) {
        o.flags |= OPERATION_IF_VALUE | OPERATION_PREVIOUS;
        o.if_value = sample_slice(rng, 0, 50);
    }
    return o;
}

static inline bool operations_equal(const struct operation *a,
                                    const struct operation *b)
{
    return a->op == b->op && a->flags == b->flags &&
           a->argument == b->argument && a->expire == b->expire &&
           a->if_version == b->if_version && a->fence == b->fence &&
           slice_equal(a->key, b->key) && slice_equal(a->value, b->value) &&
           slice_equal(a->if_value, b->if_value);
}

#endif
