/* test_identity.c - sequence numbers, what is acknowledged, until when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/identity.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_not_ended_is_not_acknowledged),
        cmocka_unit_test(the_time_is_that_of_the_first_try),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
