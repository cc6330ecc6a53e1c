/* test_logread.c - entries read back: wherever they lie, only as they were
 * written, and not when they are somewhere else by now. */
#include "tests/unit/node/shell/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Would break: entries that lie in several segments. */
static void records_over_many_segments_are_read_back(void **state)
{
    enum { BIG = 60000, COUNT = 30 };
    struct bare *b = *state;
    char *text = xcalloc(1, BIG + 1);

    bare_reset(b, 1, 1);
    for (unsigned i = 0; i < COUNT; i++) {
        memset(text, 'a' + (int)i % 26, BIG);
        bare_append(b, 1, text);
        bare_settle(b);
    }
    assert_true(dir_count(b->wal, ".seg") >
                COUNT * BIG / BARE_SEGMENT_BYTES);
    for (unsigned i = 0; i < COUNT; i++) {
        memset(text, 'a' + (int)i % 26, BIG);
        bare_must_read(b, 1, 2 + i, text);
    }
    free(text);
}

/* Would break: a lagging follower asks for what is in a segment that was freed
 * meanwhile: no bytes of another must be taken for it. */
static void span_of_a_missing_or_short_file_is_refused(void **state)
{
    struct bare *b = *state;
    struct wal_span span;
    uint8_t *bytes;

    bare_reset(b, 1, 1);
    bare_append(b, 1, "text");
    bare_settle(b);
    assert_int_equal(wal_find(b->n.journal.wal, 1, 2, 1 << 20, &span),
                     STATUS_OK);
    bytes = xmalloc(span.bytes);
    assert_true(logread_bytes(b->wal, &span, bytes));
    assert_int_equal(truncate(bare_segment(b, span.range[0].segment),
                              span.range[0].offset + 3), 0);
    assert_false(logread_bytes(b->wal, &span, bytes));
    assert_int_equal(unlink(bare_segment(b, span.range[0].segment)), 0);
    assert_false(logread_bytes(b->wal, &span, bytes));
    free(bytes);
}

struct answer {
    unsigned count;
    bool found;
    char first;
    uint64_t index;
};

static void note(struct node *n, void *arg, const struct wal_span *span,
                 const struct wal_entry *entries)
{
    struct answer *a = arg;

    (void)n;
    a->count++;
    a->found = entries != NULL;
    a->index = span->first;
    if (entries)
        a->first = (char)entries[0].data.data[0];
}

static void wait_workers(struct bare *b)
{
    while (b->n.loops[0].uv->active_reqs.count)
        uv_run(b->n.loops[0].uv, UV_RUN_ONCE);
}

/* Would break: the loop would wait for the disk; who asked would get no answer,
 * or another entry's bytes. */
static void spans_are_read_on_a_worker(void **state)
{
    struct bare *b = *state;
    struct wal_span span;
    struct answer a = {0};

    bare_reset(b, 1, 1);
    bare_append(b, 1, "text");
    bare_settle(b);
    assert_int_equal(wal_find(b->n.journal.wal, 1, 2, 1 << 20, &span),
                     STATUS_OK);
    logread_start(&b->n, &span, note, &a);
    assert_int_equal(a.count, 0);
    wait_workers(b);
    assert_int_equal(a.count, 1);
    assert_true(a.found);
    assert_int_equal(a.first, 't');
    assert_int_equal(a.index, 2);
    assert_true(logread_still(&b->n, &span));
    file_flip(bare_segment(b, span.range[0].segment),
              span.range[0].offset + span.range[0].size / 2);
    logread_start(&b->n, &span, note, &a);
    wait_workers(b);
    assert_int_equal(a.count, 2);
    assert_false(a.found);
    assert_true(logread_still(&b->n, &span)); /* it is damage, then */
}

/* Would break: what was cut off or released while a worker read it would come
 * back, written again behind what replaced it. */
static void what_moved_meanwhile_is_told(void **state)
{
    struct bare *b = *state;
    struct wal *w = b->n.journal.wal;
    struct wal_entry entry = {.term = 1, .type = 1,
                              .data = slice_str("second")};
    struct wal_span span;

    bare_reset(b, 1, 1);
    bare_append(b, 1, "first");
    bare_append(b, 1, "second");
    bare_settle(b);
    assert_int_equal(wal_find(w, 1, 3, 1 << 20, &span), STATUS_OK);
    assert_true(logread_still(&b->n, &span));
    bare_append(b, 1, "third"); /* more behind it is no change */
    bare_settle(b);
    assert_true(logread_still(&b->n, &span));
    wal_append(w, 1, 3, &entry, 1, true, node_now_us());
    bare_settle(b);
    assert_false(logread_still(&b->n, &span)); /* written elsewhere */
    assert_int_equal(wal_find(w, 1, 3, 1 << 20, &span), STATUS_OK);
    wal_truncate(w, 1, 3, node_now_us());
    assert_false(logread_still(&b->n, &span));
    bare_append(b, 1, "other");
    bare_settle(b);
    assert_false(logread_still(&b->n, &span));
    assert_int_equal(wal_find(w, 1, 3, 1 << 20, &span), STATUS_OK);
    wal_release(w, 1, 3);
    assert_false(logread_still(&b->n, &span));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, bare_log_setup, bare_teardown)
        T(records_over_many_segments_are_read_back),
        T(span_of_a_missing_or_short_file_is_refused),
        T(spans_are_read_on_a_worker),
        T(what_moved_meanwhile_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
