/* test_watch.c - watch requests and parts as bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/watch.h"

static void a_request_comes_back_as_it_was(void **state)
{
    struct watch_request m = {.group = 2, .flags = WATCH_PREVIOUS,
                              .kind = WATCH_RANGE, .begin = slice_str("a"),
                              .end = slice_str("b"), .after = 99,
                              .progress_ms = 2500};
    struct watch_request out;
    struct buf b = {0};

    (void)state;
    watch_encode(&m, &b);
    assert_int_equal(watch_decode(buf_slice(&b), &out), STATUS_OK);
    assert_int_equal(out.group, 2);
    assert_int_equal(out.flags, WATCH_PREVIOUS);
    assert_int_equal(out.kind, WATCH_RANGE);
    assert_int_equal(out.after, 99);
    assert_int_equal(out.progress_ms, 2500);
    assert_true(slice_equal(out.begin, m.begin));
    assert_true(slice_equal(out.end, m.end));
    for (size_t n = 0; n < b.size; n++)
        assert_int_equal(watch_decode(slice_of(b.data, n), &out),
                         STATUS_BAD_MESSAGE);
    buf_release(&b);
}

static enum status checked(struct watch_request m)
{
    struct buf b = {0};
    struct watch_request out;
    enum status st;

    watch_encode(&m, &b);
    st = watch_decode(buf_slice(&b), &out);
    if (st == STATUS_OK && !m.progress_ms)
        assert_int_equal(out.progress_ms, WATCH_PROGRESS_DEFAULT_MS);
    buf_release(&b);
    return st;
}

static void what_is_out_of_range_is_refused(void **state)
{
    static uint8_t much[KEY_BYTES_MAX + 2];
    struct watch_request ok = {.group = 1, .kind = WATCH_KEY,
                               .begin = slice_str("k")};
    struct watch_request m;

    (void)state;
    assert_int_equal(checked(ok), STATUS_OK);
    m = ok, m.group = 0;
    assert_int_equal(checked(m), STATUS_INVALID);
    m = ok, m.flags = 8;
    assert_int_equal(checked(m), STATUS_INVALID);
    m = ok, m.kind = (enum watch_kind)9;
    assert_int_equal(checked(m), STATUS_INVALID);
    m = ok, m.begin.size = 0;
    assert_int_equal(checked(m), STATUS_KEY_EMPTY);
    m = ok, m.begin = slice_of(much, KEY_BYTES_MAX + 1);
    assert_int_equal(checked(m), STATUS_KEY_TOO_LARGE);
    m = ok, m.end = slice_str("z");
    assert_int_equal(checked(m), STATUS_INVALID);
    m = ok, m.progress_ms = 10;
    assert_int_equal(checked(m), STATUS_INVALID);
    m = ok, m.kind = WATCH_PREFIX, m.begin.size = 0;
    assert_int_equal(checked(m), STATUS_OK); /* everything */
    m = ok, m.kind = WATCH_RANGE, m.end = slice_of(much, sizeof much);
    assert_int_equal(checked(m), STATUS_KEY_TOO_LARGE);
}

static void write_part(struct buf *b)
{
    size_t begun = watch_part_begin(b);
    struct watch_event put = {.kind = CHANGE_PUT, .key = slice_str("k"),
                              .value = slice_str("v"), .version = 5,
                              .flags = WATCH_HAD_PREVIOUS,
                              .previous = slice_str("old")};
    struct watch_event gone = {.kind = CHANGE_EXPIRE, .version = 6,
                               .key = slice_str("kk")};

    watch_event_encode(&put, b);
    watch_event_encode(&gone, b);
    watch_part_end(b, begun, 6, 1000, 2);
}

static void a_part_comes_back_as_it_was(void **state)
{
    struct buf b = {0};
    struct watch_part p;
    struct watch_event e;

    (void)state;
    write_part(&b);
    assert_int_equal(watch_part_decode(buf_slice(&b), &p), STATUS_OK);
    assert_int_equal(p.through, 6);
    assert_int_equal(p.clock_ms, 1000);
    assert_int_equal(p.events, 2);
    assert_true(watch_part_event(&p, &e));
    assert_int_equal(e.kind, CHANGE_PUT);
    assert_int_equal(e.flags, WATCH_HAD_PREVIOUS);
    assert_true(slice_equal(e.key, slice_str("k")));
    assert_true(slice_equal(e.value, slice_str("v")));
    assert_true(slice_equal(e.previous, slice_str("old")));
    assert_int_equal(e.version, 5);
    assert_true(watch_part_event(&p, &e));
    assert_int_equal(e.kind, CHANGE_EXPIRE);
    assert_true(slice_equal(e.key, slice_str("kk")));
    assert_false(watch_part_event(&p, &e));
    assert_false(p.rows.failed);
    buf_release(&b);
}

static void a_cut_part_is_noticed(void **state)
{
    struct buf b = {0};

    (void)state;
    write_part(&b);
    for (size_t n = 0; n < b.size; n++) {
        struct watch_part p;
        struct watch_event e;
        unsigned events = 0;
        if (watch_part_decode(slice_of(b.data, n), &p) != STATUS_OK)
            continue;
        while (watch_part_event(&p, &e))
            events++;
        assert_true(p.rows.failed || events < p.events);
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back_as_it_was),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(a_part_comes_back_as_it_was),
        cmocka_unit_test(a_cut_part_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
