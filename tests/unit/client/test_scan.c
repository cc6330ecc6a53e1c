/* test_scan.c - scans over fake nodes: order, pauses, cursors, faults. */
#include "tests/unit/client/fixture.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 100 };

struct seen {
    struct coat_scan *scan;
    unsigned n;
    char keys[3 * KEYS][16];
    char values[3 * KEYS][16];
    bool done;
    enum coat_status status;
    unsigned pause_each, cancel_at; /* 0: never */
    char *cursor;                   /* taken at the end, if wanted */
    bool want_cursor;
};

static void on_entry(const struct coat_entry *e, void *user)
{
    struct seen *s = user;

    assert_false(s->done);
    assert_true(s->n < 3 * KEYS && e->key.size < 16);
    memcpy(s->keys[s->n], e->key.data, e->key.size);
    if (e->value.size)
        memcpy(s->values[s->n], e->value.data, e->value.size);
    s->n++;
    if (s->pause_each && s->n % s->pause_each == 0)
        coat_scan_pause(s->scan);
    if (s->n == s->cancel_at) {
        coat_scan_cancel(s->scan);
        s->done = true;
    }
}

static void on_end(enum coat_status status, const char *detail, void *user)
{
    struct seen *s = user;

    assert_non_null(detail);
    assert_false(s->done);
    s->done = true;
    s->status = status;
    if (s->want_cursor)
        s->cursor = coat_scan_cursor(s->scan);
}

static struct fixture *begin_filled(void)
{
    struct fixture *t = begin(3);

    for (unsigned i = 0; i < KEYS; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%03u", i * 37 % KEYS);
        snprintf(value, sizeof value, "v%u", i * 37 % KEYS);
        fake_put(&t->f, key, value);
    }
    return t;
}

static void start_scan(struct fixture *t, const struct coat_scan_options *o,
                       struct seen *s)
{
    assert_int_equal(coat_scan_start(t->c, o, on_entry, on_end, s, &s->scan),
                     COAT_OK);
    assert_int_equal(s->n, 0);
}

static struct seen *run(struct fixture *t, const struct coat_scan_options *o)
{
    struct seen *s = calloc(1, sizeof *s);

    start_scan(t, o, s);
    run_until(&t->loop, &s->done);
    return s;
}

/* Keys from..to-1 in this direction, as they were put. */
static void check(const struct seen *s, unsigned from, unsigned to,
                  bool reverse)
{
    assert_int_equal(s->status, COAT_OK);
    assert_int_equal(s->n, to - from);
    for (unsigned i = 0; i < s->n; i++) {
        unsigned want = reverse ? to - 1 - i : from + i;
        char key[16];
        snprintf(key, sizeof key, "k%03u", want);
        assert_string_equal(s->keys[i], key);
    }
}

static void groups_are_merged_in_key_order_whatever_the_page(void **state)
{
    static const unsigned pages[] = {0, 1, 3, 7};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct fixture *t = begin_filled();
        struct coat_scan_options o = COAT_SCAN_OPTIONS;
        struct seen *s;
        o.flags = i % 2 ? COAT_REVERSE : 0;
        o.page_keys = pages[i / 2];
        s = run(t, &o);
        check(s, 0, KEYS, i % 2);
        assert_string_equal(s->values[0], i % 2 ? "v99" : "v0");
        free(s);
        stop(t);
    }
}

static void ranges_prefixes_and_limits_cut_it(void **state)
{
    struct fixture *t = begin_filled();
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    struct seen *s;

    (void)state;
    o.begin = COAT_STR("k020");
    o.end = COAT_STR("k040");
    s = run(t, &o);
    check(s, 20, 40, false);
    free(s);
    o.prefix = COAT_STR("k03");
    s = run(t, &o);
    check(s, 30, 40, false);
    free(s);
    o.limit = 3;
    s = run(t, &o);
    check(s, 30, 33, false);
    free(s);
    o.flags = COAT_REVERSE | COAT_KEYS_ONLY;
    s = run(t, &o);
    check(s, 37, 40, true);
    assert_string_equal(s->values[0], "");
    free(s);
    stop(t);
}

/* While it is paused nothing comes; behind a pause nothing is missing. */
static void a_paused_scan_waits(void **state)
{
    struct fixture *t = begin_filled();
    struct seen *s = calloc(1, sizeof *s);
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    unsigned rounds = 0;

    (void)state;
    o.page_keys = 2;
    s->pause_each = 10;
    start_scan(t, &o, s);
    while (!s->done) {
        uv_run(&t->loop, UV_RUN_ONCE);
        assert_true(s->n <= 10 * (rounds + 1));
        if (s->n == 10 * (rounds + 1)) {
            rounds++;
            coat_scan_resume(s->scan);
        }
    }
    check(s, 0, KEYS, false);
    free(s);
    stop(t);
}

static void a_cancelled_scan_says_nothing_more(void **state)
{
    struct fixture *t = begin_filled();
    struct seen *s = calloc(1, sizeof *s);
    struct answer a;

    (void)state;
    s->cancel_at = 5;
    start_scan(t, NULL, s);
    run_until(&t->loop, &s->done);
    a = get(t, "k001");
    assert_int_equal(a.status, COAT_OK);
    assert_int_equal(s->n, 5);
    *s = (struct seen){0};
    start_scan(t, NULL, s);
    coat_scan_cancel(s->scan); /* before anything came */
    assert_int_equal(get(t, "k001").status, COAT_OK);
    assert_int_equal(s->n, 0);
    free(s);
    stop(t);
}

/* With a limit the end is a place to go on from; in another client too. */
static void a_cursor_goes_on_behind_the_last_entry(void **state)
{
    (void)state;
    for (unsigned reverse = 0; reverse < 2; reverse++) {
        struct fixture *t = begin_filled();
        struct coat_scan_options o = COAT_SCAN_OPTIONS;
        unsigned n = 0;
        char *cursor = NULL;
        o.flags = reverse ? COAT_REVERSE : 0;
        o.limit = 7;
        for (;;) {
            struct seen s = {.want_cursor = true};
            o.cursor = cursor;
            start_scan(t, &o, &s);
            run_until(&t->loop, &s.done);
            assert_int_equal(s.status, COAT_OK);
            for (unsigned i = 0; i < s.n; i++, n++) {
                char key[16];
                snprintf(key, sizeof key, "k%03u", reverse ? KEYS - 1 - n : n);
                assert_string_equal(s.keys[i], key);
            }
            free(cursor);
            cursor = s.cursor;
            if (s.n < 7)
                break;
        }
        assert_int_equal(n, KEYS);
        free(cursor);
        stop(t);
    }
}

static void a_cursor_of_another_scan_is_refused(void **state)
{
    struct fixture *t = begin_filled();
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    struct seen *s = calloc(1, sizeof *s);
    struct coat_scan *scan;

    (void)state;
    s->want_cursor = true;
    start_scan(t, &o, s);
    run_until(&t->loop, &s->done);
    o.cursor = s->cursor;
    o.flags = COAT_REVERSE;
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_BAD_CURSOR);
    o.flags = 0;
    o.prefix = COAT_STR("x");
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_BAD_CURSOR);
    o.prefix.size = 0;
    o.keyspace = "other";
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_BAD_CURSOR);
    o.keyspace = "no name";
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_INVALID);
    o.keyspace = NULL;
    o.pattern = COAT_STR("[a");
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_INVALID);
    assert_non_null(strstr(coat_client_refusal(t->c), "no ]"));
    o.pattern = COAT_STR("");
    o.cursor = "rubbish";
    assert_int_equal(coat_scan_start(t->c, &o, on_entry, on_end, s, &scan),
                     COAT_BAD_CURSOR);
    free(s->cursor);
    free(s);
    stop(t);
}

/* Leaders change and connections break while pages are under way. */
static void it_survives_changes_of_leaders(void **state)
{
    struct fixture *t = begin_filled();
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    struct seen *s = calloc(1, sizeof *s);

    (void)state;
    o.page_keys = 2;
    o.timeout = 20000;
    s->pause_each = 9;
    start_scan(t, &o, s);
    for (unsigned i = 0; !s->done; i++) {
        uv_run(&t->loop, UV_RUN_ONCE);
        if (s->n % 9 || !s->n)
            continue;
        for (unsigned g = 0; g < t->f.map->n_groups; g++)
            t->f.leaders[g] = 1 + (t->f.leaders[g] + i) % 3;
        if (i % 4 == 0)
            fake_break(&t->f.nodes[i % 3]);
        coat_scan_resume(s->scan);
    }
    check(s, 0, KEYS, false);
    free(s);
    stop(t);
}

static void an_error_that_stays_ends_it(void **state)
{
    struct fixture *t = begin_filled();
    struct seen *s;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        t->f.nodes[i].mode = FAKE_REFUSE;
        t->f.nodes[i].refusal = STATUS_NO_KEYSPACE;
        t->f.nodes[i].refusals = 100;
    }
    s = run(t, NULL);
    assert_int_equal(s->status, COAT_NO_KEYSPACE);
    assert_int_equal(s->n, 0);
    free(s);
    stop(t);
}

static void closing_the_client_ends_it(void **state)
{
    struct fixture *t = begin_filled();
    struct seen *s = calloc(1, sizeof *s);

    (void)state;
    s->pause_each = 1;
    start_scan(t, NULL, s);
    while (!s->n)
        uv_run(&t->loop, UV_RUN_ONCE);
    stop(t);
    assert_true(s->done);
    assert_int_equal(s->status, COAT_CANCELLED);
    free(s);
}

/* A tag is enough to ask one group only. */
static void a_tag_scans_its_group_alone(void **state)
{
    struct fixture *t = begin_filled();
    struct coat_scan_options o = COAT_SCAN_OPTIONS;
    struct seen *s;
    unsigned want = 0;

    (void)state;
    o.tag = COAT_STR("k007");
    s = run(t, &o);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%03u", i);
        want += fake_group(&t->f, key) == fake_group(&t->f, "k007");
    }
    assert_int_equal(s->n, want);
    free(s);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_merged_in_key_order_whatever_the_page),
        cmocka_unit_test(ranges_prefixes_and_limits_cut_it),
        cmocka_unit_test(a_paused_scan_waits),
        cmocka_unit_test(a_cancelled_scan_says_nothing_more),
        cmocka_unit_test(a_cursor_goes_on_behind_the_last_entry),
        cmocka_unit_test(a_cursor_of_another_scan_is_refused),
        cmocka_unit_test(it_survives_changes_of_leaders),
        cmocka_unit_test(an_error_that_stays_ends_it),
        cmocka_unit_test(closing_the_client_ends_it),
        cmocka_unit_test(a_tag_scans_its_group_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
