/* test_map_codec.c - the cluster map as bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/client.pb-c.h"
#include "tests/unit/proto/map_sample.h"

static struct buf encoded(const struct cluster_map *m)
{
    struct buf b = {0};

    map_encode(m, &b);
    return b;
}

/* Broken: nodes would disagree about the cluster. */
static void a_map_reads_back_and_gives_the_same_bytes(void **state)
{
    static const unsigned sizes[][3] = {{1, 1, 1}, {3, 48, 3}, {9, 1024, 7}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        struct cluster_map *m =
            sample_map(sizes[i][0], sizes[i][1], sizes[i][2]), *out;
        struct buf b, c;
        map_activate(m);
        b = encoded(m);
        assert_int_equal(map_decode(buf_slice(&b), &out), STATUS_OK);
        c = encoded(out);
        assert_true(slice_equal(buf_slice(&b), buf_slice(&c)));
        assert_memory_equal(out->owner, m->owner, sizeof m->owner);
        assert_memory_equal(out->cluster, m->cluster, ID_BYTES);
        assert_true(out->epoch == 2 && out->next_replica == m->next_replica);
        for (unsigned g = 0; g < m->n_groups; g++)
            assert_memory_equal(&out->groups[g], &m->groups[g],
                                sizeof *m->groups);
        for (unsigned n = 0; n < m->n_nodes; n++)
            assert_string_equal(out->nodes[n].client_address,
                                m->nodes[n].client_address);
        buf_release(&b);
        buf_release(&c);
        map_free(m);
        map_free(out);
    }
}

/* Broken: a hostile or damaged map would crash or be believed. */
static void damaged_bytes_give_an_error_or_a_valid_map(void **state)
{
    struct cluster_map *m = sample_map(3, 6, 3), *out;
    struct buf b = encoded(m);
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t *copy = xmalloc(b.size);
        size_t n = i % 2 ? b.size : (size_t)rng_below(&rng, b.size);
        memcpy(copy, b.data, b.size);
        copy[rng_below(&rng, b.size)] = (uint8_t)rng_next(&rng);
        if (map_decode(slice_of(copy, n), &out) == STATUS_OK)
            assert_int_equal(map_check(out, NULL), STATUS_OK);
        else
            assert_null(out);
        map_free(out);
        free(copy);
    }
    buf_release(&b);
    map_free(m);
}

static enum status repacked(const Coat__Wire__ClusterMap *m)
{
    size_t n = coat__wire__cluster_map__get_packed_size(m);
    uint8_t *bytes = xmalloc(n);
    struct cluster_map *out;
    enum status rv;

    coat__wire__cluster_map__pack(m, bytes);
    rv = map_decode(slice_of(bytes, n), &out);
    map_free(out);
    free(bytes);
    return rv;
}

/* Broken: a slot would have no owner, or two. */
static void slots_have_to_be_covered_exactly_once(void **state)
{
    struct cluster_map *m = sample_map(3, 6, 3);
    struct buf b = encoded(m);
    Coat__Wire__ClusterMap *w =
        coat__wire__cluster_map__unpack(NULL, b.size, b.data);
    Coat__Wire__SlotRange *r;

    (void)state;
    assert_non_null(w);
    r = w->slots[1];
    assert_int_equal(repacked(w), STATUS_OK);
    r->first++; /* a gap */
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    r->first -= 2; /* an overlap */
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    r->first++;
    r->last = r->first - 1;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    r->last = UINT32_MAX;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->n_slots--; /* an end that is missing */
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->n_slots++;
    coat__wire__cluster_map__free_unpacked(w, NULL);
    buf_release(&b);
    map_free(m);
}

/* Broken: a longer id or address would overrun its memory. */
static void sizes_inside_are_checked(void **state)
{
    struct cluster_map *m = sample_map(3, 6, 3);
    struct buf b = encoded(m);
    Coat__Wire__ClusterMap *w =
        coat__wire__cluster_map__unpack(NULL, b.size, b.data);
    char *address, text[400];

    (void)state;
    assert_non_null(w);
    address = w->nodes[0]->client_address;
    w->cluster.len--;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->cluster.len++;
    w->nodes[0]->directory.len = 1;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->nodes[0]->directory.len = ID_BYTES;
    w->groups[1]->replicas[0]->directory.len = 1;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->groups[1]->replicas[0]->directory.len = ID_BYTES;
    memset(text, 'a', sizeof text);
    text[ADDRESS_MAX] = 0;
    w->nodes[0]->client_address = text;
    assert_int_equal(repacked(w), STATUS_OK);
    text[ADDRESS_MAX] = 'a';
    text[ADDRESS_MAX + 1] = 0;
    assert_int_equal(repacked(w), STATUS_BAD_MESSAGE);
    w->nodes[0]->client_address = address;
    w->epoch = 0;
    assert_int_equal(repacked(w), STATUS_INVALID);
    coat__wire__cluster_map__free_unpacked(w, NULL);
    buf_release(&b);
    map_free(m);
}

/* Broken: a node's new addresses would not survive the log. */
static void a_node_reads_back(void **state)
{
    struct map_node n = sample_node(7), out;
    struct buf b = {0};

    (void)state;
    map_node_encode(&n, &b);
    assert_int_equal(map_node_decode(buf_slice(&b), &out), STATUS_OK);
    assert_memory_equal(&out, &n, sizeof n);
    assert_int_equal(map_node_decode(slice_of(b.data, b.size - 1), &out),
                     STATUS_BAD_MESSAGE);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_reads_back_and_gives_the_same_bytes),
        cmocka_unit_test(damaged_bytes_give_an_error_or_a_valid_map),
        cmocka_unit_test(slots_have_to_be_covered_exactly_once),
        cmocka_unit_test(sizes_inside_are_checked),
        cmocka_unit_test(a_node_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
