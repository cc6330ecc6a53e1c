/* test_scan_tools.c - counting, deleting and blocking scans over fake nodes. */
#include "tests/unit/client/fixture.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 60 };

struct counted {
    bool done;
    enum coat_status status;
    uint64_t count;
};

static void on_count(enum coat_status status, uint64_t count,
                     const char *detail, void *user)
{
    struct counted *c = user;

    assert_non_null(detail);
    assert_false(c->done);
    *c = (struct counted){true, status, count};
}

static void fill(struct fake_cluster *f)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        fake_put(f, key, "v");
    }
}

static struct counted count(struct fixture *t, struct coat_scan_options *o)
{
    struct counted c = {0};

    assert_int_equal(coat_count(t->c, o, on_count, &c), COAT_OK);
    run_until(&t->loop, &c.done);
    return c;
}

static void counting_adds_up_the_pages_of_all_groups(void **state)
{
    struct fixture *t = begin(3);
    struct coat_scan_options o = COAT_SCAN_OPTIONS;

    (void)state;
    fill(&t->f);
    for (unsigned i = 0; i < 3; i++)
        t->f.nodes[i].page_keys = 4;
    assert_int_equal(count(t, &o).count, KEYS);
    o.prefix = COAT_STR("k03");
    assert_int_equal(count(t, &o).count, 10);
    o.prefix = COAT_STR("nothing");
    assert_int_equal(count(t, &o).count, 0);
    stop(t);
}

static struct counted delete_range(struct fixture *t, const char *prefix,
                                   int dry_run, uint64_t limit)
{
    struct counted c = {0};
    struct coat_scan_options o = COAT_SCAN_OPTIONS;

    o.prefix = COAT_STR(prefix);
    o.limit = limit;
    assert_int_equal(coat_delete_range(t->c, &o, dry_run, on_count, &c),
                     COAT_OK);
    run_until(&t->loop, &c.done);
    return c;
}

static void a_dry_run_only_counts(void **state)
{
    struct fixture *t = begin(3);
    unsigned log;

    (void)state;
    fill(&t->f);
    log = t->f.n_log;
    assert_int_equal(delete_range(t, "k01", 1, 0).count, 10);
    assert_int_equal(t->f.n_log, log);
    assert_int_equal(delete_range(t, "k01", 0, 4).count, 4);
    assert_int_equal(delete_range(t, "k01", 0, 0).count, 6);
    assert_null(fake_value(&t->f, "k015"));
    assert_non_null(fake_value(&t->f, "k020"));
    assert_int_equal(t->f.n_log, log + 10);
    stop(t);
}

/* The client's own bound on requests must not lose keys. */
static void deletes_wait_for_room(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct fixture *t;

    (void)state;
    o.requests_max = 12;
    t = begin_with(3, o);
    fill(&t->f);
    assert_int_equal(delete_range(t, "", 0, 0).count, KEYS);
    assert_int_equal(count(t, NULL).count, 0);
    stop(t);
}

static void a_delete_that_fails_ends_it_with_what_was_done(void **state)
{
    struct fixture *t = begin(1);
    struct counted c = {0};
    struct coat_scan_options o = COAT_SCAN_OPTIONS;

    (void)state;
    fill(&t->f);
    t->f.nodes[0].refusal = STATUS_DENIED;
    assert_int_equal(coat_delete_range(t->c, &o, 0, on_count, &c), COAT_OK);
    while (!c.done) {
        uv_run(&t->loop, UV_RUN_ONCE);
        if (t->f.nodes[0].scans >= 8 && t->f.nodes[0].mode != FAKE_REFUSE) {
            t->f.nodes[0].mode = FAKE_REFUSE;
            t->f.nodes[0].refusals = 1000;
        }
    }
    assert_int_equal(c.status, COAT_DENIED);
    assert_true(c.count < KEYS);
    o.keyspace = "other";
    assert_int_equal(coat_delete_range(t->c, &o, 0, on_count, &c),
                     COAT_INVALID);
    stop(t);
}

static void a_session_scans_counts_and_deletes(void **state)
{
    struct fake_cluster *f = calloc(1, sizeof *f);
    struct coat_options options = COAT_OPTIONS;
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    struct coat_session *s;
    struct coat_scan *scan;
    struct coat_entry e;
    char error[COAT_ERROR_MAX];
    uv_loop_t loop;
    uint64_t n;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_cluster_init(f, &loop, 3, 8);
    fill(f);
    options.endpoints = f->endpoints;
    fake_thread_start(f);
    s = coat_connect(&options, error, sizeof error);
    assert_non_null(s);
    o.page_keys = 3;
    assert_int_equal(coat_scan_open(s, &o, &scan), COAT_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        assert_int_equal(coat_scan_next(scan, &e), COAT_OK);
        assert_int_equal(e.key.size, 4);
        assert_memory_equal(e.key.data, key, 4);
    }
    assert_int_equal(coat_scan_next(scan, &e), COAT_NOT_FOUND);
    assert_int_equal(coat_scan_next(scan, &e), COAT_NOT_FOUND);
    coat_scan_close(scan);
    coat_scan_close(NULL);
    assert_int_equal(coat_count_wait(s, NULL, &n), COAT_OK);
    assert_int_equal(n, KEYS);
    o.prefix = COAT_STR("k00");
    assert_int_equal(coat_delete_range_wait(s, &o, 0, &n), COAT_OK);
    assert_int_equal(n, 10);
    assert_int_equal(coat_count_wait(s, NULL, &n), COAT_OK);
    assert_int_equal(n, KEYS - 10);
    coat_disconnect(s);
    fake_thread_stop(f);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_adds_up_the_pages_of_all_groups),
        cmocka_unit_test(a_dry_run_only_counts),
        cmocka_unit_test(deletes_wait_for_room),
        cmocka_unit_test(a_delete_that_fails_ends_it_with_what_was_done),
        cmocka_unit_test(a_session_scans_counts_and_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
