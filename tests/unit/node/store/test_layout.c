/* test_layout.c - keys sort as promised; damaged bytes are refused. */
#include "tests/unit/node/store/fixture.h"

#include "node/store/layout.h"

static struct slice data_key(uint8_t *at, uint32_t keyspace, const char *key)
{
    return slice_of(at, layout_data_key(at, keyspace, slice_str(key)));
}

/* A little-endian keyspace would mix keyspaces 255 and 256 in scans. */
static void data_keys_sort_by_keyspace_then_key(void **state)
{
    uint8_t a[32], b[32], c[32], d[32];

    (void)state;
    assert_true(slice_compare(data_key(a, 255, "zz"), data_key(b, 256, "a")) <
                0);
    assert_true(slice_compare(data_key(b, 256, "a"), data_key(c, 256, "aa")) <
                0);
    assert_true(slice_compare(data_key(c, 256, "aa"), data_key(d, 256, "b")) <
                0);
}

/* What is written as a key has to come back, or a scan returns wrong keys. */
static void data_key_round_trip(void **state)
{
    struct buf out = {0};
    struct slice user;
    uint32_t keyspace;

    (void)state;
    layout_data_key_append(&out, 0x01020304, slice_of("k\0y", 3));
    assert_int_equal(out.size, 8);
    assert_memory_equal(out.data, "d\1\2\3\4k\0y", 8);
    assert_int_equal(layout_data_key_parse(buf_slice(&out), &keyspace, &user),
                     STATUS_OK);
    assert_int_equal(keyspace, 0x01020304);
    assert_true(slice_equal(user, slice_of("k\0y", 3)));
    buf_release(&out);
}

/* A key of another kind or a bare prefix taken as data would be shown to a
 * user. */
static void data_key_parse_refuses_what_is_none(void **state)
{
    enum { TOO_LONG = LAYOUT_DATA_PREFIX_BYTES + KEY_BYTES_MAX + 1 };
    static uint8_t long_key[TOO_LONG] = {'d'};
    struct slice user;
    uint32_t ks;

    (void)state;
    assert_int_equal(layout_data_key_parse(slice_of("", 0), &ks, &user),
                     STATUS_CORRUPT);
    assert_int_equal(layout_data_key_parse(slice_of("d\0\0\0\0", 5), &ks,
                                           &user), STATUS_CORRUPT);
    assert_int_equal(layout_data_key_parse(slice_of("g\0\0\0\0a", 6), &ks,
                                           &user), STATUS_CORRUPT);
    assert_int_equal(layout_data_key_parse(slice_of(long_key, sizeof long_key),
                                           &ks, &user), STATUS_CORRUPT);
    assert_int_equal(layout_data_key_parse(slice_of(long_key,
                                                    sizeof long_key - 1),
                                           &ks, &user), STATUS_OK);
}

/* A wrong end would cut off a keyspace's last keys or show the next one's. */
static void keyspace_end_is_just_above_its_last_key(void **state)
{
    uint8_t last[64], next[64];
    struct buf end = {0};

    (void)state;
    layout_keyspace_end(&end, 7);
    assert_true(slice_compare(data_key(last, 7, "\xff\xff\xff"),
                              buf_slice(&end)) < 0);
    assert_true(slice_compare(data_key(next, 8, ""), buf_slice(&end)) >= 0);
    buf_clear(&end);
    layout_keyspace_end(&end, UINT32_MAX);
    assert_true(slice_equal(buf_slice(&end), slice_of("e", 1)));
    buf_clear(&end);
    layout_prefix_end(&end, slice_of("a\xff\xff", 3));
    assert_true(slice_equal(buf_slice(&end), slice_of("b", 1)));
    buf_release(&end);
}

/* Two kinds under one key would overwrite each other. */
static void single_keys_are_distinct_letters(void **state)
{
    (void)state;
    assert_true(slice_equal(layout_single_key(LAYOUT_GROUP),
                            slice_of("g", 1)));
    assert_true(slice_equal(layout_single_key(LAYOUT_MAP), slice_of("m", 1)));
    assert_true(slice_equal(layout_single_key(LAYOUT_SLOTS),
                            slice_of("s", 1)));
    assert_true(slice_equal(layout_single_key(LAYOUT_REMEMBER),
                            slice_of("h", 1)));
}

/* The format is on disk: a moved field would misread every old value. */
static void value_header_is_byte_exact(void **state)
{
    struct layout_value v = {.type = 1, .flags = 0x0302,
                             .version = 0x0b0a090807060504,
                             .expire_at_ms = 0x13121110};
    uint8_t raw[LAYOUT_VALUE_HEADER_BYTES + 2];
    struct layout_value back;

    (void)state;
    layout_value_header(raw, &v);
    raw[20] = 'h';
    raw[21] = 'i';
    assert_memory_equal(raw,
                        "\1\1\2\3\4\5\6\7\x8\x9\xa\xb\x10\x11\x12\x13\0\0\0\0",
                        20);
    assert_int_equal(layout_value_parse(slice_of(raw, sizeof raw), &back),
                     STATUS_OK);
    assert_int_equal(back.type, v.type);
    assert_int_equal(back.flags, v.flags);
    assert_true(back.version == v.version);
    assert_true(back.expire_at_ms == v.expire_at_ms);
    assert_true(slice_equal(back.bytes, slice_str("hi")));
    assert_int_equal(layout_value_parse(slice_of(raw, 19), &back),
                     STATUS_CORRUPT);
    raw[0] = 2;
    assert_int_equal(layout_value_parse(slice_of(raw, sizeof raw), &back),
                     STATUS_WRONG_VERSION);
}

static const struct group_record sample = {
    .applied_index = 1000,
    .applied_term = 12,
    .change_index = 990,
    .clock_ms = 1700000000123,
    .format_level = 3,
};

/* A field that is lost makes a restarted replica continue from a wrong
 * place. */
static void group_record_round_trip(void **state)
{
    struct group_record r = sample, back;
    struct buf out = {0};

    (void)state;
    r.members = slice_str("three members");
    group_record_encode(&r, &out);
    assert_int_equal(out.size, group_record_bytes(&r));
    assert_int_equal(group_record_decode(buf_slice(&out), &back), STATUS_OK);
    assert_true(back.applied_index == r.applied_index);
    assert_true(back.applied_term == r.applied_term);
    assert_true(back.change_index == r.change_index);
    assert_true(back.clock_ms == r.clock_ms);
    assert_int_equal(back.format_level, r.format_level);
    assert_true(slice_equal(back.members, r.members));
    buf_release(&out);
}

/* Any damage has to be seen: a record taken for good skips or repeats
 * entries. */
static void group_record_any_flipped_bit_is_refused(void **state)
{
    struct group_record r = sample, back;
    struct buf out = {0};

    (void)state;
    r.members = slice_str("abc");
    group_record_encode(&r, &out);
    for (size_t bit = 0; bit < out.size * 8; bit++) {
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(group_record_decode(buf_slice(&out), &back),
                             STATUS_OK);
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < out.size; n++)
        assert_int_equal(group_record_decode(slice_of(out.data, n), &back),
                         STATUS_CORRUPT);
    buf_u8(&out, 0);
    assert_int_equal(group_record_decode(buf_slice(&out), &back),
                     STATUS_CORRUPT);
    out.data[0] = 2;
    assert_int_equal(group_record_decode(buf_slice(&out), &back),
                     STATUS_WRONG_VERSION);
    buf_release(&out);
}

/* The bound itself is legal; members beyond it come only from damage. */
static void group_record_members_are_bounded(void **state)
{
    static uint8_t members[LAYOUT_MEMBERS_BYTES_MAX];
    struct group_record r = sample, back;
    struct buf out = {0};

    (void)state;
    r.members = slice_of(members, sizeof members);
    group_record_encode(&r, &out);
    assert_int_equal(group_record_decode(buf_slice(&out), &back), STATUS_OK);
    assert_int_equal(back.members.size, LAYOUT_MEMBERS_BYTES_MAX);
    put_u16(out.data + 2, LAYOUT_MEMBERS_BYTES_MAX + 1);
    buf_u8(&out, 0);
    assert_int_equal(group_record_decode(buf_slice(&out), &back),
                     STATUS_CORRUPT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_keys_sort_by_keyspace_then_key),
        cmocka_unit_test(data_key_round_trip),
        cmocka_unit_test(data_key_parse_refuses_what_is_none),
        cmocka_unit_test(keyspace_end_is_just_above_its_last_key),
        cmocka_unit_test(single_keys_are_distinct_letters),
        cmocka_unit_test(value_header_is_byte_exact),
        cmocka_unit_test(group_record_round_trip),
        cmocka_unit_test(group_record_any_flipped_bit_is_refused),
        cmocka_unit_test(group_record_members_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
