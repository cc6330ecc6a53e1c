/* test_disk.c - the log's bytes: written and synced; and the end of the process
 * when they cannot be. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/bare.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Would break: settled is not durable: the steps of cluster init and a stop
 * depend on it. */
static void settled_records_are_on_disk_and_readable(void **state)
{
    struct bare *b = *state;
    uint64_t syncs = disk_syncs(b->n.disk);
    uint64_t ticket;

    bare_reset(b, 1, 1);
    bare_append(b, 1, "first");
    bare_append(b, 1, "second");
    assert_true(wal_pending_bytes(b->n.journal.wal) > 0);
    bare_settle(b);
    assert_int_equal(wal_pending_bytes(b->n.journal.wal), 0);
    assert_true(disk_syncs(b->n.disk) > syncs);
    ticket = wal_vote(b->n.journal.wal, 1, 2, 0, node_now_us());
    assert_true(wal_durable(b->n.journal.wal) < ticket);
    bare_settle(b);
    assert_true(wal_durable(b->n.journal.wal) >= ticket);
    bare_must_read(b, 1, 2, "first");
    bare_must_read(b, 1, 3, "second");
    bare_settle(b); /* nothing to do is no reason to wait */
}

/* Would break: the log would wait for a file whose maker rests; or its syncs
 * would feel 64 MiB of zeros beside them, though there is time. */
static void a_segment_has_time_while_the_reserve_is_whole(void **state)
{
    enum { WHOLE = BARE_SEGMENT_BYTES, FIRST = 1 };
    struct bare *b = *state;
    unsigned reserve = b->n.wal_options.reserve;
    uint64_t next = FIRST + reserve + 1;

    /* Nothing is written yet: somebody waits. */
    assert_int_equal(disk_pace(&b->n, 100, WHOLE), DISK_HURRY);
    bare_reset(b, 1, 1);
    while (wal_pending_bytes(b->n.journal.wal)) {
        disk_pump(&b->n);
        uv_run(b->n.loops[0].uv, UV_RUN_ONCE);
    }
    /* The log is in its first segment; how many of the others are there by
     * now does not matter. */
    for (unsigned i = FIRST; i < next; i++)
        assert_int_equal(disk_pace(&b->n, i, 1), DISK_HURRY);
    assert_int_equal(disk_pace(&b->n, next, WHOLE), DISK_STEADY);
    assert_int_equal(disk_pace(&b->n, next, WHOLE / 2), DISK_REST);
    b->n.hurry = true;
    assert_int_equal(disk_pace(&b->n, next, WHOLE / 2), DISK_HURRY);
    b->n.hurry = false;
}

/* Would break: an acknowledgement of what no disk holds. The daemon's files may
 * not grow or be written beyond one block any more: the next write of the log
 * fails, nobody is answered, and the process ends. What was answered before is
 * there at the next start. */
static void failed_log_write_ends_the_daemon_without_an_answer(void **state)
{
    struct rlimit l = {4096, 4096};
    struct daemon *d = daemon_new();
    struct ask a;
    struct set_request q = {.key = slice_str("after"),
                            .value = slice_str("lost")};
    struct buf b = {0};

    (void)state;
    daemon_start(d);
    daemon_init(d, "1");
    ask_open(&a, d->port);
    ask_must_set(&a, "before", "kept");
    assert_int_equal(prlimit(d->pid, RLIMIT_FSIZE, &l, NULL), 0);
    set_request_encode(&q, &b);
    ask_send(&a, FRAME_REQUEST, MESSAGE_SET, 1, buf_slice(&b));
    assert_false(ask_receive(&a)); /* closed, no reply */
    assert_int_equal(daemon_ended(d), 1);
    must_say(d->log, "log_write_failed");
    ask_close(&a);
    daemon_start(d);
    ask_open(&a, d->port);
    ask_get(&a, "before", "kept");
    ask_close(&a);
    buf_release(&b);
    daemon_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, bare_log_setup, bare_teardown)
        T(settled_records_are_on_disk_and_readable),
        T(a_segment_has_time_while_the_reserve_is_whole),
        cmocka_unit_test(failed_log_write_ends_the_daemon_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
