/* test_map.c - checking, looking up and changing a cluster map. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto/map_sample.h"

/* Broken: a reader of the old map would see the new one's changes. */
static void a_copy_is_independent(void **state)
{
    struct cluster_map *m = sample_map(3, 4, 3), *c = map_copy(m);

    (void)state;
    c->nodes[0].id = 99;
    c->groups[1].replicas[0].id = 77;
    c->keyspaces[0].id = 5;
    c->owner[0] = 4000;
    assert_int_equal(m->nodes[0].id, 1);
    assert_int_not_equal(m->groups[1].replicas[0].id, 77);
    assert_int_equal(m->keyspaces[0].id, 0);
    assert_int_not_equal(m->owner[0], 4000);
    map_free(c);
    map_free(m);
    map_free(NULL);
}

/* Broken: requests would be routed nowhere, or to the wrong place. */
static void lookups_find_what_is_there_and_nothing_else(void **state)
{
    struct cluster_map *m = sample_map(5, 9, 3);
    struct map_node n3 = sample_node(3);
    const struct map_group *g;

    (void)state;
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(map_node_find(m, i)->id, i);
    assert_null(map_node_find(m, 0));
    assert_null(map_node_find(m, 6));
    for (uint32_t i = 0; i <= 9; i++)
        assert_int_equal(map_group_find(m, i)->id, i);
    assert_null(map_group_find(m, 10));
    assert_int_equal(map_node_of_directory(m, n3.directory)->id, 3);
    n3.directory[5]++;
    assert_null(map_node_of_directory(m, n3.directory));
    assert_int_equal(
        map_node_at_client_address(m, slice_str("host4:7410"))->id, 4);
    assert_null(map_node_at_client_address(m, slice_str("host4:741")));
    g = map_group_find(m, 1);
    assert_ptr_equal(map_replica_on(g, g->replicas[1].node), &g->replicas[1]);
    assert_null(map_replica_on(g, 99));
    assert_ptr_equal(map_replica_find(g, g->replicas[2].id), &g->replicas[2]);
    assert_null(map_replica_find(g, 9999));
    assert_int_equal(map_keyspace_named(m, slice_str(""))->id, 0);
    assert_int_equal(map_keyspace_named(m, slice_str("default"))->id, 0);
    assert_null(map_keyspace_named(m, slice_str("defaul")));
    map_free(m);
}

/* Broken: shares shown to operators would not add up. */
static void slots_of_all_groups_add_up(void **state)
{
    struct cluster_map *m = sample_map(3, 5, 3);
    unsigned sum = 0;

    (void)state;
    assert_int_equal(map_slots_of(m, 0), 0);
    for (uint32_t g = 1; g <= 5; g++)
        sum += map_slots_of(m, g);
    assert_int_equal(sum, SLOT_COUNT);
    map_free(m);
}

/* Each breaks one invariant; numbered so that a failure says which. */
static void damage(struct cluster_map *m, unsigned what)
{
    switch (what) {
    case 0: m->epoch = 0; break;
    case 1: memset(m->cluster, 0, ID_BYTES); break;
    case 2: m->nodes[1].id = m->nodes[0].id; break;
    case 3: m->nodes[0].id = 0; break;
    case 4: m->nodes[2].client_address[0] = 0; break;
    case 5: m->nodes[2].peer_address[0] = 0; break;
    case 6: m->nodes[1] = m->nodes[0]; m->nodes[1].id = 2; break;
    case 7: strcpy(m->nodes[1].peer_address, m->nodes[0].peer_address); break;
    case 8: m->groups[0].id = 1; break;
    case 9: m->groups[2].id = m->groups[1].id; break;
    case 10: m->groups[1].n_replicas = 0; break;
    case 11: m->groups[1].n_replicas = REPLICA_COUNT_MAX + 1; break;
    case 12: m->groups[1].weight = 0; break;
    case 13: m->groups[1].weight = 1001; break;
    case 14: m->groups[1].replicas[0].id = m->next_replica; break;
    case 15: m->groups[1].replicas[0].id = 0; break;
    case 16: m->groups[1].replicas[0].node = 9; break;
    case 17:
        m->groups[1].replicas[0].node = m->groups[1].replicas[1].node;
        break;
    case 18:
        m->groups[1].replicas[0].id = m->groups[2].replicas[0].id;
        break;
    case 19: m->groups[1].replicas[0].state = (enum replica_state)7; break;
    case 20: m->owner[SLOT_COUNT - 1] = 0; break;
    case 21: m->owner[100] = 77; break;
    case 22: strcpy(m->keyspaces[0].name, "other"); break;
    case 23: m->keyspaces[0].id = 1; break;
    case 24: m->n_keyspaces = 0; break;
    case 25: m->n_groups = 1; break;
    case 26: m->n_nodes = 0; break;
    }
}

/* Broken: a damaged or hostile map would be believed. */
static void every_broken_invariant_is_seen(void **state)
{
    (void)state;
    for (unsigned what = 0; what <= 26; what++) {
        struct cluster_map *m = sample_map(3, 4, 3);
        const char *why = NULL;
        damage(m, what);
        if (map_check(m, &why) != STATUS_INVALID || !why)
            fail_msg("damage %u was not seen", what);
        map_free(m);
    }
}

/* Broken: two keyspaces would share a name or an id. */
static void keyspaces_are_unique(void **state)
{
    struct cluster_map *m = sample_map(1, 1, 1);

    (void)state;
    m->keyspaces = xrealloc(m->keyspaces, 2 * sizeof *m->keyspaces);
    m->n_keyspaces = 2;
    m->next_keyspace = 5;
    m->keyspaces[1] = (struct map_keyspace){4, "sessions"};
    assert_int_equal(map_check(m, NULL), STATUS_OK);
    assert_int_equal(map_keyspace_named(m, slice_str("sessions"))->id, 4);
    m->keyspaces[1] = (struct map_keyspace){0, "sessions"};
    assert_int_equal(map_check(m, NULL), STATUS_INVALID);
    m->keyspaces[1] = (struct map_keyspace){4, "default"};
    assert_int_equal(map_check(m, NULL), STATUS_INVALID);
    m->keyspaces[1] = (struct map_keyspace){4, "a b"};
    assert_int_equal(map_check(m, NULL), STATUS_INVALID);
    m->keyspaces[1] = (struct map_keyspace){4, ""};
    assert_int_equal(map_check(m, NULL), STATUS_INVALID);
    map_free(m);
}

/* Broken: repeating cluster init would make a new epoch each time. */
static void activating_counts_once(void **state)
{
    struct cluster_map *m = sample_map(3, 4, 3);

    (void)state;
    map_activate(m);
    assert_int_equal(m->epoch, 2);
    for (unsigned g = 0; g < m->n_groups; g++)
        for (unsigned k = 0; k < m->groups[g].n_replicas; k++)
            assert_int_equal(m->groups[g].replicas[k].state, REPLICA_ACTIVE);
    map_activate(m);
    assert_int_equal(m->epoch, 2);
    map_free(m);
}

/* Broken: a renumbered host would be lost, or a stranger could take over. */
static void a_node_changes_its_addresses_only_with_its_directory(void **state)
{
    struct cluster_map *m = sample_map(3, 4, 3);
    struct map_node n = sample_node(2);

    (void)state;
    assert_int_equal(map_node_update(m, &n), STATUS_OK);
    assert_int_equal(m->epoch, 1); /* nothing changed */
    strcpy(n.client_address, "new:1");
    assert_int_equal(map_node_update(m, &n), STATUS_OK);
    assert_int_equal(m->epoch, 2);
    assert_string_equal(map_node_find(m, 2)->client_address, "new:1");
    strcpy(n.peer_address, "host1:7411");
    assert_int_equal(map_node_update(m, &n), STATUS_INVALID);
    n.peer_address[0] = 0;
    assert_int_equal(map_node_update(m, &n), STATUS_INVALID);
    strcpy(n.peer_address, "new:2");
    n.directory[0]++;
    assert_int_equal(map_node_update(m, &n), STATUS_WRONG_NODE);
    n.id = 9;
    assert_int_equal(map_node_update(m, &n), STATUS_NOT_FOUND);
    assert_int_equal(m->epoch, 2);
    assert_int_equal(map_check(m, NULL), STATUS_OK);
    map_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_independent),
        cmocka_unit_test(lookups_find_what_is_there_and_nothing_else),
        cmocka_unit_test(slots_of_all_groups_add_up),
        cmocka_unit_test(every_broken_invariant_is_seen),
        cmocka_unit_test(keyspaces_are_unique),
        cmocka_unit_test(activating_counts_once),
        cmocka_unit_test(a_node_changes_its_addresses_only_with_its_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
