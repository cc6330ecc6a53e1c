/* test_reaper.c - what is due goes in time, everywhere, whoever leads. */
#include "tests/unit/node/core/asking.h"

#include <stdio.h>

enum {
    TRUE_BASE = 1000000, /* a right wall clock less the world's time */
    LATE_MS = 100,       /* at most, from the deadline on */
};

static struct trial t;

static void start(struct cluster_options *o)
{
    trial_start(&t, o);
    trial_run(&t, 3000);
    asking_begin(&t);
}

static void end(void)
{
    trial_judge(&t);
    trial_release(&t);
    asking_end();
}

static void set_until(struct sim_node *n, const char *key, uint64_t deadline)
{
    struct operation o = {.op = OP_SET, .flags = OPERATION_DEADLINE,
                          .key = slice_str(key), .value = slice_str("v"),
                          .expire = deadline};

    assert_int_equal(ask_op(n, "", o, NULL)->status, STATUS_OK);
}

static enum status get(struct sim_node *n, const char *key)
{
    struct operation o = {.op = OP_GET, .key = slice_str(key)};

    return ask_op(n, "", o, NULL)->status;
}

static uint64_t true_ms(void)
{
    return t.c.now + TRUE_BASE;
}

static unsigned rows(enum layout_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < t.c.o.nodes; i++)
        n += asking_rows(&t.c.nodes[i], 1, kind);
    return n;
}

/* Nobody asks for them: they go by themselves, and what they left too. */
static void due_keys_go_in_time_without_a_command(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    uint64_t deadline;
    char key[16];

    (void)state;
    start(&o);
    leader = trial_elect(&t, 1);
    deadline = true_ms() + 3000;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%u", i);
        set_until(leader, key, deadline + i * 40);
    }
    trial_run(&t, deadline - true_ms() - 5);
    assert_int_equal(asking_rows(leader, 1, LAYOUT_DATA), 20);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t late = deadline + i * 40 + LATE_MS;
        if (true_ms() < late)
            trial_run(&t, late - true_ms());
        assert_true(asking_rows(leader, 1, LAYOUT_DATA) <= 19 - i);
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(get(trial_other(&t, leader), key),
                         STATUS_NOT_FOUND);
    }
    trial_run(&t, 1000);
    assert_int_equal(rows(LAYOUT_DATA), 0);
    assert_int_equal(rows(LAYOUT_DEADLINE), 0);
    for (unsigned i = 0; i < 3; i++) /* plain sets are blind again */
        assert_int_equal(
            trial_replica(&t.c.nodes[i], 1)->machine.expiry.next_due,
            UINT64_MAX);
    end();
}

/* One node a year ahead, leading or not: no key goes early. */
static void a_clock_a_year_ahead_takes_no_key_early(void **state)
{
    struct cluster_options o = trial_three();
    uint64_t deadline;

    (void)state;
    start(&o);
    t.c.nodes[0].wall_skew_ms = INT64_C(31536000000);
    deadline = true_ms() + 30000;
    set_until(trial_elect(&t, 1), "k", deadline);
    for (unsigned round = 0; true_ms() + 5000 < deadline; round++) {
        struct sim_node *n = trial_elect(&t, 1);
        assert_int_equal(get(trial_other(&t, n), "k"), STATUS_OK);
        trial_isolate(&t, n, true); /* the next one leads */
        trial_run(&t, 1500);
        trial_isolate(&t, n, false);
        trial_run(&t, 1000);
    }
    assert_int_equal(get(trial_elect(&t, 1), "k"), STATUS_OK);
    trial_run(&t, deadline + LATE_MS - true_ms());
    assert_int_equal(asking_rows(trial_elect(&t, 1), 1, LAYOUT_DATA), 0);
    end();
}

/* Sweeps that were lost with their leader are made again. */
static void leaders_that_go_leave_nothing_behind(void **state)
{
    struct cluster_options o = trial_three();
    char key[16];

    (void)state;
    o.seed = 5;
    start(&o);
    for (unsigned i = 0; i < 400; i++) {
        snprintf(key, sizeof key, "k%u", i);
        set_until(trial_elect(&t, 1), key, true_ms() + 1000 + i % 10);
        if (i % 40 == 39) {
            struct sim_node *n = trial_elect(&t, 1);
            if (i % 80 == 39)
                trial_isolate(&t, n, true);
            else
                start_crash(&t.c, n);
            trial_run(&t, 1500);
            if (i % 80 == 39)
                trial_isolate(&t, n, false);
            else
                start_node(&t.c, n);
            trial_run(&t, 700);
        }
    }
    trial_run(&t, 8000);
    assert_int_equal(rows(LAYOUT_DATA), 0);
    assert_int_equal(rows(LAYOUT_DEADLINE), 0);
    end();
}

/* Thousands at once: in several sweeps, never many at a time. */
static void thousands_due_at_once_go_in_bounded_sweeps(void **state)
{
    enum { MANY = 3000 };
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    uint64_t deadline;
    char key[16];

    (void)state;
    start(&o);
    leader = trial_elect(&t, 1);
    deadline = true_ms() + 60000;
    for (unsigned i = 0; i < MANY; i++) {
        struct operation set = {.op = OP_SET, .flags = OPERATION_DEADLINE,
                                .value = slice_str("v"), .expire = deadline};
        snprintf(key, sizeof key, "k%u", i);
        set.key = slice_str(key);
        asking_send(leader, "", &set, NULL);
        if (i % 100 == 99)
            trial_run(&t, 20);
    }
    trial_run(&t, deadline - true_ms() - 1);
    assert_int_equal(asking_rows(leader, 1, LAYOUT_DATA), MANY);
    while (asking_rows(leader, 1, LAYOUT_DATA)) {
        struct replica *r = trial_replica(leader, 1);
        assert_true(r->machine.expiry.in_flight <= SWEEPS_IN_FLIGHT_MAX);
        assert_true(true_ms() < deadline + 2000);
        trial_run(&t, 1);
    }
    trial_run(&t, 500);
    assert_int_equal(rows(LAYOUT_DEADLINE), 0);
    end();
}

/* Broken: three replicas wait for their disks where one has looked already. */
static void what_the_leader_has_read_nobody_reads_again(void **state)
{
    struct cluster_options o = trial_three();
    uint64_t deadline;
    char key[16];

    (void)state;
    start(&o);
    /* With their first sweep the replicas begin to note what is written. */
    set_until(trial_elect(&t, 1), "first", true_ms() + 100);
    trial_run(&t, 1000);
    deadline = true_ms() + 2000;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%u", i);
        set_until(trial_elect(&t, 1), key, deadline + i * 20);
    }
    trial_run(&t, deadline - true_ms() - 5);
    assert_int_equal(rows(LAYOUT_DEADLINE), 60);
    while (rows(LAYOUT_DEADLINE)) {
        trial_run(&t, 1);
        assert_true(true_ms() < deadline + 2000);
        for (unsigned i = 0; i < 3; i++) {
            struct replica *r = trial_replica(&t.c.nodes[i], 1);
            assert_true(view_empty(&applying_step(&r->apply)->view));
        }
    }
    end();
}

/* Would break: beside a stream of expiries each follower would look into its
 * index behind each entry, for a bound that helps nobody then. But when that is
 * over it has to know it soon. */
static void who_does_not_lead_looks_seldom(void **state)
{
    enum { RUN_MS = 4000 };
    struct cluster_options o = trial_three();
    uint64_t looked_at[3] = {0}, deadline;
    unsigned looks[3] = {0};
    char key[16];

    (void)state;
    start(&o);
    deadline = true_ms() + 4000;
    for (unsigned i = 0; i < RUN_MS / 10; i++) {
        snprintf(key, sizeof key, "k%u", i);
        set_until(trial_elect(&t, 1), key, deadline + i * 10);
    }
    trial_run(&t, deadline - true_ms());
    for (unsigned ms = 0; ms < RUN_MS; ms++) {
        trial_run(&t, 1);
        for (unsigned i = 0; i < 3; i++) {
            struct replica *r = trial_replica(&t.c.nodes[i], 1);
            looks[i] += r->role != GROUP_LEADER &&
                        r->machine.expiry.looked_at != looked_at[i];
            looked_at[i] = r->machine.expiry.looked_at;
        }
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(looks[i] <= RUN_MS / 150);
    trial_run(&t, 500);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            trial_replica(&t.c.nodes[i], 1)->machine.expiry.next_due,
            UINT64_MAX);
    end();
}

/* A replica that gets a snapshot knows nothing of its index at first. */
static void a_restarted_node_finds_its_index_again(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    start(&o);
    set_until(trial_elect(&t, 1), "k", true_ms() + 5000);
    for (unsigned i = 0; i < 3; i++)
        start_crash(&t.c, &t.c.nodes[i]);
    for (unsigned i = 0; i < 3; i++)
        start_node(&t.c, &t.c.nodes[i]);
    trial_run(&t, 2000);
    assert_int_equal(get(trial_elect(&t, 1), "k"), STATUS_OK);
    trial_run(&t, 4000);
    assert_int_equal(rows(LAYOUT_DATA), 0);
    assert_int_equal(rows(LAYOUT_DEADLINE), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_keys_go_in_time_without_a_command),
        cmocka_unit_test(a_clock_a_year_ahead_takes_no_key_early),
        cmocka_unit_test(leaders_that_go_leave_nothing_behind),
        cmocka_unit_test(thousands_due_at_once_go_in_bounded_sweeps),
        cmocka_unit_test(what_the_leader_has_read_nobody_reads_again),
        cmocka_unit_test(who_does_not_lead_looks_seldom),
        cmocka_unit_test(a_restarted_node_finds_its_index_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
