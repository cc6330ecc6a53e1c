/* test_node.c - a whole daemon: started, used, stopped, killed, started again.
 *
 * One node, one replica per group: each is its group's sole voter, so every
 * acknowledged write depends on this one disk. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void must_get(struct daemon *d, const char *key, const char *value)
{
    char out[512];
    int code = daemon_cli(d, out, sizeof out, "-o", "raw", "get", key, NULL);

    if (!value) {
        assert_int_equal(code, 1);
        return;
    }
    if (code)
        fail_msg("get %s: exit code %d: %s", key, code, out);
    out[strcspn(out, "\n")] = 0;
    assert_string_equal(out, value);
}

static void must_run(struct daemon *d, const char *command, const char *key,
                     const char *value)
{
    char out[512];
    int code = daemon_cli(d, out, sizeof out, command, key, value, NULL);

    if (code)
        fail_msg("%s %s: exit code %d: %s", command, key, code, out);
}

/* Would break: the first thing everybody tries. */
static void data_survives_a_stop_and_a_kill(void **state)
{
    struct daemon *d = *state;
    char out[512];

    daemon_start(d);
    assert_int_equal(daemon_cli(d, out, sizeof out, "set", "a", "1", NULL),
                     3);
    must_say(out, "cluster init");
    daemon_init(d, "3");
    must_run(d, "set", "a", "1");
    must_run(d, "set", "b", "2");
    must_run(d, "set", "gone", "x");
    must_run(d, "del", "gone", NULL);
    must_get(d, "a", "1");
    must_get(d, "gone", NULL);

    daemon_stop(d);
    must_say(d->log, "node_stopped");
    daemon_start(d);
    must_say(d->log, "boot=2");
    must_get(d, "a", "1");
    must_get(d, "b", "2");
    must_get(d, "gone", NULL);
    must_run(d, "set", "a", "3");
    must_run(d, "del", "b", NULL);

    daemon_kill(d);
    daemon_start(d);
    must_say(d->log, "boot=3");
    must_get(d, "a", "3");
    must_get(d, "b", NULL);
    must_get(d, "gone", NULL);
}

/* Would break: a write that was answered while the process died. Each round
 * sends many writes without waiting, takes some answers, and kills; every one
 * that was answered must be there, and each round's restart works. */
static void answered_writes_survive_kills_amid_writes(void **state)
{
    enum { ROUNDS = 6, WRITES = 400 };
    static bool acknowledged[ROUNDS][WRITES];
    struct daemon *d = *state;
    struct cluster_map *map;
    struct ask a;
    char key[32];

    memset(acknowledged, 0, sizeof acknowledged);
    daemon_start(d);
    ask_open(&a, d->port);
    map = ask_initial_map(&a, 1, 4);
    ask_init_all(&a, map);
    map_free(map);
    ask_must_set(&a, "ready", "yes");
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WRITES; i++) {
            struct set_request q = {.key = slice_of(key, 0)};
            struct buf b = {0};
            snprintf(key, sizeof key, "key-%u-%u", round, i);
            q.key = q.value = slice_str(key);
            set_request_encode(&q, &b);
            ask_send(&a, FRAME_REQUEST, MESSAGE_SET, 1000 + i,
                     buf_slice(&b));
            buf_release(&b);
        }
        for (unsigned i = 0; i < round * 60 + 10 && ask_receive(&a); i++) {
            struct write_reply r;
            assert_int_equal(write_reply_decode(a.payload, &r), STATUS_OK);
            assert_int_equal(r.status, STATUS_OK);
            acknowledged[round][a.h.id - 1000] = true;
        }
        daemon_kill(d);
        ask_close(&a);
        daemon_start(d);
        ask_open(&a, d->port);
        ask_must_set(&a, "ready", "yes");
        for (unsigned r = 0; r <= round; r++)
            for (unsigned i = 0; i < WRITES; i++) {
                snprintf(key, sizeof key, "key-%u-%u", r, i);
                if (acknowledged[r][i])
                    ask_get(&a, key, key);
            }
    }
    ask_close(&a);
    daemon_stop(d);
}

/* Would break: values that take many segments' bytes, and their recovery. */
static void largest_value_survives_a_kill(void **state)
{
    struct daemon *d = *state;
    struct get_request q = {.key = slice_str("large")};
    struct get_reply r;
    struct ask a;
    struct buf value = {0}, b = {0};

    for (unsigned i = 0; i < VALUE_BYTES_MAX / 4; i++)
        buf_u32(&value, i * 2654435761u);
    daemon_start(d);
    daemon_init(d, "1");
    ask_open(&a, d->port);
    ask_must_set(&a, "ready", "yes");
    /* three of them are more than one segment */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ask_set_bytes(&a, q.key, buf_slice(&value)),
                         STATUS_OK);
    ask_close(&a);
    daemon_kill(d);
    daemon_start(d);
    ask_open(&a, d->port);
    ask_must_set(&a, "ready", "yes");
    get_request_encode(&q, &b);
    ask_one(&a, MESSAGE_GET, &b, MESSAGE_GET_REPLY);
    assert_int_equal(get_reply_decode(a.payload, &r), STATUS_OK);
    assert_int_equal(r.status, STATUS_OK);
    assert_true(slice_equal(r.value, buf_slice(&value)));
    buf_release(&value);
    ask_close(&a);
    daemon_stop(d);
}

/* Would break: a sole voter that waits for others' votes never serves again;
 * one that votes anew in its old term would be two leaders of it. */
static void sole_voter_leads_again_in_a_higher_term(void **state)
{
    struct daemon *d = *state;
    uint64_t term = 0;
    struct node_status s;
    struct ask a;

    daemon_start(d);
    daemon_init(d, "1");
    for (unsigned boot = 1; boot <= 4; boot++) {
        ask_open(&a, d->port);
        ask_must_set(&a, "k", "v");
        s = ask_status(&a);
        assert_int_equal(s.boot_count, boot);
        assert_int_equal(s.n_replicas, 2);
        assert_int_equal(s.n_notes, 0);
        /* group 1 holds k, so it has elected; group 0 may still be at it */
        assert_int_equal(s.replicas[1].group, 1);
        assert_true(slice_equal(s.replicas[1].role, slice_str("leader")));
        assert_true(s.replicas[1].term > term);
        term = s.replicas[1].term;
        ask_close(&a);
        if (boot % 2)
            daemon_kill(d);
        else
            daemon_stop(d);
        daemon_start(d);
    }
}

/* Would break: an init system would count a blank node's stop as a crash. */
static void blank_node_stops_at_once_by_either_signal(void **state)
{
    struct daemon *d = *state;

    daemon_start(d);
    must_say(d->log, "state=blank");
    daemon_stop(d);
    daemon_start(d);
    daemon_stop_by(d, SIGINT);
    must_say(d->log, "node_stopped");
}

/* Would break: a client that holds its connection open would hold up a stop,
 * and with it every rolling restart. */
static void open_connections_do_not_hold_up_a_stop(void **state)
{
    struct daemon *d = *state;
    struct ask idle, half;

    daemon_start(d);
    daemon_init(d, "2");
    ask_open(&idle, d->port);
    ask_must_set(&idle, "a", "1");
    ask_open(&half, d->port);
    ask_send_bytes(&half, slice_of("\x10\0\0\0", 4)); /* a frame's beginning */
    daemon_stop(d);
    assert_false(ask_receive(&idle));
    assert_false(ask_receive(&half));
    ask_close(&idle);
    ask_close(&half);
}

/* Would break: two daemons on one directory or one port, by mistake of who
 * starts them; the error has to say which it was. */
static void second_daemon_is_refused_and_told_why(void **state)
{
    struct daemon *d = *state, *other = daemon_new();
    char data[sizeof d->data], text[32];

    daemon_start(d);
    memcpy(data, other->data, sizeof data);
    memcpy(other->data, d->data, sizeof data);
    assert_int_equal(daemon_start_refused(other), 1);
    must_say(other->log, "in use by another daemon");
    must_say(other->log, d->data);

    memcpy(other->data, data, sizeof data);
    other->port = d->port;
    assert_int_equal(daemon_start_refused(other), 1);
    snprintf(text, sizeof text, "127.0.0.1:%u", d->port);
    must_say(other->log, text);
    daemon_stop(d); /* the first one never noticed */
    daemon_free(other);
}

/* Would break: an operator would not learn which file to restore. */
static void damaged_files_refuse_the_start_by_name(void **state)
{
    static const struct {
        const char *file, *what;
        size_t at;
    } cases[] = {
        {"identity", "identity is damaged", 20},
        {"map", "map is damaged", 40},
        {"wal/ID", "wal/ID is damaged", 2},
    };
    struct daemon *d = *state;
    struct ask a;

    daemon_start(d);
    daemon_init(d, "1");
    ask_open(&a, d->port);
    ask_must_set(&a, "a", "1");
    ask_close(&a);
    daemon_stop(d);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = path_of(d->data, cases[i].file);
        file_flip(path, cases[i].at);
        assert_int_equal(daemon_start_refused(d), 1);
        must_say(d->log, cases[i].what);
        must_say(d->log, d->data);
        file_flip(path, cases[i].at);
    }
    daemon_start(d); /* restored, all is as before */
    ask_open(&a, d->port);
    ask_get(&a, "a", "1");
    ask_close(&a);
    daemon_stop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(data_survives_a_stop_and_a_kill),
        T(answered_writes_survive_kills_amid_writes),
        T(largest_value_survives_a_kill),
        T(sole_voter_leads_again_in_a_higher_term),
        T(blank_node_stops_at_once_by_either_signal),
        T(open_connections_do_not_hold_up_a_stop),
        T(second_daemon_is_refused_and_told_why),
        T(damaged_files_refuse_the_start_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
