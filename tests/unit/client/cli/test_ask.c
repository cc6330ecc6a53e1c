/* test_ask.c - asking named nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/cli/ask.h"
#include "tests/unit/client/cli/run_cli.h"

/* Broken: a status would be shown for the wrong node, or for none. */
static void each_answer_belongs_to_its_question(void **state)
{
    struct nodes *t = nodes_start(3);
    struct ask asks[3] = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        asks[i].address = *listener_address(t->f.nodes[2 - i].listener);
        asks[i].type = MESSAGE_STATUS;
    }
    ask_all(asks, 3, MS(5000));
    for (unsigned i = 0; i < 3; i++) {
        struct status_reply m;
        struct arena arena;
        arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
        assert_int_equal(asks[i].status, STATUS_OK);
        assert_int_equal(
            status_reply_decode(buf_slice(&asks[i].reply), &arena, &m),
            STATUS_OK);
        assert_int_equal(m.node.node, 3 - i);
        arena_release(&arena);
    }
    ask_release(asks, 3);
    nodes_stop(t);
}

/* Broken: one dead or silent node would hide the others, or hang. */
static void silence_and_absence_are_told_apart(void **state)
{
    struct nodes *t = nodes_prepare(3);
    struct ask asks[3] = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        asks[i].address = *listener_address(t->f.nodes[i].listener);
        asks[i].type = MESSAGE_MAP;
    }
    t->f.nodes[0].map_silent = true;
    fake_stop(&t->f.nodes[1]);
    fake_thread_start(&t->f);
    ask_all(asks, 3, MS(2000)); /* the third has to answer in it */
    assert_int_equal(asks[0].status, STATUS_TIMEOUT);
    assert_int_equal(asks[1].status, STATUS_CONNECTION);
    assert_has(asks[1].detail, "127.0.0.1:");
    assert_int_equal(asks[2].status, STATUS_OK);
    ask_release(asks, 3);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_belongs_to_its_question),
        cmocka_unit_test(silence_and_absence_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
