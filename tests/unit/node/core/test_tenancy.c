/* test_tenancy.c - keyspaces from their creation to their end, in a cluster. */
#include "tests/unit/node/core/asking.h"

#include <stdio.h>

#include "proto/keyspace.h"

static struct trial t;

static void start(unsigned groups)
{
    struct cluster_options o = trial_three();

    o.groups = groups;
    trial_start(&t, &o);
    trial_run(&t, 3000);
    asking_begin(&t);
}

static void end(void)
{
    trial_judge(&t);
    trial_release(&t);
    asking_end();
}

static enum status change(const char *name, struct keyspace_change c)
{
    struct operation o = {.op = OP_KEYSPACE, .key = slice_str(name)};
    struct buf value = {0};
    enum status st;

    keyspace_change_encode(&c, &value);
    o.value = buf_slice(&value);
    st = ask_op(&t.c.nodes[0], "", o, NULL)->status;
    buf_release(&value);
    trial_run(&t, 1500); /* every node has the map */
    return st;
}

static enum status set(const char *keyspace, const char *key)
{
    struct operation o = {.op = OP_SET, .key = slice_str(key),
                          .value = slice_str("v")};

    return ask_op(&t.c.nodes[1], keyspace, o, NULL)->status;
}

static const struct reply *get(const char *keyspace, const char *key)
{
    struct operation o = {.op = OP_GET, .key = slice_str(key)};

    return ask_op(&t.c.nodes[2], keyspace, o, NULL);
}

static unsigned data_rows(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 3; i++)
        for (uint32_t g = 1; g <= t.c.o.groups; g++)
            n += asking_rows(&t.c.nodes[i], g, LAYOUT_DATA);
    return n;
}

/* The same key in two keyspaces; dropped, one is gone and the other stays; a
 * new one of that name is empty. */
static void a_keyspace_lives_and_goes_with_its_data(void **state)
{
    char key[16];

    (void)state;
    start(2);
    assert_int_equal(set("carts", "k0"), STATUS_NO_KEYSPACE);
    assert_int_equal(change("carts", (struct keyspace_change){
                                         .action = KEYSPACE_CREATE}),
                     STATUS_OK);
    assert_int_equal(asking.reply.argument, 1);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set("carts", key), STATUS_OK);
    }
    assert_int_equal(get("", "k0")->status, STATUS_NOT_FOUND);
    assert_int_equal(set("", "k0"), STATUS_OK);
    assert_int_equal(get("carts", "k0")->status, STATUS_OK);
    trial_run(&t, 1000);
    assert_int_equal(data_rows(), 3 * 21);
    assert_int_equal(change("carts", (struct keyspace_change){
                                         .action = KEYSPACE_DROP}),
                     STATUS_OK);
    assert_int_equal(set("carts", "k0"), STATUS_NO_KEYSPACE);
    assert_int_equal(get("carts", "k0")->status, STATUS_NO_KEYSPACE);
    trial_run(&t, 4000);
    assert_int_equal(data_rows(), 3 * 1);
    assert_null(map_keyspace_find(shard_map(t.c.nodes[0].loops[0].shard), 1));
    assert_int_equal(change("carts", (struct keyspace_change){
                                         .action = KEYSPACE_CREATE}),
                     STATUS_OK);
    assert_int_equal(get("carts", "k0")->status, STATUS_NOT_FOUND);
    assert_int_equal(get("", "k0")->status, STATUS_OK);
    end();
}

/* Crashes in the middle: it goes on until all is done. */
static void a_drop_goes_on_after_crashes(void **state)
{
    (void)state;
    start(2);
    assert_int_equal(change("carts", (struct keyspace_change){
                                         .action = KEYSPACE_CREATE}),
                     STATUS_OK);
    for (unsigned i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set("carts", key), STATUS_OK);
    }
    assert_int_equal(change("carts", (struct keyspace_change){
                                         .action = KEYSPACE_DROP}),
                     STATUS_OK);
    for (unsigned i = 0; i < 6; i++) {
        struct sim_node *n = &t.c.nodes[i % 3];
        start_crash(&t.c, n);
        trial_run(&t, 400);
        start_node(&t.c, n);
        trial_run(&t, 300);
    }
    trial_run(&t, 8000);
    assert_int_equal(data_rows(), 0);
    assert_null(map_keyspace_find(shard_map(t.c.nodes[0].loops[0].shard), 1));
    end();
}

/* Whoever leads, from the first command on. */
static void limits_hold_across_leaders(void **state)
{
    unsigned in = 0;

    (void)state;
    start(1);
    assert_int_equal(
        change("few", (struct keyspace_change){.action = KEYSPACE_CREATE,
                                               .set = KEYSPACE_SET_KEYS,
                                               .keys_max = 10}),
        STATUS_OK);
    for (unsigned i = 0; i < 20; i++) {
        char key[16];
        enum status st;
        snprintf(key, sizeof key, "k%u", i);
        st = set("few", key);
        assert_int_equal(st, i < 10 ? STATUS_OK : STATUS_QUOTA);
        in += st == STATUS_OK;
        if (i % 4 == 3) {
            struct sim_node *n = trial_elect(&t, 1);
            if (n == &t.c.nodes[1])
                continue; /* who is asked */
            trial_isolate(&t, n, true);
            trial_run(&t, 2000);
            trial_isolate(&t, n, false);
            trial_run(&t, 2000);
        }
    }
    assert_int_equal(in, 10);
    assert_int_equal(
        change("few", (struct keyspace_change){.action = KEYSPACE_ALTER,
                                               .set = KEYSPACE_SET_KEYS,
                                               .keys_max = 11}),
        STATUS_OK);
    assert_int_equal(set("few", "one more"), STATUS_OK);
    assert_int_equal(set("few", "too many"), STATUS_QUOTA);
    end();
}

/* Broken: what a leader told its group, but was never committed, would be
 * believed when it leads again: the group would count nothing. */
static void a_leader_tells_the_limits_again_in_its_next_term(void **state)
{
    struct operation o = {.op = OP_SET, .key = slice_str("lost"),
                          .value = slice_str("v")};
    struct sim_node *old;
    char key[16];

    (void)state;
    start(1);
    trial_run(&t, 5000); /* leadership is where the map wants it */
    assert_int_equal(
        change("few", (struct keyspace_change){.action = KEYSPACE_CREATE,
                                               .set = KEYSPACE_SET_KEYS,
                                               .keys_max = 10}),
        STATUS_OK);
    old = trial_elect(&t, 1);
    trial_isolate(&t, old, true);
    asking_send(old, "few", &o, NULL); /* with the limits; nobody hears it */
    trial_run(&t, 3000);
    assert_true(trial_elect(&t, 1) != old);
    trial_isolate(&t, old, false);
    trial_run(&t, 6000);
    assert_true(trial_elect(&t, 1) == old); /* it leads again */
    for (unsigned i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(set("few", key), i < 10 ? STATUS_OK : STATUS_QUOTA);
    }
    end();
}

/* As a client does: again while it is told to. */
static enum status set_again(const char *keyspace, const char *key)
{
    enum status st = set(keyspace, key);

    for (unsigned i = 0; st == STATUS_BUSY && i < 100; i++) {
        trial_run(&t, 20);
        st = set(keyspace, key);
    }
    return st;
}

/* Would break: a limit of ten keys would be two for each of six groups: too
 * many in all, and too few for keys that share a hash tag. */
static void a_small_limit_is_that_of_the_whole_keyspace(void **state)
{
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_KEYS, .keys_max = 10};
    char key[16];
    unsigned in = 0;

    (void)state;
    start(6);
    assert_int_equal(change("tag", c), STATUS_OK);
    for (unsigned i = 0; i < 10; i++) { /* all of one group */
        snprintf(key, sizeof key, "{t}%u", i);
        assert_int_equal(set_again("tag", key), STATUS_OK);
    }
    assert_int_equal(set_again("tag", "{t}more"), STATUS_QUOTA);
    trial_run(&t, 600); /* the others hear of it twice a second */
    assert_int_equal(set_again("tag", "{other}more"), STATUS_QUOTA);
    assert_int_equal(set_again("tag", "{t}9"), STATUS_OK);

    assert_int_equal(change("mixed", c), STATUS_OK);
    for (unsigned i = 0; i < 40; i++) {
        enum status st;
        snprintf(key, sizeof key, "k%u", i);
        st = set_again("mixed", key);
        assert_true(st == STATUS_OK || st == STATUS_QUOTA);
        assert_true(st == STATUS_OK || in >= 10);
        in += st == STATUS_OK;
    }
    assert_in_range(in, 10, 10 + 5);
    /* What is deleted in one group makes room in another one. */
    for (unsigned i = 0; i < 40; i++) {
        struct operation o = {.op = OP_DELETE};
        snprintf(key, sizeof key, "k%u", i);
        o.key = slice_str(key);
        ask_op(&t.c.nodes[i % 3], "mixed", o, NULL);
    }
    trial_run(&t, 1000);
    assert_int_equal(set_again("mixed", "{t}again"), STATUS_OK);
    end();
}

static enum status delete(const char *keyspace, const char *key)
{
    struct operation o = {.op = OP_DELETE, .key = slice_str(key)};

    return ask_op(&t.c.nodes[1], keyspace, o, NULL)->status;
}

/* Would break: a group that looks for room when some groups have told that they
 * made some, and others have told nothing yet, would not look again. */
static void room_is_found_by_who_asks_all_the_time(void **state)
{
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_KEYS, .keys_max = 6};

    (void)state;
    start(6);
    for (unsigned i = 0; i < 3; i += 2) { /* each node tells at its own time */
        start_crash(&t.c, &t.c.nodes[i]);
        trial_run(&t, 1170);
        start_node(&t.c, &t.c.nodes[i]);
        trial_run(&t, 6000); /* it leads again */
    }
    for (char who = 'a'; who < 'a' + 12; who++) {
        char name[] = {'n', who, 0}, other[] = {'{', who, '2', '}', 0};
        char key[] = {'{', who, '}', '0', 0};
        enum status st = STATUS_QUOTA;
        assert_int_equal(change(name, c), STATUS_OK);
        assert_int_equal(set_again(name, other), STATUS_OK);
        for (; key[3] < '5'; key[3]++)
            assert_int_equal(set_again(name, key), STATUS_OK);
        assert_int_equal(set_again(name, key), STATUS_QUOTA);
        assert_int_equal(delete(name, other), STATUS_OK);
        for (unsigned i = 0; i < 100 && st != STATUS_OK; i++) {
            trial_run(&t, 10);
            st = set(name, key);
        }
        assert_int_equal(st, STATUS_OK);
    }
    end();
}

/* Would break: after a restart of all nodes each group would believe that the
 * others hold no more than their part. */
static void nothing_is_guessed_after_a_restart(void **state)
{
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_KEYS, .keys_max = 12};

    (void)state;
    start(6);
    assert_int_equal(change("full", c), STATUS_OK);
    for (char key[] = "{t}a"; key[3] < 'a' + 12; key[3]++)
        assert_int_equal(set_again("full", key), STATUS_OK);
    for (unsigned i = 0; i < 3; i++)
        start_crash(&t.c, &t.c.nodes[i]);
    for (unsigned i = 0; i < 3; i++)
        start_node(&t.c, &t.c.nodes[i]);
    for (char key[] = "{a}"; key[1] < 'a' + 12; key[1]++)
        assert_int_equal(set_again("full", key), STATUS_QUOTA);
    end();
}

/* Would break: what is larger than all that is left would be BUSY until its
 * client gives up, or would take the room of smaller ones with it. */
static void what_never_fits_is_refused_by_itself(void **state)
{
    static char value[2000];
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_BYTES,
                                .bytes_max = 1000};
    struct operation large = {.op = OP_SET, .key = slice_str("{a}large"),
                              .value = slice_of(value, sizeof value)};
    struct operation small = {.op = OP_SET, .value = slice_of(value, 90)};

    (void)state;
    start(6);
    assert_int_equal(change("bytes", c), STATUS_OK);
    for (unsigned i = 0; i < 10; i++) {
        char key[] = {'{', 'a', '}', (char)('0' + i), 0};
        assert_int_equal(ask_op(&t.c.nodes[1], "bytes", large, NULL)->status,
                         STATUS_QUOTA);
        small.key = slice_str(key);
        assert_int_equal(ask_op(&t.c.nodes[1], "bytes", small, NULL)->status,
                         STATUS_OK);
    }
    small.key = slice_str("{a}more");
    assert_int_equal(ask_op(&t.c.nodes[1], "bytes", small, NULL)->status,
                     STATUS_QUOTA);
    end();
}

/* Bytes, of values that are large for what is left. */
static void the_last_bytes_go_to_who_can_use_them(void **state)
{
    static char value[400];
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_BYTES,
                                .bytes_max = 1000};
    struct operation o = {.op = OP_SET, .value = slice_of(value, 400)};
    enum status st;

    (void)state;
    start(4);
    assert_int_equal(change("bytes", c), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) {
        const char *keys[] = {"{a}1", "{a}2", "{b}3"};
        o.key = slice_str(keys[i]);
        for (unsigned n = 0; n < 100; n++) {
            st = ask_op(&t.c.nodes[1], "bytes", o, NULL)->status;
            if (st != STATUS_BUSY)
                break;
            trial_run(&t, 20);
        }
        assert_int_equal(st, i < 2 ? STATUS_OK : STATUS_QUOTA);
    }
    o.value.size = 150; /* fits into what is left: 192 */
    assert_int_equal(ask_op(&t.c.nodes[1], "bytes", o, NULL)->status,
                     STATUS_OK);
    end();
}

static void sets_get_the_default_ttl(void **state)
{
    struct operation o = {.op = OP_SET, .key = slice_str("own"),
                          .flags = OPERATION_TTL, .expire = 50000};
    struct operation inner = {.op = OP_SET, .key = slice_str("inside")};
    struct operation transact = {.op = OP_TRANSACT,
                                 .key = slice_str("inside")};
    struct buf list = {0};

    (void)state;
    start(1);
    assert_int_equal(
        change("short", (struct keyspace_change){.action = KEYSPACE_CREATE,
                                                 .set = KEYSPACE_SET_TTL,
                                                 .default_ttl_ms = 9000}),
        STATUS_OK);
    assert_int_equal(set("short", "k"), STATUS_OK);
    assert_int_equal(asking.reply.expire_at, asking.reply.clock + 9000);
    ask_op(&t.c.nodes[1], "short", o, NULL);
    assert_int_equal(asking.reply.expire_at, asking.reply.clock + 50000);
    transaction_begin(&list, 0, 1, 0);
    operation_encode(&inner, &list);
    transact.value = buf_slice(&list);
    assert_int_equal(ask_op(&t.c.nodes[1], "short", transact, NULL)->status,
                     STATUS_OK);
    assert_true(get("short", "inside")->expire_at > 0);
    assert_int_equal(set("", "k"), STATUS_OK);
    assert_int_equal(asking.reply.expire_at, 0);
    trial_run(&t, 10000);
    assert_int_equal(get("short", "k")->status, STATUS_NOT_FOUND);
    assert_int_equal(get("short", "own")->status, STATUS_OK);
    assert_int_equal(get("", "k")->status, STATUS_OK);
    buf_release(&list);
    end();
}

/* The answer is lost, the leader changes, the client asks another node: the
 * first result comes back. */
static void a_retry_elsewhere_returns_the_first_result(void **state)
{
    struct operation incr = {.op = OP_INCR, .key = slice_str("n"),
                             .argument = 1};
    struct session q = {.client = {1, 2, 3}};

    (void)state;
    start(1);
    for (unsigned i = 1; i <= 12; i++) {
        struct sim_node *leader = trial_elect(&t, 1);
        char text[16];
        q.sequence = i;
        q.acknowledged = i;
        q.not_after = shard_clock(leader->loops[0].shard) + 60000;
        asking_send(&t.c.nodes[i % 3], "", &incr, &q); /* never heard of */
        trial_run(&t, i);
        trial_isolate(&t, leader, true);
        trial_run(&t, 1500);
        snprintf(text, sizeof text, "%u", i);
        ask_op(trial_elect(&t, 1), "", incr, &q);
        assert_int_equal(asking.reply.status, STATUS_OK);
        assert_slice(asking.reply.value, text);
        trial_isolate(&t, leader, false);
        trial_run(&t, 1000);
        ask_op(leader, "", incr, &q);
        assert_int_equal(asking.reply.status, STATUS_OK);
        assert_slice(asking.reply.value, text);
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyspace_lives_and_goes_with_its_data),
        cmocka_unit_test(a_drop_goes_on_after_crashes),
        cmocka_unit_test(limits_hold_across_leaders),
        cmocka_unit_test(a_leader_tells_the_limits_again_in_its_next_term),
        cmocka_unit_test(a_small_limit_is_that_of_the_whole_keyspace),
        cmocka_unit_test(room_is_found_by_who_asks_all_the_time),
        cmocka_unit_test(nothing_is_guessed_after_a_restart),
        cmocka_unit_test(what_never_fits_is_refused_by_itself),
        cmocka_unit_test(the_last_bytes_go_to_who_can_use_them),
        cmocka_unit_test(sets_get_the_default_ttl),
        cmocka_unit_test(a_retry_elsewhere_returns_the_first_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
