/* test_peer_item.c - items between nodes: round trips, every truncation. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/peer_item.h"
#include "proto/limits.h"

/* The one item in `b`, of this type. */
static struct slice only_item(const struct buf *b, enum item_type want)
{
    struct reader r = reader_of(buf_slice(b));
    enum item_type type;
    struct slice body;

    assert_true(item_next(&r, &type, &body));
    assert_int_equal(type, want);
    assert_false(item_next(&r, &type, &body));
    assert_false(r.failed);
    return body;
}

typedef bool decodes(struct slice body);

/* Peers are not trusted: no part of an item reads behind its end. */
static void refuse_every_truncation(struct slice body, decodes *decode)
{
    struct buf more = {0};

    assert_true(decode(body));
    for (size_t size = 0; size < body.size; size++) {
        struct slice part = exact_copy(body, size);
        assert_false(decode(part));
        exact_free(part);
    }
    buf_append(&more, body.data, body.size);
    buf_u8(&more, 0);
    assert_false(decode(buf_slice(&more)));
    buf_release(&more);
}

static void a_frame_gives_its_items_in_order(void **state)
{
    struct buf b = {0};
    struct reader r;
    enum item_type type;
    struct slice body;

    (void)state;
    for (uint8_t i = 1; i <= 5; i++) {
        size_t begun = item_begin(&b, (enum item_type)i);
        for (uint8_t k = 0; k < i; k++)
            buf_u8(&b, i);
        item_end(&b, begun);
    }
    r = reader_of(buf_slice(&b));
    for (uint8_t i = 1; i <= 5; i++) {
        assert_true(item_next(&r, &type, &body));
        assert_int_equal(type, i);
        assert_int_equal(body.size, i);
        assert_int_equal(body.data[0], i);
    }
    assert_false(item_next(&r, &type, &body));
    assert_false(r.failed);
    buf_release(&b);
}

static void a_cut_frame_says_that_it_is_cut(void **state)
{
    struct buf b = {0};
    size_t first;

    (void)state;
    item_end(&b, item_begin(&b, ITEM_MAP_ASK));
    first = b.size;
    item_end(&b, item_begin(&b, ITEM_MAP_ASK));
    for (size_t size = 1; size < b.size; size++) {
        struct slice part = exact_copy(buf_slice(&b), size);
        struct reader r = reader_of(part);
        enum item_type type;
        struct slice body;
        unsigned n = 0;
        while (item_next(&r, &type, &body))
            n++;
        assert_int_equal(n, size >= first);
        assert_int_equal(r.failed, size != first);
        exact_free(part);
    }
    put_u32(b.data, UINT32_MAX);
    {
        struct reader r = reader_of(buf_slice(&b));
        enum item_type type;
        struct slice body;
        assert_false(item_next(&r, &type, &body));
        assert_true(r.failed);
    }
    buf_release(&b);
}

/* ---- forward ---- */

static bool forward_ok(struct slice body)
{
    struct forward f;

    return forward_decode(body, &f);
}

static struct forward sample_forward(void)
{
    return (struct forward){
        .id = 0x1234567890,
        .remaining_ms = 5000,
        .seen = 12,
        .keyspace = 9,
        .operation = {.op = OP_SET, .flags = OPERATION_TTL, .expire = 77,
                      .key = slice_str("a key"),
                      .value = slice_str("a value")},
        .session = {.client = {1, 2, 3}, .sequence = 8, .acknowledged = 5,
                    .not_after = 1234},
    };
}

static void a_forward_reads_back_as_written(void **state)
{
    struct forward f = sample_forward(), got;
    struct buf b = {0};

    (void)state;
    forward_encode(&b, &f);
    assert_true(forward_decode(only_item(&b, ITEM_FORWARD), &got));
    assert_int_equal(got.id, f.id);
    assert_int_equal(got.operation.op, OP_SET);
    assert_int_equal(got.operation.expire, 77);
    assert_memory_equal(&got.session, &f.session, sizeof f.session);
    assert_int_equal(got.remaining_ms, 5000);
    assert_int_equal(got.seen, 12);
    assert_int_equal(got.keyspace, 9);
    assert_slice(got.operation.key, "a key");
    assert_slice(got.operation.value, "a value");
    refuse_every_truncation(only_item(&b, ITEM_FORWARD), forward_ok);
    buf_clear(&b);
    f.session = (struct session){0};
    forward_encode(&b, &f);
    assert_true(forward_decode(only_item(&b, ITEM_FORWARD), &got));
    assert_int_equal(got.session.sequence, 0);
    buf_release(&b);
}

static void a_forward_of_an_unknown_kind_is_refused(void **state)
{
    struct forward f = sample_forward();
    struct buf b = {0};
    uint8_t *body;

    (void)state;
    forward_encode(&b, &f);
    body = b.data + ITEM_HEADER_BYTES;
    body[24 + SESSION_BYTES] = 0;
    assert_false(forward_ok(only_item(&b, ITEM_FORWARD)));
    body[24 + SESSION_BYTES] = OP_LAST + 1;
    assert_false(forward_ok(only_item(&b, ITEM_FORWARD)));
    body[24 + SESSION_BYTES] = OP_SET;
    assert_true(forward_ok(only_item(&b, ITEM_FORWARD)));
    body[20] = SESSION_BYTES - 1;
    assert_false(forward_ok(only_item(&b, ITEM_FORWARD)));
    buf_release(&b);
}

/* It would be too large for a log entry. */
static void a_forward_with_too_large_a_value_is_refused(void **state)
{
    struct forward f = sample_forward();
    struct buf b = {0};
    uint8_t *value = xcalloc(1, VALUE_BYTES_MAX + 1);

    (void)state;
    f.operation.value = slice_of(value, VALUE_BYTES_MAX);
    forward_encode(&b, &f);
    assert_true(forward_ok(only_item(&b, ITEM_FORWARD)));
    put_u32(b.data + ITEM_HEADER_BYTES + 24 + SESSION_BYTES + 8,
            VALUE_BYTES_MAX + 1);
    buf_u8(&b, 0);
    put_u32(b.data, (uint32_t)b.size - ITEM_HEADER_BYTES);
    assert_false(forward_ok(only_item(&b, ITEM_FORWARD)));
    free(value);
    buf_release(&b);
}

static bool forward_reply_ok(struct slice body)
{
    struct reply r;
    uint64_t id;
    uint32_t refused;

    return forward_reply_decode(body, &id, &refused, &r);
}

static void a_forward_reply_reads_back_as_written(void **state)
{
    struct reply r = {.status = STATUS_NOT_LEADER, .has_value = true,
                      .value = slice_str("v"), .version = 77,
                      .expire_at = 5, .clock = 6, .argument = 7,
                      .hint_group = 3, .hint_node = 4};
    struct reply got;
    struct buf b = {0};
    uint64_t id;
    uint32_t refused;

    (void)state;
    forward_reply_encode(&b, 0xabcdef0123, 456, &r);
    assert_true(forward_reply_decode(only_item(&b, ITEM_FORWARD_REPLY), &id,
                                     &refused, &got));
    assert_int_equal(id, 0xabcdef0123);
    assert_int_equal(refused, 456);
    assert_int_equal(got.status, STATUS_NOT_LEADER);
    assert_int_equal(got.version, 77);
    assert_int_equal(got.hint_group, 3);
    assert_int_equal(got.hint_node, 4);
    assert_true(got.has_value);
    assert_slice(got.value, "v");
    assert_int_equal(got.expire_at, 5);
    assert_int_equal(got.clock, 6);
    assert_int_equal(got.argument, 7);
    refuse_every_truncation(only_item(&b, ITEM_FORWARD_REPLY),
                            forward_reply_ok);
    /* A status of a later version: a write may have been executed. */
    put_u16(b.data + ITEM_HEADER_BYTES + 20, 60000);
    assert_true(forward_reply_decode(only_item(&b, ITEM_FORWARD_REPLY), &id,
                                     &refused, &got));
    assert_int_equal(got.status, STATUS_UNKNOWN);
    buf_release(&b);
}

/* ---- snapshots ---- */

static bool ask_ok(struct slice body)
{
    struct snapshot_ask a;

    return snapshot_ask_decode(body, &a);
}

static void a_snapshot_ask_reads_back_as_written(void **state)
{
    struct snapshot_ask a = {.group = 1, .replica = 2, .index = 3, .ask = 4,
                             .file = SNAPSHOT_MANIFEST, .offset = 6,
                             .size_max = 7};
    struct snapshot_ask got;
    struct buf b = {0};

    (void)state;
    snapshot_ask_encode(&b, &a);
    assert_true(snapshot_ask_decode(only_item(&b, ITEM_SNAPSHOT_ASK), &got));
    assert_int_equal(got.group, 1);
    assert_int_equal(got.replica, 2);
    assert_int_equal(got.index, 3);
    assert_int_equal(got.ask, 4);
    assert_int_equal(got.file, SNAPSHOT_MANIFEST);
    assert_int_equal(got.offset, 6);
    assert_int_equal(got.size_max, 7);
    refuse_every_truncation(only_item(&b, ITEM_SNAPSHOT_ASK), ask_ok);
    buf_release(&b);
}

static bool chunk_ok(struct slice body)
{
    struct snapshot_chunk c;

    return snapshot_chunk_decode(body, &c);
}

static void a_snapshot_chunk_reads_back_as_written(void **state)
{
    struct snapshot_chunk c = {.group = 1, .replica = 2, .index = 3,
                               .ask = 4, .file = 5, .offset = 6,
                               .status = STATUS_NOT_FOUND,
                               .bytes = slice_str("some bytes")};
    struct snapshot_chunk got;
    struct buf b = {0};

    (void)state;
    snapshot_chunk_encode(&b, &c);
    assert_true(
        snapshot_chunk_decode(only_item(&b, ITEM_SNAPSHOT_CHUNK), &got));
    assert_int_equal(got.group, 1);
    assert_int_equal(got.replica, 2);
    assert_int_equal(got.index, 3);
    assert_int_equal(got.ask, 4);
    assert_int_equal(got.file, 5);
    assert_int_equal(got.offset, 6);
    assert_int_equal(got.status, STATUS_NOT_FOUND);
    assert_slice(got.bytes, "some bytes");
    refuse_every_truncation(only_item(&b, ITEM_SNAPSHOT_CHUNK), chunk_ok);
    put_u32(b.data + ITEM_HEADER_BYTES + 40, 60000);
    assert_true(
        snapshot_chunk_decode(only_item(&b, ITEM_SNAPSHOT_CHUNK), &got));
    assert_int_equal(got.status, STATUS_INTERNAL); /* not OK, at any rate */
    buf_release(&b);
}

/* ---- the manifest ---- */

enum { FILES = 3 };

static bool manifest_ok(struct slice bytes)
{
    struct snapshot_file files[FILES];
    struct slice members;
    uint64_t index, term, members_index;
    unsigned n;

    return manifest_decode(bytes, &index, &term, &members_index, &members,
                           files, FILES, &n);
}

static struct buf manifest_named(const char *name)
{
    struct snapshot_file files[FILES] = {{"CURRENT", 16}, {"", 0},
                                         {"000012.sst", 1ull << 40}};
    struct buf b = {0};

    memcpy(files[1].name, name, strlen(name) + 1);
    manifest_encode(&b, 100, 7, 3, slice_str("members"), files, FILES);
    return b;
}

static void a_manifest_reads_back_as_written(void **state)
{
    struct buf b = manifest_named("MANIFEST-000005_x");
    struct snapshot_file files[FILES];
    struct slice members;
    uint64_t index, term, members_index;
    unsigned n;

    (void)state;
    assert_true(manifest_decode(buf_slice(&b), &index, &term, &members_index,
                                &members, files, FILES, &n));
    assert_int_equal(index, 100);
    assert_int_equal(term, 7);
    assert_int_equal(members_index, 3);
    assert_slice(members, "members");
    assert_int_equal(n, FILES);
    assert_string_equal(files[0].name, "CURRENT");
    assert_int_equal(files[0].size, 16);
    assert_string_equal(files[1].name, "MANIFEST-000005_x");
    assert_int_equal(files[2].size, 1ull << 40);
    refuse_every_truncation(buf_slice(&b), manifest_ok);
    assert_false(manifest_decode(buf_slice(&b), &index, &term,
                                 &members_index, &members, files, FILES - 1,
                                 &n)); /* more than there is room for */
    buf_release(&b);
}

/* Names become paths on the receiver. */
static void unsafe_file_names_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", ".hidden", "../CURRENT", "a/b", "/etc", "a\\b",
        "a b", "a\nb", "a\x80", "a:b", "a%b",
    };
    char longest[64];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf b = manifest_named(bad[i]);
        assert_false(manifest_ok(buf_slice(&b)));
        buf_release(&b);
    }
    memset(longest, 'x', 63);
    longest[63] = 0;
    {
        struct buf b = manifest_named(longest);
        assert_true(manifest_ok(buf_slice(&b)));
        buf_release(&b);
    }
}

/* A name with a NUL inside would be another file than was checked, and one of
 * 64 bytes has no room for its own. */
static void names_that_do_not_fit_are_refused(void **state)
{
    struct buf b = manifest_named("abcdef");
    uint8_t *name = memmem(b.data, b.size, "abcdef", 6);

    (void)state;
    assert_true(manifest_ok(buf_slice(&b)));
    name[3] = 0;
    assert_false(manifest_ok(buf_slice(&b)));
    buf_clear(&b);
    for (unsigned i = 0; i < 3; i++)
        buf_u64(&b, 1);
    buf_u32(&b, 0);
    buf_u32(&b, 1);
    buf_u8(&b, 64);
    memset(buf_grow(&b, 64), 'x', 64);
    buf_u64(&b, 1);
    assert_false(manifest_ok(buf_slice(&b)));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_gives_its_items_in_order),
        cmocka_unit_test(a_cut_frame_says_that_it_is_cut),
        cmocka_unit_test(a_forward_reads_back_as_written),
        cmocka_unit_test(a_forward_of_an_unknown_kind_is_refused),
        cmocka_unit_test(a_forward_with_too_large_a_value_is_refused),
        cmocka_unit_test(a_forward_reply_reads_back_as_written),
        cmocka_unit_test(a_snapshot_ask_reads_back_as_written),
        cmocka_unit_test(a_snapshot_chunk_reads_back_as_written),
        cmocka_unit_test(a_manifest_reads_back_as_written),
        cmocka_unit_test(unsafe_file_names_are_refused),
        cmocka_unit_test(names_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
