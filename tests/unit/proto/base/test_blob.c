/* test_blob.c - reference-counted bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/blob.h"

/* Broken: an entry's payload would change under whoever else holds it. */
static void a_copy_does_not_depend_on_what_it_was_made_from(void **state)
{
    char source[] = "payload";
    struct blob *b = blob_copy(slice_str(source));

    (void)state;
    source[0] = 'X';
    assert_true(slice_equal(blob_slice(b), slice_str("payload")));
    blob_unref(b);
}

/* Broken: freed while held (the sanitizer build sees it), or never freed. */
static void the_last_reference_frees(void **state)
{
    struct blob *b = blob_new(10);

    (void)state;
    assert_ptr_equal(blob_ref(b), b);
    assert_int_equal(b->refs, 2);
    blob_unref(b);
    assert_int_equal(b->refs, 1);
    blob_unref(b);
}

/* Broken: entries without payload would crash. */
static void no_blob_is_empty_bytes(void **state)
{
    (void)state;
    assert_null(blob_ref(NULL));
    blob_unref(NULL);
    assert_int_equal(blob_slice(NULL).size, 0);
    assert_non_null(blob_slice(NULL).data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_does_not_depend_on_what_it_was_made_from),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(no_blob_is_empty_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
