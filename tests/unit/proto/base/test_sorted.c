/* test_sorted.c - search in arrays sorted by a number. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/sorted.h"

struct row {
    char before;
    uint32_t id;
    uint64_t behind;
};

/* Broken: one of a group's or keyspace's rows would not be found, or be put
 * where the next search does not look. */
static void every_number_has_its_place_in_every_length(void **state)
{
    struct row v[9];

    (void)state;
    for (unsigned n = 0; n <= 9; n++) {
        if (n)
            v[n - 1] = (struct row){.id = 10 * n};
        for (uint32_t number = 0; number <= 10 * n + 1; number++) {
            unsigned place = SORTED_PLACE(v, n, id, number), want = 0;
            const struct row *found = SORTED_FIND(v, n, id, number);
            while (want < n && v[want].id < number)
                want++;
            assert_int_equal(place, want);
            if (want < n && v[want].id == number)
                assert_ptr_equal(found, &v[want]);
            else
                assert_null(found);
        }
    }
}

/* Broken: ids from 2^31 on would be sorted as negative ones. */
static void the_largest_numbers_are_found(void **state)
{
    struct row v[] = {{.id = 1}, {.id = UINT32_MAX - 1}, {.id = UINT32_MAX}};

    (void)state;
    assert_ptr_equal(SORTED_FIND(v, 3, id, 1), &v[0]);
    assert_ptr_equal(SORTED_FIND(v, 3, id, UINT32_MAX - 1), &v[1]);
    assert_ptr_equal(SORTED_FIND(v, 3, id, UINT32_MAX), &v[2]);
}

static void nothing_is_found_in_nothing(void **state)
{
    struct row *none = NULL;

    (void)state;
    assert_null(SORTED_FIND(none, 0, id, 0));
    assert_int_equal(SORTED_PLACE(none, 0, id, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_has_its_place_in_every_length),
        cmocka_unit_test(the_largest_numbers_are_found),
        cmocka_unit_test(nothing_is_found_in_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
