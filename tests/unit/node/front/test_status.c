/* test_status.c - what a node says of itself, gathered from all its loops. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdlib.h>

enum { CONNS = 10, GROUPS = 7 };

static int setup(void **state)
{
    struct daemon *d = daemon_new();

    d->args[0] = "--threads=3";
    daemon_start(d);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    daemon_free(*state);
    return 0;
}

/* Would break: a status that depends on which loop was asked: replicas missing
 * or twice, in another order. */
static void status_is_whole_from_whichever_loop(void **state)
{
    struct daemon *d = *state;
    struct ask conns[CONNS];

    daemon_init(d, "7");
    for (unsigned c = 0; c < CONNS; c++)
        ask_open(&conns[c], d->port);
    ask_must_set(&conns[0], "key", "value");
    for (unsigned c = 0; c < CONNS; c++) {
        struct node_status s = ask_status(&conns[c]);
        assert_int_equal(s.node, 1);
        assert_int_equal(s.n_replicas, GROUPS + 1);
        for (unsigned i = 0; i <= GROUPS; i++) {
            const struct replica_status *r = &s.replicas[i];
            assert_int_equal(r->group, i);
            assert_true(r->replica > 0);
            assert_true(r->applied_index >= 1);
            assert_true(r->applied_index <= r->commit_index);
            assert_true(r->commit_index <= r->last_index);
            assert_true(r->flushed_index <= r->applied_index);
        }
        assert_true(slice_equal(s.state, slice_str("serving")));
        assert_int_equal(s.n_peers_up, 0);
        assert_int_equal(s.n_notes, 0);
        assert_true(s.wal_bytes > 0);
    }
    for (unsigned c = 0; c < CONNS; c++)
        ask_close(&conns[c]);
}

/* Would break: only the requests of the loop that was asked would be counted.
 * One that another loop serves counts twice: where it came, and there. */
static void requests_of_all_loops_are_counted(void **state)
{
    struct daemon *d = *state;
    struct ask conns[CONNS];
    uint64_t before, after;

    daemon_init(d, "7");
    for (unsigned c = 0; c < CONNS; c++) {
        ask_open(&conns[c], d->port);
        ask_must_set(&conns[c], "key", "value");
    }
    before = ask_status(&conns[0]).requests;
    for (unsigned i = 0; i < 200; i++)
        ask_get(&conns[i % CONNS], "key", "value");
    after = ask_status(&conns[1]).requests;
    assert_in_range(after - before, 200, 400);
    for (unsigned c = 0; c < CONNS; c++)
        ask_close(&conns[c]);
}

/* Would break: rounds of several askers, mixed up. */
static void many_askers_at_once_each_get_their_answers(void **state)
{
    enum { EACH = 30 };
    struct daemon *d = *state;
    struct ask conns[CONNS];

    for (unsigned c = 0; c < CONNS; c++) {
        ask_open(&conns[c], d->port);
        for (unsigned i = 0; i < EACH; i++)
            ask_send(&conns[c], FRAME_REQUEST, MESSAGE_STATUS,
                     1000 * c + i, slice_str(""));
    }
    daemon_init(d, "7"); /* amid them */
    for (unsigned c = 0; c < CONNS; c++) {
        bool seen[EACH] = {false};
        for (unsigned i = 0; i < EACH; i++) {
            assert_true(ask_receive(&conns[c]));
            assert_int_equal(conns[c].h.type, MESSAGE_STATUS_REPLY);
            assert_true(conns[c].h.id - 1000 * c < EACH);
            assert_false(seen[conns[c].h.id - 1000 * c]);
            seen[conns[c].h.id - 1000 * c] = true;
        }
        ask_close(&conns[c]);
    }
}

/* Would break: an answer for somebody who has gone, written to whoever has his
 * place now, or to freed memory. */
static void askers_may_go_before_their_answer(void **state)
{
    struct daemon *d = *state;
    struct ask a, next;

    daemon_init(d, "7");
    for (unsigned i = 0; i < 60; i++) {
        ask_open(&a, d->port);
        for (unsigned k = 0; k < 5; k++)
            ask_send(&a, FRAME_REQUEST, MESSAGE_STATUS, 77, slice_str(""));
        ask_close(&a);
        ask_open(&next, d->port);
        (void)ask_map(&next, 0); /* checks the id of what it gets */
        ask_close(&next);
    }
    daemon_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(status_is_whole_from_whichever_loop),
        T(requests_of_all_loops_are_counted),
        T(many_askers_at_once_each_get_their_answers),
        T(askers_may_go_before_their_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
