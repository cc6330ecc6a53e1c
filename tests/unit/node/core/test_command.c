/* test_command.c - entries of commands: written, read, refused. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/command.h"
#include "proto/limits.h"

static struct buf entry_of_three(void)
{
    struct buf b = {0};
    struct command set = {OP_SET, 77, 5, slice_str("a key"),
                          slice_str("a value")};
    struct command del = {OP_DELETE, SLOT_COUNT - 1, 0, slice_str("k"),
                          slice_str("")};
    struct command update = {OP_NODE_UPDATE, 0, 0, slice_str(""),
                             slice_str("node")};

    entry_begin(&b);
    command_append(&b, &set);
    command_append(&b, &del);
    command_append(&b, &update);
    entry_end(&b, 3, 123456789);
    return b;
}

static enum status read_all(struct slice entry, unsigned *n)
{
    struct entry_reader r = entry_reader_of(entry);
    struct command c;

    *n = 0;
    while (entry_next(&r, &c))
        ++*n;
    return r.status;
}

static void an_entry_reads_back_as_written(void **state)
{
    struct buf b = entry_of_three();
    struct entry_reader r = entry_reader_of(buf_slice(&b));
    struct command c;

    (void)state;
    assert_int_equal(r.status, STATUS_OK);
    assert_int_equal(r.clock_ms, 123456789);
    assert_true(entry_next(&r, &c));
    assert_int_equal(r.position, 0);
    assert_int_equal(c.op, OP_SET);
    assert_int_equal(c.slot, 77);
    assert_int_equal(c.keyspace, 5);
    assert_slice(c.key, "a key");
    assert_slice(c.value, "a value");
    assert_true(entry_next(&r, &c));
    assert_int_equal(r.position, 1);
    assert_int_equal(c.op, OP_DELETE);
    assert_int_equal(c.slot, SLOT_COUNT - 1);
    assert_slice(c.key, "k");
    assert_slice(c.value, "");
    assert_true(entry_next(&r, &c));
    assert_int_equal(c.op, OP_NODE_UPDATE);
    assert_false(entry_next(&r, &c));
    assert_int_equal(r.status, STATUS_OK);
    buf_release(&b);
}

/* Batches are cut by it: it must be what is really appended. */
static void command_bytes_is_what_is_appended(void **state)
{
    struct command c = {OP_SET, 1, 0, slice_str("key"), slice_str("12345")};
    struct buf b = {0};

    (void)state;
    entry_begin(&b);
    assert_int_equal(b.size, ENTRY_HEADER_BYTES);
    command_append(&b, &c);
    assert_int_equal(b.size - ENTRY_HEADER_BYTES, command_bytes(&c));
    buf_release(&b);
}

/* A replica that skipped half an entry would differ from the others. */
static void every_truncated_entry_is_corrupt(void **state)
{
    struct buf b = entry_of_three();
    unsigned n;

    (void)state;
    for (size_t size = 0; size < b.size; size++) {
        struct slice part = exact_copy(buf_slice(&b), size);
        assert_int_equal(read_all(part, &n), STATUS_CORRUPT);
        assert_true(n < 3);
        exact_free(part);
    }
    buf_u8(&b, 0);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    buf_release(&b);
}

static void an_unknown_level_is_another_version(void **state)
{
    struct buf b = entry_of_three();
    unsigned n;

    (void)state;
    b.data[0] = COMMAND_LEVEL + 1;
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_WRONG_VERSION);
    assert_int_equal(n, 0);
    buf_release(&b);
}

static void sizes_that_contradict_each_other_are_corrupt(void **state)
{
    static const size_t places[] = {0, 12, 16}; /* size, key, value */
    unsigned n;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        struct buf b = entry_of_three();
        b.data[ENTRY_HEADER_BYTES + places[i]]++;
        assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
        buf_release(&b);
    }
}

static void a_slot_beyond_the_table_is_corrupt(void **state)
{
    struct buf b = entry_of_three();
    unsigned n;

    (void)state;
    put_u16(b.data + ENTRY_HEADER_BYTES + 6, SLOT_COUNT);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    assert_int_equal(n, 0);
    buf_release(&b);
}

static void a_count_that_is_too_low_or_high_is_corrupt(void **state)
{
    struct buf b = entry_of_three();
    unsigned n;

    (void)state;
    put_u32(b.data + 4, 2);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    put_u32(b.data + 4, UINT32_MAX);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_reads_back_as_written),
        cmocka_unit_test(command_bytes_is_what_is_appended),
        cmocka_unit_test(every_truncated_entry_is_corrupt),
        cmocka_unit_test(an_unknown_level_is_another_version),
        cmocka_unit_test(sizes_that_contradict_each_other_are_corrupt),
        cmocka_unit_test(a_slot_beyond_the_table_is_corrupt),
        cmocka_unit_test(a_count_that_is_too_low_or_high_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
