/* test_format.c - the bytes of headers and records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/crc.h"
#include "raft/wal/format.h"

static const uint8_t log_id[WAL_LOG_ID_BYTES] = "formats of a log";

static struct wal_header a_header(void)
{
    struct wal_header h = {
        .segment = 7,
        .number = 99,
        .offset = 8192,
        .length = 4096,
        .body = 80,
        .records = 2,
        .body_crc = 0x12345678,
        .groups = 1,
        .flags = WAL_BATCH_FOOTER,
        .prev_end = 4096,
    };
    memcpy(h.log_id, log_id, sizeof h.log_id);
    return h;
}

static enum wal_header_kind decode(const uint8_t *at, struct wal_header *h)
{
    return wal_header_decode(slice_of(at, WAL_HEADER_BYTES), h);
}

/* Every field comes back; a field that does not would be read as zero at the
 * next start. */
static void header_comes_back_as_written(void **state)
{
    uint8_t at[WAL_HEADER_BYTES] = {0};
    struct wal_header h = a_header(), got;
    (void)state;

    wal_row_encode(at + wal_row_at(0, h.body), (struct wal_row){5, 77});
    wal_header_encode(at, &h);
    assert_int_equal(decode(at, &got), WAL_HEADER_OURS);
    assert_memory_equal(got.log_id, log_id, sizeof log_id);
    assert_int_equal(got.segment, 7);
    assert_int_equal(got.number, 99);
    assert_int_equal(got.offset, 8192);
    assert_int_equal(got.length, 4096);
    assert_int_equal(got.body, 80);
    assert_int_equal(got.records, 2);
    assert_int_equal(got.body_crc, 0x12345678);
    assert_int_equal(got.groups, 1);
    assert_int_equal(got.flags, WAL_BATCH_FOOTER);
    assert_int_equal(got.prev_end, 4096);
    assert_int_equal(wal_row_decode(at + wal_row_at(0, 80)).group, 5);
    assert_int_equal(wal_row_decode(at + wal_row_at(0, 80)).prev, 77);
}

/* Any single wrong bit must be seen: rows are covered, too. */
static void header_with_any_flipped_bit_is_refused(void **state)
{
    uint8_t at[WAL_HEADER_BYTES] = {0};
    struct wal_header h = a_header(), got;
    (void)state;

    wal_header_encode(at, &h);
    for (unsigned bit = 0; bit < WAL_HEADER_BYTES * 8; bit++) {
        at[bit / 8] ^= 1u << bit % 8;
        assert_int_equal(decode(at, &got), WAL_HEADER_NONE);
        at[bit / 8] ^= 1u << bit % 8;
    }
    assert_int_equal(wal_header_decode(slice_of(at, 511), &got),
                     WAL_HEADER_NONE);
}

/* A newer program's segment is not damage: recovery must refuse the log, not
 * cut it. */
static void header_of_a_newer_level_is_told_apart(void **state)
{
    uint8_t at[WAL_HEADER_BYTES] = {0};
    struct wal_header h = a_header(), got;
    (void)state;

    wal_header_encode(at, &h);
    put_u32(at + 4, WAL_FORMAT_LEVEL + 1);
    put_u32(at, crc32c(0, at + 4, WAL_HEADER_BYTES - 4));
    assert_int_equal(decode(at, &got), WAL_HEADER_NEWER);
}

/* Numbers that do not fit each other would make readers run out of bounds. */
static void header_with_impossible_numbers_is_refused(void **state)
{
    uint8_t at[WAL_HEADER_BYTES] = {0};
    struct wal_header got, h[8];
    (void)state;

    for (unsigned i = 0; i < 8; i++)
        h[i] = a_header();
    h[0].body = 81;         /* not whole words */
    h[1].body = 4096;       /* longer than the batch */
    h[2].records = 3;       /* do not fit into the body */
    h[3].length = 4095;
    h[4].offset = 512;
    h[5].number = 0;
    h[6].groups = 3;        /* more than records */
    h[7].number = WAL_NUMBER_MAX;
    for (unsigned i = 0; i < 8; i++) {
        wal_header_encode(at, &h[i]);
        assert_int_equal(decode(at, &got), WAL_HEADER_NONE);
    }
    /* Rows behind the body count, too. */
    h[0] = a_header();
    h[0].body = 40 * 80;
    h[0].records = 80;
    h[0].groups = 70;
    wal_header_encode(at, &h[0]);
    assert_int_equal(decode(at, &got), WAL_HEADER_NONE);
}

static struct wal_record an_entry(const char *data)
{
    return (struct wal_record){
        .group = 3,
        .kind = WAL_ENTRY,
        .type = 9,
        .index = 12,
        .term = 4,
        .prev_term = 3,
        .data = slice_str(data),
    };
}

static void record_comes_back_as_written(void **state)
{
    uint8_t at[64];
    struct wal_record r = an_entry("hello"), got;
    uint64_t key = wal_key(log_id);
    uint32_t crc, stored;
    (void)state;

    r.flags = WAL_RECORD_REWRITTEN;
    crc = wal_record_encode(at, &r, key, 7, 4608);
    assert_int_equal(wal_record_size(5), 48);
    assert_int_equal(
        wal_record_decode(slice_of(at, 48), key, 7, 4608, &got, &stored), 48);
    assert_int_equal(crc, stored);
    assert_int_equal(got.group, 3);
    assert_int_equal(got.kind, WAL_ENTRY);
    assert_int_equal(got.flags, WAL_RECORD_REWRITTEN);
    assert_int_equal(got.type, 9);
    assert_int_equal(got.index, 12);
    assert_int_equal(got.term, 4);
    assert_int_equal(got.prev_term, 3);
    assert_true(slice_equal(got.data, slice_str("hello")));
}

/* A record is good in its place only: elsewhere it is a stale or misdirected
 * copy, and believing it would bring back the past. */
static void record_is_good_in_its_own_place_only(void **state)
{
    static const uint8_t other[WAL_LOG_ID_BYTES] = "formats of a loG";
    uint8_t at[48];
    struct wal_record r = an_entry("hello"), got;
    uint64_t key = wal_key(log_id);
    struct slice s = slice_of(at, sizeof at);
    uint32_t crc;
    (void)state;

    wal_record_encode(at, &r, key, 7, 4608);
    assert_int_equal(wal_record_decode(s, key, 8, 4608, &got, &crc), 0);
    assert_int_equal(wal_record_decode(s, key, 7, 4616, &got, &crc), 0);
    assert_int_equal(
        wal_record_decode(s, wal_key(other), 7, 4608, &got, &crc), 0);
    assert_int_equal(
        wal_record_decode(slice_of(at, 47), key, 7, 4608, &got, &crc), 0);
    for (unsigned bit = 0; bit < 45 * 8; bit++) {
        at[bit / 8] ^= 1u << bit % 8;
        assert_int_equal(wal_record_decode(s, key, 7, 4608, &got, &crc), 0);
        at[bit / 8] ^= 1u << bit % 8;
    }
    assert_int_equal(wal_record_decode(s, key, 7, 4608, &got, &crc), 48);
}

/* What we never write is not believed even with a right checksum: replaying
 * it could wrap an index or read behind the data. */
static void records_that_say_nonsense_are_refused(void **state)
{
    static const struct wal_record bad[] = {
        {.kind = 0},
        {.kind = WAL_FOOT + 1},
        {.kind = WAL_ENTRY, .index = 0, .term = 1},
        {.kind = WAL_ENTRY, .index = 1, .term = 0},
        {.kind = WAL_ENTRY, .index = 2, .term = 1},
        {.kind = WAL_ENTRY, .index = 1, .term = 1, .prev_term = 1},
        {.kind = WAL_ENTRY, .index = 2, .term = 1, .prev_term = 2},
        {.kind = WAL_ENTRY, .index = WAL_NUMBER_MAX, .term = 1,
         .prev_term = 1},
        {.kind = WAL_ENTRY, .index = 2, .term = WAL_NUMBER_MAX,
         .prev_term = 1},
        {.kind = WAL_ENTRY, .index = 1, .term = 1, .flags = 2},
        {.kind = WAL_VOTE, .flags = WAL_RECORD_REWRITTEN},
        {.kind = WAL_VOTE, .data = {(const uint8_t *)"x", 1}},
        {.kind = WAL_TRUNCATE, .index = 0},
        {.kind = WAL_TRUNCATE, .index = 2, .prev_term = 1,
         .data = {(const uint8_t *)"x", 1}},
        {.kind = WAL_TRUNCATE, .index = 1, .prev_term = 1},
        {.kind = WAL_TRUNCATE, .index = 2, .prev_term = 0},
        {.kind = WAL_TRUNCATE, .index = 2, .prev_term = WAL_NUMBER_MAX},
        {.kind = WAL_FORGET, .data = {(const uint8_t *)"x", 1}},
        {.kind = WAL_RESET, .data = {(const uint8_t *)"x", 1}},
        {.kind = WAL_RESET, .index = 1,
         .data = {(const uint8_t *)"0123456789abcdef", 16}},
        {.kind = WAL_RESET, .term = 1,
         .data = {(const uint8_t *)"0123456789abcdef", 16}},
        {.kind = WAL_STATE},
        {.kind = WAL_FOOT},
    };
    uint8_t at[64];
    (void)state;

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct wal_record got;
        uint32_t crc;
        wal_record_encode(at, &bad[i], 1, 1, 0);
        if (wal_record_decode(slice_of(at, sizeof at), 1, 1, 0, &got, &crc))
            fail_msg("record %u was believed", i);
    }
}

/* Fewer bytes than a record has: read on, and it would be out of bounds. */
static void a_cut_record_is_refused(void **state)
{
    struct wal_record r = {.kind = WAL_VOTE, .term = 1}, got;
    uint8_t at[WAL_RECORD_BYTES];
    uint32_t crc;
    (void)state;

    wal_record_encode(at, &r, 1, 1, 0);
    for (size_t n = 0; n < sizeof at; n++) {
        assert_int_equal(wal_record_read(slice_of(at, n), &got), 0);
        assert_int_equal(
            wal_record_decode(slice_of(at, n), 1, 1, 0, &got, &crc), 0);
    }
}

/* Each record is good, and one is missing: the header counts them. */
static void a_body_with_another_number_of_records_is_refused(void **state)
{
    struct wal_record r = {.kind = WAL_VOTE, .term = 1};
    uint8_t at[WAL_BLOCK] = {0};
    struct wal_header h = a_header();
    uint32_t crc;
    (void)state;

    h.groups = 0;
    h.body = WAL_RECORD_BYTES;
    h.records = 1;
    crc = wal_record_encode(at + WAL_HEADER_BYTES, &r, 1, h.segment,
                            h.offset + WAL_HEADER_BYTES);
    h.body_crc = crc32c(0, &crc, sizeof crc);
    assert_true(wal_body_good(&h, at, 1));
    h.records = 2;
    assert_false(wal_body_good(&h, at, 1));
    h.records = 1;
    h.body_crc++;
    assert_false(wal_body_good(&h, at, 1));
}

/* A vote may be any number: replica ids are not bounded by us. */
static void votes_may_be_any_number(void **state)
{
    struct wal_record r = {.kind = WAL_VOTE, .index = UINT64_MAX}, got;
    uint8_t at[WAL_RECORD_BYTES];
    uint32_t crc;
    (void)state;

    wal_record_encode(at, &r, 1, 1, 0);
    assert_int_equal(
        wal_record_decode(slice_of(at, sizeof at), 1, 1, 0, &got, &crc),
        WAL_RECORD_BYTES);
    assert_true(got.index == UINT64_MAX);
}

static void state_and_foot_come_back_as_written(void **state)
{
    struct wal_state s = {1, 2, 3, 4, 5, 6, 7, 8, 9, "install id here", true};
    struct wal_foot f = {10, 20, 11}, foot;
    uint8_t at[WAL_STATE_BYTES];
    struct wal_state got;
    (void)state;

    wal_state_encode(at, &s);
    wal_state_decode(at, &got);
    assert_memory_equal(&s.batch, &got.batch, 9 * sizeof s.batch);
    assert_memory_equal(s.install_id, got.install_id, WAL_INSTALL_ID_BYTES);
    assert_true(got.quarantined);
    s.quarantined = false;
    wal_state_encode(at, &s);
    wal_state_decode(at, &got);
    assert_false(got.quarantined);
    wal_foot_encode(at, &f);
    wal_foot_decode(at, &foot);
    assert_int_equal(foot.first, 10);
    assert_int_equal(foot.last, 20);
    assert_int_equal(foot.count, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_comes_back_as_written),
        cmocka_unit_test(header_with_any_flipped_bit_is_refused),
        cmocka_unit_test(header_of_a_newer_level_is_told_apart),
        cmocka_unit_test(header_with_impossible_numbers_is_refused),
        cmocka_unit_test(record_comes_back_as_written),
        cmocka_unit_test(record_is_good_in_its_own_place_only),
        cmocka_unit_test(records_that_say_nonsense_are_refused),
        cmocka_unit_test(a_cut_record_is_refused),
        cmocka_unit_test(a_body_with_another_number_of_records_is_refused),
        cmocka_unit_test(votes_may_be_any_number),
        cmocka_unit_test(state_and_foot_come_back_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
