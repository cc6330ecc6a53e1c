/* test_table_node.c - one node: heads, prefixes, splitting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/store/table_node.h"
#include "proto/base/rng.h"

static struct table_record *record(struct slice key)
{
    struct table_record *r = xcalloc(1, sizeof *r + key.size);

    r->key_size = (uint32_t)key.size;
    memcpy(r->bytes, key.data, key.size);
    return r;
}

static void add(struct table_node *n, struct slice key)
{
    unsigned at;

    assert_false(table_node_find(n, key, &at));
    table_node_insert(n, at, record(key));
}

static void release(struct table_node *n)
{
    while (n->count) {
        free(n->records[0]);
        table_node_remove(n, 0, 1);
    }
}

static unsigned place(const struct table_node *n, const char *key, bool found)
{
    unsigned at;

    assert_int_equal(table_node_find(n, slice_str(key), &at), found);
    return at;
}

/* Heads are padded with zeros: keys that end there, and keys with zeros or
 * with 0xff behind, still have their own places. */
static void keys_with_equal_heads_keep_their_order(void **state)
{
    static const char bytes[] = "abcdefgh\0\0\xff\xff";
    struct table_node n = {0};
    unsigned at;

    (void)state;
    add(&n, slice_of(bytes, 10));
    add(&n, slice_of(bytes, 8));
    add(&n, slice_of(bytes, 12));
    add(&n, slice_of(bytes, 9));
    add(&n, slice_of(bytes, 11));
    add(&n, slice_str("b"));
    for (unsigned i = 0; i < 5; i++) {
        assert_true(table_node_find(&n, slice_of(bytes, 8 + i), &at));
        assert_int_equal(at, i);
    }
    assert_int_equal(place(&n, "b", true), 5);
    assert_int_equal(place(&n, "a", false), 0);
    release(&n);
}

/* The largest head there is has no larger one beside it. */
static void heads_of_all_ones_are_searched_to_the_end(void **state)
{
    static const uint8_t ones[12] = {255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255};
    struct table_node n = {0};
    unsigned at;

    (void)state;
    add(&n, slice_str("0"));
    for (unsigned size = 8; size <= 12; size++)
        add(&n, slice_of(ones, size));
    for (unsigned size = 8; size <= 12; size++) {
        assert_true(table_node_find(&n, slice_of(ones, size), &at));
        assert_int_equal(at, size - 7);
    }
    release(&n);
}

/* A key outside the prefix is below or above all, and shortens it. */
static void a_prefix_follows_the_keys(void **state)
{
    struct table_node n = {0};

    (void)state;
    add(&n, slice_str("user:0001"));
    assert_int_equal(n.prefix_size, 9);
    add(&n, slice_str("user:0002"));
    assert_int_equal(n.prefix_size, 8);
    assert_int_equal(place(&n, "user:", false), 0);
    assert_int_equal(place(&n, "user:0001x", false), 1);
    assert_int_equal(place(&n, "aser:0001", false), 0);
    assert_int_equal(place(&n, "z", false), 2);
    assert_int_equal(place(&n, "", false), 0);
    add(&n, slice_str("usher"));
    assert_int_equal(n.prefix_size, 2);
    assert_int_equal(place(&n, "user:0002", true), 1);
    assert_int_equal(place(&n, "usher", true), 2);
    release(&n);
}

/* Random keys of few letters: ties everywhere. */
static void places_are_those_of_a_sorted_array(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct table_node n = {0};
        unsigned at;
        while (n.count < TABLE_FANOUT) {
            char key[24];
            size_t size = 1 + rng_below(&rng, sizeof key);
            for (size_t i = 0; i < size; i++)
                key[i] = rng_below(&rng, 8) ? 'a' : (char)('a' - 1 +
                                                   (int)rng_below(&rng, 3));
            if (!table_node_find(&n, slice_of(key, size), &at))
                table_node_insert(&n, at, record(slice_of(key, size)));
        }
        for (unsigned i = 0; i < n.count; i++) {
            struct slice key = table_record_key(n.records[i]);
            assert_true(!i || slice_compare(table_record_key(
                                                n.records[i - 1]), key) < 0);
            assert_true(table_node_find(&n, key, &at));
            assert_int_equal(at, i);
            /* The first one that looks the same. */
            at = table_node_guess(&n, key);
            assert_true(n.heads[at] == n.heads[i]);
            assert_true(!at || n.heads[at - 1] < n.heads[i]);
        }
        assert_true(table_node_guess(&n, slice_str("zz")) < n.count);
        release(&n);
    }
}

static void fill(struct table_node *n)
{
    char key[] = "common:prefix:x00";

    for (unsigned i = 0; i < TABLE_FANOUT; i++) {
        key[14] = i < 32 ? 'a' : 'b';
        key[15] = (char)('0' + i / 10);
        key[16] = (char)('0' + i % 10);
        add(n, slice_str(key));
    }
}

/* A leaf's separator is the first key on the right; nothing gets lost, and
 * prefixes become longer where that helps. */
static void a_leaf_splits_in_two(void **state)
{
    struct table_node left = {0}, right = {0};
    struct table_record *separator;

    (void)state;
    fill(&left);
    assert_int_equal(left.prefix_size, 14);
    separator = table_node_split(&left, &right, 32);
    assert_ptr_equal(separator, right.records[0]);
    assert_int_equal(left.count, 32);
    assert_int_equal(right.count, 32);
    assert_int_equal(place(&left, "common:prefix:a31", true), 31);
    assert_int_equal(place(&right, "common:prefix:b32", true), 0);
    release(&right);
    assert_int_equal(left.prefix_size, 14);
    table_node_split(&left, &right, 2);
    assert_int_equal(left.prefix_size, 14);
    release(&left);
    release(&right);
}

/* Between "aaaaaaaa0..." and "b..." the halves share much more. */
static void a_split_lengthens_the_prefix_when_that_pays(void **state)
{
    struct table_node left = {0}, right = {0};

    (void)state;
    add(&left, slice_str("aaaaaaaa1"));
    add(&left, slice_str("aaaaaaaa2"));
    add(&left, slice_str("bbbbbbbb1"));
    add(&left, slice_str("bbbbbbbb2"));
    assert_int_equal(left.prefix_size, 0);
    table_node_split(&left, &right, 2);
    assert_int_equal(left.prefix_size, 8);
    assert_int_equal(right.prefix_size, 8);
    assert_int_equal(place(&right, "bbbbbbbb2", true), 1);
    assert_int_equal(place(&left, "aaaaaaaa3", false), 2);
    release(&left);
    release(&right);
}

/* An inner node's separator goes up: it stays in neither half. */
static void an_inner_node_gives_its_middle_away(void **state)
{
    struct table_inner left = {.node.level = 1}, right = {.node.level = 1};
    struct table_record *separator;

    (void)state;
    fill(&left.node);
    for (unsigned i = 0; i <= TABLE_FANOUT; i++)
        left.children[i] = &left.node + i; /* only names */
    separator = table_node_split(&left.node, &right.node, 32);
    assert_int_equal(left.node.count, 32);
    assert_int_equal(right.node.count, 31);
    assert_ptr_equal(right.children[0], &left.node + 33);
    assert_ptr_equal(right.children[31], &left.node + TABLE_FANOUT);
    assert_int_equal(table_node_child(&right.node, slice_str("zz")), 31);
    assert_int_equal(table_node_child(&right.node,
                                      table_record_key(separator)), 0);
    assert_int_equal(table_node_child(&right.node,
                                      slice_str("common:prefix:b33")), 1);
    free(separator);
    release(&left.node);
    release(&right.node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_with_equal_heads_keep_their_order),
        cmocka_unit_test(heads_of_all_ones_are_searched_to_the_end),
        cmocka_unit_test(a_prefix_follows_the_keys),
        cmocka_unit_test(places_are_those_of_a_sorted_array),
        cmocka_unit_test(a_leaf_splits_in_two),
        cmocka_unit_test(a_split_lengthens_the_prefix_when_that_pays),
        cmocka_unit_test(an_inner_node_gives_its_middle_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
