/* test_write_set.c - what goes in comes out, in order, without mallocs. */
#include "tests/unit/node/store/fixture.h"

#include "node/store/write_set.h"

static void expect_next(const struct write_set *w, size_t *at,
                        enum write_op op, const char *key, const char *value)
{
    struct write_record r;

    assert_true(write_set_next(w, at, &r));
    assert_int_equal(r.op, op);
    assert_true(slice_equal(r.key, slice_str(key)));
    assert_true(slice_equal(r.value, slice_str(value)));
}

/* The later of two writes to a key wins only if order is kept. */
static void records_come_back_in_order(void **state)
{
    struct write_set w = {0};
    struct write_record r;
    size_t at = 0;

    (void)state;
    assert_false(write_set_next(&w, &at, &r));
    write_set_put(&w, slice_str("k"), slice_str("v"));
    write_set_delete(&w, slice_str("k"));
    write_set_put(&w, slice_str("k"), slice_str(""));
    write_set_delete_range(&w, slice_str("a"), slice_str("b"));
    memcpy(write_set_put_reserve(&w, slice_str("key"), 3), "val", 3);
    memcpy(write_set_put_in_place(&w, 2, 3), "KKVVV", 5);
    assert_int_equal(write_set_count(&w), 6);
    expect_next(&w, &at, WRITE_PUT, "k", "v");
    expect_next(&w, &at, WRITE_DELETE, "k", "");
    expect_next(&w, &at, WRITE_PUT, "k", "");
    expect_next(&w, &at, WRITE_DELETE_RANGE, "a", "b");
    expect_next(&w, &at, WRITE_PUT, "key", "val");
    expect_next(&w, &at, WRITE_PUT, "KK", "VVV");
    assert_false(write_set_next(&w, &at, &r));
    write_set_release(&w);
}

/* RocksDB refuses a batch with an inverted range: one bad range would fail
 * the whole apply. */
static void empty_and_inverted_ranges_add_nothing(void **state)
{
    struct write_set w = {0};

    (void)state;
    write_set_delete_range(&w, slice_str("b"), slice_str("b"));
    write_set_delete_range(&w, slice_str("c"), slice_str("b"));
    assert_int_equal(write_set_count(&w), 0);
    assert_int_equal(write_set_bytes(&w), 0);
    write_set_release(&w);
}

/* A malloc per entry is what the reuse is for. */
static void clear_keeps_usual_memory_and_drops_huge(void **state)
{
    static uint8_t huge[2 * 1024 * 1024];
    struct write_set w = {0};
    const uint8_t *place;

    (void)state;
    write_set_put(&w, slice_str("k"), slice_of(huge, 1000));
    place = w.records.data;
    write_set_clear(&w);
    assert_int_equal(write_set_count(&w), 0);
    assert_int_equal(write_set_bytes(&w), 0);
    write_set_put(&w, slice_str("k"), slice_of(huge, 1000));
    assert_ptr_equal(w.records.data, place);
    write_set_put(&w, slice_str("k"), slice_of(huge, sizeof huge));
    write_set_clear(&w);
    assert_int_equal(w.records.cap, 0);
    write_set_release(&w);
}

/* Several entries' sets may become one batch; none may get lost. */
static void append_keeps_both(void **state)
{
    struct write_set a = {0}, b = {0}, none = {0};
    size_t at = 0;

    (void)state;
    write_set_put(&a, slice_str("1"), slice_str("one"));
    write_set_put(&b, slice_str("2"), slice_str("two"));
    write_set_delete(&b, slice_str("3"));
    write_set_append(&a, &b);
    write_set_append(&a, &none);
    assert_int_equal(write_set_count(&a), 3);
    expect_next(&a, &at, WRITE_PUT, "1", "one");
    expect_next(&a, &at, WRITE_PUT, "2", "two");
    expect_next(&a, &at, WRITE_DELETE, "3", "");
    write_set_release(&a);
    write_set_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order),
        cmocka_unit_test(empty_and_inverted_ranges_add_nothing),
        cmocka_unit_test(clear_keeps_usual_memory_and_drops_huge),
        cmocka_unit_test(append_keeps_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
