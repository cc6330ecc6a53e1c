/* test_operation_check.c - what clients may ask for, and what they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/operation.h"

static enum status check(struct operation o)
{
    const char *why = "unset";
    enum status st;

    if (!o.key.data)
        o.key = slice_str("k");
    st = operation_check(&o, &why);
    if (st == STATUS_OK)
        assert_null(why);
    if (st == STATUS_INVALID)
        assert_non_null(why); /* a person can do something about it */
    return st;
}

static enum status flags(enum op op, uint32_t f)
{
    return check((struct operation){.op = op, .flags = f, .expire = 5,
                                    .if_version = 1, .fence = 1});
}

static uint64_t bits(double d)
{
    uint64_t v;

    memcpy(&v, &d, sizeof v);
    return v;
}

/* Broken: an honest client would be refused. */
static void what_is_described_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(flags(OP_GET, OPERATION_META | OPERATION_STALE),
                     STATUS_OK);
    assert_int_equal(flags(OP_SET, OPERATION_IF_ABSENT | OPERATION_TTL),
                     STATUS_OK);
    assert_int_equal(flags(OP_SET, OPERATION_IF_PRESENT | OPERATION_KEEP_TTL |
                                       OPERATION_PREVIOUS),
                     STATUS_OK);
    assert_int_equal(flags(OP_SET, OPERATION_IF_VERSION | OPERATION_IF_VALUE |
                                       OPERATION_DEADLINE),
                     STATUS_OK);
    assert_int_equal(flags(OP_DELETE, OPERATION_IF_FENCE |
                                          OPERATION_PREVIOUS),
                     STATUS_OK);
    assert_int_equal(flags(OP_INCR, OPERATION_TTL), STATUS_OK);
    assert_int_equal(flags(OP_APPEND, OPERATION_IF_PRESENT), STATUS_OK);
    assert_int_equal(flags(OP_EXPIRE, OPERATION_TTL | OPERATION_EXPIRE_XX |
                                          OPERATION_EXPIRE_GT),
                     STATUS_OK);
    assert_int_equal(flags(OP_EXPIRE, OPERATION_PERSIST | OPERATION_PREVIOUS),
                     STATUS_OK);
    assert_int_equal(check((struct operation){.op = OP_INCR_FLOAT,
                                              .argument = bits(-1.5)}),
                     STATUS_OK);
    assert_int_equal(check((struct operation){.op = OP_SET_RANGE,
                                              .argument = 100,
                                              .value = slice_str("x")}),
                     STATUS_OK);
}

/* Broken: what can never succeed would be executed in vain, or do harm. */
static void what_makes_no_sense_is_invalid(void **state)
{
    static const struct {
        enum op op;
        uint32_t flags;
    } bad[] = {
        {OP_SET, OPERATION_IF_ABSENT | OPERATION_IF_PRESENT},
        {OP_SET, OPERATION_IF_ABSENT | OPERATION_IF_VALUE},
        {OP_SET, OPERATION_IF_ABSENT | OPERATION_IF_VERSION},
        {OP_SET, OPERATION_TTL | OPERATION_DEADLINE},
        {OP_SET, OPERATION_TTL | OPERATION_KEEP_TTL},
        {OP_SET, OPERATION_PERSIST},
        {OP_SET, OPERATION_META},
        {OP_GET, OPERATION_IF_PRESENT},
        {OP_DELETE, OPERATION_TTL},
        {OP_INCR, OPERATION_PREVIOUS},
        {OP_EXPIRE, 0},
        {OP_EXPIRE, OPERATION_TTL | OPERATION_PERSIST},
        {OP_EXPIRE, OPERATION_TTL | OPERATION_EXPIRE_NX | OPERATION_EXPIRE_XX},
        {OP_EXPIRE, OPERATION_TTL | OPERATION_EXPIRE_NX | OPERATION_EXPIRE_GT},
        {OP_EXPIRE, OPERATION_TTL | OPERATION_EXPIRE_GT | OPERATION_EXPIRE_LT},
        {OP_TRANSACT, OPERATION_IF_PRESENT},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(flags(bad[i].op, bad[i].flags), STATUS_INVALID);
    assert_int_equal(check((struct operation){
                         .op = OP_SET,
                         .flags = OPERATION_IF_PRESENT |
                                  OPERATION_IF_VERSION}),
                     STATUS_INVALID); /* version 0 is absent */
    assert_int_equal(check((struct operation){.op = OP_SET,
                                              .flags = OPERATION_IF_FENCE}),
                     STATUS_INVALID);
    assert_int_equal(check((struct operation){
                         .op = OP_SET, .flags = OPERATION_TTL,
                         .expire = OPERATION_EXPIRE_MAX + 1}),
                     STATUS_INVALID);
    assert_int_equal(check((struct operation){.op = OP_INCR_FLOAT,
                                              .argument = bits(1e308 * 10)}),
                     STATUS_INVALID);
    assert_int_equal(check((struct operation){.op = OP_DELETE,
                                              .argument = 1}),
                     STATUS_INVALID);
    assert_int_equal(check((struct operation){.op = OP_GET,
                                              .value = slice_str("v")}),
                     STATUS_INVALID);
}

/* Broken: a client could have the node do what only nodes may. */
static void internal_operations_are_refused(void **state)
{
    static const enum op internal[] = {OP_NODE_UPDATE, OP_SWEEP, OP_KEYSPACE,
                                       OP_PURGE, OP_SCAN, OP_WATCH,
                                       OP_REMEMBER};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(internal); i++)
        assert_int_equal(flags(internal[i], 0), STATUS_BAD_MESSAGE);
}

/* Broken: a limit does not hold, or the user is told the wrong one. */
static void limits_give_their_own_status(void **state)
{
    static uint8_t large[VALUE_BYTES_MAX + 1];
    struct operation o = {.op = OP_SET, .key = slice_of(large, 0)};

    (void)state;
    assert_int_equal(check(o), STATUS_KEY_EMPTY);
    o.key = slice_of(large, KEY_BYTES_MAX);
    assert_int_equal(check(o), STATUS_OK);
    o.key.size++;
    assert_int_equal(check(o), STATUS_KEY_TOO_LARGE);
    o.key.size = 1;
    o.value = slice_of(large, VALUE_BYTES_MAX);
    assert_int_equal(check(o), STATUS_OK);
    o.flags = OPERATION_IF_VALUE;
    o.if_value = slice_of(large, 1);
    assert_int_equal(check(o), STATUS_VALUE_TOO_LARGE);
    o.flags = 0;
    o.if_value.size = 0;
    o.value.size++;
    assert_int_equal(check(o), STATUS_VALUE_TOO_LARGE);
    o = (struct operation){.op = OP_SET_RANGE, .value = slice_of(large, 1),
                           .argument = VALUE_BYTES_MAX - 1};
    assert_int_equal(check(o), STATUS_OK);
    o.argument++;
    assert_int_equal(check(o), STATUS_VALUE_TOO_LARGE);
    o.argument = UINT64_MAX;
    assert_int_equal(check(o), STATUS_VALUE_TOO_LARGE);
}

static enum status transaction(const struct compare *c,
                               const struct operation *o, unsigned spare)
{
    struct buf b = {0};
    enum status st;

    transaction_begin(&b, c ? 1 : 0, o ? 1 : 0, 0);
    if (c)
        transaction_compare_encode(&b, c);
    if (o)
        operation_encode(o, &b);
    for (unsigned i = 0; i < spare; i++)
        buf_u8(&b, 0);
    st = check((struct operation){.op = OP_TRANSACT, .value = buf_slice(&b)});
    buf_release(&b);
    return st;
}

/* Broken: what no door lets through alone would pass inside a transaction. */
static void a_transaction_is_checked_inside(void **state)
{
    static uint8_t large[TRANSACT_BYTES_MAX + 1];
    struct compare c = {COMPARE_VERSION, RELATION_EQUAL, slice_str("a"), 0,
                        slice_str("")};
    struct operation o = {.op = OP_SET, .key = slice_str("b")};

    (void)state;
    assert_int_equal(transaction(&c, &o, 0), STATUS_OK);
    assert_int_equal(transaction(&c, NULL, 0), STATUS_OK);
    assert_int_equal(transaction(NULL, NULL, 0), STATUS_INVALID);
    assert_int_equal(transaction(&c, &o, 1), STATUS_BAD_MESSAGE);
    c.key.size = 0;
    assert_int_equal(transaction(&c, &o, 0), STATUS_KEY_EMPTY);
    c.key.size = 1;
    o.key.size = 0;
    assert_int_equal(transaction(&c, &o, 0), STATUS_KEY_EMPTY);
    o.key.size = 1;
    o.op = OP_TRANSACT;
    assert_int_equal(transaction(&c, &o, 0), STATUS_INVALID);
    o.op = OP_SWEEP;
    assert_int_equal(transaction(&c, &o, 0), STATUS_BAD_MESSAGE);
    o.op = OP_DELETE;
    o.flags = OPERATION_IF_FENCE;
    o.fence = 1;
    assert_int_equal(transaction(&c, &o, 0), STATUS_INVALID);
    o.op = OP_GET;
    o.flags = OPERATION_STALE;
    assert_int_equal(transaction(&c, &o, 0), STATUS_INVALID);
    assert_int_equal(check((struct operation){
                         .op = OP_TRANSACT,
                         .value = slice_of(large, sizeof large)}),
                     STATUS_TOO_LARGE);
    assert_int_equal(check((struct operation){.op = OP_TRANSACT}),
                     STATUS_BAD_MESSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_described_is_accepted),
        cmocka_unit_test(what_makes_no_sense_is_invalid),
        cmocka_unit_test(internal_operations_are_refused),
        cmocka_unit_test(limits_give_their_own_status),
        cmocka_unit_test(a_transaction_is_checked_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
