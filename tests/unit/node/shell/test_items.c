/* test_items.c - items from and to another node: nonsense ends the connection,
 * and what it does not take is bounded. */
#include "tests/unit/node/shell/peer.h"

#include <stdlib.h>

#include "node/core/peer_item.h"

/* Read until it is closed; what comes meanwhile does not matter. */
static void must_close(struct ask *p)
{
    while (ask_receive(p))
        continue;
    ask_close(p);
}

static void both_channels(struct peer_test *f, struct ask *control,
                          struct ask *bulk)
{
    struct hello h = f->hello;

    peer_must_accept(f, control, &h);
    h.channel = CHANNEL_BULK;
    peer_must_accept(f, bulk, &h);
}

static void send_item(struct ask *p, enum item_type type, struct slice body)
{
    struct buf b = {0};
    size_t begun = item_begin(&b, type);

    buf_append(&b, body.data, body.size);
    item_end(&b, begun);
    ask_send(p, FRAME_ONEWAY, MESSAGE_ITEMS, 0, buf_slice(&b));
    buf_release(&b);
}

/* Would break: a peer whose bytes make no sense would be believed in the rest
 * of what it says; neither side would know what was lost. */
static void a_malformed_item_ends_both_connections(void **state)
{
    struct peer_test *f = *state;
    struct ask control, bulk;

    for (unsigned round = 0; round < 4; round++) {
        both_channels(f, &control, &bulk);
        if (round == 0)
            send_item(&bulk, (enum item_type)77, slice_str(""));
        else if (round == 1)
            send_item(&control, ITEM_GOSSIP, slice_str("short"));
        else if (round == 2)
            send_item(&bulk, ITEM_SNAPSHOT_ASK, slice_str("short"));
        else
            ask_send(&control, FRAME_ONEWAY, MESSAGE_ITEMS, 0,
                     slice_str("\xff\0\0\0\1\0\0\0 cut"));
        must_close(&control);
        must_close(&bulk);
        daemon_wait_said(f->d, "what it says makes no sense");
    }
    both_channels(f, &control, &bulk); /* and it may come again */
    ask_close(&control);
    ask_close(&bulk);
}

/* Would break: frames for a shard that this node does not have. */
static void frames_that_belong_elsewhere_end_the_connection(void **state)
{
    struct peer_test *f = *state;
    struct ask p;

    peer_must_accept(f, &p, &f->hello);
    ask_send(&p, FRAME_ONEWAY, MESSAGE_ITEMS, 60, slice_str(""));
    must_close(&p);
    peer_must_accept(f, &p, &f->hello);
    ask_send(&p, FRAME_REQUEST, MESSAGE_GET, 0, slice_str(""));
    must_close(&p);
}

/* Would break: a stranger makes us hold 16 MiB before he has said who he
 * is. */
static void before_the_hello_frames_are_small(void **state)
{
    struct peer_test *f = *state;
    uint8_t begun[FRAME_HEADER_SIZE];
    struct frame_header h = {.kind = FRAME_REQUEST, .type = MESSAGE_HELLO};
    struct ask p;

    frame_open(begun, &h);
    put_u32(begun, 1 << 20);
    ask_open(&p, f->d->peer_port);
    ask_send_bytes(&p, slice_of(begun, sizeof begun));
    must_close(&p);
    daemon_wait_said(f->d, "a payload of 1048576 bytes, at most 4096");
}

static void say_leader(struct ask *control, uint32_t groups)
{
    struct buf b = {0};

    buf_u64(&b, 1); /* the map's epoch */
    buf_u64(&b, 1); /* wall clock */
    buf_u32(&b, groups);
    for (uint32_t i = 0; i < groups; i++) {
        buf_u32(&b, i);
        buf_u64(&b, 1000);
    }
    send_item(control, ITEM_GOSSIP, buf_slice(&b));
    buf_release(&b);
}

/* Would break: memory. The leader takes nothing: what is passed on to it is
 * bounded in bytes, then the answer is BUSY; when it takes again, it goes
 * on. */
static void what_a_slow_leader_does_not_take_is_refused(void **state)
{
    enum { MANY = 64 };
    struct peer_test *f = *state;
    struct set_request set = {.key = slice_str("large")};
    struct write_reply r;
    struct buf value = {0}, payload = {0};
    struct ask control, bulk;
    unsigned refused = 0, unknown = 0;

    memset(buf_grow(&value, 1 << 20), 'v', 1 << 20);
    set.value = buf_slice(&value);
    set_request_encode(&set, &payload);
    both_channels(f, &control, &bulk);
    say_leader(&control, 2);
    (void)ask_status(&f->client); /* it has been heard by now */
    for (unsigned i = 0; i < MANY; i++)
        ask_send(&f->client, FRAME_REQUEST, MESSAGE_SET, i,
                 buf_slice(&payload));
    daemon_wait_said(f->d, "peer_slow");
    for (; refused < MANY / 2; refused++) {
        assert_true(ask_receive(&f->client));
        assert_int_equal(write_reply_decode(f->client.payload, &r),
                         STATUS_OK);
        assert_int_equal(r.status, STATUS_BUSY);
    }
    ask_close(&bulk); /* what was passed on has no answer any more */
    while (unknown + refused < MANY) {
        assert_true(ask_receive(&f->client));
        assert_int_equal(write_reply_decode(f->client.payload, &r),
                         STATUS_OK);
        if (r.status == STATUS_UNKNOWN) {
            unknown++;
            continue;
        }
        /* One that is read only now finds no connection. */
        assert_true(r.status == STATUS_BUSY ||
                    r.status == STATUS_UNAVAILABLE);
        refused++;
    }
    assert_in_range(unknown, 1, 32);
    daemon_wait_said(f->d, "peer_keeps_up");
    ask_close(&control);
    buf_release(&value);
    buf_release(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, peer_setup_active, peer_teardown)
        T(a_malformed_item_ends_both_connections),
        T(frames_that_belong_elsewhere_end_the_connection),
        T(before_the_hello_frames_are_small),
        T(what_a_slow_leader_does_not_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
