/* test_cursor.c - cursors come back, and only where they belong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/cursor.h"
#include "proto/base/rng.h"

static void every_body_comes_back(void **state)
{
    struct rng rng;
    uint8_t body[70];
    struct buf out = {0};

    (void)state;
    rng_init(&rng, 3);
    for (size_t n = 0; n <= sizeof body; n++) {
        char *text;
        for (size_t i = 0; i < n; i++)
            body[i] = (uint8_t)rng_next(&rng);
        text = cursor_text(CURSOR_SCAN, 77, slice_of(body, n));
        for (const char *c = text; *c; c++)
            assert_true((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '-' || *c == '_');
        buf_clear(&out);
        assert_int_equal(cursor_parse(text, CURSOR_SCAN, 77, &out), STATUS_OK);
        assert_true(slice_equal(buf_slice(&out), slice_of(body, n)));
        free(text);
    }
    buf_release(&out);
}

/* A cursor that goes on in the wrong place is worse than none. */
static void what_is_foreign_or_damaged_is_refused(void **state)
{
    char *text = cursor_text(CURSOR_SCAN, 77, slice_str("key"));
    struct buf out = {0};

    (void)state;
    assert_int_equal(cursor_parse(text, CURSOR_SCAN, 78, &out),
                     STATUS_BAD_CURSOR);
    assert_int_equal(cursor_parse(text, CURSOR_WATCH, 77, &out),
                     STATUS_BAD_CURSOR);
    assert_int_equal(cursor_parse("", CURSOR_SCAN, 77, &out),
                     STATUS_BAD_CURSOR);
    assert_int_equal(cursor_parse("not base64!", CURSOR_SCAN, 77, &out),
                     STATUS_BAD_CURSOR);
    for (size_t i = 0; i < strlen(text); i++) {
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(cursor_parse(text, CURSOR_SCAN, 77, &out),
                         STATUS_BAD_CURSOR);
        text[i] = 0;
        assert_int_equal(cursor_parse(text, CURSOR_SCAN, 77, &out),
                         STATUS_BAD_CURSOR);
        text[i] = kept;
    }
    assert_int_equal(out.size, 0);
    free(text);
    buf_release(&out);
}

static void parts_of_an_identity_do_not_run_together(void **state)
{
    uint32_t a = cursor_identity(cursor_identity(1, slice_str("ab")),
                                 slice_str("c"));
    uint32_t b = cursor_identity(cursor_identity(1, slice_str("a")),
                                 slice_str("bc"));

    (void)state;
    assert_int_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_comes_back),
        cmocka_unit_test(what_is_foreign_or_damaged_is_refused),
        cmocka_unit_test(parts_of_an_identity_do_not_run_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
