/* test_identity.c - sequence numbers, what is acknowledged, until when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/identity.h"

static const uint8_t client[16] = "0123456789abcde";

/* Broken: a result would be forgotten while its retry may still come. */
static void what_has_not_ended_is_not_acknowledged(void **state)
{
    struct identity i;
    struct request_id a, b, c;
    struct buf p = {0};

    (void)state;
    identity_init(&i, client);
    identity_add(&i, &a);
    identity_add(&i, &b);
    identity_add(&i, &c);
    assert_int_equal(a.sequence, 1);
    assert_int_equal(c.sequence, 3);
    buf_append(&p, client, 1);
    memset(buf_reserve(&p, SESSION_BYTES), 0, SESSION_BYTES);
    p.size += SESSION_BYTES;
    identity_stamp(&i, &c, &p, (instant){5}, MS(10));
    assert_int_equal(get_u64(p.data + 1 + 24), 1);
    identity_forget(&i, &b);
    identity_stamp(&i, &c, &p, (instant){5}, MS(10));
    assert_int_equal(get_u64(p.data + 1 + 24), 1);
    identity_forget(&i, &a);
    identity_stamp(&i, &c, &p, (instant){5}, MS(10));
    assert_int_equal(get_u64(p.data + 1 + 24), 3);
    assert_int_equal(get_u64(p.data + 1 + 16), 3);
    assert_memory_equal(p.data + 1, client, 16);
    identity_forget(&i, &c);
    identity_forget(&i, &c); /* one without a number is legal */
    assert_null(i.oldest);
    assert_null(i.newest);
    buf_release(&p);
}

/* Broken: each try would be valid for longer than the one before, and a copy
 * of the first could come after everybody has forgotten it. */
static void the_time_is_that_of_the_first_try(void **state)
{
    struct identity i;
    struct request_id a;
    struct buf p = {0};
    uint64_t first;

    (void)state;
    identity_init(&i, client);
    identity_guess(&i, (instant){1000}, 5000);
    identity_told(&i, (instant){1000}, 901000);
    identity_guess(&i, (instant){1000}, 7000); /* told is better */
    identity_add(&i, &a);
    memset(buf_reserve(&p, SESSION_BYTES), 0, SESSION_BYTES);
    p.size = SESSION_BYTES;
    identity_stamp(&i, &a, &p, (instant){2000}, MS(5000));
    first = get_u64(p.data + 32);
    assert_int_equal(first, 902000 + 5000 + 30000);
    identity_stamp(&i, &a, &p, (instant){4000}, MS(3000));
    assert_int_equal(get_u64(p.data + 32), first);
    identity_forget(&i, &a);
    identity_add(&i, &a);
    identity_stamp(&i, &a, &p, (instant){2000}, MS(86400000));
    assert_int_equal(get_u64(p.data + 32),
                     902000 + SESSION_AHEAD_MAX_MS - 30000);
    buf_release(&p);
}

/* Broken: a node whose clock had jumped would make us look late for good; or
 * what is too late would be sent again for ever. */
static void a_refusal_tells_whether_our_time_was_wrong(void **state)
{
    struct request_id id = {.sequence = 1, .not_after = 1000000};
    uint64_t ahead = SESSION_AHEAD_MAX_MS;

    (void)state;
    assert_true(identity_mistimed(&id, STATUS_EXPIRED, 1000001));
    assert_false(identity_mistimed(&id, STATUS_EXPIRED, 1000000));
    assert_true(identity_mistimed(&id, STATUS_INVALID, 999999 - ahead));
    assert_false(identity_mistimed(&id, STATUS_INVALID, 1000000 - ahead));
    assert_false(identity_mistimed(&id, STATUS_INVALID, 0));
    assert_false(identity_mistimed(&id, STATUS_NOT_MET, 2000000));
}

/* Broken: what goes with the message and what goes with a struct differ. */
static void both_ways_of_sending_say_the_same(void **state)
{
    struct identity i;
    struct request_id a, b;
    struct session s, back;
    struct buf p = {0};

    (void)state;
    identity_init(&i, client);
    identity_told(&i, (instant){100}, 5000);
    identity_add(&i, &a);
    identity_add(&i, &b);
    identity_session(&i, &b, (instant){200}, MS(1000), &s);
    memset(buf_grow(&p, SESSION_BYTES), 0, SESSION_BYTES);
    identity_stamp(&i, &b, &p, (instant){300}, MS(9000));
    assert_int_equal(p.size, SESSION_BYTES);
    assert_int_equal(session_decode(buf_slice(&p), &back), STATUS_OK);
    assert_memory_equal(&s, &back, sizeof s);
    assert_int_equal(s.sequence, 2);
    assert_int_equal(s.acknowledged, 1);
    assert_int_equal(s.not_after, 5100 + 1000 + 30000);
    buf_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_not_ended_is_not_acknowledged),
        cmocka_unit_test(the_time_is_that_of_the_first_try),
        cmocka_unit_test(a_refusal_tells_whether_our_time_was_wrong),
        cmocka_unit_test(both_ways_of_sending_say_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
