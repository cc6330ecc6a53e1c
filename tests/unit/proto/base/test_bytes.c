/* test_bytes.c - slices, buffers and the bounds-checked reader. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/bytes.h"

/* Broken: keys would be listed in another order than the store keeps them. */
static void slices_sort_by_byte_and_prefix_first(void **state)
{
    (void)state;
    assert_true(slice_compare(slice_str("a"), slice_str("b")) < 0);
    assert_true(slice_compare(slice_str("a"), slice_str("ab")) < 0);
    assert_true(slice_compare(slice_str("b"), slice_str("ab")) > 0);
    assert_true(slice_compare(slice_of("\xff", 1), slice_of("\x01", 1)) > 0);
    assert_int_equal(slice_compare(slice_of("a\0b", 3), slice_of("a\0b", 3)),
                     0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), slice_str("")), 0);
}

/* Broken: a key with a NUL would equal another one. */
static void slices_are_equal_by_all_their_bytes(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
    assert_false(slice_equal(slice_str("a"), slice_str("ab")));
    assert_true(slice_equal(slice_of(NULL, 0), slice_of(NULL, 0)));
}

/* Broken: what was buffered before growth would be lost or moved. */
static void a_buffer_keeps_its_bytes_while_it_grows(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        buf_u8(&b, (uint8_t)i);
    assert_int_equal(b.size, 10000);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    buf_release(&b);
    assert_null(b.data);
}

/* Broken: half-sent output would be sent again, or skipped. */
static void consuming_drops_the_first_bytes_only(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append(&b, "hello world", 11);
    buf_consume(&b, 6);
    assert_true(slice_equal(buf_slice(&b), slice_str("world")));
    buf_consume(&b, 5);
    assert_int_equal(b.size, 0);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.size, 0);
    buf_release(&b);
}

/* Broken: reserving would count bytes nobody wrote. */
static void reserving_does_not_change_the_size(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_non_null(buf_reserve(&b, 1000));
    assert_int_equal(b.size, 0);
    assert_true(b.cap >= 1000);
    buf_release(&b);
}

/* Broken: records would read back as other numbers. */
static void integers_read_back_as_they_were_written(void **state)
{
    struct buf b = {0};
    struct reader r;

    (void)state;
    buf_u8(&b, 0xab);
    buf_u16(&b, 0x1234);
    buf_u32(&b, 0x12345678);
    buf_u64(&b, 0x123456789abcdef0u);
    assert_int_equal(b.data[1], 0x34); /* little-endian */
    r = reader_of(buf_slice(&b));
    assert_int_equal(reader_u8(&r), 0xab);
    assert_int_equal(reader_u16(&r), 0x1234);
    assert_int_equal(reader_u32(&r), 0x12345678);
    assert_true(reader_u64(&r) == 0x123456789abcdef0u);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
    buf_release(&b);
}

/* Broken: a damaged length would let a decoder read behind its bytes. */
static void a_reader_past_the_end_gives_zeroes_and_stays_failed(void **state)
{
    struct reader r = reader_of(slice_of("\x01\x02\x03", 3));

    (void)state;
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_bytes(&r, 1).size, 0);
    assert_int_equal(reader_bytes(&r, SIZE_MAX).size, 0);
    assert_true(r.failed);
}

/* Broken: store keys would not sort by number. */
static void big_endian_integers_sort_as_numbers(void **state)
{
    uint8_t a[8], b[8];

    (void)state;
    put_be64(a, 0x00ff);
    put_be64(b, 0x0100);
    assert_true(memcmp(a, b, 8) < 0);
    assert_true(get_be64(b) == 0x0100);
    put_be32(a, 0x01020304);
    assert_memory_equal(a, "\x01\x02\x03\x04", 4);
    assert_int_equal(get_be32(a), 0x01020304);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_sort_by_byte_and_prefix_first),
        cmocka_unit_test(slices_are_equal_by_all_their_bytes),
        cmocka_unit_test(a_buffer_keeps_its_bytes_while_it_grows),
        cmocka_unit_test(consuming_drops_the_first_bytes_only),
        cmocka_unit_test(reserving_does_not_change_the_size),
        cmocka_unit_test(integers_read_back_as_they_were_written),
        cmocka_unit_test(a_reader_past_the_end_gives_zeroes_and_stays_failed),
        cmocka_unit_test(big_endian_integers_sort_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
