/* test_group_start.c - what is on disk, checked and given to libraft. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "one.h"
#include "proto/base/bytes.h"

/* L2: with the term it had, a sole voter could write a second entry with an
 * index and term that were used before the crash. */
static void a_sole_voter_starts_in_a_new_durable_term(void **state)
{
    struct one x = {.options.seed = 3};
    struct group_effect *e;

    (void)state;
    one_bootstrap(&x, 1, true);
    e = one_find(&x, GROUP_PERSIST_VOTE, 0);
    assert_non_null(e);
    assert_int_equal(e->persist_vote.term, 2);
    assert_int_equal(e->persist_vote.vote, 1);
    assert_int_equal(group_role(x.g), GROUP_STARTING);
    assert_int_equal(group_deadline(x.g).ms, UINT64_MAX);
    assert_int_equal(one_submit(&x, 5), STATUS_NOT_LEADER);
    /* The vote alone is not all that it waits for. */
    group_persisted(x.g, x.now, e->persist_vote.seq, &x.fx);
    assert_int_equal(group_role(x.g), GROUP_STARTING);
    one_persist(&x);
    assert_int_equal(group_role(x.g), GROUP_LEADER);
    assert_int_equal(group_term(x.g), 2);
    /* Its barrier, and nothing else, is the first entry of that term. */
    assert_int_equal(group_entry_at(x.g, 2)->type, ENTRY_BARRIER);
    assert_int_equal(group_commit(x.g), 2);
    one_release(&x);

    x = (struct one){0};
    one_start(&x, 1, 7, 4, 7);
    assert_int_equal(group_term(x.g), 8);
    assert_int_equal(group_entry_at(x.g, 5)->term, 8);
    one_release(&x);
}

/* A new group's replicas all begin with the same entry, on disk before they
 * vote. */
static void bootstrap_persists_the_first_entry(void **state)
{
    struct one x = {0};
    struct group_effect *e;

    (void)state;
    one_bootstrap(&x, 3, true);
    e = one_find(&x, GROUP_PERSIST_ENTRIES, 0);
    assert_non_null(e);
    assert_int_equal(e->persist_entries.first, 1);
    assert_int_equal(e->persist_entries.n, 1);
    assert_int_equal(group_entry_at(x.g, 1)->type, ENTRY_CHANGE);
    assert_int_equal(group_role(x.g), GROUP_STARTING);
    one_persist(&x);
    assert_int_equal(group_role(x.g), GROUP_FOLLOWER);
    assert_int_equal(one_find(&x, GROUP_COMMIT, 0)->commit.index, 1);
    assert_int_equal(members_voters(group_members(x.g)), 3);
    one_release(&x);
}

/* An entry can be on disk in a term whose vote record was lost with the rest
 * of the same write: no promise was made, so the entry's term is right. */
static void the_term_is_at_least_the_last_entrys(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 3, 5, 6);
    assert_int_equal(group_term(x.g), 6);
    one_release(&x);
}

/* Of two CHANGEs in the log only the last one may be undecided. */
static void the_last_change_is_not_committed_yet(void **state)
{
    struct group_options o = {.group = 9, .replica = 1};
    struct group *g = group_new(&o);
    struct group_effects fx = {0};
    struct members three = one_members(3, 0), four = one_members(3, 1);
    struct group_entry e[] = {
        {1, ENTRY_CHANGE, one_members_blob(&three)},
        {1, ENTRY_CHANGE, one_members_blob(&four)},
        {2, ENTRY_CHANGE, one_members_blob(&three)},
    };
    struct group_restore r = {
        .term = 2, .first_index = 1, .entries = e, .n = 3};
    uint64_t index;

    (void)state;
    assert_int_equal(group_start(g, (instant){5}, &r, &fx), STATUS_OK);
    assert_true(members_equal(group_members(g), &three));
    assert_true(members_equal(group_members_committed(g, &index), &four));
    assert_int_equal(index, 2);
    group_free(g);
    group_effects_release(&fx);
    for (unsigned i = 0; i < 3; i++)
        blob_unref(e[i].payload);
}

/* A replica with an empty directory waits to be added: no elections. */
static void a_joiner_stays_quiet(void **state)
{
    struct group_options o = {.group = 9, .replica = 4};
    struct group *g = group_new(&o);
    struct group_effects fx = {0};
    struct group_restore r = {0};

    (void)state;
    assert_int_equal(group_start(g, (instant){5}, &r, &fx), STATUS_OK);
    for (int i = 0; i < 20; i++)
        group_timeout(g, group_deadline(g), &fx);
    assert_int_equal(group_role(g), GROUP_FOLLOWER);
    assert_int_equal(group_term(g), 0);
    group_free(g);
    group_effects_release(&fx);
}

static enum status try(struct group_restore r)
{
    struct group_options o = {.group = 9, .replica = 1};
    struct group *g = group_new(&o);
    struct group_effects fx = {0};
    enum status s = group_start(g, (instant){5}, &r, &fx);

    group_free(g);
    group_effects_release(&fx);
    return s;
}

/* Each of these would make libraft read wild memory or forget entries; the
 * replica has to be quarantined. */
static void contradictions_are_refused(void **state)
{
    struct members three = one_members(3, 0);
    struct blob *change = one_members_blob(&three);
    struct blob *junk = blob_copy(slice_str("12345678"));
    struct group_entry e[4] = {{1, ENTRY_CHANGE, change},
                               {1, ENTRY_BARRIER, NULL},
                               {2, ENTRY_COMMAND, junk},
                               {2, ENTRY_COMMAND, junk}};
    const struct group_restore good = {
        .term = 2, .first_index = 1, .entries = e, .n = 4};
    struct group_restore r = good;

    (void)state;
    assert_int_equal(try(good), STATUS_OK);
    r.snapshot.index = 3;
    r.snapshot.term = 2;
    r.snapshot.members = three;
    r.snapshot.members_index = 1;
    assert_int_equal(try(r), STATUS_OK);
    r.first_index = 4;                        /* touches */
    assert_int_equal(try(r), STATUS_CORRUPT); /* terms go down from 2 to 1 */
    r.first_index = 5;                        /* a gap */
    assert_int_equal(try(r), STATUS_CORRUPT);
    r.first_index = 1;
    r.snapshot.term = 1; /* not what the log has there */
    assert_int_equal(try(r), STATUS_CORRUPT);
    r.snapshot.term = 2;
    r.snapshot.index = 5; /* the log ends before */
    assert_int_equal(try(r), STATUS_CORRUPT);
    r.snapshot.index = 3;
    r.snapshot.members_index = 0;
    assert_int_equal(try(r), STATUS_CORRUPT);
    r.snapshot.members_index = 1;
    e[1] = e[0]; /* a CHANGE that the store should know */
    assert_int_equal(try(r), STATUS_CORRUPT);
    e[1] = (struct group_entry){1, ENTRY_BARRIER, NULL};

    r = good;
    r.first_index = 2; /* the beginning is missing */
    assert_int_equal(try(r), STATUS_CORRUPT);
    e[3].term = 1; /* terms go down */
    assert_int_equal(try(good), STATUS_CORRUPT);
    e[3].term = 0;
    assert_int_equal(try(good), STATUS_CORRUPT);
    e[3].term = 2;
    e[3].type = 7;
    assert_int_equal(try(good), STATUS_CORRUPT);
    e[3].type = ENTRY_CHANGE; /* L9: use after free in libraft */
    assert_int_equal(try(good), STATUS_CORRUPT);
    e[3].payload = NULL;
    assert_int_equal(try(good), STATUS_CORRUPT);
    e[3] = (struct group_entry){2, ENTRY_COMMAND, NULL};
    assert_int_equal(try(good), STATUS_OK);
    e[0].type = ENTRY_BARRIER;
    assert_int_equal(try(good), STATUS_CORRUPT);
    blob_unref(change);
    blob_unref(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sole_voter_starts_in_a_new_durable_term),
        cmocka_unit_test(bootstrap_persists_the_first_entry),
        cmocka_unit_test(the_term_is_at_least_the_last_entrys),
        cmocka_unit_test(the_last_change_is_not_committed_yet),
        cmocka_unit_test(a_joiner_stays_quiet),
        cmocka_unit_test(contradictions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
