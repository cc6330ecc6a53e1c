/* test_command.c - entries of commands: written, read, refused. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/command.h"
#include "proto/limits.h"

static struct session session_of(uint8_t client, uint64_t sequence,
                                 uint64_t acknowledged)
{
    struct session s = {.sequence = sequence, .acknowledged = acknowledged,
                        .not_after = 1000 + sequence};

    memset(s.client, client, sizeof s.client);
    return s;
}

static struct command command_of(enum op op, const char *key,
                                 const char *value)
{
    return (struct command){.slot = 77, .keyspace = 5,
                            .operation = {.op = op, .key = slice_str(key),
                                          .value = slice_str(value)}};
}

static struct buf written(struct entry_writer *w, uint64_t clock)
{
    struct buf b = {0};

    entry_writer_write(w, clock, buf_grow(&b, entry_writer_size(w)));
    return b;
}

/* Three commands, two of them with a session. */
static struct buf entry_of_three(void)
{
    struct entry_writer w = {0};
    struct command set = command_of(OP_SET, "a key", "a value");
    struct command del = command_of(OP_DELETE, "k", "");
    struct command update = command_of(OP_NODE_UPDATE, "", "node");
    struct buf b;

    set.session = session_of(1, 9, 4);
    set.operation.flags = OPERATION_TTL;
    set.operation.expire = 99;
    del.slot = SLOT_COUNT - 1;
    del.session = session_of(2, 3, 0);
    entry_writer_add(&w, &set);
    entry_writer_add(&w, &del);
    entry_writer_add(&w, &update);
    b = written(&w, 123456789);
    entry_writer_release(&w);
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
    struct session s = session_of(1, 9, 4);
    struct command c;

    (void)state;
    assert_int_equal(r.status, STATUS_OK);
    assert_int_equal(r.clock_ms, 123456789);
    assert_true(entry_next(&r, &c));
    assert_int_equal(r.position, 0);
    assert_int_equal(c.operation.op, OP_SET);
    assert_int_equal(c.operation.expire, 99);
    assert_int_equal(c.slot, 77);
    assert_int_equal(c.keyspace, 5);
    assert_slice(c.operation.key, "a key");
    assert_slice(c.operation.value, "a value");
    assert_memory_equal(&c.session, &s, sizeof s);
    assert_true(entry_next(&r, &c));
    assert_int_equal(r.position, 1);
    assert_int_equal(c.operation.op, OP_DELETE);
    assert_int_equal(c.slot, SLOT_COUNT - 1);
    assert_slice(c.operation.key, "k");
    assert_slice(c.operation.value, "");
    assert_int_equal(c.session.client[0], 2);
    assert_true(entry_next(&r, &c));
    assert_int_equal(c.operation.op, OP_NODE_UPDATE);
    assert_int_equal(c.session.sequence, 0);
    assert_false(entry_next(&r, &c));
    assert_int_equal(r.status, STATUS_OK);
    buf_release(&b);
}

/* Exactly once would cost 40 bytes of log for each write. */
static void a_client_is_named_once_in_an_entry(void **state)
{
    struct entry_writer w = {0};
    struct entry_reader r;
    struct command c = command_of(OP_SET, "k", "v"), got;
    struct buf b;
    size_t bare;

    (void)state;
    entry_writer_add(&w, &c);
    bare = entry_writer_size(&w) - ENTRY_HEADER_BYTES;
    entry_writer_clear(&w);
    for (unsigned round = 0; round < 2; round++) { /* the table is reused */
        for (unsigned i = 1; i <= 500; i++) {
            c.session = session_of((uint8_t)(i % 2 ? 7 : i % 100), i, i / 2);
            entry_writer_add(&w, &c);
        }
        assert_int_equal(entry_writer_size(&w),
                         ENTRY_HEADER_BYTES + 500 * (bare + 16) + 51 * 24);
        b = written(&w, 1);
        r = entry_reader_of(buf_slice(&b));
        assert_int_equal(entry_clients(&r), 51);
        for (unsigned i = 1; i <= 500; i++) {
            assert_true(entry_next(&r, &got));
            assert_int_equal(got.session.client[15], i % 2 ? 7 : i % 100);
            assert_int_equal(got.session.sequence, i);
            assert_int_equal(got.session.not_after, 1000 + i);
            if (i % 2) /* the highest that it told in this entry */
                assert_int_equal(got.session.acknowledged, 249);
        }
        buf_release(&b);
        entry_writer_clear(&w);
    }
    entry_writer_release(&w);
}

/* Batches are cut by it: it must be no less than what is appended. */
static void command_bytes_is_what_is_appended(void **state)
{
    struct entry_writer w = {0};
    struct command c = command_of(OP_SET, "key", "12345");

    (void)state;
    entry_writer_add(&w, &c);
    assert_int_equal(entry_writer_size(&w) - ENTRY_HEADER_BYTES,
                     command_bytes(&c));
    entry_writer_clear(&w);
    c.session = session_of(1, 1, 0);
    entry_writer_add(&w, &c);
    assert_int_equal(entry_writer_size(&w) - ENTRY_HEADER_BYTES,
                     command_bytes(&c));
    entry_writer_release(&w);
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

static enum status changed(size_t at, uint8_t byte)
{
    struct buf b = entry_of_three();
    enum status st;
    unsigned n;

    b.data[at] = byte;
    st = read_all(buf_slice(&b), &n);
    buf_release(&b);
    return st;
}

/* "Upgrade this node" is another trouble than "this is damaged". */
static void what_is_unknown_is_another_version(void **state)
{
    const size_t operation = ENTRY_HEADER_BYTES + COMMAND_HEADER_BYTES +
                             COMMAND_SESSION_BYTES;

    (void)state;
    assert_int_equal(changed(0, COMMAND_LEVEL), STATUS_OK);
    assert_int_equal(changed(0, COMMAND_LEVEL + 1), STATUS_WRONG_VERSION);
    assert_int_equal(changed(operation, OP_LAST + 1), STATUS_WRONG_VERSION);
    assert_int_equal(changed(operation, 99), STATUS_WRONG_VERSION);
    assert_int_equal(changed(operation + 7, 0x80), STATUS_WRONG_VERSION);
    assert_int_equal(changed(operation + 1, 1), STATUS_CORRUPT);
}

static void fields_that_contradict_each_other_are_corrupt(void **state)
{
    const size_t command = ENTRY_HEADER_BYTES;
    const size_t operation =
        command + COMMAND_HEADER_BYTES + COMMAND_SESSION_BYTES;

    (void)state;
    assert_int_equal(changed(command, 1), STATUS_CORRUPT);      /* size */
    assert_int_equal(changed(operation + 2, 6), STATUS_CORRUPT); /* key */
    assert_int_equal(changed(operation + 8, 9), STATUS_CORRUPT); /* value */
    assert_int_equal(changed(command + 5, SLOT_COUNT >> 8), STATUS_CORRUPT);
    assert_int_equal(changed(command + 6, 2), STATUS_CORRUPT);  /* client */
    assert_int_equal(changed(command + 12, 0), STATUS_CORRUPT); /* sequence */
    assert_int_equal(changed(2, 1), STATUS_CORRUPT); /* number of clients */
    assert_int_equal(changed(2, 3), STATUS_CORRUPT);
    assert_int_equal(changed(3, 1), STATUS_CORRUPT);
}

static void a_count_that_is_too_low_or_high_is_corrupt(void **state)
{
    struct buf b = entry_of_three();
    unsigned n;

    (void)state;
    put_u32(b.data + 4, 2);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    put_u32(b.data + 4, 4);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    put_u32(b.data + 4, UINT32_MAX);
    assert_int_equal(read_all(buf_slice(&b), &n), STATUS_CORRUPT);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_reads_back_as_written),
        cmocka_unit_test(a_client_is_named_once_in_an_entry),
        cmocka_unit_test(command_bytes_is_what_is_appended),
        cmocka_unit_test(every_truncated_entry_is_corrupt),
        cmocka_unit_test(what_is_unknown_is_another_version),
        cmocka_unit_test(fields_that_contradict_each_other_are_corrupt),
        cmocka_unit_test(a_count_that_is_too_low_or_high_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
