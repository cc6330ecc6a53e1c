/* test_machine.c - entries become the same writes everywhere. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/machine.h"
#include "proto/base/rng.h"
#include "proto/slot.h"
#include "tests/sim/mem_store.h"
#include "tests/unit/proto/map_sample.h"

enum { GROUPS = 3 };

/* A machine with its store. */
struct replica {
    struct machine m;
    struct machine_step step;
    struct mem_table store;
};

static void replica_new(struct replica *r, uint32_t group,
                        const struct cluster_map *map, uint64_t seed)
{
    struct write_set set = {0};

    *r = (struct replica){0};
    machine_init(&r->m, group);
    machine_step_init(&r->step, seed);
    machine_create(&r->m, map, &set);
    mem_table_apply(&r->store, &set);
    write_set_release(&set);
}

static void replica_free(struct replica *r)
{
    machine_release(&r->m);
    machine_step_release(&r->step);
    mem_table_release(&r->store);
}

/* ---- entries ---- */

struct entry {
    struct entry_writer writer;
    struct buf bytes;
};

static void entry_release(struct entry *e)
{
    entry_writer_release(&e->writer);
    buf_release(&e->bytes);
}

static void add(struct entry *e, enum op op, const char *key,
                struct slice value)
{
    struct command c = {
        .slot = slot_of(slice_str(key)),
        .operation = {.op = op, .key = slice_str(key), .value = value}};

    entry_writer_add(&e->writer, &c);
}

static struct slice finish(struct entry *e, uint64_t clock_ms)
{
    size_t size = entry_writer_size(&e->writer);

    buf_clear(&e->bytes);
    entry_writer_write(&e->writer, clock_ms, buf_grow(&e->bytes, size));
    entry_writer_clear(&e->writer);
    return buf_slice(&e->bytes);
}

/* Apply entries index .. as one step, as apply.c does. */
static void apply(struct replica *r, uint64_t index,
                  const struct slice *entries, unsigned n,
                  struct result *results, unsigned n_results)
{
    struct fetched got[64] = {0};
    const struct slice *keys;
    uint64_t clock_ms;
    bool whole;

    machine_step_begin(&r->step, &r->m, 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(machine_needs(&r->m, &r->step, index + i,
                                       entries[i]),
                         STATUS_OK);
    keys = view_keys(&r->step.view);
    assert_true(r->step.view.asked <= ARRAY_LEN(got));
    for (unsigned i = 0; i < r->step.view.asked; i++) {
        const struct mem_row *row = mem_table_get(&r->store, keys[i]);
        if (!row)
            continue;
        got[i].present = true;
        got[i].record = mem_row_value(row);
        got[i].size = got[i].record.size;
    }
    assert_int_equal(machine_fetched(&r->step, got, &whole), STATUS_OK);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(machine_apply(&r->m, &r->step, index + i,
                                       entries[i], results, n_results,
                                       &clock_ms),
                         STATUS_OK);
    mem_table_apply(&r->store, &r->step.set);
}

static const char *owned_key(const struct cluster_map *map, uint32_t group,
                             unsigned nth, char *text, size_t size)
{
    for (unsigned i = 0;; i++) {
        snprintf(text, size, "key %u", i);
        if (map->owner[slot_of(slice_str(text))] == group && nth-- == 0)
            return text;
    }
}

static bool has(const struct replica *r, const char *key, const char *value,
                uint64_t version)
{
    struct buf k = {0};
    const struct mem_row *row;
    struct layout_value v;
    bool ok;

    layout_data_key_append(&k, 0, slice_str(key));
    row = mem_table_get(&r->store, buf_slice(&k));
    ok = row && layout_value_parse(mem_row_value(row), &v) == STATUS_OK &&
         slice_equal(v.bytes, slice_str(value)) && v.version == version;
    buf_release(&k);
    return ok;
}

/* ---- tests ---- */

static void a_set_is_stored_under_its_version(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica r;
    struct entry e = {0};
    struct slice bytes;
    struct result results[2];
    char key[16];

    (void)state;
    replica_new(&r, 1, map, 1);
    owned_key(map, 1, 0, key, sizeof key);
    add(&e, OP_SET, key, slice_str("one"));
    add(&e, OP_SET, key, slice_str("two"));
    bytes = finish(&e, 9);
    apply(&r, 5, &bytes, 1, results, 2);
    assert_int_equal(results[0].status, STATUS_OK);
    assert_int_equal(results[0].version, 5 << 10);
    assert_int_equal(results[1].version, 5 << 10 | 1);
    assert_true(has(&r, key, "two", 5 << 10 | 1));
    /* A plain set reads nothing. */
    assert_true(view_empty(&r.step.view));
    entry_release(&e);
    replica_free(&r);
    map_free(map);
}

/* Two owners of one key would be two truths. */
static void a_slot_of_another_group_is_refused(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica r;
    struct entry e = {0};
    struct slice bytes;
    struct result results[2];
    uint64_t before;
    char key[16];

    (void)state;
    replica_new(&r, 1, map, 1);
    before = r.store.digest;
    owned_key(map, 2, 0, key, sizeof key);
    add(&e, OP_SET, key, slice_str("v"));
    add(&e, OP_DELETE, key, slice_str(""));
    bytes = finish(&e, 9);
    apply(&r, 5, &bytes, 1, results, 2);
    assert_int_equal(results[0].status, STATUS_MOVED);
    assert_int_equal(results[1].status, STATUS_MOVED);
    assert_int_equal(write_set_count(&r.step.set), 0);
    assert_int_equal(r.store.digest, before);
    entry_release(&e);
    replica_free(&r);
    map_free(map);
}

/* All in one step: the store knows nothing of it yet. */
static void deletes_see_what_was_done_before_in_the_step(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica r;
    struct entry first = {0}, second = {0};
    struct slice entries[2];
    struct result results[6];
    char old[16], new[16], never[16];

    (void)state;
    replica_new(&r, 1, map, 1);
    owned_key(map, 1, 0, old, sizeof old);
    owned_key(map, 1, 1, new, sizeof new);
    owned_key(map, 1, 2, never, sizeof never);
    add(&first, OP_SET, old, slice_str("v"));
    entries[0] = finish(&first, 1);
    apply(&r, 2, entries, 1, results, 6);

    add(&first, OP_SET, new, slice_str("v"));
    add(&first, OP_DELETE, old, slice_str(""));
    entries[0] = finish(&first, 2);
    add(&second, OP_DELETE, new, slice_str(""));   /* written above */
    add(&second, OP_DELETE, old, slice_str(""));   /* deleted above */
    add(&second, OP_DELETE, never, slice_str("")); /* never there */
    add(&second, OP_SET, old, slice_str("again"));
    add(&second, OP_DELETE, old, slice_str(""));
    add(&second, OP_DELETE, old, slice_str(""));
    entries[1] = finish(&second, 3);
    apply(&r, 3, entries, 2, results, 6); /* those of the second stay */
    assert_int_equal(results[0].status, STATUS_OK);
    assert_int_equal(results[1].status, STATUS_NOT_FOUND);
    assert_int_equal(results[2].status, STATUS_NOT_FOUND);
    assert_int_equal(results[3].status, STATUS_OK);
    assert_int_equal(results[4].status, STATUS_OK);
    assert_int_equal(results[5].status, STATUS_NOT_FOUND);
    assert_int_equal(results[4].version, 4 << 10 | 4);
    assert_false(has(&r, new, "v", 3 << 10));
    assert_false(has(&r, old, "again", 4 << 10 | 3));
    entry_release(&first);
    entry_release(&second);
    replica_free(&r);
    map_free(map);
}

static enum status needs(struct replica *r, enum op op, const char *key,
                         uint8_t level)
{
    struct entry e = {0};
    struct machine_step step;
    enum status st;
    char good[16] = "good key";

    machine_step_init(&step, 1);
    add(&e, r->m.group ? OP_SET : OP_NODE_UPDATE, good, slice_str("v"));
    add(&e, op, key, op == OP_DELETE ? slice_str("") : slice_str("v"));
    finish(&e, 1);
    e.bytes.data[0] = level;
    st = machine_needs(&r->m, &step, 2, buf_slice(&e.bytes));
    assert_int_equal(write_set_count(&step.set), 0);
    machine_step_release(&step);
    entry_release(&e);
    return st;
}

/* A replica that skipped what it does not know would differ from then on: it
 * stops instead, before anything of the entry is written. */
static void unknown_commands_and_levels_are_refused_whole(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica data, meta;
    struct machine_step step;
    struct entry e = {0};

    (void)state;
    replica_new(&data, 1, map, 1);
    replica_new(&meta, 0, map, 1);
    assert_int_equal(needs(&data, OP_SET, "k", COMMAND_LEVEL), STATUS_OK);
    assert_int_equal(needs(&data, OP_SET, "k", COMMAND_LEVEL + 1),
                     STATUS_WRONG_VERSION);
    assert_int_equal(needs(&data, (enum op)99, "k", COMMAND_LEVEL),
                     STATUS_WRONG_VERSION);
    assert_int_equal(needs(&data, OP_GET, "k", COMMAND_LEVEL),
                     STATUS_WRONG_VERSION);
    assert_int_equal(needs(&data, OP_SET, "", COMMAND_LEVEL),
                     STATUS_CORRUPT);
    assert_int_equal(needs(&data, OP_NODE_UPDATE, "", COMMAND_LEVEL),
                     STATUS_WRONG_VERSION);
    assert_int_equal(needs(&meta, OP_NODE_UPDATE, "", COMMAND_LEVEL),
                     STATUS_OK);
    assert_int_equal(needs(&meta, OP_SET, "k", COMMAND_LEVEL),
                     STATUS_WRONG_VERSION);
    machine_step_init(&step, 1);
    add(&e, OP_SET, "k", slice_str("v"));
    finish(&e, 1);
    e.bytes.size--;
    assert_int_equal(machine_needs(&data.m, &step, 2, buf_slice(&e.bytes)),
                     STATUS_CORRUPT);
    machine_step_release(&step);
    entry_release(&e);
    replica_free(&data);
    replica_free(&meta);
    map_free(map);
}

/* One replica applies entry by entry, the other several at once, with other
 * hash seeds: the same writes in the end, and versions that only grow. */
static void two_replicas_fed_the_same_are_the_same(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica a, b;
    struct rng rng;
    uint64_t index = 2, version = 0;

    (void)state;
    replica_new(&a, 1, map, 11);
    replica_new(&b, 1, map, 22);
    assert_int_equal(a.store.digest, b.store.digest);
    rng_init(&rng, 5);
    for (unsigned round = 0; round < 200; round++) {
        struct entry e[4] = {0};
        struct slice entries[4];
        struct result ra[8], rb[8];
        unsigned n = 1 + (unsigned)rng_below(&rng, 4);
        for (unsigned i = 0; i < n; i++) {
            for (unsigned k = 0; k < 5; k++) {
                char key[16], value[16];
                snprintf(key, sizeof key, "key %u",
                         (unsigned)rng_below(&rng, 30));
                snprintf(value, sizeof value, "%u", round * 100 + k);
                if (rng_below(&rng, 2))
                    add(&e[i], OP_SET, key, slice_str(value));
                else
                    add(&e[i], OP_DELETE, key, slice_str(""));
            }
            entries[i] = finish(&e[i], round);
        }
        apply(&b, index, entries, n, rb, 8);
        for (unsigned i = 0; i < n; i++, index++) {
            apply(&a, index, &entries[i], 1, ra, 8);
            for (unsigned k = 0; k < 5; k++) {
                if (ra[k].status == STATUS_MOVED)
                    continue;
                assert_true(ra[k].version > version);
                version = ra[k].version;
            }
        }
        for (unsigned k = 0; k < 5; k++) { /* of the last entry */
            assert_int_equal(ra[k].status, rb[k].status);
            assert_int_equal(ra[k].version, rb[k].version);
        }
        assert_int_equal(a.store.digest, b.store.digest);
        for (unsigned i = 0; i < n; i++)
            entry_release(&e[i]);
    }
    replica_free(&a);
    replica_free(&b);
    map_free(map);
}

static enum status update(struct replica *r, uint64_t index,
                          const struct map_node *node)
{
    struct entry e = {0};
    struct buf value = {0};
    struct result result;
    struct slice bytes;

    map_node_encode(node, &value);
    add(&e, OP_NODE_UPDATE, "", buf_slice(&value));
    bytes = finish(&e, 1);
    apply(r, index, &bytes, 1, &result, 1);
    entry_release(&e);
    buf_release(&value);
    return result.status;
}

/* The map is the meta group's state: changed by its log alone, stored with it,
 * published only when it differs. */
static void the_meta_group_keeps_the_map(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3), *stored;
    struct replica r;
    struct map_node node = *map_node_find(map, 2);

    (void)state;
    replica_new(&r, 0, map, 1);
    assert_int_equal(update(&r, 2, &node), STATUS_OK);
    assert_false(r.step.map_changed); /* the same as before */
    assert_int_equal(r.m.map->epoch, map->epoch);
    snprintf(node.peer_address, sizeof node.peer_address, "elsewhere:1");
    assert_int_equal(update(&r, 3, &node), STATUS_OK);
    assert_true(r.step.map_changed);
    assert_int_equal(r.m.map->epoch, map->epoch + 1);
    assert_string_equal(map_node_find(r.m.map, 2)->peer_address,
                        "elsewhere:1");
    assert_int_equal(
        map_decode(mem_table_single(&r.store, LAYOUT_MAP), &stored),
        STATUS_OK);
    assert_int_equal(stored->epoch, map->epoch + 1);
    map_free(stored);

    node.directory[0] ^= 1; /* a stranger */
    assert_int_equal(update(&r, 4, &node), STATUS_WRONG_NODE);
    assert_false(r.step.map_changed);
    node.id = 77;
    assert_int_equal(update(&r, 5, &node), STATUS_NOT_FOUND);
    assert_int_equal(r.m.map->epoch, map->epoch + 1);
    replica_free(&r);
    map_free(map);
}

static void the_state_loads_from_its_records(void **state)
{
    struct cluster_map *map = sample_map(3, GROUPS, 3);
    struct replica r;
    struct machine m;
    struct slice slots, stored;
    struct buf bad = {0};

    (void)state;
    replica_new(&r, 0, map, 1);
    replica_free(&r);
    replica_new(&r, 2, map, 1);
    slots = mem_table_single(&r.store, LAYOUT_SLOTS);
    machine_init(&m, 2);
    assert_int_equal(machine_load(&m, slots, slice_str("")), STATUS_OK);
    for (unsigned s = 0; s < SLOT_COUNT; s++)
        assert_int_equal(machine_owns(&m, (uint16_t)s), map->owner[s] == 2);
    assert_int_equal(machine_load(&m, slice_str(""), slice_str("")),
                     STATUS_CORRUPT);
    buf_append(&bad, slots.data, slots.size);
    bad.size--;
    assert_int_equal(machine_load(&m, buf_slice(&bad), slice_str("")),
                     STATUS_CORRUPT);
    bad.size++;
    bad.data[0]++;
    assert_int_equal(machine_load(&m, buf_slice(&bad), slice_str("")),
                     STATUS_WRONG_VERSION);
    machine_release(&m);
    replica_free(&r);

    replica_new(&r, 0, map, 1);
    stored = mem_table_single(&r.store, LAYOUT_MAP);
    slots = mem_table_single(&r.store, LAYOUT_SLOTS);
    machine_init(&m, 0);
    assert_int_equal(machine_load(&m, slots, stored), STATUS_OK);
    assert_int_equal(m.map->epoch, map->epoch);
    stored.size--;
    assert_int_equal(machine_load(&m, slots, stored), STATUS_CORRUPT);
    machine_release(&m);
    replica_free(&r);
    buf_release(&bad);
    map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_stored_under_its_version),
        cmocka_unit_test(a_slot_of_another_group_is_refused),
        cmocka_unit_test(deletes_see_what_was_done_before_in_the_step),
        cmocka_unit_test(unknown_commands_and_levels_are_refused_whole),
        cmocka_unit_test(two_replicas_fed_the_same_are_the_same),
        cmocka_unit_test(the_meta_group_keeps_the_map),
        cmocka_unit_test(the_state_loads_from_its_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
