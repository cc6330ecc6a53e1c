/* test_shard_cluster.c - whole clusters of shards under everything at once.
 *
 * The world, its faults and its judges are tests/sim; here a few dozen seeds
 * run with every unit test, and what the simulator found once stays found.
 * tests/sim/run --seed SEED tells more about one. */
#include "tests/unit/node/core/core_test.h"

#include <inttypes.h>

#include "tests/sim/course.h"

enum { SEEDS = 30 };

/* Acknowledged writes stay, reads do not go back, all are answered once,
 * replicas stay equal, the cluster serves again: whatever happens. */
static void clusters_survive_storms(void **state)
{
    static struct trial t;
    unsigned installs = 0, log_reads = 0, stops = 0, quarantines = 0;
    uint64_t ok = 0, unknown = 0, refused = 0, promises = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct course x = course_of(seed);
        x.rounds = 1;
        course_run(&t, &x);
        installs += t.c.count.installs;
        log_reads += t.c.count.log_reads;
        quarantines += t.c.count.quarantines;
        stops += t.c.count.stops;
        ok += t.clients.ok;
        unknown += t.clients.unknown;
        refused += t.clients.refused;
        promises += t.promises.checked;
        trial_release(&t);
    }
    print_message("ok %" PRIu64 ", unknown %" PRIu64 ", refused %" PRIu64
                  ", installs %u, log reads %u, stops %u, quarantines %u, "
                  "promises %" PRIu64 "\n",
                  ok, unknown, refused, installs, log_reads, stops,
                  quarantines, promises);
    /* Otherwise the storms were too gentle to prove anything. */
    assert_true(installs > 10);
    assert_true(log_reads > 10);
    assert_true(stops > 10);
    assert_true(quarantines > 0);
    assert_true(unknown > 100);
    assert_true(promises > 100);
    assert_true(ok > refused / 2);
}

/* Without that no failure could be looked at twice. */
static void one_seed_does_the_same_twice(void **state)
{
    static struct trial t;
    uint64_t hash[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct course x = course_of(77);
        x.rounds = 1;
        course_run(&t, &x);
        hash[i] = t.c.hash;
        trial_release(&t);
    }
    assert_true(hash[0] == hash[1]);
}

/* L25: two of three replicas were left, one with the longer log, the other with
 * the higher term: nobody was ever elected. */
static void who_is_behind_in_terms_is_elected_all_the_same(void **state)
{
    static const uint64_t seeds[] = {250, 264};
    static struct trial t;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(seeds); i++) {
        struct course x = course_of(seeds[i]);
        course_run(&t, &x);
        trial_release(&t);
    }
}

/* A leader sends one store at a time. To a quarantined replica, which never
 * asks for it, that took a minute, while another one waited for its own. */
static void a_replica_that_never_asks_holds_up_nobody(void **state)
{
    static struct trial t;
    struct course x = course_of(2002962);

    (void)state;
    course_run(&t, &x);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(one_seed_does_the_same_twice),
        cmocka_unit_test(clusters_survive_storms),
        cmocka_unit_test(who_is_behind_in_terms_is_elected_all_the_same),
        cmocka_unit_test(a_replica_that_never_asks_holds_up_nobody),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
