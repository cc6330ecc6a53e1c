/* test_store_kept.c - all that a machine keeps in memory is read, in order. */
#include "tests/unit/node/store/fixture.h"

#include "node/store/store_kept.h"

static void only_its_kinds_are_read(void **state)
{
    static const char *const want[] = {"h", "k1", "k2", "r", "ra", "rz"};
    struct fixture *f = *state;
    struct write_set set = {0};
    struct write_record r;
    size_t at = 0;

    put(f->store, "rz", "3");
    put(f->store, "k2", "2");
    put(f->store, "dr", "no");
    put(f->store, "h", "h");
    put(f->store, "s", "no");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    put(f->store, "k1", "1");
    put(f->store, "ra", "2");
    put(f->store, "r", "");
    put(f->store, "j", "no");
    put(f->store, "l", "no");
    put(f->store, "rb", "gone");
    del(f->store, "rb");
    assert_int_equal(store_kept(f->store, &set), STATUS_OK);
    assert_int_equal(set.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(write_set_next(&set, &at, &r));
        assert_int_equal(r.op, WRITE_PUT);
        assert_true(slice_equal(r.key, slice_str(want[i])));
    }
    write_set_release(&set);
}

static void an_empty_store_has_none(void **state)
{
    struct fixture *f = *state;
    struct write_set set = {0};

    assert_int_equal(store_kept(f->store, &set), STATUS_OK);
    assert_int_equal(set.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_its_kinds_are_read,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_store_has_none,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
