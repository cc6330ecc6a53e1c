/* test_loop.c - several loops in one daemon: every group is served from every
 * connection, whichever loop has it, and by as many loops as there are now. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 60, CONNS = 12 };

static int setup(void **state)
{
    *state = daemon_new();
    return 0;
}

static int teardown(void **state)
{
    daemon_free(*state);
    return 0;
}

static void use_threads(struct daemon *d, const char *threads)
{
    d->args[0] = "--threads";
    d->args[1] = threads;
    d->args[2] = NULL;
}

static const char *key_of(unsigned i)
{
    static char key[32];

    snprintf(key, sizeof key, "key-%u", i);
    return key;
}

/* Would break: a request for a group of another loop than the one that took
 * the connection. The kernel spreads connections over the loops, so of many
 * some come to each. */
static void every_connection_reaches_the_groups_of_all_loops(void **state)
{
    struct daemon *d = *state;
    struct ask conns[CONNS];

    use_threads(d, "3");
    daemon_start(d);
    daemon_init(d, "7");
    for (unsigned c = 0; c < CONNS; c++)
        ask_open(&conns[c], d->port);
    for (unsigned i = 0; i < KEYS; i++)
        ask_must_set(&conns[i % CONNS], key_of(i), key_of(i));
    for (unsigned c = 0; c < CONNS; c++)
        for (unsigned i = 0; i < KEYS; i++)
            ask_get(&conns[c], key_of(i), key_of(i));
    for (unsigned c = 0; c < CONNS; c++)
        ask_close(&conns[c]);
    daemon_stop(d);
}

/* Would break: a group moves to another loop when --threads changes; its store
 * and its part of the one log have to come along. */
static void number_of_loops_may_change_between_starts(void **state)
{
    static const char *const threads[] = {"1", "4", "2", "8", "1"};
    struct daemon *d = *state;
    struct ask a;

    for (unsigned t = 0; t < ARRAY_LEN(threads); t++) {
        use_threads(d, threads[t]);
        daemon_start(d);
        if (t == 0)
            daemon_init(d, "5");
        ask_open(&a, d->port);
        for (unsigned i = 0; i < KEYS && t > 0; i++)
            ask_get(&a, key_of(i), threads[t - 1]);
        for (unsigned i = 0; i < KEYS; i++)
            ask_must_set(&a, key_of(i), threads[t]);
        assert_int_equal(ask_status(&a).n_replicas, 6);
        assert_int_equal(ask_status(&a).n_notes, 0);
        ask_close(&a);
        if (t % 2)
            daemon_stop(d);
        else
            daemon_kill(d);
    }
}

/* Would break: what was answered by one loop and not yet synced by another,
 * which has the log. */
static void answered_writes_of_all_loops_survive_a_kill(void **state)
{
    enum { WRITES = 300 };
    struct daemon *d = *state;
    struct ask conns[CONNS], a;
    bool answered[CONNS][WRITES] = {{false}};
    char key[32];

    use_threads(d, "4");
    daemon_start(d);
    daemon_init(d, "8");
    for (unsigned c = 0; c < CONNS; c++) {
        ask_open(&conns[c], d->port);
        ask_must_set(&conns[c], "ready", "yes");
    }
    for (unsigned i = 0; i < WRITES; i++)
        for (unsigned c = 0; c < CONNS; c++) {
            struct set_request q;
            struct buf b = {0};
            snprintf(key, sizeof key, "k-%u-%u", c, i);
            q = (struct set_request){.key = slice_str(key),
                                     .value = slice_str(key)};
            set_request_encode(&q, &b);
            ask_send(&conns[c], FRAME_REQUEST, MESSAGE_SET, 100 + i,
                     buf_slice(&b));
            buf_release(&b);
        }
    for (unsigned c = 0; c < CONNS; c++)
        for (unsigned i = 0; i < WRITES / 3; i++) {
            struct write_reply r;
            assert_true(ask_receive(&conns[c]));
            assert_int_equal(write_reply_decode(conns[c].payload, &r),
                             STATUS_OK);
            answered[c][conns[c].h.id - 100] = r.status == STATUS_OK;
        }
    daemon_kill(d);
    for (unsigned c = 0; c < CONNS; c++)
        ask_close(&conns[c]);
    daemon_start(d);
    ask_open(&a, d->port);
    for (unsigned c = 0; c < CONNS; c++)
        for (unsigned i = 0; i < WRITES; i++) {
            snprintf(key, sizeof key, "k-%u-%u", c, i);
            if (answered[c][i])
                ask_get(&a, key, key);
        }
    ask_close(&a);
    daemon_stop(d);
}

/* Would break: a stop that waits for a loop that waits for another; a blank
 * node, whose other loops have nothing to hand over. */
static void all_loops_stop_also_when_blank_or_busy(void **state)
{
    struct daemon *d = *state;
    struct ask conns[CONNS];
    struct buf b = {0};
    struct set_request q = {.key = slice_str("k"), .value = slice_str("v")};

    use_threads(d, "5");
    daemon_start(d);
    daemon_stop(d);
    daemon_start(d);
    daemon_init(d, "6");
    set_request_encode(&q, &b);
    for (unsigned c = 0; c < CONNS; c++) {
        ask_open(&conns[c], d->port);
        for (unsigned i = 0; i < 100; i++)
            ask_send(&conns[c], FRAME_REQUEST, MESSAGE_SET, i,
                     buf_slice(&b));
    }
    daemon_stop(d);
    for (unsigned c = 0; c < CONNS; c++)
        ask_close(&conns[c]);
    buf_release(&b);
}

/* Would break: large values that come from another loop than the client's
 * cannot be held back there; they must not cut him off, nor fill the memory:
 * what finds no room is BUSY, and can be asked for again. */
static void large_values_from_other_loops_are_bounded(void **state)
{
    enum { MANY = 100, SIZE = 1 << 20, FEW = 4 };
    struct daemon *d = *state;
    struct get_request get = {.key = slice_str("large")};
    struct ask conns[FEW];
    struct buf value = {0}, b = {0};
    struct get_reply r;
    unsigned ok = 0;

    use_threads(d, "4");
    daemon_start(d);
    daemon_init(d, "3");
    memset(buf_grow(&value, SIZE), 'v', SIZE);
    ask_open(&conns[0], d->port);
    ask_must_set(&conns[0], "large", "soon");
    assert_int_equal(ask_set_bytes(&conns[0], slice_str("large"),
                                   buf_slice(&value)), STATUS_OK);
    ask_close(&conns[0]);
    get_request_encode(&get, &b);
    for (unsigned c = 0; c < FEW; c++) {
        ask_open(&conns[c], d->port);
        for (unsigned i = 0; i < MANY; i++)
            ask_send(&conns[c], FRAME_REQUEST, MESSAGE_GET, i, buf_slice(&b));
    }
    for (unsigned c = 0; c < FEW; c++) {
        for (unsigned i = 0; i < MANY; i++) {
            assert_true(ask_receive(&conns[c]));
            assert_int_equal(get_reply_decode(conns[c].payload, &r),
                             STATUS_OK);
            assert_true(r.status == STATUS_OK || r.status == STATUS_BUSY);
            assert_int_equal(r.value.size, r.status == STATUS_OK ? SIZE : 0);
            ok += r.status == STATUS_OK;
        }
        ask_close(&conns[c]);
    }
    assert_true(ok >= FEW);
    buf_release(&value);
    buf_release(&b);
    daemon_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(every_connection_reaches_the_groups_of_all_loops),
        T(number_of_loops_may_change_between_starts),
        T(answered_writes_of_all_loops_survive_a_kill),
        T(large_values_from_other_loops_are_bounded),
        T(all_loops_stop_also_when_blank_or_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
