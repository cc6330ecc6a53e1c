/* test_group_snapshot.c - truncation, snapshots to and from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "one.h"
#include "proto/base/bytes.h"

/* A leader of 20 entries that are committed and applied, flushed up to
 * `flushed`; 3 has not been heard of. */
static void lead_and_flush(struct one *x, uint64_t flushed)
{
    one_start(x, 3, 1, 19, 1);
    one_elect(x);
    assert_int_equal(group_commit(x->g), 20);
    group_applied(x->g, 20);
    group_flushed(x->g, x->now, flushed, &x->fx);
    one_clear(x);
}

/* What the store has durably is not needed in the log, less the trailing. */
static void a_flush_truncates_the_log(void **state)
{
    struct one x = {0}, y = {.options.trailing = 4};

    (void)state;
    lead_and_flush(&x, 15);
    assert_int_equal(group_first(x.g), 16);
    assert_null(group_entry_at(x.g, 15));
    assert_int_equal(group_entry_at(x.g, 16)->term, 1);
    group_flushed(x.g, x.now, 20, &x.fx);
    assert_int_equal(group_first(x.g), 21);
    assert_int_equal(one_submit(&x, 5), STATUS_OK);
    assert_int_equal(group_last(x.g), 21);
    one_release(&x);

    lead_and_flush(&y, 15);
    assert_int_equal(group_first(y.g), 12);
    group_flushed(y.g, y.now, 15, &y.fx);
    assert_int_equal(group_first(y.g), 12);
    one_release(&y);
}

/* L20, from the first rejection to the end. */
static void a_lagging_follower_gets_a_snapshot(void **state)
{
    struct members three = one_members(3, 0);
    struct one x = {0};
    struct group_effect *e;
    struct message *m;

    (void)state;
    lead_and_flush(&x, 15);
    one_reject(&x, 3, 19, 3);
    e = one_find(&x, GROUP_SNAPSHOT_WANTED, 0);
    assert_non_null(e);
    assert_int_equal(e->snapshot_wanted.to, 3);
    assert_int_equal(e->snapshot_wanted.index, 15);
    assert_null(one_sent(&x, MESSAGE_INSTALL, 0));
    /* Not a second time, whatever it rejects meanwhile. */
    for (int i = 0; i < 10; i++) {
        one_reject(&x, 3, 15, 3);
        one_accept(&x, 2, 20);
        x.now = group_deadline(x.g);
        group_timeout(x.g, x.now, &x.fx);
    }
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_WANTED), 1);
    /* No truncation in between: 18 will be where it goes on. */
    group_flushed(x.g, x.now, 20, &x.fx);
    assert_int_equal(group_first(x.g), 16);
    one_clear(&x);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 14, 1, &three, 1, &x.fx),
        STATUS_INVALID);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 18, 2, &three, 1, &x.fx),
        STATUS_INVALID);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 2, 18, 1, &three, 1, &x.fx),
        STATUS_NOT_FOUND);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 18, 1, &three, 1, &x.fx),
        STATUS_OK);
    m = one_sent(&x, MESSAGE_INSTALL, 0);
    assert_non_null(m);
    assert_int_equal(m->install.index, 18);
    assert_int_equal(m->install.index_term, 1);
    assert_int_equal(m->install.members_index, 1);
    assert_true(members_equal(&m->install.members, &three));
    /* The announcement was lost: a rejection brings it again. */
    one_clear(&x);
    one_reject(&x, 3, 18, 3);
    assert_non_null(one_sent(&x, MESSAGE_INSTALL, 0));
    /* Heartbeats are anchored where it will be. */
    one_clear(&x);
    one_accept(&x, 2, 20);
    x.now.ms += 200;
    group_timeout(x.g, x.now, &x.fx);
    for (unsigned i = 0; one_sent(&x, MESSAGE_APPEND, i); i++) {
        m = one_sent(&x, MESSAGE_APPEND, i);
        if (m->to == 3)
            assert_int_equal(m->append.prev_index, 18);
    }
    one_clear(&x);
    one_accept(&x, 3, 18);
    e = one_find(&x, GROUP_SNAPSHOT_END, 0);
    assert_non_null(e);
    assert_true(e->snapshot_end.ok);
    assert_false(group_snapshot_sending(x.g));
    /* It goes on with 19; what it needs stays until it has that, too. */
    m = one_sent(&x, MESSAGE_APPEND, 0);
    assert_int_equal(m->append.prev_index, 18);
    assert_int_equal(m->n_entries, 2);
    assert_int_equal(group_first(x.g), 16);
    one_accept(&x, 3, 19);
    assert_int_equal(group_first(x.g), 16);
    one_accept(&x, 3, 20);
    assert_int_equal(group_first(x.g), 21);
    one_release(&x);
}

/* L20: libraft waits for a snapshot at 15, heartbeats are anchored at 18. */
static void who_was_silent_when_the_snapshot_moved_gets_it(void **state)
{
    struct members three = one_members(3, 0);
    struct one x = {0};
    struct message *m;

    (void)state;
    lead_and_flush(&x, 15);
    one_reject(&x, 3, 19, 3);
    assert_non_null(one_find(&x, GROUP_SNAPSHOT_WANTED, 0));
    for (int i = 0; i < 10; i++) {
        x.now.ms += 100;
        one_accept(&x, 2, 20);
    }
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 18, 1, &three, 1, &x.fx),
        STATUS_OK);
    one_clear(&x); /* the announcement, too, is lost */
    one_reject(&x, 3, 18, 3);
    m = one_sent(&x, MESSAGE_INSTALL, 0);
    assert_non_null(m);
    assert_int_equal(m->install.index, 18);
    one_clear(&x);
    one_accept(&x, 3, 18);
    assert_non_null(one_find(&x, GROUP_SNAPSHOT_END, 0));
    one_release(&x);
}

/* A leader, flushed up to 20, whose follower 3 has got a snapshot at 18. */
static void send_one(struct one *x)
{
    struct members three = one_members(3, 0);

    lead_and_flush(x, 15);
    one_reject(x, 3, 19, 3);
    assert_int_equal(
        group_snapshot_ready(x->g, x->now, 3, 18, 1, &three, 1, &x->fx),
        STATUS_OK);
    group_flushed(x->g, x->now, 20, &x->fx);
    one_accept(x, 3, 18);
    one_clear(x);
}

/* One that is dead, or too slow for what is written, must not keep the log
 * for ever. */
static void who_does_not_catch_up_keeps_no_log(void **state)
{
    struct one x = {0}, y = {.options.hold_bytes_max = 800};

    (void)state;
    send_one(&x);
    assert_int_equal(group_first(x.g), 16);
    for (unsigned i = 0; i < 30; i++) {
        x.now.ms += 500;
        one_accept(&x, 2, 20);
        group_flushed(x.g, x.now, 20, &x.fx);
    }
    assert_int_equal(group_first(x.g), 21);
    one_release(&x);

    send_one(&y);
    assert_int_equal(group_first(y.g), 16);
    assert_int_equal(one_submit(&y, 200), STATUS_OK);
    group_flushed(y.g, y.now, 20, &y.fx);
    assert_int_equal(group_first(y.g), 21);
    one_release(&y);
}

/* Small entries take memory, too. */
static void entries_kept_for_one_are_counted(void **state)
{
    struct one x = {.options.hold_bytes_max = 1000};

    (void)state;
    send_one(&x);
    assert_int_equal(one_submit(&x, 1), STATUS_OK);
    group_flushed(x.g, x.now, 20, &x.fx);
    assert_int_equal(group_first(x.g), 16);
    assert_int_equal(one_submit(&x, 1), STATUS_OK);
    group_flushed(x.g, x.now, 20, &x.fx);
    assert_int_equal(group_first(x.g), 21);
    one_release(&x);
}

/* `n` more entries, which 2 has and the store, too. */
static void write_more(struct one *x, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(one_submit(x, 5), STATUS_OK);
    one_persist(x);
    one_accept(x, 2, group_last(x->g));
    group_applied(x->g, group_last(x->g));
    group_flushed(x->g, x->now, group_last(x->g), &x->fx);
    one_clear(x);
}

/* When it has what was written during the snapshot, it lacks what was written
 * since: under heavy writes it would need snapshots for ever. */
static void what_came_while_one_caught_up_stays_too(void **state)
{
    struct one x = {.options.trailing = 2};

    (void)state;
    send_one(&x);
    assert_int_equal(group_first(x.g), 14);
    write_more(&x, 10);
    assert_int_equal(group_last(x.g), 30);
    one_accept(&x, 3, 20);
    group_flushed(x.g, x.now, 30, &x.fx);
    assert_int_equal(group_first(x.g), 19);
    one_accept(&x, 3, 29);
    write_more(&x, 10);
    assert_int_equal(group_first(x.g), 28);
    one_accept(&x, 3, 30);
    write_more(&x, 1);
    assert_int_equal(group_first(x.g), 29);
    /* As near as the trailing: from now on it is like any other. */
    one_accept(&x, 3, 40);
    assert_int_equal(group_first(x.g), 40);
    write_more(&x, 10);
    assert_int_equal(group_first(x.g), 50);
    one_release(&x);
}

/* The same while it is being sent: then it begins again. */
static void a_snapshot_that_is_overtaken_begins_again(void **state)
{
    struct members three = one_members(3, 0);
    struct one x = {.options.hold_bytes_max = 600};
    struct group_effect *e;

    (void)state;
    lead_and_flush(&x, 15);
    one_reject(&x, 3, 19, 3);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 18, 1, &three, 1, &x.fx),
        STATUS_OK);
    group_flushed(x.g, x.now, 19, &x.fx);
    assert_int_equal(group_first(x.g), 16);
    assert_int_equal(one_submit(&x, 200), STATUS_OK);
    one_persist(&x);
    one_accept(&x, 2, 21);
    group_applied(x.g, 21);
    one_clear(&x);
    group_flushed(x.g, x.now, 21, &x.fx);
    e = one_find(&x, GROUP_SNAPSHOT_END, 0);
    assert_non_null(e);
    assert_false(e->snapshot_end.ok);
    assert_int_equal(group_first(x.g), 22);
    one_reject(&x, 3, 21, 3);
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_WANTED), 1);
    one_release(&x);
}

/* The owner could not make or deliver it: asked again when it is heard. */
static void a_failed_snapshot_is_wanted_again(void **state)
{
    struct one x = {0};

    (void)state;
    lead_and_flush(&x, 15);
    one_reject(&x, 3, 19, 3);
    group_snapshot_failed(x.g, x.now, 3, &x.fx);
    assert_false(group_snapshot_sending(x.g));
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_END), 0);
    one_clear(&x);
    one_reject(&x, 3, 15, 3);
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_WANTED), 1);
    one_release(&x);
}

/* The checkpoint of a leader that is none any more must be dropped. */
static void losing_leadership_ends_snapshots(void **state)
{
    struct members three = one_members(3, 0);
    struct one x = {0};

    (void)state;
    lead_and_flush(&x, 15);
    one_reject(&x, 3, 19, 3);
    assert_int_equal(one_receive(&x, one_append(2, 9, 20, 2, 20, 0)),
                     STATUS_OK);
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_END), 1);
    assert_false(one_find(&x, GROUP_SNAPSHOT_END, 0)->snapshot_end.ok);
    assert_int_equal(
        group_snapshot_ready(x.g, x.now, 3, 18, 1, &three, 1, &x.fx),
        STATUS_NOT_FOUND);
    one_release(&x);
}

static struct message *install(uint64_t from, uint64_t index)
{
    struct message *m = one_message(MESSAGE_INSTALL, from, 6, 0);

    m->install.index = index;
    m->install.index_term = 5;
    m->install.members_index = 40;
    m->install.members = one_members(3, 1);
    return m;
}

/* L14, L6: until the store is switched nothing of the old log counts, and
 * nothing of the new one is there. */
static void a_snapshot_is_installed_in_order(void **state)
{
    struct one x = {0};
    struct group_effect *e;
    struct message *m;
    uint64_t old_seq;

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    assert_int_equal(one_receive(&x, one_append(2, 4, 5, 1, 5, 2)), STATUS_OK);
    old_seq = one_find(&x, GROUP_PERSIST_ENTRIES, 0)->persist_entries.seq;
    one_clear(&x);
    assert_int_equal(one_receive(&x, install(3, 50)), STATUS_OK);
    e = one_find(&x, GROUP_INSTALL, 0);
    assert_non_null(e);
    assert_int_equal(e->install.from, 3);
    assert_int_equal(e->install.index, 50);
    assert_int_equal(e->install.term, 5);
    assert_int_equal(e->install.members_index, 40);
    assert_int_equal(e->install.members.n, 4);
    assert_true(group_installing(x.g));
    one_clear(&x);
    /* The write of 6 and 7 ends; a second announcement; entries; a flush. */
    group_persisted(x.g, x.now, old_seq, &x.fx);
    assert_int_equal(one_receive(&x, install(3, 50)), STATUS_OK);
    assert_int_equal(one_receive(&x, one_append(3, 6, 50, 5, 60, 3)),
                     STATUS_OK);
    assert_int_equal(one_receive(&x, one_append(3, 6, 50, 5, 60, 0)),
                     STATUS_OK);
    group_flushed(x.g, x.now, 4, &x.fx);
    one_persist(&x);
    assert_int_equal(one_count(&x, GROUP_INSTALL), 0);
    assert_int_equal(one_count(&x, GROUP_COMMIT), 0);
    assert_int_equal(one_count(&x, GROUP_PERSIST_ENTRIES), 0);
    for (unsigned i = 0; one_sent(&x, MESSAGE_APPEND_RESULT, i); i++)
        assert_int_equal(
            one_sent(&x, MESSAGE_APPEND_RESULT, i)->append_result.last_index,
            0);
    /* No elections meanwhile. */
    for (int i = 0; i < 5; i++)
        group_timeout(x.g, group_deadline(x.g), &x.fx);
    assert_int_equal(group_role(x.g), GROUP_FOLLOWER);

    one_clear(&x);
    group_installed(x.g, x.now, true, &x.fx);
    assert_false(group_installing(x.g));
    assert_int_equal(group_commit(x.g), 50);
    assert_int_equal(group_first(x.g), 51);
    assert_int_equal(group_members(x.g)->n, 4);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_non_null(m);
    assert_int_equal(m->append_result.last_index, 50);
    assert_int_equal(one_receive(&x, one_append(3, 6, 50, 5, 52, 2)),
                     STATUS_OK);
    one_persist(&x);
    assert_int_equal(group_commit(x.g), 52);
    one_release(&x);
}

/* L14: libraft cannot go back to its old log. */
static void a_failed_install_stops_the_group(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    assert_int_equal(one_receive(&x, install(3, 50)), STATUS_OK);
    group_installed(x.g, x.now, false, &x.fx);
    assert_int_equal(group_role(x.g), GROUP_FAILED);
    assert_non_null(one_find(&x, GROUP_STOPPED, 0));
    one_release(&x);
}

/* What we have already is acknowledged instead. */
static void a_snapshot_of_what_we_have_is_not_installed(void **state)
{
    struct message *m = install(3, 5);
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 4, 8, 3);
    m->install.index_term = 3;
    m->install.members_index = 1;
    assert_int_equal(one_receive(&x, m), STATUS_OK);
    one_persist(&x);
    assert_int_equal(one_count(&x, GROUP_INSTALL), 0);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_int_equal(m->append_result.last_index, 5);
    one_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flush_truncates_the_log),
        cmocka_unit_test(a_lagging_follower_gets_a_snapshot),
        cmocka_unit_test(who_was_silent_when_the_snapshot_moved_gets_it),
        cmocka_unit_test(who_does_not_catch_up_keeps_no_log),
        cmocka_unit_test(entries_kept_for_one_are_counted),
        cmocka_unit_test(what_came_while_one_caught_up_stays_too),
        cmocka_unit_test(a_snapshot_that_is_overtaken_begins_again),
        cmocka_unit_test(a_failed_snapshot_is_wanted_again),
        cmocka_unit_test(losing_leadership_ends_snapshots),
        cmocka_unit_test(a_snapshot_is_installed_in_order),
        cmocka_unit_test(a_failed_install_stops_the_group),
        cmocka_unit_test(a_snapshot_of_what_we_have_is_not_installed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
