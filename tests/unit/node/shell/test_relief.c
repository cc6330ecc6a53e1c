/* test_relief.c - the log kept short, and its finished segments checked. */
#include "tests/unit/node/shell/bare.h"

#include <stdio.h>
#include <stdlib.h>

enum { BIG = 60000 };

static int setup(void **state)
{
    struct map_node node = {.id = 1, .client_address = "127.0.0.1:1",
                            .peer_address = "127.0.0.1:2", .directory = {1}};
    struct map_plan plan = {.nodes = &node, .n_nodes = 1, .data_groups = 1,
                            .cluster = {1}};
    struct store_env_options env = {.cache_bytes = 1 << 20};
    struct cluster_map *map;
    struct bare *b = bare_setup(state);

    assert_int_equal(map_initial(&plan, &map, NULL), STATUS_OK);
    assert_int_equal(datadir_save_map(&b->n.dir, map), STATUS_OK);
    map_free(map);
    b->n.env = store_env_new(&env);
    b->n.loops[0].stores = stores_new(&b->n.loops[0]);
    bare_must_open_log(b);
    return 0;
}

static int teardown(void **state)
{
    struct bare *b = *state;

    relief_stop(&b->n);
    stores_close(&b->n.loops[0]);
    store_env_free(b->n.env);
    return bare_teardown(state);
}

/* Fill several segments with one group's entries. */
static void fill(struct bare *b, uint32_t group, unsigned count)
{
    char *text = xcalloc(1, BIG + 1);

    memset(text, 'x', BIG);
    for (unsigned i = 0; i < count; i++) {
        bare_append(b, group, text);
        bare_settle(b);
    }
    free(text);
}

/* One round of scrubbing over all that is complete. */
static void wait_workers(struct bare *b)
{
    while (b->n.loops[0].uv->active_reqs.count)
        uv_run(b->n.loops[0].uv, UV_RUN_ONCE);
}

static void scrub_all(struct bare *b)
{
    struct wal_segment_info s;
    uint64_t after = 0;

    b->n.loops[0].ticks = 0; /* a tick on which it is time */
    while (wal_segment_next(b->n.journal.wal, after, &s)) {
        after = s.segment;
        relief_tick(&b->n);
        wait_workers(b);
    }
}

/* Would break: every node would complain about its disk. */
static void whole_segments_are_found_whole(void **state)
{
    struct bare *b = *state;

    bare_reset(b, 1, 1);
    fill(b, 1, 12);
    assert_null(relief_damage(&b->n));
    scrub_all(b);
    assert_null(relief_damage(&b->n));
}

/* Would break: damage that nobody reads would be found when a follower, or the
 * next start, needs what was there: too late to write it again. */
static void damage_in_a_finished_segment_is_told(void **state)
{
    struct bare *b = *state;
    struct wal_segment_info s;
    char name[32];

    bare_reset(b, 1, 1);
    fill(b, 1, 12);
    assert_true(wal_segment_next(b->n.journal.wal, 0, &s));
    assert_true(wal_segment_next(b->n.journal.wal, s.segment, &s));
    file_flip(bare_segment(b, s.segment), 20000);
    scrub_all(b);
    assert_non_null(relief_damage(&b->n));
    snprintf(name, sizeof name, "%016lx", (unsigned long)s.segment);
    must_say(relief_damage(&b->n), name);
    must_say(relief_damage(&b->n), "check the disk");
}

/* Would break: one entry of a group that is seldom written would keep all the
 * younger segments of all the others. Written again, it frees the oldest, and
 * is the same entry. */
static void rewritten_entries_free_the_oldest_segment(void **state)
{
    struct bare *b = *state;
    struct wal *w = b->n.journal.wal;
    const struct bare_group *g;
    uint64_t before;

    bare_reset(b, 1, 1);
    bare_reset(b, 2, 1);
    bare_append(b, 1, "seldom");
    fill(b, 2, 60);
    wal_release(w, 2, wal_last(w, 2));
    bare_settle(b);
    before = wal_bytes(w);
    relief_rewrite(&b->n, 1);
    relief_rewrite(&b->n, 1); /* once is enough */
    wait_workers(b);
    assert_true(wal_pending_bytes(w) > 0);
    bare_settle(b);
    fill(b, 2, 1); /* the effects that remove files come with the next write */
    assert_int_equal(disk_settle(&b->n, true), STATUS_OK);
    assert_true(wal_bytes(w) < before / 2);
    bare_close_log(b);
    bare_must_open_log(b);
    g = bare_group(b, 1);
    assert_non_null(g);
    assert_false(g->g.quarantined);
    assert_int_equal(g->g.first, 2);
    assert_int_equal(g->g.last, 2);
    assert_true(slice_equal(buf_slice(&g->text), slice_str("seldom")));
}

/* Would break: nothing to write again, or a group that is not there. */
static void rewriting_nothing_is_harmless(void **state)
{
    struct bare *b = *state;

    bare_reset(b, 1, 1);
    bare_settle(b);
    relief_rewrite(&b->n, 1);
    relief_rewrite(&b->n, 77);
    wait_workers(b);
    assert_int_equal(wal_pending_bytes(b->n.journal.wal), 0);
    assert_null(relief_damage(&b->n));
    relief_stop(&b->n);
    relief_stop(&b->n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(whole_segments_are_found_whole),
        T(damage_in_a_finished_segment_is_told),
        T(rewritten_entries_free_the_oldest_segment),
        T(rewriting_nothing_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
