/* test_watch_index.c - ranges around a key, against looking at all of them. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/watch_index.h"
#include "proto/base/rng.h"

enum { RANGES = 300 };

struct one {
    struct watch_range range;
    char begin[8], end[8];
    bool in;
    unsigned found;
};

static struct one v[RANGES];

static void on_found(void *arg, struct watch_range *r)
{
    (*(unsigned *)arg)++;
    CONTAINER_OF(r, struct one, range)->found++;
}

static void letters(struct rng *rng, char *to, size_t max)
{
    size_t n = (size_t)rng_below(rng, max + 1);

    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + rng_below(rng, 3));
    to[n] = 0;
}

static void make(struct rng *rng, struct one *x)
{
    letters(rng, x->begin, 4);
    letters(rng, x->end, 4);
    x->range = (struct watch_range){
        .keyspace = (uint32_t)rng_below(rng, 3),
        .begin = slice_str(x->begin),
        .end = slice_str(x->end),
        .no_end = !rng_below(rng, 8),
    };
}

/* Nested, equal, empty and endless ranges, coming and going. */
static void it_finds_what_looking_at_all_finds(void **state)
{
    struct watch_index x = {0};
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (unsigned round = 0; round < 20000; round++) {
        struct one *o = &v[rng_below(&rng, RANGES)];
        uint32_t keyspace = (uint32_t)rng_below(&rng, 3);
        unsigned found = 0, want = 0;
        char key[8];
        if (o->in) {
            watch_index_remove(&x, &o->range);
        } else {
            make(&rng, o);
            watch_index_add(&x, &o->range);
        }
        o->in = !o->in;
        letters(&rng, key, 5);
        for (unsigned i = 0; i < RANGES; i++)
            v[i].found = 0;
        watch_index_find(&x, keyspace, slice_str(key), on_found, &found);
        for (unsigned i = 0; i < RANGES; i++) {
            bool has = v[i].in && watch_range_has(&v[i].range, keyspace,
                                                  slice_str(key));
            assert_int_equal(v[i].found, has);
            want += has;
        }
        assert_int_equal(found, want);
    }
    watch_index_release(&x);
}

static void an_empty_one_finds_nothing(void **state)
{
    struct watch_index x = {0};
    unsigned found = 0;

    (void)state;
    watch_index_find(&x, 0, slice_str("k"), on_found, &found);
    assert_int_equal(found, 0);
    watch_index_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_looking_at_all_finds),
        cmocka_unit_test(an_empty_one_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
