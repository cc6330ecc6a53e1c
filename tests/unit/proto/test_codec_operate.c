/* test_codec_operate.c - OperateRequest and OperateReply against protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto/codec_differential.h"
#include "tests/unit/proto/operation_sample.h"

static struct rng rng;

static int setup(void **state)
{
    (void)state;
    rng_init(&rng, 11);
    sample_init(&rng);
    return 0;
}

static void assert_packed(const struct buf *ours,
                          const ProtobufCMessage *theirs)
{
    size_t size = protobuf_c_message_get_packed_size(theirs);
    uint8_t *packed = xmalloc(size);

    protobuf_c_message_pack(theirs, packed);
    assert_int_equal(ours->size, size);
    assert_memory_equal(ours->data, packed, size);
    free(packed);
}

static void assert_robust(struct buf *b)
{
    codec_differential(b->data, b->size);
    for (size_t n = 0; n < b->size; n++) {
        uint8_t *copy = xmalloc(n + 1);
        if (n)
            memcpy(copy, b->data, n);
        codec_differential(copy, n);
        free(copy);
    }
    for (unsigned i = 0; i < 20; i++) {
        size_t at = (size_t)rng_below(&rng, b->size);
        uint8_t was = b->data[at];
        b->data[at] = (uint8_t)rng_next(&rng);
        codec_differential(b->data, b->size);
        b->data[at] = was;
    }
}

/* Broken: another implementation of the protocol would not understand ours, or
 * an operation, its keyspace or its session would be lost on the way. */
static void a_request_is_the_bytes_of_protobuf_c(void **state)
{
    struct buf b = {0}, operation = {0}, session = {0};

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct operate_request m = {.operation = sample_set(&rng)}, got;
        Coat__Wire__OperateRequest theirs =
            COAT__WIRE__OPERATE_REQUEST__INIT;
        const char *why;
        buf_clear(&b);
        buf_clear(&operation);
        buf_clear(&session);
        if (i % 2) {
            m.keyspace = slice_str("users");
            theirs.keyspace = (char *)"users";
        }
        operation_encode(&m.operation, &operation);
        theirs.operation.data = operation.data;
        theirs.operation.len = operation.size;
        if (i % 3) {
            m.session.client[3] = (uint8_t)i;
            m.session.sequence = i;
            m.session.acknowledged = i / 2;
            m.session.not_after = rng_next(&rng);
            session_encode(&m.session, &session);
            theirs.has_session = true;
            theirs.session.data = session.data;
            theirs.session.len = session.size;
        }
        operate_request_encode(&m, &b);
        assert_packed(&b, &theirs.base);
        assert_int_equal(operate_request_decode(buf_slice(&b), &got, &why),
                         STATUS_OK);
        assert_null(why);
        assert_true(operations_equal(&got.operation, &m.operation));
        assert_true(slice_equal(got.keyspace, m.keyspace));
        assert_memory_equal(&got.session, &m.session, sizeof m.session);
        if (i < 20)
            assert_robust(&b);
    }
    buf_release(&b);
    buf_release(&operation);
    buf_release(&session);
}

/* Broken: as above, for the answers. */
static void a_reply_is_the_bytes_of_protobuf_c(void **state)
{
    struct buf b = {0}, reply = {0};

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct operate_reply m = {
            .reply = {.status = (enum status)(i % 44),
                      .version = rng_next(&rng),
                      .argument = rng_next(&rng),
                      .has_value = i % 2}}, got;
        Coat__Wire__OperateReply theirs = COAT__WIRE__OPERATE_REPLY__INIT;
        Coat__Wire__Hint hint = COAT__WIRE__HINT__INIT;
        buf_clear(&b);
        buf_clear(&reply);
        if (m.reply.has_value)
            m.reply.value = sample_slice(&rng, 0, 200);
        operation_reply_encode(&m.reply, &reply);
        theirs.reply.data = reply.data;
        theirs.reply.len = reply.size;
        if (i % 3) {
            m.hint.group = hint.group = i;
            hint.has_group = true;
            m.hint.address = slice_str("h:1");
            hint.address = (char *)"h:1";
            theirs.hint = &hint;
        }
        if (i % 5) {
            m.detail = slice_str("why");
            theirs.detail = (char *)"why";
        }
        operate_reply_encode(&m, &b);
        assert_packed(&b, &theirs.base);
        assert_int_equal(operate_reply_decode(buf_slice(&b), &got),
                         STATUS_OK);
        assert_int_equal(got.reply.status, m.reply.status);
        assert_int_equal(got.reply.version, m.reply.version);
        assert_int_equal(got.reply.argument, m.reply.argument);
        assert_true(slice_equal(got.reply.value, m.reply.value));
        assert_int_equal(got.hint.group, m.hint.group);
        assert_true(slice_equal(got.hint.address, m.hint.address));
        assert_true(slice_equal(got.detail, m.detail));
        if (i < 20)
            assert_robust(&b);
    }
    buf_release(&b);
    buf_release(&reply);
}

static enum status decode(const struct operate_request *m, const char **why)
{
    struct operate_request got;
    struct buf b = {0};
    enum status st;

    operate_request_encode(m, &b);
    st = operate_request_decode(buf_slice(&b), &got, why);
    buf_release(&b);
    return st;
}

/* Broken: a door would let through what the core counts on never to see. */
static void what_clients_may_not_ask_is_refused_with_a_reason(void **state)
{
    struct operate_request m = {.operation = {.op = OP_GET,
                                              .key = slice_str("k")}};
    const char *why;

    (void)state;
    assert_int_equal(decode(&m, &why), STATUS_OK);
    m.session.sequence = 1;
    assert_int_equal(decode(&m, &why), STATUS_INVALID);
    assert_string_equal(why, "a session is for writes");
    m.operation.op = OP_DELETE;
    assert_int_equal(decode(&m, &why), STATUS_OK);
    m.session.acknowledged = 2;
    assert_int_equal(decode(&m, &why), STATUS_INVALID);
    assert_string_equal(why, "a malformed session");
    m.session = (struct session){0};
    m.operation.op = OP_SWEEP;
    assert_int_equal(decode(&m, &why), STATUS_BAD_MESSAGE);
    m.operation.op = OP_DELETE;
    m.operation.key.size = 0;
    assert_int_equal(decode(&m, &why), STATUS_KEY_EMPTY);
    m.operation.key.size = 1;
    m.keyspace = slice_str("no spaces");
    assert_int_equal(decode(&m, &why), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_bytes_of_protobuf_c),
        cmocka_unit_test(a_reply_is_the_bytes_of_protobuf_c),
        cmocka_unit_test(what_clients_may_not_ask_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
