/* test_model.c - random histories and crashes against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model.h"

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
        if (wal_bytes(w) > 12u * o->segment_bytes) {
            /* Too many segments: copy what pins the oldest forward. */
            uint32_t group;
            if (wal_pinning(w, &group))
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
    for (unsigned i = 0; i < 1000 && wal_wake_at(w).us != UINT64_MAX; i++) {
        while (disk.has_flying)
            disk_finish(&disk, w, o, STATUS_OK, now);
        now.us = MAX_OF(now.us, wal_wake_at(w).us == UINT64_MAX
                                    ? now.us : wal_wake_at(w).us);
        disk_pump(&disk, w, o, now);
    }
    while (disk.has_flying)
        disk_finish(&disk, w, o, STATUS_OK, now);
    model_settle(model, w);
    return now;
}

/* A crash loses any sectors of the write in flight: what was acknowledged is
 * there, what was not is there as a prefix, in the order it was asked for. */
static void crashes_lose_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 1200; seed++) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            crashes_lose_only_what_was_not_acknowledged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
