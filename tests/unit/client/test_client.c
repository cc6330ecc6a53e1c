/* test_client.c - submitting, bounds, order, closing, fork. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

/* Broken: the caller would learn of a mistake only over the network. */
static void mistakes_are_refused_at_once_and_never_answered(void **state)
{
    static char large[VALUE_BYTES_MAX + 1];
    struct fixture *t = begin(1);
    struct coat_call how = {.timeout = COAT_TIMEOUT_MAX + 1};
    struct coat_call odd = {.consistency = (enum coat_consistency)9};
    struct answer a = {0};

    (void)state;
    assert_int_equal(coat_get(t->c, COAT_STR(""), NULL, answer_take, &a),
                     COAT_KEY_EMPTY);
    assert_int_equal(coat_get(t->c, COAT_BYTES(large, KEY_BYTES_MAX + 1), NULL,
                              answer_take, &a),
                     COAT_KEY_TOO_LARGE);
    assert_int_equal(coat_set(t->c, COAT_STR("k"),
                              COAT_BYTES(large, sizeof large), NULL,
                              answer_take, &a),
                     COAT_VALUE_TOO_LARGE);
    assert_int_equal(coat_get(t->c, COAT_STR("k"), &how, answer_take, &a),
                     COAT_INVALID);
    assert_int_equal(coat_get(t->c, COAT_STR("k"), &odd, answer_take, &a),
                     COAT_INVALID);
    assert_int_equal(coat_outstanding(t->c), 0);
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    assert_int_equal(a.times, 0);
    stop(t);
}

/* Broken: memory would grow with whatever the caller submits. */
static void what_is_outstanding_is_bounded(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    struct answer a[4] = {0};
    struct fixture *t;

    (void)state;
    o.requests_max = 3;
    t = begin_with(1, o);
    for (unsigned i = 0; i < 3; i++)
        set_start(t, "k", "v", &a[i]);
    assert_int_equal(coat_set(t->c, COAT_STR("k"), COAT_STR("v"), NULL,
                              answer_take, &a[3]),
                     COAT_BUSY);
    assert_int_equal(coat_outstanding(t->c), 3);
    run_until(&t->loop, &a[2].done);
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    assert_int_equal(a[3].times, 0);
    stop(t);
    o.requests_max = 0;
    o.bytes_max = 100;
    t = begin_with(1, o);
    set_start(t, "k", "v", &a[0]);
    assert_int_equal(
        coat_set(t->c, COAT_STR("k"),
                 COAT_BYTES("0123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789", 120),
                 NULL, answer_take, &a[3]),
        COAT_BUSY);
    run_until(&t->loop, &a[0].done);
    stop(t);
}

/* Broken: of pipelined writes to one key an older one would win. */
static void writes_to_one_key_keep_their_order(void **state)
{
    struct fixture *t = begin(3);
    struct answer a[50];

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        /* Each round begins with a client that believes in the old leader. */
        for (unsigned i = 0; i < 50; i++) {
            char value[16];
            snprintf(value, sizeof value, "%02u", i);
            set_start(t, "k", value, &a[i]);
        }
        for (unsigned i = 0; i < 50; i++) {
            run_until(&t->loop, &a[i].done);
            assert_int_equal(a[i].status, COAT_OK);
            assert_int_equal(a[i].times, 1);
        }
        assert_int_equal(t->f.n_log, 50 * (round + 1));
        for (unsigned i = 0; i < 50; i++)
            assert_int_equal(atol(t->f.log[50 * round + i].value), i);
        fake_lead(&t->f, "k", fake_other(&t->f, "k")->id);
    }
    stop(t);
}

/* Broken: a refused write would be repeated behind a younger one and bring an
 * old value back. */
static void an_overtaken_write_is_not_repeated(void **state)
{
    struct fixture *t = begin(1);
    struct answer a[3];

    (void)state;
    assert_int_equal(set(t, "other", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_BUSY;
    t->f.nodes[0].refusals = 1;
    set_start(t, "k", "old", &a[0]);
    set_start(t, "k", "new", &a[1]);
    set_start(t, "other", "w", &a[2]);
    for (unsigned i = 0; i < 3; i++)
        run_until(&t->loop, &a[i].done);
    assert_int_equal(a[0].status, COAT_BUSY);
    assert_int_equal(a[1].status, COAT_OK);
    assert_int_equal(a[2].status, COAT_OK);
    assert_string_equal(fake_value(&t->f, "k"), "new");
    stop(t);
}

/* Broken: answers in another order than the questions would be mixed up. */
static void answers_may_come_in_any_order(void **state)
{
    struct fixture *t = begin(1);
    struct answer a[20];
    struct fake_node *n = &t->f.nodes[0];

    (void)state;
    n->mode = FAKE_HOLD;
    for (unsigned i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        set_start(t, key, key, &a[i]);
    }
    while (n->n_held < 20)
        uv_run(&t->loop, UV_RUN_ONCE);
    fake_release(n, true);
    for (unsigned i = 0; i < 20; i++) {
        run_until(&t->loop, &a[i].done);
        assert_int_equal(a[i].status, COAT_OK);
        assert_int_equal(a[i].version, 20 - i);
    }
    stop(t);
}

/* Broken: closing would lose answers, or call a write that may have happened
 * cancelled. */
static void closing_ends_everything_exactly_once(void **state)
{
    struct fixture *t = begin(1);
    struct answer sent = {0}, read = {0}, unsent = {0};
    bool closed = false;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    t->f.nodes[0].mode = FAKE_SILENT;
    set_start(t, "k", "w", &sent);
    assert_int_equal(coat_get(t->c, COAT_STR("k"), NULL, answer_take, &read),
                     COAT_OK);
    while (t->f.nodes[0].requests < 3)
        uv_run(&t->loop, UV_RUN_ONCE);
    fake_stop(&t->f.nodes[0]);
    while (!sent.done) /* its connection breaks */
        uv_run(&t->loop, UV_RUN_ONCE);
    assert_int_equal(sent.status, COAT_UNKNOWN);
    set_start(t, "k", "x", &unsent); /* nobody to send it to */
    coat_client_close(t->c, mark, &closed);
    assert_false(unsent.done);
    assert_int_equal(coat_get(t->c, COAT_STR("k"), NULL, answer_take, &read),
                     COAT_CLOSED);
    run_until(&t->loop, &closed);
    assert_int_equal(unsent.times, 1);
    assert_int_equal(unsent.status, COAT_CANCELLED);
    assert_int_equal(read.times, 1);
    assert_int_equal(read.status, COAT_CANCELLED);
    t->c = NULL;
    stop(t);
}

/* Broken: as above for a write that is on its way at that moment. */
static void closing_leaves_sent_writes_unknown(void **state)
{
    struct fixture *t = begin(1);
    struct answer sent;
    bool closed = false;

    (void)state;
    t->f.nodes[0].mode = FAKE_SILENT;
    set_start(t, "k", "w", &sent);
    while (!t->f.nodes[0].requests)
        uv_run(&t->loop, UV_RUN_ONCE);
    coat_client_close(t->c, mark, &closed);
    run_until(&t->loop, &closed);
    assert_int_equal(sent.times, 1);
    assert_int_equal(sent.status, COAT_UNKNOWN);
    t->c = NULL;
    stop(t);
}

struct chain {
    struct fixture *t;
    unsigned left;
    bool closed;
};

static void chain_next(const struct coat_reply *reply, void *user)
{
    struct chain *c = user;

    assert_int_equal(reply->status, COAT_OK);
    if (!--c->left) {
        coat_client_close(c->t->c, mark, &c->closed);
        return;
    }
    assert_int_equal(coat_set(c->t->c, COAT_STR("k"), COAT_STR("v"), NULL,
                              chain_next, c),
                     COAT_OK);
}

/* Broken: a callback that submits or closes would crash. */
static void callbacks_may_submit_and_close(void **state)
{
    struct fixture *t = begin(3);
    struct chain c = {t, 20, false};

    (void)state;
    assert_int_equal(coat_set(t->c, COAT_STR("k"), COAT_STR("v"), NULL,
                              chain_next, &c),
                     COAT_OK);
    run_until(&t->loop, &c.closed);
    assert_int_equal(t->f.n_log, 20);
    t->c = NULL;
    stop(t);
}

/* Broken: a child would write into its parent's connections. */
static void a_forked_child_is_refused(void **state)
{
    struct fixture *t = begin(1);
    struct answer a = {0};
    pid_t child;
    int status;

    (void)state;
    assert_int_equal(set(t, "k", "v").status, COAT_OK);
    child = fork();
    if (!child) {
        bool refused = coat_get(t->c, COAT_STR("k"), NULL, answer_take, &a) ==
                       COAT_CLOSED;
        coat_client_close(t->c, NULL, NULL);
        _exit(refused ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(set(t, "k", "w").status, COAT_OK);
    stop(t);
}

/* Broken: wrong options would crash instead of being explained. */
static void wrong_options_give_no_client(void **state)
{
    struct coat_options o = COAT_OPTIONS;
    char error[COAT_ERROR_MAX] = "";
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    o.endpoints = "nonsense:port";
    assert_null(coat_client_new(&loop, &o, error, sizeof error));
    assert_true(error[0]);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_refused_at_once_and_never_answered),
        cmocka_unit_test(what_is_outstanding_is_bounded),
        cmocka_unit_test(writes_to_one_key_keep_their_order),
        cmocka_unit_test(an_overtaken_write_is_not_repeated),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(closing_ends_everything_exactly_once),
        cmocka_unit_test(closing_leaves_sent_writes_unknown),
        cmocka_unit_test(callbacks_may_submit_and_close),
        cmocka_unit_test(a_forked_child_is_refused),
        cmocka_unit_test(wrong_options_give_no_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
