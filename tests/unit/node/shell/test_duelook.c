/* test_duelook.c - a real daemon finds what is due in its index by itself. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "rpc/types.h"

enum { KEYS = 700 }; /* several sweeps */

static struct operate_reply operate(struct ask *a, struct operation o)
{
    struct operate_request m = {.operation = o};
    struct operate_reply reply;

    do {
        struct buf payload = {0};
        operate_request_encode(&m, &payload);
        ask_one(a, MESSAGE_OPERATE, &payload, MESSAGE_OPERATE_REPLY);
        assert_int_equal(operate_reply_decode(a->payload, &reply), STATUS_OK);
    } while (status_retry(reply.reply.status) == RETRY_SAFE);
    return reply;
}

/* Nothing is written meanwhile: the group's clock moves only by sweeps. Keys
 * that nobody asks for go too: each get finds the one state. */
static void what_is_due_goes_without_a_command(void **state)
{
    static const uint8_t large[20000]; /* of one line in 50 */
    struct daemon *d = daemon_new();
    struct ask a;
    char key[16];

    (void)state;
    daemon_start(d);
    daemon_init(d, "2");
    ask_open(&a, d->port);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(operate(&a, (struct operation){
                                         .op = OP_SET,
                                         .key = slice_str(key),
                                         .value = slice_of(
                                             large, i % 50 ? 9 : 20000),
                                         .flags = OPERATION_TTL,
                                         .expire = 50 + i % 5})
                             .reply.status,
                         STATUS_OK);
    }
    ask_must_set(&a, "stays", "v");
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        while (operate(&a, (struct operation){.op = OP_GET,
                                              .key = slice_str(key)})
                   .reply.status != STATUS_NOT_FOUND)
            ;
    }
    ask_get(&a, "stays", "v");
    ask_close(&a);
    daemon_stop(d);
    daemon_free(d);
}

/* The table of first results is read when the daemon starts again. */
static void first_results_survive_a_restart(void **state)
{
    struct daemon *d = daemon_new();
    struct operation incr = {.op = OP_INCR, .key = slice_str("n"),
                             .argument = 1};
    struct operate_request m = {.operation = incr,
                                .session = {.client = {9}, .sequence = 1}};
    struct ask a;

    (void)state;
    daemon_start(d);
    daemon_init(d, "1");
    for (unsigned i = 0; i < 2; i++) {
        struct operate_reply reply;
        ask_open(&a, d->port);
        if (!m.session.not_after)
            m.session.not_after = ask_map(&a, 0).clock_ms + 200000;
        do {
            struct buf payload = {0};
            operate_request_encode(&m, &payload);
            ask_one(&a, MESSAGE_OPERATE, &payload, MESSAGE_OPERATE_REPLY);
            assert_int_equal(operate_reply_decode(a.payload, &reply),
                             STATUS_OK);
        } while (status_retry(reply.reply.status) == RETRY_SAFE);
        assert_int_equal(reply.reply.status, STATUS_OK);
        assert_true(slice_equal(reply.reply.value, slice_str("1")));
        ask_close(&a);
        daemon_stop(d);
        if (i == 0)
            daemon_start(d);
    }
    daemon_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_goes_without_a_command),
        cmocka_unit_test(first_results_survive_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
