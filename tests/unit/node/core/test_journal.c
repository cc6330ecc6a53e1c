/* test_journal.c - persists into the real log, told durable in order. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/journal.h"
#include "tests/unit/raft/wal/disk.h"

enum { SEGMENT = WAL_SEGMENT_MIN };

struct fixture {
    struct journal j;
    struct disk disk;
    struct wal_options o;
    uint64_t us;
};

static void init(struct fixture *f)
{
    static const uint8_t none[WAL_INSTALL_ID_BYTES];

    *f = (struct fixture){.o = small_options(SEGMENT), .us = 1000};
    journal_init(&f->j, wal_new(&f->o, NULL));
    for (uint32_t group = 1; group <= 3; group++)
        wal_reset(f->j.wal, group, 1, 1, none, at_us(f->us));
    while (wal_pending_bytes(f->j.wal))
        disk_pump(&f->disk, f->j.wal, &f->o, at_us(f->us += 500));
    f->disk.hold_writes = true;
}

static void release(struct fixture *f)
{
    journal_release(&f->j);
    disk_release(&f->disk);
}

/* As the shell does on the log's own loop. */
static void persist(struct fixture *f, const struct effect *e)
{
    struct group_entry entries[64];
    unsigned n = 0;

    if (e->type == EFFECT_PERSIST_ENTRIES) {
        assert_true(e->persist_entries.n <= ARRAY_LEN(entries));
        n = journal_entries(e, entries);
    }
    journal_persist(&f->j, e, entries, n, at_us(f->us));
}

static void vote(struct fixture *f, uint32_t group, uint64_t seq,
                 uint64_t term)
{
    struct effect e = {.type = EFFECT_PERSIST_VOTE, .group = group};

    e.persist_vote.seq = seq;
    e.persist_vote.term = term;
    e.persist_vote.vote = 7;
    persist(f, &e);
}

/* Let the log begin what it wants to write. */
static void begin(struct fixture *f)
{
    disk_pump(&f->disk, f->j.wal, &f->o, at_us(f->us += 5000));
}

/* The write in flight is on disk; the next one begins. */
static void finish(struct fixture *f)
{
    disk_finish(&f->disk, f->j.wal, &f->o, STATUS_OK, at_us(f->us += 5000));
}

static void durable(struct fixture *f, uint32_t group, uint64_t seq)
{
    uint32_t got_group;
    uint64_t got_seq;

    assert_true(journal_durable(&f->j, &got_group, &got_seq));
    assert_int_equal(got_group, group);
    assert_int_equal(got_seq, seq);
}

static void nothing_durable(struct fixture *f)
{
    uint32_t group;
    uint64_t seq;

    assert_false(journal_durable(&f->j, &group, &seq));
}

/* A vote that is sent before it is on disk can be given twice. */
static void nothing_is_durable_before_its_write_ended(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    vote(&f, 1, 10, 5);
    nothing_durable(&f);
    begin(&f);
    nothing_durable(&f);
    vote(&f, 2, 20, 6); /* behind the write in flight */
    finish(&f);
    durable(&f, 1, 10);
    nothing_durable(&f);
    begin(&f);
    finish(&f);
    durable(&f, 2, 20);
    nothing_durable(&f);
    release(&f);
}

/* Persists are cumulative: of a run of one group the last says all; the order
 * between groups stays. */
static void a_run_of_one_group_is_told_by_its_last(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    vote(&f, 1, 10, 5);
    vote(&f, 1, 11, 6);
    vote(&f, 2, 30, 5);
    vote(&f, 1, 12, 7);
    begin(&f);
    finish(&f);
    durable(&f, 1, 11);
    durable(&f, 2, 30);
    durable(&f, 1, 12);
    nothing_durable(&f);
    release(&f);
}

/* What was told durable is what recovery finds. */
static void what_is_durable_is_recovered(void **state)
{
    struct fixture f;
    struct wal_recovered *found;
    struct rng rng;

    (void)state;
    init(&f);
    vote(&f, 1, 10, 5);
    begin(&f);
    finish(&f);
    durable(&f, 1, 10);
    vote(&f, 1, 11, 6);
    begin(&f);
    rng_init(&rng, 1);
    disk_crash(&f.disk, &rng, 0); /* the second is lost */
    found = disk_recover(&f.disk, &f.o);
    assert_int_equal(recovered_group(found, 1)->term, 5);
    assert_int_equal(recovered_group(found, 1)->vote, 7);
    wal_recovered_free(found);
    release(&f);
}

/* ---- with a real group's entries ---- */

static struct group *leader(struct fixture *f, struct group_effects *fx)
{
    struct group_options o = {.group = 3, .replica = 1, .seed = 1};
    struct group_restore r = {.term = 1,
                              .snapshot = {.index = 1, .term = 1,
                                           .members_index = 1},
                              .first_index = 2};
    struct group *g = group_new(&o);

    (void)f;
    assert_true(members_add(&r.snapshot.members, 1, MEMBER_VOTER));
    assert_int_equal(group_start(g, (instant){0}, &r, fx), STATUS_OK);
    return g;
}

/* Carry the group's persists to the journal as replica.c does; gives the seq
 * of the last. */
static uint64_t carry(struct fixture *f, struct group *g,
                      struct group_effects *fx)
{
    uint64_t seq = 0;

    for (unsigned i = 0; i < fx->n; i++) {
        const struct group_effect *x = &fx->v[i];
        struct effect e = {.group = 3};
        if (x->type == GROUP_PERSIST_VOTE) {
            e.type = EFFECT_PERSIST_VOTE;
            e.persist_vote.seq = seq = x->persist_vote.seq;
            e.persist_vote.term = x->persist_vote.term;
            e.persist_vote.vote = x->persist_vote.vote;
        } else if (x->type == GROUP_PERSIST_ENTRIES) {
            e.type = EFFECT_PERSIST_ENTRIES;
            e.persist_entries.seq = seq = x->persist_entries.seq;
            e.persist_entries.first = x->persist_entries.first;
            e.persist_entries.n = x->persist_entries.n;
            e.persist_entries.raft = g;
        } else {
            continue;
        }
        persist(f, &e);
    }
    group_effects_clear(fx);
    return seq;
}

/* Write all, tell the group, until it wants nothing more. */
static void settle(struct fixture *f, struct group *g,
                   struct group_effects *fx)
{
    uint32_t group;
    uint64_t seq;

    while (carry(f, g, fx)) {
        begin(f);
        while (f->disk.has_flying)
            finish(f);
        while (journal_durable(&f->j, &group, &seq))
            group_persisted(g, (instant){1}, seq, fx);
    }
}

static void entries_truncations_and_releases_reach_the_log(void **state)
{
    struct fixture f;
    struct group_effects fx = {0};
    struct effect e = {.type = EFFECT_PERSIST_TRUNCATE, .group = 3};
    struct blob *payload = blob_copy(slice_str("a payload"));
    uint64_t index, term, last;
    struct wal_recovered *found;
    struct wal_entry got;
    struct group *g;

    (void)state;
    init(&f);
    g = leader(&f, &fx);
    settle(&f, g, &fx);
    for (uint64_t ms = 10; group_role(g) != GROUP_LEADER; ms += 1000) {
        group_timeout(g, (instant){ms}, &fx);
        settle(&f, g, &fx);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(group_submit(g, (instant){9999}, &payload, 1, &index,
                                      &term, &fx),
                         STATUS_OK);
        settle(&f, g, &fx);
    }
    last = wal_last(f.j.wal, 3);
    assert_int_equal(last, index);
    found = disk_recover(&f.disk, &f.o);
    got = wal_recovered_entry(found, 3, index);
    assert_int_equal(got.term, term);
    assert_int_equal(got.type, ENTRY_COMMAND);
    assert_slice(got.data, "a payload");
    wal_recovered_free(found);

    e.persist_truncate.seq = 1000;
    e.persist_truncate.from = index;
    persist(&f, &e);
    assert_int_equal(wal_last(f.j.wal, 3), index - 1);
    e = (struct effect){.type = EFFECT_RELEASE, .group = 3};
    e.release.index = index - 2;
    persist(&f, &e);
    assert_int_equal(wal_first(f.j.wal, 3), index - 1);
    begin(&f);
    finish(&f);
    durable(&f, 3, 1000); /* a release is no persist */
    nothing_durable(&f);
    blob_unref(payload);
    group_effects_release(&fx);
    group_free(g);
    release(&f);
}

static void many_persists_wait_in_order(void **state)
{
    struct fixture f;
    unsigned told = 0;

    (void)state;
    init(&f);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 100; i++)
            vote(&f, 1 + i % 2, round * 100 + i, 5 + round);
        begin(&f);
        while (f.disk.has_flying)
            finish(&f);
        for (; told < (round + 1) * 100; told++)
            durable(&f, 1 + told % 2, told);
        nothing_durable(&f);
    }
    release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_durable_before_its_write_ended),
        cmocka_unit_test(a_run_of_one_group_is_told_by_its_last),
        cmocka_unit_test(what_is_durable_is_recovered),
        cmocka_unit_test(entries_truncations_and_releases_reach_the_log),
        cmocka_unit_test(many_persists_wait_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
