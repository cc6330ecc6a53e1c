/* test_store_compact.c - when compactions rest, and that they do. */
#include "tests/unit/node/store/fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "node/store/store_private.h"

static unsigned tables_l0(struct store *s)
{
    struct store_stats stats;

    store_stats(s, &stats);
    return stats.tables_l0;
}

/* Flush; how many tables there are in L0 then. The first ones go to levels
 * below it. */
static unsigned flush(struct store *s)
{
    assert_int_equal(store_flush_begin(s), STATUS_OK);
    while (store_flush_busy(s))
        sched_yield();
    return tables_l0(s);
}

/* Would break: a full load would end in stalled writes. */
static void compactions_hurry_when_tables_pile_up(void **state)
{
    struct store_env_options options = {.no_compaction = true};
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    do {
        assert_true(store_compact_rest_us(f.env) > 0);
        put(f.store, "k", "v");
    } while (flush(f.store) < 8);
    assert_true(store_compact_rest_us(f.env) > 0);
    put(f.store, "k", "v");
    assert_int_equal(flush(f.store), 9);
    assert_int_equal(store_compact_rest_us(f.env), 0);
    fixture_release(&f);
}

/* Would break: what cannot be flushed any more would wait for rests. */
static void compactions_hurry_when_a_flush_is_stalled(void **state)
{
    struct store_env_options options = {.no_compaction = true,
                                        .stall_tables = 2};
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    do {
        put(f.store, "k", "v");
    } while (flush(f.store) < 2);
    assert_true(store_compact_rest_us(f.env) > 0);
    put(f.store, "k", "v");
    assert_int_equal(store_flush_begin(f.store), STATUS_STALLED);
    assert_int_equal(store_compact_rest_us(f.env), 0);
    fixture_release(&f);
}

/* Would break: a load that is long over would be felt by what follows. */
static void a_hurry_ends(void **state)
{
    struct fixture *f = *state;

    store_compact_hurry(f->env);
    assert_int_equal(store_compact_rest_us(f->env), 0);
    assert_true(f->env->compact_hurry_until_ms < store_now_ms() + 60000);
    f->env->compact_hurry_until_ms = store_now_ms();
    assert_true(store_compact_rest_us(f->env) > 0);
}

static void note_piece(void *arg)
{
    atomic_uint *pieces = arg;

    atomic_fetch_add(pieces, 1);
}

enum {
    RECORDS = 200, /* of 1 KiB, in each table */
    EVERY = 50,    /* of them is looked for: a piece has more */
    TABLES_MAX = 50,
};

/* A table that overlaps every other. */
static unsigned flush_many(struct store *s, unsigned n)
{
    char prefix[16];

    snprintf(prefix, sizeof prefix, "k%02u.", n);
    put(s, "a", "v");
    put_many(s, prefix, RECORDS);
    put(s, "z", "v");
    return flush(s);
}

static void expect_many(struct store *s, unsigned n)
{
    char key[32], value[1025] = "";

    memset(value, 'v', sizeof value - 1);
    for (unsigned i = 0; i < RECORDS; i += EVERY) {
        snprintf(key, sizeof key, "k%02u.%04u", n, i);
        expect(s, NULL, key, value);
    }
}

/* Would break: it would write as fast as it can, or lose records. */
static void a_compaction_comes_to_its_rests_and_keeps_all(void **state)
{
    atomic_uint pieces = 0;
    struct store_env_options options = {.on_compact_piece = note_piece,
                                        .compact_piece_arg = &pieces};
    struct fixture f;
    unsigned n = 0, tables = 0;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    while (n < TABLES_MAX && tables < STORE_COMPACT_TABLES)
        tables = flush_many(f.store, n++);
    while (tables >= STORE_COMPACT_TABLES) {
        sched_yield();
        tables = tables_l0(f.store);
    }
    assert_true(pieces > 0);
    for (unsigned i = 0; i < n; i++)
        expect_many(f.store, i);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compactions_hurry_when_tables_pile_up),
        cmocka_unit_test(compactions_hurry_when_a_flush_is_stalled),
        cmocka_unit_test_setup_teardown(a_hurry_ends, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(a_compaction_comes_to_its_rests_and_keeps_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
