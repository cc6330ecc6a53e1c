/* test_start.c - replicas started again from what is on disk, and kept out when
 * that cannot be trusted. What cluster init does: test_start_init.c. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/shell/datadir.h"
#include "proto/crc.h"

enum { GROUPS = 6 };

static int setup(void **state)
{
    *state = daemon_new();
    return 0;
}

static int teardown(void **state)
{
    daemon_free(*state);
    return 0;
}

/* A started blank node, and the map it is to get. */
static struct cluster_map *begin(struct daemon *d, struct ask *a)
{
    daemon_start(d);
    ask_open(a, d->port);
    return ask_initial_map(a, 1, GROUPS);
}

/* ---- starting again ---- */

/* A serving node with a key in each group, stopped. */
static void make_and_stop(struct daemon *d)
{
    struct cluster_map *map;
    struct ask a;
    char key[16];

    map = begin(d, &a);
    ask_init_all(&a, map);
    for (unsigned i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "key-%u", i);
        ask_must_set(&a, key, key);
    }
    ask_close(&a);
    map_free(map);
    daemon_stop(d);
}

/* All groups but `broken` serve; a note says why that one does not. */
static void must_serve_without(struct daemon *d, uint32_t broken,
                               const char *role, const char *note)
{
    struct node_status s;
    struct ask a;
    char text[256] = "";
    bool done[64] = {false};
    unsigned served = 0, before, rounds = 0;

    daemon_start(d);
    ask_open(&a, d->port);
    do { /* until one round brings nothing more */
        before = served;
        for (unsigned i = 0; i < 64; i++) {
            char key[16];
            snprintf(key, sizeof key, "key-%u", i);
            if (done[i] || ask_set(&a, key, "again") != STATUS_OK)
                continue;
            done[i] = true;
            served++;
        }
        (void)ask_receive_within(&a, 10); /* nothing comes: a pause */
    } while ((!served || served > before) && ++rounds < 6000);
    assert_true(served > 0 && served < 64);
    s = ask_status(&a);
    assert_int_equal(s.n_replicas, GROUPS + 1);
    for (unsigned i = 0; i < s.n_replicas; i++)
        if (s.replicas[i].group == broken)
            assert_true(slice_equal(s.replicas[i].role, slice_str(role)));
    assert_int_equal(s.n_notes, 1);
    snprintf(text, sizeof text, "%.*s", (int)s.notes[0].size,
             (const char *)s.notes[0].data);
    must_say(text, note);
    ask_close(&a);
    daemon_stop(d);
}

/* Would break: an ACTIVE replica whose data is gone, made anew and empty, would
 * vote as if it had never promised anything. */
static void missing_store_is_lost_and_never_made_again(void **state)
{
    struct daemon *d = *state;

    make_and_stop(d);
    scratch_remove(path_of(d->data, "groups/2"));
    for (unsigned i = 0; i < 2; i++) { /* nor at the second start */
        must_serve_without(d, 2, "lost", "its store is missing");
        assert_false(file_exists(path_of(d->data, "groups/2/CURRENT")));
    }
}

/* Would break: a damaged CURRENT would be taken for a replica that never was;
 * the other replicas would not start. */
static void damaged_current_quarantines_one_replica(void **state)
{
    struct daemon *d = *state;

    make_and_stop(d);
    file_flip(path_of(d->data, "groups/2/CURRENT"), 14);
    must_serve_without(d, 2, "quarantined", "its store cannot be opened");
    file_flip(path_of(d->data, "groups/2/CURRENT"), 14);
    scratch_remove(path_of(d->data, "groups/2/store-0"));
    must_serve_without(d, 2, "quarantined", "its store cannot be opened");
}

/* Would break: a store from an old backup, behind what the log still has,
 * would lose acknowledged writes without a word. Here the whole log is gone:
 * every replica has lost its votes, and none may serve. */
static void missing_log_stops_every_replica(void **state)
{
    struct daemon *d = *state;
    struct node_status s;
    struct ask a;
    char name[64];

    make_and_stop(d);
    for (unsigned i = 0; i < 32; i++) {
        snprintf(name, sizeof name, "wal/%016x.seg", i);
        (void)unlink(path_of(d->data, name));
    }
    daemon_start(d);
    ask_open(&a, d->port);
    s = ask_status(&a);
    assert_int_equal(s.n_replicas, GROUPS + 1);
    for (unsigned i = 0; i < s.n_replicas; i++)
        assert_true(slice_equal(s.replicas[i].role, slice_str("lost")) ||
                    slice_equal(s.replicas[i].role,
                                slice_str("quarantined")));
    assert_int_equal(s.n_notes, GROUPS + 1);
    assert_int_not_equal(ask_set(&a, "key-1", "x"), STATUS_OK);
    ask_close(&a);
    daemon_stop(d);
}

/* Would break: a log put back from an older copy, behind what its stores have
 * applied: the votes and entries since then are gone without a trace in it. */
static void older_log_than_its_stores_stops_every_replica(void **state)
{
    struct daemon *d = *state;
    char kept[64], name[64];
    struct node_status s;
    struct ask a;

    make_and_stop(d);
    assert_int_equal(dir_make(path_of(d->root, "kept")), STATUS_OK);
    for (int back = 0; back < 2; back++) {
        for (unsigned i = 0; i < 16; i++) {
            snprintf(name, sizeof name, "data/wal/%016x.seg", i);
            snprintf(kept, sizeof kept, "kept/%u", i);
            if (back)
                (void)unlink(path_of(d->root, name));
            if (file_exists(path_of(d->root, back ? kept : name)))
                file_copy(path_of(d->root, back ? kept : name),
                          path_of(d->root, back ? name : kept));
        }
        daemon_start(d);
        ask_open(&a, d->port);
        for (unsigned i = 0; !back && i < 64; i++) {
            char key[16];
            snprintf(key, sizeof key, "key-%u", i);
            ask_must_set(&a, key, "newer");
        }
        s = ask_status(&a);
        ask_close(&a);
        daemon_stop(d);
    }
    assert_int_equal(s.n_replicas, GROUPS + 1);
    assert_int_equal(s.n_notes, GROUPS + 1);
    must_say(d->log, "its log does not reach its store");
}

/* Would break: a stop between a snapshot's CURRENT and the log's RESET. The
 * store is the truth then: the group's entries go, its term and vote stay. */
static void switched_store_without_its_reset_is_finished(void **state)
{
    struct daemon *d = *state;
    const char *current;
    struct node_status s;
    struct ask a;
    struct buf b;

    make_and_stop(d);
    current = path_of(d->data, "groups/2/CURRENT");
    file_get(current, &b);
    memset(b.data + 12, 0xab, 16); /* the install id */
    put_u32(b.data + 8,
            crc32c(crc32c(0, b.data, 8), b.data + 12, b.size - 12));
    file_put(current, buf_slice(&b));
    buf_release(&b);
    for (unsigned start = 0; start < 3; start++) {
        char key[16];
        daemon_start(d);
        ask_open(&a, d->port);
        for (unsigned i = 0; i < 64; i++) {
            snprintf(key, sizeof key, "key-%u", i);
            ask_get(&a, key, key);
        }
        s = ask_status(&a);
        assert_int_equal(s.n_notes, 0);
        assert_int_equal(s.replicas[2].group, 2);
        assert_true(s.replicas[2].term > start + 1);
        ask_close(&a);
        if (start == 1)
            daemon_kill(d);
        else
            daemon_stop(d);
    }
}

/* Would break: what a stop in the middle of a snapshot left would fill the
 * disk; the store in use would go with it. */
static void leftover_stores_are_removed_at_start(void **state)
{
    struct daemon *d = *state;
    struct ask a;

    make_and_stop(d);
    assert_int_equal(dir_make(path_of(d->data, "groups/1/store-9")),
                     STATUS_OK);
    assert_int_equal(dir_make(path_of(d->data, "groups/1/send-3")),
                     STATUS_OK);
    assert_int_equal(dir_make(path_of(d->data, "groups/1/mine")),
                     STATUS_OK);
    daemon_start(d);
    ask_open(&a, d->port);
    ask_get(&a, "key-0", "key-0");
    assert_false(file_exists(path_of(d->data, "groups/1/store-9")));
    assert_false(file_exists(path_of(d->data, "groups/1/send-3")));
    assert_true(file_exists(path_of(d->data, "groups/1/mine")));
    assert_true(file_exists(path_of(d->data, "groups/1/store-0")));
    ask_close(&a);
    daemon_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(missing_store_is_lost_and_never_made_again),
        T(damaged_current_quarantines_one_replica),
        T(missing_log_stops_every_replica),
        T(older_log_than_its_stores_stops_every_replica),
        T(switched_store_without_its_reset_is_finished),
        T(leftover_stores_are_removed_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
