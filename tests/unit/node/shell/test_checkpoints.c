/* test_checkpoints.c - snapshots between three daemons: a replica that fell
 * behind what the logs still hold gets the store itself. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

enum { NODES = 3, VALUE = 1 << 20, VALUES = 160 };

struct fixture {
    struct daemon *d[NODES];
    char *value;
};

/* Three nodes, one data group on all of them. */
static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    char endpoints[128], out[1024];

    for (unsigned i = 0; i < NODES; i++) {
        f->d[i] = daemon_new();
        daemon_start(f->d[i]);
    }
    snprintf(endpoints, sizeof endpoints,
             "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u", f->d[0]->port,
             f->d[1]->port, f->d[2]->port);
    if (daemon_cli(f->d[0], out, sizeof out, "-e", endpoints, "cluster",
                   "init", "-g", "1", "-r", "3", NULL))
        fail_msg("%s", out);
    f->value = xcalloc(1, VALUE + 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < NODES; i++)
        daemon_free(f->d[i]);
    free(f->value);
    free(f);
    return 0;
}

/* Of one write round: different bytes for each key and round. */
static const char *value_of(struct fixture *f, unsigned i, unsigned round)
{
    for (unsigned k = 0; k < VALUE; k++)
        f->value[k] = (char)('a' + (k * 7 + k / 251 + i * 31 + round) % 26);
    return f->value;
}

/* More than the leader keeps of the log. */
static void write_much(struct fixture *f, unsigned round)
{
    struct ask a;
    char key[16];

    ask_open(&a, f->d[0]->port);
    for (unsigned i = 0; i < VALUES; i++) {
        snprintf(key, sizeof key, "key-%u", i);
        ask_must_set(&a, key, value_of(f, i, round));
    }
    ask_close(&a);
}

/* What the third node's own replica holds, once it has caught up. */
static void must_hold_all(struct fixture *f, unsigned round)
{
    struct ask a;

    ask_open(&a, f->d[2]->port);
    for (unsigned i = 0; i < VALUES; i++) {
        struct get_request q = {.consistency = CONSISTENCY_STALE};
        struct get_reply r;
        char key[16];
        unsigned tries = 0;
        bool good;
        snprintf(key, sizeof key, "key-%u", i);
        q.key = slice_str(key);
        do {
            struct buf b = {0};
            get_request_encode(&q, &b);
            ask_one(&a, MESSAGE_GET, &b, MESSAGE_GET_REPLY);
            assert_int_equal(get_reply_decode(a.payload, &r), STATUS_OK);
            good = r.status == STATUS_OK &&
                   slice_equal(r.value, slice_str(value_of(f, i, round)));
        } while (!good && ++tries < 6000 && ask_receive_within(&a, 10) < 0);
        if (!good)
            fail_msg("%s: %s", key, status_name(r.status));
    }
    ask_close(&a);
}

/* One store is left, soon: the old one is deleted by a worker. */
static void must_have_one_store(struct fixture *f)
{
    const char *dir = path_of(f->d[2]->data, "groups/1");
    struct ask a;

    ask_open(&a, f->d[2]->port);
    for (unsigned i = 0; i < 6000 && dir_count(dir, "store-") != 1; i++)
        (void)ask_receive_within(&a, 10); /* nothing comes: a pause */
    assert_int_equal(dir_count(dir, "store-"), 1);
    ask_close(&a);
}

/* Would break: a node that was away for long could never come back. */
static void replica_left_behind_gets_a_snapshot_and_keeps_it(void **state)
{
    struct fixture *f = *state;
    struct node_status s;
    struct ask a;

    write_much(f, 0);
    daemon_kill(f->d[2]);
    write_much(f, 1);
    daemon_start(f->d[2]);
    daemon_wait_said(f->d[2], "snapshot_installed group=1");
    must_hold_all(f, 1);
    must_have_one_store(f);
    assert_false(file_exists(path_of(f->d[2]->data, "groups/1/store-0")));
    daemon_kill(f->d[2]);
    daemon_start(f->d[2]);
    must_hold_all(f, 1);
    assert_false(daemon_said(f->d[2], "snapshot_installed"));
    ask_open(&a, f->d[2]->port);
    s = ask_status(&a);
    assert_int_equal(s.n_notes, 0);
    ask_close(&a);
}

/* Would break: a kill amid a snapshot: half a store that CURRENT names, or one
 * that stays on the disk for ever. */
static void kill_amid_an_install_is_repeated_from_the_start(void **state)
{
    struct fixture *f = *state;

    write_much(f, 0);
    daemon_kill(f->d[2]);
    write_much(f, 1);
    for (unsigned i = 0; i < 3; i++) {
        daemon_start(f->d[2]);
        daemon_wait_said(f->d[2], "snapshot_install group=1");
        daemon_kill(f->d[2]);
    }
    daemon_start(f->d[2]);
    must_hold_all(f, 1);
    daemon_stop(f->d[2]);
    daemon_start(f->d[2]);
    must_hold_all(f, 1);
    must_have_one_store(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(replica_left_behind_gets_a_snapshot_and_keeps_it),
        T(kill_amid_an_install_is_repeated_from_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
