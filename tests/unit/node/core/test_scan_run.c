/* test_scan_run.c - pages made from a walk, against a sorted model. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "node/core/scan_run.h"
#include "proto/base/rng.h"
#include "proto/glob.h"
#include "proto/slot.h"

enum { ROWS = 200, CLOCK = 1000, KEYSPACE = 7, GROUP = 3 };

struct row {
    char key[16];
    char value[40];
    uint64_t version, expire_at;
    struct buf store_key, store_value;
};

static struct row rows[ROWS];
static struct buf slots; /* the slot table's record */
static struct rng rng;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void make_slots(void)
{
    buf_clear(&slots);
    memset(buf_grow(&slots, 16 + SLOT_TABLE_BYTES), 0, 16 + SLOT_TABLE_BYTES);
    slots.data[0] = 1;
    for (unsigned s = 0; s < SLOT_COUNT; s++)
        if (s % 4)
            slots.data[16 + s / 8] |= (uint8_t)(1u << s % 8);
}

static bool owned(const char *key)
{
    return slot_of(slice_str(key)) % 4 != 0;
}

static int setup(void **state)
{
    (void)state;
    rng_init(&rng, 5);
    make_slots();
    for (unsigned i = 0; i < ROWS; i++) {
        struct row *r = &rows[i];
        snprintf(r->key, sizeof r->key, "%c%c%03u", "abcd"[i % 4],
                 "xyz"[rng_below(&rng, 3)], i);
        snprintf(r->value, sizeof r->value, "value %u", i * i);
        r->version = i + 1;
        r->expire_at = i % 5 ? 0 : CLOCK - 2 + i % 4;
    }
    qsort(rows, ROWS, sizeof *rows, by_key);
    for (unsigned i = 0; i < ROWS; i++) {
        struct row *r = &rows[i];
        struct layout_value v = {.version = r->version,
                                 .expire_at_ms = r->expire_at};
        layout_data_key_append(&r->store_key, KEYSPACE, slice_str(r->key));
        layout_value_header(
            buf_grow(&r->store_value, LAYOUT_VALUE_HEADER_BYTES), &v);
        buf_append(&r->store_value, r->value, strlen(r->value));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_release(&slots);
    for (unsigned i = 0; i < ROWS; i++) {
        buf_release(&rows[i].store_key);
        buf_release(&rows[i].store_value);
    }
    return 0;
}

/* Walk the rows within the run's bounds as a store would. */
static void walk(struct scan_run *run)
{
    bool reverse = run->scan.flags & SCAN_REVERSE;

    for (unsigned k = 0; k < ROWS; k++) {
        const struct row *r = &rows[reverse ? ROWS - 1 - k : k];
        struct slice key = buf_slice(&r->store_key);
        if (slice_compare(key, buf_slice(&run->lower)) < 0 ||
            slice_compare(key, buf_slice(&run->upper)) >= 0)
            continue;
        if (!scan_run_take(run, key, buf_slice(&r->store_value)))
            return;
        /* Now and then the walker has no time left. */
        if (!rng_below(&rng, 40)) {
            scan_run_stop(run, key);
            return;
        }
    }
}

static void one_page(const struct scan *s, uint64_t work_max, struct buf *out)
{
    struct group_record record = {.applied_index = 9, .clock_ms = CLOCK};
    struct scan_run run;
    struct buf request = {0};

    scan_encode(s, &request);
    buf_clear(out);
    assert_int_equal(scan_run_begin(&run, GROUP, KEYSPACE,
                                    buf_slice(&request), out),
                     STATUS_OK);
    run.work_max = work_max;
    assert_int_equal(scan_run_state(&run, &record, buf_slice(&slots)),
                     STATUS_OK);
    walk(&run);
    assert_int_equal(scan_run_end(&run), STATUS_OK);
    buf_release(&request);
}

static bool in_model(const struct scan *s, const struct row *r)
{
    struct slice key = slice_str(r->key);

    return slice_compare(key, s->begin) >= 0 &&
           (!s->end.size || slice_compare(key, s->end) < 0) &&
           (!s->pattern.size || glob_match(s->pattern, key)) &&
           !(r->expire_at && r->expire_at <= CLOCK) && owned(r->key);
}

/* The next row of the model behind row `at` (ROWS, or -1: none). */
static int model_next(const struct scan *s, int at)
{
    int step = s->flags & SCAN_REVERSE ? -1 : 1;

    for (at += step; at >= 0 && at < ROWS; at += step)
        if (in_model(s, &rows[at]))
            return at;
    return -2;
}

static void check_record(const struct scan *s, const struct scan_record *r,
                         const struct row *want)
{
    assert_true(slice_equal(r->key, slice_str(want->key)));
    assert_int_equal(r->version, want->version);
    assert_int_equal(r->expire_at, want->expire_at);
    assert_int_equal(r->value_size, strlen(want->value));
    assert_true(slice_equal(r->value, s->flags & SCAN_KEYS_ONLY
                                          ? slice_str("")
                                          : slice_str(want->value)));
}

/* Follow the pages of a scan to its end. */
static void follow(struct scan s, uint64_t work_max)
{
    struct buf page = {0}, bound = {0};
    int at = s.flags & SCAN_REVERSE ? ROWS : -1;
    uint64_t counted = 0;
    struct scan whole = s;
    struct scan_page p;
    struct scan_record r;

    for (unsigned pages = 0;; pages++) {
        assert_true(pages < 3 * ROWS);
        one_page(&s, work_max, &page);
        assert_int_equal(scan_page_decode(buf_slice(&page), &p), STATUS_OK);
        assert_int_equal(p.index, 9);
        counted += p.counted;
        assert_true(!s.keys_max || p.records <= s.keys_max);
        while (scan_page_record(&p, &r)) {
            at = model_next(&whole, at);
            assert_true(at >= 0);
            check_record(&s, &r, &rows[at]);
        }
        assert_false(p.rows.failed);
        if (!(p.flags & SCAN_PAGE_MORE))
            break;
        buf_clear(&bound);
        buf_append(&bound, p.next.data, p.next.size);
        if (s.flags & SCAN_REVERSE)
            s.end = buf_slice(&bound);
        else
            s.begin = buf_slice(&bound);
    }
    if (s.flags & SCAN_COUNT_ONLY) {
        while ((at = model_next(&whole, at)) >= 0)
            counted--;
        assert_int_equal(counted, 0);
    } else {
        assert_int_equal(model_next(&whole, at), -2);
    }
    buf_release(&page);
    buf_release(&bound);
}

/* Every way to cut a scan into pages gives the same keys in the same order:
 * limits, work, time. Broken: keys come twice, or never. */
static void pages_together_are_the_sorted_model(void **state)
{
    static const char *const bounds[] = {"", "a", "bx", "b", "cz100", "zz"};
    static const char *const patterns[] = {"", "", "*x*", "b*", "c?0[0-4]*",
                                           "nothing*", "bz*"};

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct scan s = {
            .group = GROUP,
            .flags = (unsigned)rng_below(&rng, 8),
            .keys_max = (uint32_t)rng_below(&rng, 20),
            .bytes_max = 1 + (uint32_t)rng_below(&rng, 2000),
            .begin = slice_str(bounds[rng_below(&rng, 6)]),
            .end = slice_str(bounds[rng_below(&rng, 6)]),
            .pattern = slice_str(patterns[rng_below(&rng, 7)]),
        };
        follow(s, rng_below(&rng, 3) ? SCAN_WORK_MAX
                                     : 1 + rng_below(&rng, 30));
    }
}

/* A record of 16 MiB must come although a page is smaller. */
static void one_record_always_fits(void **state)
{
    struct scan s = {.group = GROUP, .bytes_max = 1};
    struct buf page = {0};
    struct scan_page p;

    (void)state;
    do
        one_page(&s, SCAN_WORK_MAX, &page);
    while (scan_page_decode(buf_slice(&page), &p) == STATUS_OK && !p.records);
    assert_int_equal(p.records, 1);
    buf_release(&page);
}

/* A damaged record ends the replica, not in a page that lacks it. */
static void damage_gives_no_page(void **state)
{
    struct group_record record = {.clock_ms = CLOCK};
    struct buf request = {0}, out = {0};
    struct scan s = {.group = GROUP};
    struct scan_run run;

    (void)state;
    scan_encode(&s, &request);
    buf_append(&out, "head", 4);
    assert_int_equal(scan_run_begin(&run, GROUP, KEYSPACE,
                                    buf_slice(&request), &out),
                     STATUS_OK);
    assert_int_equal(scan_run_state(&run, &record, buf_slice(&slots)),
                     STATUS_OK);
    assert_false(scan_run_take(&run, buf_slice(&rows[0].store_key),
                               slice_str("short")));
    assert_int_equal(scan_run_end(&run), STATUS_CORRUPT);
    assert_int_equal(out.size, 4);
    assert_int_equal(scan_run_begin(&run, GROUP, KEYSPACE,
                                    buf_slice(&request), &out),
                     STATUS_OK);
    assert_int_equal(scan_run_state(&run, &record, slice_str("\1bad")),
                     STATUS_CORRUPT);
    assert_int_equal(scan_run_end(&run), STATUS_CORRUPT);
    buf_release(&request);
    buf_release(&out);
}

static void a_foreign_tag_is_moved_and_no_group_has_no_keys(void **state)
{
    struct group_record record = {.clock_ms = CLOCK};
    struct buf request = {0}, out = {0};
    struct scan s = {0};
    char key[20];
    struct scan_run run;

    (void)state;
    for (unsigned i = 0;; i++) {
        snprintf(key, sizeof key, "k%u", i);
        if (!owned(key))
            break;
    }
    s.key = slice_str(key);
    scan_encode(&s, &request);
    assert_int_equal(scan_run_begin(&run, GROUP, KEYSPACE,
                                    buf_slice(&request), &out),
                     STATUS_OK);
    assert_int_equal(scan_run_state(&run, &record, buf_slice(&slots)),
                     STATUS_MOVED);
    assert_int_equal(scan_run_end(&run), STATUS_MOVED);
    assert_int_equal(scan_run_begin(&run, 0, KEYSPACE, buf_slice(&request),
                                    &out),
                     STATUS_INVALID);
    buf_release(&request);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_together_are_the_sorted_model),
        cmocka_unit_test(one_record_always_fits),
        cmocka_unit_test(damage_gives_no_page),
        cmocka_unit_test(a_foreign_tag_is_moved_and_no_group_has_no_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
