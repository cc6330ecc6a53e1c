/* test_model.c - random histories and crashes against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/raft/wal/model.h"

static struct model *model;
static struct disk disk;

static int setup(void **state)
{
    (void)state;
    model = xmalloc(sizeof *model);
    model_init(model);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(model);
    disk_release(&disk);
    return 0;
}

/* Some steps, with the disk slower or faster than they come. */
static wal_instant live(struct wal *w, const struct wal_options *o,
                        struct rng *rng, wal_instant now, unsigned steps,
                        unsigned entry_bytes)
{
    disk.hold_writes = true;
    for (unsigned i = 0; i < steps; i++) {
        now.us += rng_below(rng, 900);
        model_step(model, w, rng, now, entry_bytes);
        disk_pump(&disk, w, o, now);
        if (disk.has_flying && rng_below(rng, 3))
            disk_finish(&disk, w, o, STATUS_OK, now);
        model_settle(model, w);
        model_read(model, w, &disk, rng);
        if (wal_bytes(w) > 12u * o->segment_bytes && !wal_pending_bytes(w)) {
            /* Too many segments: copy what pins the oldest forward. */
            uint32_t group;
            uint64_t pinned;
            if (wal_pinning(w, &group, &pinned))
                model_rewrite(model, w, group, now);
        }
    }
    return now;
}

/* Everything appended becomes durable, and the log sealed. */
static wal_instant drain(struct wal *w, const struct wal_options *o,
                         wal_instant now)
{
    disk_pump(&disk, w, o, now);
    while (disk.has_flying || wal_wake_at(w).us != UINT64_MAX) {
        while (disk.has_flying)
            disk_finish(&disk, w, o, STATUS_OK, now);
        if (wal_wake_at(w).us != UINT64_MAX)
            now.us = MAX_OF(now.us, wal_wake_at(w).us);
        disk_pump(&disk, w, o, now);
    }
    assert_int_equal(wal_pending_bytes(w), 0);
    model_settle(model, w);
    return now;
}

/* A crash loses any sectors of the write in flight: what was acknowledged is
 * there, what was not is there as a prefix, in the order it was asked for. */
static void crashes_lose_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 700; seed++) {
        struct wal_options o = small_options(seed % 3 ? 128 << 10 : 64 << 10);
        struct rng rng;
        wal_instant now = {1000};

        rng_init(&rng, seed);
        model_init(model);
        disk_release(&disk);
        disk.stale = seed % 2;
        for (unsigned life = 0; life < 4; life++) {
            unsigned keep = (unsigned)rng_below(&rng, 4) * 128;
            struct wal_recovered *found = disk_recover(&disk, &o);
            struct wal *w;
            bool idle;

            assert_int_equal(found->n_remove, 0);
            w = wal_new(&o, found);
            wal_recovered_free(found);
            now = live(w, &o, &rng, now, 5 + (unsigned)rng_below(&rng, 80),
                       seed % 5 ? 300 : 6000);
            if (rng_below(&rng, 4) == 0)
                now = drain(w, &o, now);
            idle = !disk.has_flying;
            keep = MIN_OF(keep, 256u);
            disk_crash(&disk, &rng, keep);
            wal_free(w);
            found = disk_recover(&disk, &o);
            for (unsigned i = 0; i < found->n_damage; i++)
                if (found->damage[i].kind != WAL_DAMAGE_TORN)
                    fail_msg("seed %u life %u: damage %d", (unsigned)seed,
                             life, found->damage[i].kind);
            model_check(model, found, idle || keep == 0, false);
            wal_recovered_free(found);
        }
    }
}

/* Damage to what is on disk, behind the back of a sealed log: anything but
 * the seal itself, and never all of the last records' evidence. */
static void damage(struct rng *rng, const struct wal_effect *seal)
{
    struct disk_file *f = &disk.file[rng_below(rng, disk.files)];
    uint64_t blocks = f->size / WAL_BLOCK;

    if (rng_below(rng, 10) == 0 && f->id != seal->segment) {
        disk_remove(&disk, f->id);
        return;
    }
    for (unsigned n = 1 + (unsigned)rng_below(rng, 3); n > 0; n--) {
        uint64_t block = rng_below(rng, blocks);
        uint64_t at = block * WAL_BLOCK;
        if (f->id == seal->segment && at == seal->offset)
            continue;
        switch (rng_below(rng, 4)) {
        case 0: /* a lost write: zeros, or the file's earlier life */
            memset(f->bytes + at, rng_below(rng, 2) ? 0 : 0xa5, WAL_BLOCK);
            break;
        case 1: /* a misdirected write: another block's content */
            memcpy(f->bytes + at,
                   f->bytes + rng_below(rng, blocks) * WAL_BLOCK, WAL_BLOCK);
            break;
        case 2:
            f->bytes[at + rng_below(rng, 128)] ^= 1u << rng_below(rng, 8);
            break;
        case 3:
            f->bytes[at + rng_below(rng, WAL_BLOCK)] ^= 0x40;
            break;
        }
    }
}

/* A group is either what it was or says that it is damaged. What is missing
 * from its front shows against the store: the owner's check. */
static unsigned check_damaged(const struct wal_recovered *found,
                              bool *was_bad, uint64_t seed)
{
    unsigned whole = 0;

    for (unsigned i = 0; i < MODEL_GROUPS; i++) {
        const struct model_group *g = &model->now[i];
        const struct wal_recovered_group *r = recovered_group(found, i);
        bool bad = r && (r->quarantined || r->first > g->released + 1);

        if (was_bad[i]) {
            assert_true(bad || !r);
        } else if (!r && g->here) {
            assert_true(found->lost_unnamed);
            was_bad[i] = true;
        } else if (bad) {
            /* A lost oldest segment shows only against the store. */
            assert_true(found->n_damage > 0 || !r->quarantined);
            was_bad[i] = true;
        } else if (!model_group_equal(g, found, i)) {
            model_explain(g, found, i);
            for (unsigned j = 0; j < found->n_damage; j++)
                print_error("damage: %s %u:%u\n",
                            wal_damage_text(found->damage[j].kind),
                            (unsigned)found->damage[j].segment,
                            found->damage[j].offset);
            fail_msg("seed %u: group %u differs and nobody noticed",
                     (unsigned)seed, i);
        } else {
            whole++;
        }
    }
    return whole;
}

/* No damage, wherever it strikes, turns into a wrong answer; and most of it
 * costs only the groups it strikes. Once quarantined, a group stays so. */
static void damage_never_goes_unnoticed(void **state)
{
    unsigned whole = 0, groups = 0;
    (void)state;

    for (uint64_t seed = 0; seed < 1300; seed++) {
        struct wal_options o = small_options(64 << 10);
        bool was_bad[MODEL_GROUPS] = {false};
        struct wal_recovered *found;
        struct rng rng;
        wal_instant now = {1000};
        struct wal *w = wal_new(&o, NULL);

        rng_init(&rng, seed);
        model_init(model);
        disk_release(&disk);
        now = live(w, &o, &rng, now, 20 + (unsigned)rng_below(&rng, 150),
                   500);
        now = drain(w, &o, now);
        wal_free(w);
        damage(&rng, &disk.last_write);
        found = disk_recover(&disk, &o);
        whole += check_damaged(found, was_bad, seed);
        groups += MODEL_GROUPS;
        for (unsigned i = 0; i < found->n_remove; i++)
            disk_remove(&disk, found->remove[i]);

        /* The log goes on; later starts must not forget what was found. */
        w = wal_new(&o, found);
        wal_recovered_free(found);
        for (unsigned i = 0; i < MODEL_GROUPS; i++) {
            struct wal_group_info info;
            if (wal_group(w, i, &info) && !was_bad[i] &&
                rng_below(&rng, 2)) {
                uint64_t term = info.term + 1;
                (void)wal_vote(w, i, term, 1, now);
                model->now[i].term = term;
                model->now[i].vote = 1;
            }
        }
        now = drain(w, &o, now);
        wal_free(w);
        found = disk_recover(&disk, &o);
        (void)check_damaged(found, was_bad, seed);
        wal_recovered_free(found);
    }
    /* Not by declaring everything damaged. */
    assert_true(whole > groups / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            crashes_lose_only_what_was_not_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_never_goes_unnoticed, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
