/* test_table_iter.c - walks over a table, either way, from anywhere. */
#include "tests/unit/node/store/table_model.h"

static void check_entry(const struct model *m, const struct table_iter *it,
                        unsigned i)
{
    struct slice value;
    char k[100];

    assert_true(table_iter_valid(it));
    assert_true(slice_equal(table_iter_key(it), model_key(k, i)));
    assert_int_equal(table_iter_value(it, &value), m->state[i]);
    if (m->state[i] == TABLE_FOUND)
        model_check_value(m, i, value);
}

static void check_forward(const struct model *m, struct table_iter *it,
                          unsigned from)
{
    for (unsigned i = from; i < MODEL_KEYS; i++) {
        if (m->state[i] == TABLE_UNKNOWN)
            continue;
        check_entry(m, it, i);
        table_iter_next(it);
    }
    assert_false(table_iter_valid(it));
}

static void check_back(const struct model *m, struct table_iter *it,
                       unsigned from)
{
    for (unsigned i = from + 1; i-- > 0;) {
        if (m->state[i] == TABLE_UNKNOWN)
            continue;
        check_entry(m, it, i);
        table_iter_prev(it);
    }
    assert_false(table_iter_valid(it));
}

static void run(uint64_t seed, unsigned changes)
{
    static struct model m;
    struct table *t = table_new();
    struct table_view *v;
    struct table_iter it;
    struct rng rng;
    char k[100];

    print_message("seed %llu\n", (unsigned long long)seed);
    memset(&m, 0, sizeof m);
    rng_init(&rng, seed);
    for (int round = 0; round < 20; round++) {
        for (unsigned i = 0; i < changes; i++)
            model_change(&rng, &m, t);
        v = table_view_take(t);
        table_iter_init(&it, v);
        assert_false(table_iter_valid(&it));
        table_iter_first(&it);
        check_forward(&m, &it, 0);
        table_iter_last(&it);
        check_back(&m, &it, MODEL_KEYS - 1);
        for (int n = 0; n < 20; n++) {
            unsigned i = (unsigned)rng_below(&rng, MODEL_KEYS);
            table_iter_seek(&it, model_key(k, i));
            check_forward(&m, &it, i);
            table_iter_seek_back(&it, model_key(k, i));
            check_back(&m, &it, i);
        }
        table_view_unref(v);
    }
    table_unref(t);
}

/* Leaves of all fillings, ways up and down between them. */
static void walks_meet_every_entry_in_order(void **state)
{
    (void)state;
    run(1, 1);
    run(2, 30);
    run(3, 1000);
}

/* Steps back and forth between two entries of different leaves. */
static void turning_round_does_not_skip(void **state)
{
    struct table *t = table_new();
    struct table_view *v;
    struct table_iter it;
    char k[100];

    (void)state;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        table_put(t, model_key(k, i), slice_str("v"));
    v = table_view_take(t);
    table_iter_init(&it, v);
    table_iter_first(&it);
    for (unsigned i = 0; i + 1 < MODEL_KEYS; i++) {
        table_iter_next(&it);
        table_iter_prev(&it);
        assert_true(slice_equal(table_iter_key(&it), model_key(k, i)));
        table_iter_next(&it);
    }
    table_view_unref(v);
    table_unref(t);
}

/* No entries: no walk, whatever the way. */
static void an_empty_table_has_no_position(void **state)
{
    struct table *t = table_new();
    struct table_view *v;
    struct table_iter it;

    (void)state;
    table_delete_range(t, slice_str("a"), slice_str("b"));
    v = table_view_take(t);
    table_iter_init(&it, v);
    table_iter_first(&it);
    assert_false(table_iter_valid(&it));
    table_iter_last(&it);
    assert_false(table_iter_valid(&it));
    table_iter_seek(&it, slice_str("a"));
    assert_false(table_iter_valid(&it));
    table_iter_seek_back(&it, slice_str("a"));
    assert_false(table_iter_valid(&it));
    table_view_unref(v);
    table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_meet_every_entry_in_order),
        cmocka_unit_test(turning_round_does_not_skip),
        cmocka_unit_test(an_empty_table_has_no_position),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
