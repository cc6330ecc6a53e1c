/* test_translate.c - messages to requests, replies to messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/front/translate.h"
#include "proto/codec.h"
#include "rpc/types.h"

static struct buf b;

static bool take(uint16_t type, struct request *q, enum status *st,
                 const char **why)
{
    *q = (struct request){0};
    *st = STATUS_INTERNAL;
    return translate_request(type, buf_slice(&b), q, st, why);
}

/* Broken: a client's request would be executed as another one. */
static void requests_become_operations(void **state)
{
    struct get_request get = {slice_str("users"), slice_str("k"),
                              CONSISTENCY_STALE};
    struct set_request set = {slice_str(""), slice_str("k"), slice_str("v")};
    struct delete_request del = {slice_str(""), slice_str("k")};
    struct operate_request operate = {
        .keyspace = slice_str("users"),
        .operation = {.op = OP_INCR, .key = slice_str("n"), .argument = 5},
        .session = {.sequence = 3, .not_after = 9},
    };
    struct request q;
    enum status st;
    const char *why;

    (void)state;
    buf_clear(&b);
    get_request_encode(&get, &b);
    assert_true(take(MESSAGE_GET, &q, &st, &why));
    assert_int_equal(st, STATUS_OK);
    assert_int_equal(q.operation.op, OP_GET);
    assert_int_equal(read_mode_of(&q.operation), READ_STALE);
    assert_true(slice_equal(q.keyspace, get.keyspace));
    assert_int_equal(q.from.tag, MESSAGE_GET);
    buf_clear(&b);
    set_request_encode(&set, &b);
    assert_true(take(MESSAGE_SET, &q, &st, &why));
    assert_int_equal(q.operation.op, OP_SET);
    assert_true(slice_equal(q.operation.value, set.value));
    assert_int_equal(q.session.sequence, 0);
    buf_clear(&b);
    delete_request_encode(&del, &b);
    assert_true(take(MESSAGE_DELETE, &q, &st, &why));
    assert_int_equal(q.operation.op, OP_DELETE);
    buf_clear(&b);
    operate_request_encode(&operate, &b);
    assert_true(take(MESSAGE_OPERATE, &q, &st, &why));
    assert_int_equal(st, STATUS_OK);
    assert_int_equal(q.operation.op, OP_INCR);
    assert_int_equal(q.operation.argument, 5);
    assert_int_equal(q.session.sequence, 3);
    assert_true(slice_equal(q.keyspace, operate.keyspace));
}

/* Broken: what is no request would reach the core, or a client would not be
 * told what is wrong. */
static void bad_requests_are_refused_with_a_reason(void **state)
{
    struct operate_request operate = {
        .operation = {.op = OP_SET, .key = slice_str("n"),
                      .flags = OPERATION_IF_ABSENT | OPERATION_IF_PRESENT}};
    struct request q;
    enum status st;
    const char *why;

    (void)state;
    buf_clear(&b);
    assert_false(take(MESSAGE_MAP, &q, &st, &why));
    assert_false(take(MESSAGE_ITEMS, &q, &st, &why));
    assert_true(take(MESSAGE_GET, &q, &st, &why));
    assert_int_equal(st, STATUS_BAD_MESSAGE);
    operate_request_encode(&operate, &b);
    assert_true(take(MESSAGE_OPERATE, &q, &st, &why));
    assert_int_equal(st, STATUS_INVALID);
    assert_string_equal(why, "conditions that can never hold together");
}

/* Broken: a client could not read the answer to what it asked. */
static void a_reply_has_the_form_of_its_request(void **state)
{
    struct reply r = {.status = STATUS_OK, .has_value = true,
                      .value = slice_str("v"), .version = 7, .expire_at = 8,
                      .clock = 9, .argument = 10};
    struct hint hint = {.group = 3};
    struct get_reply get;
    struct write_reply write;
    struct operate_reply operate;

    (void)state;
    buf_clear(&b);
    assert_int_equal(translate_reply_type(MESSAGE_GET), MESSAGE_GET_REPLY);
    translate_reply(MESSAGE_GET, &r, &hint, &b);
    assert_int_equal(get_reply_decode(buf_slice(&b), &get), STATUS_OK);
    assert_true(slice_equal(get.value, r.value));
    assert_int_equal(get.version, 7);
    assert_int_equal(get.expire_at, 8);
    assert_int_equal(get.clock, 9);
    assert_int_equal(get.hint.group, 3);
    for (unsigned i = 0; i < 2; i++) {
        uint16_t type = i ? MESSAGE_SET : MESSAGE_DELETE;
        buf_clear(&b);
        assert_int_equal(translate_reply_type(type), MESSAGE_WRITE_REPLY);
        translate_reply(type, &r, &hint, &b);
        assert_int_equal(write_reply_decode(buf_slice(&b), &write),
                         STATUS_OK);
        assert_int_equal(write.version, 7);
    }
    buf_clear(&b);
    r.status = STATUS_NOT_MET;
    r.detail = "why";
    assert_int_equal(translate_reply_type(MESSAGE_OPERATE),
                     MESSAGE_OPERATE_REPLY);
    translate_reply(MESSAGE_OPERATE, &r, &hint, &b);
    assert_int_equal(operate_reply_decode(buf_slice(&b), &operate),
                     STATUS_OK);
    assert_int_equal(operate.reply.status, STATUS_NOT_MET);
    assert_true(slice_equal(operate.reply.value, r.value));
    assert_int_equal(operate.reply.expire_at, 8);
    assert_int_equal(operate.reply.clock, 9);
    assert_int_equal(operate.reply.argument, 10);
    assert_true(slice_equal(operate.detail, slice_str("why")));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_operations),
        cmocka_unit_test(bad_requests_are_refused_with_a_reason),
        cmocka_unit_test(a_reply_has_the_form_of_its_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
