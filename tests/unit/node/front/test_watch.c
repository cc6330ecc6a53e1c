/* test_watch.c - watches through the door of a real daemon with several loops:
 * whichever loop has the connection, and whichever the group. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/slot.h"
#include "proto/watch.h"
#include "rpc/types.h"

enum { CONNS = 6, WATCH_ID = 7777 };

static struct daemon *shared;

static int start_shared(void **state)
{
    struct ask a;

    (void)state;
    shared = daemon_new();
    shared->args[0] = "--threads";
    shared->args[1] = "3";
    daemon_start(shared);
    daemon_init(shared, "3");
    ask_open(&a, shared->port);
    for (unsigned i = 0; i < 20; i++) { /* every group leads */
        char key[16];
        snprintf(key, sizeof key, "ready%u", i);
        ask_must_set(&a, key, "yes");
    }
    ask_close(&a);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    daemon_stop(shared);
    daemon_free(shared);
    return 0;
}

static uint32_t group_of(const char *key)
{
    struct ask a;
    struct map_reply m;
    struct cluster_map *map;
    uint32_t group;

    ask_open(&a, shared->port);
    m = ask_map(&a, 0);
    assert_int_equal(map_decode(m.map, &map), STATUS_OK);
    group = map->owner[slot_of(slice_str(key))];
    map_free(map);
    ask_close(&a);
    return group;
}

static void watch(struct ask *a, const struct watch_request *w)
{
    struct buf body = {0}, payload = {0};
    struct stream_request m = {0};

    watch_encode(w, &body);
    m.body = buf_slice(&body);
    stream_request_encode(&m, &payload);
    ask_send(a, FRAME_REQUEST, MESSAGE_WATCH, WATCH_ID, buf_slice(&payload));
    buf_release(&body);
    buf_release(&payload);
}

/* The next part; the test fails on anything else. */
static struct watch_part part(struct ask *a)
{
    struct watch_part p;

    assert_true(ask_receive(a));
    assert_int_equal(a->h.type, MESSAGE_WATCH_PART);
    assert_int_equal(a->h.kind, FRAME_PART);
    assert_int_equal(a->h.id, WATCH_ID);
    assert_int_equal(watch_part_decode(a->payload, &p), STATUS_OK);
    return p;
}

static enum status ended(struct ask *a)
{
    struct error_reply r;

    do
        assert_true(ask_receive(a));
    while (a->h.kind == FRAME_PART);
    assert_int_equal(a->h.type, MESSAGE_ERROR);
    assert_int_equal(a->h.id, WATCH_ID);
    assert_int_equal(error_reply_decode(a->payload, &r), STATUS_OK);
    return r.status;
}

static const struct watch_request all = {.kind = WATCH_PREFIX,
                                         .flags = WATCH_FROM_NOW,
                                         .progress_ms = 60000};

/* Connections are dealt out to the loops: several meet all combinations. */
static void every_connection_hears_of_every_group(void **state)
{
    struct ask writer, a[CONNS];

    (void)state;
    ask_open(&writer, shared->port);
    for (unsigned k = 0; k < 9; k++) {
        char key[16];
        struct watch_request w = all;
        struct watch_event e;
        snprintf(key, sizeof key, "key%u", k);
        w.group = group_of(key);
        w.begin = slice_str("key");
        for (unsigned i = 0; i < CONNS; i++) {
            ask_open(&a[i], shared->port);
            watch(&a[i], &w);
            assert_int_equal(part(&a[i]).events, 0); /* it has begun */
        }
        ask_must_set(&writer, key, "value");
        for (unsigned i = 0; i < CONNS; i++) {
            struct watch_part p = part(&a[i]);
            assert_int_equal(p.events, 1);
            assert_true(watch_part_event(&p, &e));
            assert_int_equal(e.kind, CHANGE_PUT);
            assert_true(slice_equal(e.key, slice_str(key)));
            assert_true(slice_equal(e.value, slice_str("value")));
            assert_true(p.through >= e.version);
            ask_send(&a[i], FRAME_ONEWAY, MESSAGE_WATCH_CANCEL, WATCH_ID,
                     slice_str(""));
            assert_int_equal(ended(&a[i]), STATUS_CANCELLED);
            ask_close(&a[i]);
        }
    }
    ask_close(&writer);
}

/* The history serves who comes back; before it, one has to read anew. */
static void an_older_version_is_gone_on_from(void **state)
{
    struct watch_request w = all;
    struct watch_event e;
    struct watch_part p;
    struct ask a;
    uint64_t from;

    (void)state;
    w.group = group_of("again");
    w.begin = slice_str("again");
    w.kind = WATCH_KEY;
    ask_open(&a, shared->port);
    watch(&a, &w);
    from = part(&a).through;
    ask_close(&a);
    ask_open(&a, shared->port);
    ask_must_set(&a, "again", "1");
    assert_int_equal(ask_delete(&a, "again"), STATUS_OK);
    w.flags = 0;
    w.after = from;
    watch(&a, &w);
    p = part(&a);
    assert_int_equal(p.events, 0);
    assert_int_equal(p.through, from);
    p = part(&a);
    assert_int_equal(p.events, 2);
    assert_true(watch_part_event(&p, &e));
    assert_int_equal(e.kind, CHANGE_PUT);
    assert_true(watch_part_event(&p, &e));
    assert_int_equal(e.kind, CHANGE_DELETE);
    ask_close(&a);
    ask_open(&a, shared->port);
    w.after = 0;
    watch(&a, &w);
    assert_int_equal(ended(&a), STATUS_COMPACTED);
    ask_close(&a);
}

static void what_is_wrong_is_said(void **state)
{
    struct watch_request w = all;
    struct ask a;

    (void)state;
    ask_open(&a, shared->port);
    w.group = 77;
    watch(&a, &w);
    assert_int_equal(ended(&a), STATUS_INVALID);
    w.group = 1;
    w.kind = WATCH_KEY;
    watch(&a, &w);
    assert_int_equal(ended(&a), STATUS_KEY_EMPTY);
    ask_send(&a, FRAME_ONEWAY, MESSAGE_WATCH_CANCEL, 12345, slice_str(""));
    ask_get(&a, "ready1", "yes"); /* cancelling nothing is harmless */
    ask_close(&a);
}

/* Who does not read does not slow those who write, and is told in the end. */
static void a_client_that_does_not_read_is_cut_off(void **state)
{
    struct watch_request w = all;
    struct ask a, writer;
    uint8_t *value = xcalloc(1, 100000);
    char key[16] = "slow";

    (void)state;
    w.group = group_of(key);
    ask_open(&a, shared->port);
    watch(&a, &w);
    assert_int_equal(part(&a).events, 0);
    ask_open(&writer, shared->port);
    for (unsigned i = 0; i < 400; i++) /* 40 MB: twice what is kept */
        assert_int_equal(ask_set_bytes(&writer, slice_str(key),
                                       slice_of(value, 100000)),
                         STATUS_OK);
    assert_int_equal(ended(&a), STATUS_COMPACTED);
    ask_close(&writer);
    ask_close(&a);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connection_hears_of_every_group),
        cmocka_unit_test(an_older_version_is_gone_on_from),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
