/* test_scan_cluster.c - scans through clusters: routing, rounds, faults. */
#include "tests/unit/node/core/core_test.h"

#include "proto/scan.h"
#include "proto/slot.h"
#include "tests/sim/trial.h"

enum { CONN = 1000, KEYS = 40 };

static struct trial t;
static void (*others)(void *arg, struct sim_node *n, const struct effect *e);

/* The scanner's one request that is under way. */
static struct {
    uint64_t id;
    bool pending;
    enum status status;
    struct buf page;
} scanner;

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    if ((uint32_t)e->reply.to.conn != CONN) {
        others(arg, n, e);
        return;
    }
    assert_int_equal(e->reply.op, OP_SCAN);
    if (e->reply.to.id != scanner.id)
        return; /* given up */
    assert_true(scanner.pending);
    scanner.pending = false;
    scanner.status = e->reply.reply.status;
    buf_clear(&scanner.page);
    buf_append(&scanner.page, e->reply.reply.value.data,
               e->reply.reply.value.size);
}

static void start(const struct cluster_options *o)
{
    trial_start(&t, o);
    others = t.c.judge.replied;
    t.c.judge.replied = on_replied;
}

static void stop(void)
{
    trial_judge(&t);
    for (unsigned i = 0; i < t.c.o.nodes; i++)
        for (unsigned k = 0; k < t.c.nodes[i].n_loops; k++) {
            const struct shard *s = t.c.nodes[i].loops[k].shard;
            assert_int_equal(s->scans, 0);
            assert_int_equal(s->scans_passed_on, 0);
        }
    trial_release(&t);
    buf_release(&scanner.page);
}

static void ask(struct sim_node *n, const struct scan *scan)
{
    struct buf value = {0};
    struct request q = {.operation = {.op = OP_SCAN},
                        .from = {.conn = CONN, .id = ++scanner.id}};

    scan_encode(scan, &value);
    q.operation.value = buf_slice(&value);
    q.operation.key = scan->key;
    if (scan->flags & SCAN_STALE)
        q.operation.flags = OPERATION_STALE;
    q.deadline = (instant){t.c.now + 2000};
    scanner.pending = true;
    loop_request(&t.c, &n->loops[0], &q);
    buf_release(&value);
}

static bool told(struct trial *x UNUSED, void *arg UNUSED)
{
    return !scanner.pending;
}

static enum status scan(struct sim_node *n, const struct scan *s,
                        struct scan_page *p)
{
    ask(n, s);
    trial_wait(&t, 4000, told, NULL, "a page");
    if (scanner.status == STATUS_OK)
        assert_int_equal(scan_page_decode(buf_slice(&scanner.page), p),
                         STATUS_OK);
    return scanner.status;
}

/* All keys of group 1 as a set of the clients' key numbers. */
static uint64_t found(struct sim_node *n, unsigned flags)
{
    struct buf begin = {0};
    struct scan s = {.group = 1, .flags = flags | SCAN_KEYS_ONLY};
    struct scan_page p;
    struct scan_record r;
    uint64_t set = 0;

    do {
        assert_int_equal(scan(n, &s, &p), STATUS_OK);
        while (scan_page_record(&p, &r))
            for (unsigned k = 0; k < t.clients.n_keys; k++)
                if (slice_equal(r.key, slice_str(t.clients.keys[k])))
                    set |= UINT64_C(1) << k;
        buf_clear(&begin);
        buf_append(&begin, p.next.data, p.next.size);
        s.begin = buf_slice(&begin);
    } while (p.flags & SCAN_PAGE_MORE);
    buf_release(&begin);
    return set;
}

/* Whom one asks does not matter; what was written before is in the page. */
static void any_node_answers_with_what_was_written_before(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    o.groups = 2;
    o.loops = 2;
    start(&o);
    for (unsigned i = 0; i < 30; i++) {
        struct sim_node *n = &t.c.nodes[i % 3];
        unsigned key = i % KEYS_PER_GROUP;
        const struct past *set = trial_answer(&t, n, OP_SET, key);
        if (set->status != STATUS_OK)
            continue; /* leadership may move */
        assert_true(found(&t.c.nodes[(i + 1) % 3], 0) >> key & 1);
        if (trial_answer(&t, n, OP_DELETE, key)->status == STATUS_OK)
            assert_false(found(&t.c.nodes[(i + 2) % 3], 0) >> key & 1);
    }
    stop();
}

/* A page of an old leader would lack what the new one has acknowledged. */
static void an_isolated_leader_gives_no_page(void **state)
{
    struct cluster_options o = trial_three();
    struct scan s = {.group = 1};
    struct scan_page p;
    struct sim_node *old;

    (void)state;
    start(&o);
    old = trial_elect(&t, 1);
    trial_isolate(&t, old, true);
    assert_int_not_equal(scan(old, &s, &p), STATUS_OK);
    s.flags = SCAN_STALE;
    assert_int_equal(scan(old, &s, &p), STATUS_OK);
    cluster_heal(&t.c);
    stop();
}

static void nonsense_is_refused_where_it_arrives(void **state)
{
    struct cluster_options o = trial_three();
    struct scan s = {.group = 900};
    struct scan_page p;

    (void)state;
    start(&o);
    assert_int_equal(scan(&t.c.nodes[0], &s, &p), STATUS_INVALID);
    s = (struct scan){.key = slice_str("")};
    assert_int_equal(scan(&t.c.nodes[0], &s, &p), STATUS_KEY_EMPTY);
    s = (struct scan){.key = slice_str(t.clients.keys[0])};
    assert_int_equal(scan(&t.c.nodes[0], &s, &p), STATUS_OK);
    stop();
}

/* Pages are up to 1 MiB: a node holds only so many. */
static void too_many_at_once_are_told_busy(void **state)
{
    struct cluster_options o = trial_three();
    struct scan s = {.group = 1};
    struct sim_node *leader;

    (void)state;
    start(&o);
    leader = trial_elect(&t, 1);
    t.c.store_max = 50;
    for (unsigned i = 0; i < SCANS_MAX + 1; i++)
        ask(leader, &s);
    trial_wait(&t, 4000, told, NULL, "a refusal");
    assert_int_equal(scanner.status, STATUS_BUSY);
    trial_run(&t, 1000);
    stop();
}

/* Whatever happens: each is answered once, and nothing is left behind. */
static void scans_survive_a_storm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct cluster_options o = trial_three();
        struct scan s = {.group = 1};
        unsigned ok = 0;
        o.seed = seed;
        o.loops = 2;
        start(&o);
        clients_run(&t.clients);
        for (unsigned i = 0; i < 150; i++) {
            struct sim_node *n = &t.c.nodes[i % 3];
            if (i % 10 == 9)
                cluster_misfortune(&t.c);
            if (i % 40 == 39)
                cluster_heal(&t.c);
            if (n->up)
                ask(n, &s);
            trial_run(&t, 60);
            ok += !scanner.pending && scanner.status == STATUS_OK;
        }
        assert_true(ok > 10);
        clients_stop(&t.clients);
        cluster_heal(&t.c);
        trial_run(&t, 6000);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_node_answers_with_what_was_written_before),
        cmocka_unit_test(an_isolated_leader_gives_no_page),
        cmocka_unit_test(nonsense_is_refused_where_it_arrives),
        cmocka_unit_test(too_many_at_once_are_told_busy),
        cmocka_unit_test(scans_survive_a_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
