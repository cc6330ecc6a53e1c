/* test_group_cluster.c - groups under everything at once, from many seeds.
 *
 * cluster.c asserts safety after each step; the tests here choose the weather
 * and demand progress when it clears. A failing seed is printed; the same seed
 * does the same again. */
#include "cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* More seeds on demand: COAT_SEEDS=1000 unit_raft_group_cluster */
static unsigned seeds(unsigned usual)
{
    const char *text = getenv("COAT_SEEDS");

    return text ? (unsigned)atoi(text) : usual;
}

/* Only one seed, as printed by a failure: COAT_SEED=17 ... */
static bool skipped(uint64_t seed)
{
    const char *text = getenv("COAT_SEED");

    return text && seed != (uint64_t)atoll(text);
}

static bool all_seeds(void)
{
    return !getenv("COAT_SEED");
}

static unsigned any(struct cluster *c)
{
    return (unsigned)rng_below(&c->rng, c->n);
}

static void random_weather(struct cluster *c)
{
    c->loss = (unsigned)rng_below(&c->rng, 200);
    c->duplicate = (unsigned)rng_below(&c->rng, 200);
    c->delay_max = 1 + (unsigned)rng_below(&c->rng, 80);
    c->disk_max = (unsigned)rng_below(&c->rng, 60);
}

static void random_event(struct cluster *c)
{
    struct node *leader = cluster_leader(c);
    unsigned i = any(c), j = any(c);

    switch (rng_below(&c->rng, 12)) {
    case 0:
    case 1:
        cluster_crash(c, i);
        break;
    case 2:
    case 3:
        cluster_restart(c, i);
        break;
    case 4:
        c->blocked[i][j] = !c->blocked[i][j];
        break;
    case 5:
        cluster_isolate(c, i, rng_below(&c->rng, 2));
        break;
    case 6:
        c->nodes[i].lagging = !c->nodes[i].lagging;
        break;
    case 7:
    case 8:
    case 9:
        cluster_flush(c, i);
        break;
    case 10:
        if (leader && group_transfer(leader->g, (instant){c->now}, 0,
                                     &leader->fx) == STATUS_OK)
            cluster_effects(c, (unsigned)(leader - c->nodes));
        break;
    default:
        random_weather(c);
        break;
    }
}

static void storm(struct cluster *c, uint64_t ms)
{
    for (uint64_t end = c->now + ms; c->now < end;) {
        cluster_tick(c);
        for (unsigned n = (unsigned)rng_below(&c->rng, 4); n > 0; n--)
            cluster_submit(c, 1 + rng_below(&c->rng, 200));
        if (rng_below(&c->rng, 1000) < 25)
            random_event(c);
    }
}

/* Whatever happened: nothing acknowledged is lost, and the group works again
 * within seconds of a calm network. */
static void groups_survive_storms(void **state)
{
    unsigned snapshots = 0, log_reads = 0, transfers = 0, elections = 0;
    unsigned installs = 0;

    (void)state;
    for (unsigned seed = 1; seed <= seeds(60); seed++) {
        struct cluster c;
        if (skipped(seed))
            continue;
        cluster_init(&c, 3 + 2 * (seed % 2), seed);
        c.options.trailing = seed % 3 ? 0 : 20;
        for (unsigned round = 0; round < 3; round++) {
            storm(&c, 4000);
            cluster_heal(&c);
            cluster_settle(&c, 15000);
        }
        for (unsigned i = 0; i < c.n; i++)
            assert_true(c.nodes[i].live.index >= c.acknowledged);
        snapshots += c.snapshots;
        log_reads += c.log_reads;
        transfers += c.transfers;
        elections += c.elections;
        installs += c.installs;
        cluster_release(&c);
    }
    if (!all_seeds())
        return;
    /* Otherwise the storms were too gentle to prove anything. */
    assert_true(snapshots > 10);
    assert_true(installs > 10);
    assert_true(log_reads > 10);
    assert_true(transfers > 10);
    assert_true(elections > 100);
}

/* One random legal-looking change of members at the leader. */
static void random_change(struct cluster *c)
{
    struct node *leader = cluster_leader(c);
    struct members to;
    unsigned i;
    enum status s;

    if (!leader)
        return;
    to = *group_members(leader->g);
    i = (unsigned)rng_below(&c->rng, to.n);
    switch (rng_below(&c->rng, 4)) {
    case 0:
        if (c->n < CLUSTER_NODES_MAX && to.n < 6) {
            unsigned at = cluster_join(c);
            leader = cluster_leader(c);
            assert_true(members_add(&to, c->nodes[at].id, MEMBER_STANDBY));
        }
        break;
    case 1:
        if (members_voters(&to) > 3 || to.v[i].role == MEMBER_STANDBY)
            members_remove(&to, to.v[i].replica);
        break;
    case 2:
        to.v[i].role = MEMBER_VOTER;
        break;
    default:
        if (members_voters(&to) > 3)
            to.v[i].role = MEMBER_STANDBY;
        break;
    }
    s = group_change(leader->g, (instant){c->now}, &to, &leader->fx);
    (void)s;
    cluster_effects(c, (unsigned)(leader - c->nodes));
}

/* Membership changes at the same time as crashes and partitions. */
static void members_change_in_storms(void **state)
{
    uint64_t changes = 0;

    (void)state;
    for (unsigned seed = 1; seed <= seeds(40); seed++) {
        struct cluster c;
        uint64_t index = 0;
        if (skipped(1000 + seed))
            continue;
        cluster_init(&c, 3, 1000 + seed);
        cluster_elect(&c);
        for (unsigned round = 0; round < 12; round++) {
            storm(&c, 700);
            for (unsigned k = 0; k < 4; k++) {
                random_change(&c);
                cluster_run(&c, 150);
            }
            if (round % 4 == 3) {
                cluster_heal(&c);
                cluster_settle(&c, 20000);
            }
        }
        group_members_committed(cluster_leader(&c)->g, &index);
        changes += index > 1;
        cluster_release(&c);
    }
    assert_true(changes > seeds(40) / 2 || !all_seeds());
}

/* One replica alone, then two, then three, with crashes in between: the
 * term rises at every start (L2), and going to two voters never blocks for
 * ever although the second one votes as a standby (L17). */
static void a_sole_voter_grows_to_three(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= seeds(30); seed++) {
        struct cluster c;
        uint64_t term = 0;
        if (skipped(200000 + seed))
            continue;
        cluster_init(&c, 1, 200000 + seed);
        for (unsigned goal = 2; goal <= 3; goal++) {
            unsigned at = cluster_join(&c);
            uint64_t id = c.nodes[at].id;
            uint64_t end = c.now + 60000;
            bool done = false;
            while (!done) {
                struct node *leader = cluster_leader(&c);
                struct members to;
                const struct member *m;
                if (c.now >= end) {
                    /* Unlucky so far; in a calm it must be possible. */
                    cluster_heal(&c);
                    cluster_elect(&c);
                    end = c.now + 60000;
                }
                cluster_run(&c, 20);
                if (rng_below(&c.rng, 100) < 3)
                    cluster_crash(&c, any(&c));
                if (rng_below(&c.rng, 100) < 20)
                    cluster_restart(&c, any(&c));
                cluster_submit(&c, 20);
                leader = cluster_leader(&c);
                if (!leader)
                    continue;
                if (goal == 2 && c.n == 2 &&
                    members_voters(group_members(leader->g)) == 1) {
                    assert_true(group_term(leader->g) >= term);
                    term = group_term(leader->g);
                }
                to = *group_members(leader->g);
                m = members_find(&to, id);
                if (!m)
                    assert_true(members_add(&to, id, MEMBER_STANDBY));
                else if (m->role == MEMBER_STANDBY)
                    to.v[m - to.v].role = MEMBER_VOTER;
                else
                    done = members_voters(group_members_committed(
                               leader->g, NULL)) == goal;
                if (!done && group_change(leader->g, (instant){c.now}, &to,
                                          &leader->fx) == STATUS_OK)
                    cluster_effects(&c, (unsigned)(leader - c.nodes));
            }
        }
        cluster_heal(&c);
        cluster_settle(&c, 15000);
        cluster_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_survive_storms),
        cmocka_unit_test(members_change_in_storms),
        cmocka_unit_test(a_sole_voter_grows_to_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
