/* test_table.c - the table against a sorted array; views; memory. */
#include "tests/unit/node/store/table_model.h"

#include <pthread.h>
#include <stdatomic.h>

/* Announcing keys, those that are there and others, changes nothing. */
static void expect_all(struct table *t)
{
    static char k[MODEL_KEYS][100];
    static struct slice keys[MODEL_KEYS];

    for (unsigned i = 0; i < MODEL_KEYS; i++)
        keys[i] = model_key(k[i], i);
    for (unsigned i = 0; i < MODEL_KEYS; i += EXPECT_MAX)
        table_expect(t, keys + i, MIN_OF(MODEL_KEYS - i,
                                         (unsigned)EXPECT_MAX));
}

static void check_now(const struct model *m, struct table *t)
{
    char k[100];
    struct slice value;
    uint64_t entries = 0;

    expect_all(t);

    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        assert_int_equal(table_get(t, model_key(k, i), &value),
                         model_answer(m, i));
        if (m->state[i] == TABLE_FOUND)
            model_check_value(m, i, value);
        entries += m->state[i] != TABLE_UNKNOWN;
    }
    assert_int_equal(table_count(t), entries);
}

/* Anything that a reader could see wrong, now or in a view of long ago. */
static void run(uint64_t seed)
{
    enum { ROUNDS = 60, CHANGES = 700, HELD = 4 };
    static struct model now, held_model[HELD];
    struct table_view *held[HELD] = {NULL};
    struct table *t = table_new();
    struct rng rng;

    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    memset(&now, 0, sizeof now);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned h = (unsigned)rng_below(&rng, HELD);
        uint64_t changes = rng_below(&rng, 2) ? CHANGES : 3;

        for (uint64_t i = 0; i < changes; i++)
            model_change(&rng, &now, t);
        if (held[h]) {
            model_check_view(&held_model[h], held[h]);
            table_view_unref(held[h]);
            held[h] = NULL;
        } else {
            held[h] = table_view_take(t);
            held_model[h] = now;
        }
        if (round % 5 == 0)
            check_now(&now, t);
    }
    /* Views outlive their maker's reference. */
    table_unref(t);
    for (int h = 0; h < HELD; h++) {
        if (held[h])
            model_check_view(&held_model[h], held[h]);
        table_view_unref(held[h]);
    }
}

static void a_table_equals_a_sorted_array(void **state)
{
    (void)state;
    run(1);
    run(2);
    run(20261121);
}

/* A worker reads its view while the owner goes on: a node changed in place
 * that the worker can see would be a torn read (TSan sees it at once). */
struct reader_job {
    _Atomic(struct table_view *) view;
    atomic_bool stop;
    atomic_uint rounds;
};

static void *read_views(void *arg)
{
    struct reader_job *j = arg;

    while (!atomic_load(&j->stop)) {
        struct table_view *v = atomic_exchange(&j->view, NULL);
        struct table_iter it;
        struct slice value;
        uint64_t sum = 0, first = 0;

        if (!v)
            continue;
        table_iter_init(&it, v);
        /* All values of one view carry one number. */
        for (table_iter_first(&it); table_iter_valid(&it);
             table_iter_next(&it)) {
            if (table_iter_value(&it, &value) != TABLE_FOUND)
                continue;
            if (!sum)
                first = get_u64(value.data);
            if (get_u64(value.data) != first)
                abort();
            sum++;
        }
        if (sum != 500)
            abort();
        table_view_unref(v);
        atomic_fetch_add(&j->rounds, 1);
    }
    return NULL;
}

static void views_are_read_while_the_owner_writes(void **state)
{
    struct reader_job j = {0};
    struct table *t = table_new();
    pthread_t thread;
    char k[100];
    uint8_t value[8];

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, read_views, &j), 0);
    for (uint64_t n = 1; atomic_load(&j.rounds) < 200; n++) {
        struct table_view *v;
        put_u64(value, n);
        for (unsigned i = 0; i < 500; i++)
            table_put(t, model_key(k, i * 6), slice_of(value, 8));
        v = atomic_exchange(&j.view, table_view_take(t));
        table_view_unref(v);
        if (table_bytes(t) > 1u << 24) {
            table_unref(t);
            t = table_new();
        }
    }
    atomic_store(&j.stop, true);
    pthread_join(thread, NULL);
    table_view_unref(atomic_load(&j.view));
    table_unref(t);
}

/* A counter that is written a million times must not fill the table, but what
 * was given out must not change under its reader. */
static void overwriting_is_in_place_unless_somebody_looks(void **state)
{
    struct table *t = table_new();
    struct slice given, value;
    struct table_view *v;
    uint64_t bytes;

    (void)state;
    table_put(t, slice_str("k"), slice_str("0123456789"));
    bytes = table_bytes(t);
    for (int i = 0; i < 1000; i++)
        table_put(t, slice_str("k"), slice_str("abcdefghij"));
    table_delete(t, slice_str("k"));
    table_put(t, slice_str("k"), slice_str("short"));
    assert_int_equal(table_bytes(t), bytes);
    assert_int_equal(table_get(t, slice_str("k"), &given), TABLE_FOUND);
    table_put(t, slice_str("k"), slice_str("other"));
    assert_true(slice_equal(given, slice_str("short")));
    assert_int_equal(table_get(t, slice_str("k"), &value), TABLE_FOUND);
    assert_true(slice_equal(value, slice_str("other")));
    v = table_view_take(t);
    table_put(t, slice_str("k"), slice_str("third"));
    assert_int_equal(table_view_get(v, slice_str("k"), &value), TABLE_FOUND);
    assert_true(slice_equal(value, slice_str("other")));
    assert_true(table_bytes(t) > bytes);
    table_view_unref(v);
    table_unref(t);
}

/* Views that come and go make copies of nodes: the copies must be used again,
 * or a table under reads would be flushed nearly empty. */
static void nodes_that_no_view_sees_are_used_again(void **state)
{
    struct table *t = table_new();
    char k[100];
    uint64_t after_one = 0, record = 0;

    (void)state;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        table_put(t, model_key(k, i), slice_str("v"));
    for (unsigned n = 0; n < 5000; n++) {
        uint64_t before = table_bytes(t);
        table_view_unref(table_view_take(t));
        table_put(t, model_key(k, n * 7 % MODEL_KEYS), slice_str("w"));
        if (n == 100)
            after_one = table_bytes(t);
        if (n > 100)
            record = MAX_OF(record, table_bytes(t) - before);
    }
    /* Only records are new. */
    assert_true(record < 120);
    assert_true(table_bytes(t) < after_one + 4900 * record + 1);
    table_unref(t);
}

/* An idle group costs next to nothing; a full one little above its data. */
static void memory_is_bounded_by_the_data(void **state)
{
    struct table *t = table_new();
    uint8_t value[150] = {0};
    uint64_t data = 0;
    char k[32];
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    assert_int_equal(table_bytes(t), 0);
    table_put(t, slice_str("g"), slice_str("record"));
    assert_true(table_bytes(t) < 2048);
    for (unsigned i = 0; i < 50000; i++) {
        int n = snprintf(k, sizeof k, "key:%016llx",
                         (unsigned long long)rng_next(&rng));
        table_put(t, slice_of(k, (size_t)n), slice_of(value, sizeof value));
        data += (uint64_t)n + sizeof value;
    }
    assert_true(table_bytes(t) < data + 50000 * 48);
    table_unref(t);
}

/* A range that covers everything leaves an empty tree, which grows again. */
static void a_range_over_everything_leaves_only_itself(void **state)
{
    struct table *t = table_new();
    struct slice begin, end, value;
    struct table_view *v;
    char k[100];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            table_put(t, model_key(k, i), slice_str("v"));
        table_delete_range(t, slice_str("a"), slice_str("e"));
        assert_int_equal(table_count(t), 0);
        table_delete_range(t, slice_str("x"), slice_str("x"));
        table_delete_range(t, slice_str("y"), slice_str("x"));
    }
    table_put(t, slice_str("b"), slice_str("new"));
    v = table_view_take(t);
    assert_true(table_view_range(v, 0, &begin, &end));
    assert_true(slice_equal(begin, slice_str("a")));
    assert_true(slice_equal(end, slice_str("e")));
    assert_false(table_view_range(v, 1, &begin, &end));
    assert_int_equal(table_view_get(v, slice_str("b"), &value), TABLE_FOUND);
    assert_int_equal(table_view_get(v, slice_str("c"), &value),
                     TABLE_DELETED);
    assert_int_equal(table_view_get(v, slice_str("e"), &value),
                     TABLE_UNKNOWN);
    assert_true(table_view_covers(v, slice_str("b"), &begin, &end));
    table_view_unref(v);
    table_view_unref(NULL);
    table_unref(t);
    table_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_equals_a_sorted_array),
        cmocka_unit_test(views_are_read_while_the_owner_writes),
        cmocka_unit_test(overwriting_is_in_place_unless_somebody_looks),
        cmocka_unit_test(nodes_that_no_view_sees_are_used_again),
        cmocka_unit_test(memory_is_bounded_by_the_data),
        cmocka_unit_test(a_range_over_everything_leaves_only_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
