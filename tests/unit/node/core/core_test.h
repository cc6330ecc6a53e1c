/* core_test.h - what every unit test of node/core includes. */
#ifndef TESTS_UNIT_NODE_CORE_CORE_TEST_H
#define TESTS_UNIT_NODE_CORE_CORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/bytes.h"

static inline void assert_slice(struct slice got, const char *want)
{
    assert_int_equal(got.size, strlen(want));
    assert_memory_equal(got.data, want, got.size);
}

/* The first `size` bytes of `s` in memory of exactly that size, so that the
 * sanitizer sees a read behind the end. The caller frees ->data. */
static inline struct slice exact_copy(struct slice s, size_t size)
{
    uint8_t *bytes = xmalloc(size ? size : 1);

    if (size)
        memcpy(bytes, s.data, size);
    return slice_of(bytes, size);
}

static inline void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.data);
}

#endif
