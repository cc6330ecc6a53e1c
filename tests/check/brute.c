/* brute.c - see brute.h. */
#include "tests/check/brute.h"

#include <assert.h>

#include "tests/check/model.h"

/* Extend the order that ends with `state`; `taken` has a bit per operation.
 * By definition: all that ended are in it, each fits, and nobody stands behind
 * one that was called after he had returned. */
static bool extend(const struct check_operation *const *ops, size_t n,
                   unsigned taken, uint64_t state)
{
    bool complete = true;

    for (size_t i = 0; i < n; i++)
        if (!(taken & 1u << i) && ops[i]->outcome != CHECK_UNKNOWN)
            complete = false;
    if (complete)
        return true;
    for (size_t i = 0; i < n; i++) {
        uint64_t next;
        bool early = true;
        if (taken & 1u << i || !check_model_step(ops[i], state, &next))
            continue;
        for (size_t j = 0; j < n; j++)
            if (!(taken & 1u << j) && ops[j]->outcome != CHECK_UNKNOWN &&
                ops[j]->returned < ops[i]->called)
                early = false;
        if (early && extend(ops, n, taken | 1u << i, next))
            return true;
    }
    return false;
}

bool brute_linearizable(const struct check_operation *const *ops, size_t n)
{
    assert(n <= BRUTE_OPERATIONS_MAX);
    return extend(ops, n, 0, CHECK_ABSENT);
}
