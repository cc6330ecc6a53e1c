/* test_shard_cluster.c - whole clusters of shards under everything at once.
 *
 * The world is in cluster.h, what is judged in history.h and invariants.h; here
 * is the course of one trial: misfortunes for some seconds, then calm; within
 * ten election timeouts every group has to serve through every node again; in
 * the end all is checked. A failing seed is printed; the same seed does the
 * same again. The program with one SEED runs that and tells what happens; with
 * FIRST LAST it runs all between. */
#include "tests/unit/node/core/core_test.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/log.h"
#include "tests/sim/trial.h"

enum {
    STORM_MS = 6000,
    PROGRESS_MS = 10 * 500, /* ten election timeouts */
    ANSWERED_MS = 4000,     /* beyond the longest deadline */
    SEEDS = 200,
};

static struct cluster_options options_of(uint64_t seed, bool verbose)
{
    static const unsigned nodes[] = {3, 3, 5, 3, 1, 5, 3, 5};
    struct cluster_options o = {
        .seed = seed,
        .verbose = verbose,
        .nodes = nodes[seed % ARRAY_LEN(nodes)],
        .loops = 1 + (unsigned)(seed % 3),
        .groups = 1 + (unsigned)(seed / 3 % 4),
        .flush_bytes = 2000 + seed % 7 * 5000,
        .trailing = 1 + (unsigned)(seed % 5) * 10,
        .padding_bytes = seed % 6 ? 100 : 600000,
    };

    o.replicas = o.nodes == 5 && seed % 2 ? 5 : o.nodes >= 3 ? 3 : 1;
    return o;
}

static void storm(struct trial *t, uint64_t ms)
{
    uint64_t end = t->c.now + ms;

    while (t->c.now < end) {
        cluster_run(&t->c, t->c.now + 20 + cluster_random(&t->c, 300));
        cluster_misfortune(&t->c);
    }
}

/* Sets through each node to each group until all succeed. */
static void progress(struct trial *t)
{
    unsigned probes = t->c.o.nodes * t->c.o.groups;
    size_t asked[CLUSTER_NODES_MAX * CLUSTER_GROUPS_MAX];
    uint64_t end = t->c.now + PROGRESS_MS;
    unsigned good = 0;

    memset(asked, 0xff, sizeof asked);
    while (good < probes) {
        struct history *h = &t->clients.h;
        if (t->c.now >= end)
            cluster_fail(&t->c, "no progress: %u of %u probes", good, probes);
        for (unsigned i = 0; i < probes; i++) {
            struct sim_node *n = &t->c.nodes[i % t->c.o.nodes];
            unsigned at = i % t->c.o.nodes;
            unsigned key = i / t->c.o.nodes * KEYS_PER_GROUP;
            const struct past *p =
                asked[i] < h->n ? &h->v[asked[i]] : NULL;
            if (p && (p->state == PAST_PENDING || p->status == STATUS_OK))
                continue;
            if (t->clients.v[at].outstanding < CLIENT_DEPTH_MAX)
                asked[i] = clients_ask(&t->clients, at, n, OP_SET,
                                       READ_LINEARIZABLE, key);
        }
        cluster_run(&t->c, t->c.now + 50);
        good = 0;
        for (unsigned i = 0; i < probes; i++)
            good += asked[i] < h->n && h->v[asked[i]].status == STATUS_OK &&
                    h->v[asked[i]].state == PAST_ANSWERED;
    }
}

static void read_everything(struct trial *t)
{
    for (unsigned key = 0; key < t->clients.n_keys; key++) {
        unsigned place = (unsigned)cluster_random(&t->c, t->c.o.nodes - 1);
        size_t asked = clients_ask(&t->clients, place, &t->c.nodes[place],
                                   OP_GET, READ_LINEARIZABLE, key);
        struct past *p;
        cluster_run(&t->c, t->c.now + 200);
        p = &t->clients.h.v[asked];
        if (p->state != PAST_ANSWERED || (p->status != STATUS_OK &&
                                          p->status != STATUS_NOT_FOUND))
            cluster_fail(&t->c, "a read in calm weather: %s",
                         status_name(p->status));
    }
}

static void calm(struct trial *t)
{
    cluster_heal(&t->c);
    clients_stop(&t->clients);
    progress(t);
    cluster_run(&t->c, t->c.now + ANSWERED_MS);
    if (clients_waiting(&t->clients))
        cluster_fail(&t->c, "%u requests were never answered",
                     clients_waiting(&t->clients));
    read_everything(t);
    trial_judge(t);
}

static void run_trial(struct trial *t, uint64_t seed, bool verbose)
{
    struct cluster_options o = options_of(seed, verbose);

    trial_init(t, &o);
    cluster_run(&t->c, t->c.now + 1500);
    clients_run(&t->clients);
    storm(t, STORM_MS);
    calm(t);
}

/* Acknowledged writes stay, reads do not go back, all are answered once,
 * replicas stay equal, the cluster serves again: whatever happens. */
static void clusters_survive_storms(void **state)
{
    static struct trial t;
    unsigned installs = 0, log_reads = 0, restarts = 0, stops = 0;
    uint64_t ok = 0, unknown = 0, refused = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_trial(&t, seed, false);
        installs += t.c.count.installs;
        log_reads += t.c.count.log_reads;
        restarts += t.c.count.restarts;
        stops += t.c.count.stops;
        ok += t.clients.ok;
        unknown += t.clients.unknown;
        refused += t.clients.refused;
        trial_release(&t);
    }
    print_message("ok %" PRIu64 ", unknown %" PRIu64 ", refused %" PRIu64
                  ", installs %u, log reads %u, restarts %u, stops %u\n",
                  ok, unknown, refused, installs, log_reads, restarts, stops);
    /* Otherwise the storms were too gentle to prove anything. */
    assert_true(installs > 50);
    assert_true(log_reads > 50);
    assert_true(stops > 50);
    assert_true(unknown > 100);
    assert_true(ok > refused / 2);
}

/* Without that no failure could be looked at twice. */
static void one_seed_does_the_same_twice(void **state)
{
    static struct trial t;
    uint64_t hash[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        run_trial(&t, 77, false);
        hash[i] = t.c.hash;
        trial_release(&t);
    }
    assert_true(hash[0] == hash[1]);
}

static void print_line(enum log_level level, const char *line)
{
    printf("         %c %s\n", "DIWE"[level], line);
}

static uint64_t chosen, chosen_last;

static void the_chosen_seed_passes_all_checks(void **state)
{
    static struct trial t;

    (void)state;
    log_set(print_line, LOG_LEVEL_INFO);
    run_trial(&t, chosen, true);
    print_message("ok %" PRIu64 ", unknown %" PRIu64 ", refused %" PRIu64
                  ", hash %016" PRIx64 "\n",
                  t.clients.ok, t.clients.unknown, t.clients.refused,
                  t.c.hash);
    trial_release(&t);
}

/* For a night: many seeds, silently. */
static void the_chosen_seeds_pass_all_checks(void **state)
{
    static struct trial t;

    (void)state;
    for (; chosen <= chosen_last; chosen++) {
        run_trial(&t, chosen, false);
        trial_release(&t);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(one_seed_does_the_same_twice),
        cmocka_unit_test(clusters_survive_storms),
    };
    const struct CMUnitTest one[] = {
        cmocka_unit_test(the_chosen_seed_passes_all_checks),
    };
    const struct CMUnitTest some[] = {
        cmocka_unit_test(the_chosen_seeds_pass_all_checks),
    };

    if (argc > 1)
        chosen = strtoull(argv[1], NULL, 10);
    if (argc > 2) {
        chosen_last = strtoull(argv[2], NULL, 10);
        return cmocka_run_group_tests(some, NULL, NULL);
    }
    if (argc > 1) {
        return cmocka_run_group_tests(one, NULL, NULL);
    }
    return cmocka_run_group_tests(all, NULL, NULL);
}
