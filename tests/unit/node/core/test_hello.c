/* test_hello.c - the handshake between nodes: each refusal. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/hello.h"
#include "tests/unit/proto/map_sample.h"

static struct hello hello_of(const struct cluster_map *map, uint32_t node,
                             uint32_t to)
{
    struct hello h = {.level = HELLO_LEVEL, .channel = CHANNEL_BULK,
                      .node = node, .to = to, .boot_count = 5,
                      .map_epoch = 3, .shards = 4};

    memcpy(h.cluster, map->cluster, ID_BYTES);
    memcpy(h.directory, map_node_find(map, node)->directory, ID_BYTES);
    return h;
}

static void what_is_said_is_heard(void **state)
{
    struct cluster_map *map = sample_map(3, 1, 3);
    struct hello h = hello_of(map, 2, 1), got;
    struct buf b = {0};

    (void)state;
    h.status = STATUS_WRONG_NODE;
    h.detail = slice_str("why not");
    hello_encode(&h, &b);
    assert_int_equal(hello_decode(buf_slice(&b), &got), STATUS_OK);
    assert_int_equal(got.node, 2);
    assert_int_equal(got.to, 1);
    assert_int_equal(got.channel, CHANNEL_BULK);
    assert_int_equal(got.status, STATUS_WRONG_NODE);
    assert_int_equal(got.boot_count, 5);
    assert_int_equal(got.map_epoch, 3);
    assert_int_equal(got.shards, 4);
    assert_memory_equal(got.cluster, h.cluster, ID_BYTES);
    assert_memory_equal(got.directory, h.directory, ID_BYTES);
    assert_slice(got.detail, "why not");
    buf_release(&b);
    map_free(map);
}

/* Whoever connects can send anything: nothing is read behind the end. */
static void every_truncated_hello_is_refused(void **state)
{
    struct cluster_map *map = sample_map(3, 1, 3);
    struct hello h = hello_of(map, 2, 1), got;
    struct buf b = {0};

    (void)state;
    h.detail = slice_str("text");
    hello_encode(&h, &b);
    for (size_t size = 0; size < b.size; size++) {
        struct slice part = exact_copy(buf_slice(&b), size);
        assert_int_equal(hello_decode(part, &got), STATUS_BAD_MESSAGE);
        exact_free(part);
    }
    buf_release(&b);
    map_free(map);
}

static void other_levels_channels_and_statuses_are_told(void **state)
{
    struct cluster_map *map = sample_map(3, 1, 3);
    struct hello h = hello_of(map, 2, 1), got;
    struct buf b = {0};

    (void)state;
    hello_encode(&h, &b);
    put_u16(b.data, HELLO_LEVEL + 1);
    assert_int_equal(hello_decode(buf_slice(&b), &got), STATUS_WRONG_VERSION);
    put_u16(b.data, HELLO_LEVEL);
    b.data[2] = CHANNEL_BULK + 1;
    assert_int_equal(hello_decode(buf_slice(&b), &got), STATUS_BAD_MESSAGE);
    b.data[2] = CHANNEL_CONTROL;
    put_u16(b.data + 64, 0); /* no shards at all */
    assert_int_equal(hello_decode(buf_slice(&b), &got), STATUS_BAD_MESSAGE);
    put_u16(b.data + 64, 4);
    put_u32(b.data + 12, 60000); /* a status of a later version */
    assert_int_equal(hello_decode(buf_slice(&b), &got), STATUS_OK);
    assert_int_equal(got.status, STATUS_INTERNAL);
    buf_release(&b);
    map_free(map);
}

struct checking {
    struct cluster_map *map;
    struct boots boots;
    const char *why;
};

static void check(struct checking *c, const struct hello *h,
                  const struct cluster_map *map, enum status want)
{
    c->why = NULL;
    assert_int_equal(hello_check(h, map, 1, &c->boots, &c->why), want);
    assert_non_null(c->why);
    assert_true((want == STATUS_OK) == !c->why[0]);
}

/* Each of these strangers could vote with a log it does not have. */
static void strangers_are_refused(void **state)
{
    struct checking c = {.map = sample_map(3, 1, 3)};
    struct hello good = hello_of(c.map, 2, 1), h;

    (void)state;
    check(&c, &good, c.map, STATUS_OK);
    check(&c, &good, NULL, STATUS_NOT_INITIALISED);
    h = good;
    h.cluster[3] ^= 1;
    check(&c, &h, c.map, STATUS_WRONG_CLUSTER);
    h = good;
    h.to = 3; /* a wrong address */
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    h = good;
    h.node = 9; /* not in the map */
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    h = hello_of(c.map, 1, 1); /* ourselves */
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    h = good;
    h.directory[0] ^= 1; /* wiped, or another machine */
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    check(&c, &good, c.map, STATUS_OK);
    boots_release(&c.boots);
    map_free(c.map);
}

/* A directory restored from a backup has forgotten votes. */
static void a_boot_counter_that_goes_back_is_refused(void **state)
{
    struct checking c = {.map = sample_map(5, 1, 3)};
    struct hello h = hello_of(c.map, 2, 1), other = hello_of(c.map, 3, 1);

    (void)state;
    check(&c, &h, c.map, STATUS_OK);
    check(&c, &h, c.map, STATUS_OK); /* the second channel */
    h.boot_count = 7;
    check(&c, &h, c.map, STATUS_OK);
    h.boot_count = 6;
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    other.boot_count = 1; /* each node has its own counter */
    check(&c, &other, c.map, STATUS_OK);
    boots_release(&c.boots);
    map_free(c.map);
}

/* A refused stranger must not move the counter of the node it claims to be. */
static void a_refused_hello_leaves_no_trace(void **state)
{
    struct checking c = {.map = sample_map(3, 1, 3)};
    struct hello good = hello_of(c.map, 2, 1), h = good;

    (void)state;
    h.directory[0] ^= 1;
    h.boot_count = 1000;
    check(&c, &h, c.map, STATUS_WRONG_NODE);
    check(&c, &good, c.map, STATUS_OK);
    boots_release(&c.boots);
    map_free(c.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_heard),
        cmocka_unit_test(every_truncated_hello_is_refused),
        cmocka_unit_test(other_levels_channels_and_statuses_are_told),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(a_boot_counter_that_goes_back_is_refused),
        cmocka_unit_test(a_refused_hello_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
