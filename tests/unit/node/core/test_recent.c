/* test_recent.c - the ring of changes: order, bounds, places. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/recent.h"
#include "proto/base/rng.h"

enum { EVENTS = 3000 };

/* Everything that was ever added, and whether it can still be there. */
static struct {
    uint64_t version;
    uint32_t keyspace;
    char key[16];
    size_t value_size;
} model[EVENTS];
static unsigned n_model;
static uint8_t filler[300000];

static void add(struct recent *h, uint64_t version, size_t value_size,
                size_t bytes_max)
{
    struct change c = {.kind = CHANGE_PUT, .version = version,
                       .keyspace = n_model % 3,
                       .value = slice_of(filler, value_size)};

    model[n_model].version = version;
    model[n_model].keyspace = c.keyspace;
    model[n_model].value_size = value_size;
    snprintf(model[n_model].key, sizeof model[0].key, "k%u", n_model);
    c.key = slice_str(model[n_model++].key);
    (void)recent_add(h, &c, bytes_max);
}

/* From any version that is still known on, exactly what follows comes. */
static void check_from(const struct recent *h, uint64_t after)
{
    struct recent_place at;
    struct watch_event e;
    uint32_t keyspace;
    unsigned i = 0;

    if (after < h->begin) {
        assert_false(recent_find(h, after, &at));
        return;
    }
    assert_true(recent_find(h, after, &at));
    while (i < n_model && model[i].version <= after)
        i++;
    for (; i < n_model; i++) {
        assert_int_equal(recent_next(h, &at, &keyspace, &e), RECENT_EVENT);
        assert_int_equal(e.version, model[i].version);
        assert_int_equal(keyspace, model[i].keyspace);
        assert_slice(e.key, model[i].key);
        assert_int_equal(e.value.size, model[i].value_size);
    }
    assert_int_equal(recent_next(h, &at, &keyspace, &e), RECENT_END);
}

static void what_is_behind_a_version_comes_in_order(void **state)
{
    struct recent h = {0};
    struct rng rng;
    uint64_t version = 100;

    (void)state;
    rng_init(&rng, 9);
    n_model = 0;
    recent_reset(&h, version);
    while (n_model < EVENTS) {
        version += rng_below(&rng, 3); /* some versions are shared */
        version += version == 100;
        add(&h, version, (size_t)rng_below(&rng, 3000), 1 << 20);
        assert_true(h.bytes <= 1 << 20);
        if (n_model % 100 == 0)
            for (unsigned i = 0; i < 12; i++)
                check_from(&h, 95 + rng_below(&rng, version - 90));
    }
    recent_reached(&h, version + 5);
    assert_int_equal(h.through, version + 5);
    assert_true(h.begin > 100); /* something was dropped */
    recent_release(&h);
}

/* A place that was read up to stays good until its chunk goes. */
static void a_reader_goes_on_where_it_was_or_is_told(void **state)
{
    struct recent h = {0};
    struct recent_place at, old;
    struct watch_event e;
    uint32_t keyspace;

    (void)state;
    n_model = 0;
    recent_reset(&h, 10);
    assert_true(recent_find(&h, 10, &at));
    old = at;
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_END);
    for (uint64_t v = 11; v < 500; v++) {
        add(&h, v, 5000, 1 << 20);
        assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_EVENT);
        assert_int_equal(e.version, v);
        assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_END);
    }
    assert_int_equal(recent_next(&h, &old, &keyspace, &e), RECENT_GONE);
    recent_reset(&h, 600);
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_GONE);
    recent_release(&h);
}

/* Broken: a value of the ring's size would empty it without anybody noticing,
 * or grow it. */
static void a_change_that_is_too_large_leaves_a_gap_that_is_seen(void **state)
{
    struct recent h = {0};
    struct recent_place at;
    struct watch_event e;
    uint32_t keyspace;

    (void)state;
    n_model = 0;
    recent_reset(&h, 10);
    assert_true(recent_find(&h, 10, &at));
    add(&h, 11, 270000, 1 << 20);
    assert_int_equal(h.begin, 11);
    assert_int_equal(h.bytes, 0);
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_GONE);
    assert_false(recent_find(&h, 10, &at));
    /* What is left of that transaction is not half of something. */
    add(&h, 11, 10, 1 << 20);
    assert_true(recent_find(&h, 11, &at));
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_END);
    add(&h, 12, 10, 1 << 20);
    assert_true(recent_find(&h, 11, &at));
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_EVENT);
    assert_int_equal(e.version, 12);
    recent_release(&h);
}

static void what_was_before_is_kept_with_it(void **state)
{
    struct recent h = {0};
    struct change c = {.kind = CHANGE_DELETE, .flags = WATCH_HAD_PREVIOUS,
                       .key = slice_str("k"), .previous = slice_str("old"),
                       .version = 5};
    struct recent_place at;
    struct watch_event e;
    uint32_t keyspace;

    (void)state;
    (void)recent_add(&h, &c, 1 << 20);
    assert_true(recent_find(&h, 0, &at));
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_EVENT);
    assert_int_equal(e.kind, CHANGE_DELETE);
    assert_int_equal(e.flags, WATCH_HAD_PREVIOUS);
    assert_slice(e.previous, "old");
    recent_release(&h);
}

/* Broken: a small change of a large value would empty the group's history. */
static void what_was_before_is_left_out_where_it_is_too_large(void **state)
{
    struct recent h = {0};
    struct change c = {.kind = CHANGE_PUT, .flags = WATCH_HAD_PREVIOUS,
                       .key = slice_str("k"), .version = 5,
                       .value = slice_of(filler, 100000)};
    struct recent_place at;
    struct watch_event e;
    uint32_t keyspace;

    (void)state;
    (void)recent_add(&h, &c, 1 << 20);
    c.version = 6;
    c.previous = slice_of(filler, 200000);
    (void)recent_add(&h, &c, 1 << 20);
    assert_int_equal(h.begin, 0);
    assert_true(recent_find(&h, 5, &at));
    assert_int_equal(recent_next(&h, &at, &keyspace, &e), RECENT_EVENT);
    assert_int_equal(e.version, 6);
    assert_int_equal(e.value.size, 100000);
    assert_int_equal(e.flags, WATCH_HAD_LARGE);
    assert_int_equal(e.previous.size, 0);
    recent_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_behind_a_version_comes_in_order),
        cmocka_unit_test(a_reader_goes_on_where_it_was_or_is_told),
        cmocka_unit_test(a_change_that_is_too_large_leaves_a_gap_that_is_seen),
        cmocka_unit_test(what_was_before_is_kept_with_it),
        cmocka_unit_test(what_was_before_is_left_out_where_it_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
