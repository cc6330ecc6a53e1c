/* test_request.c - requests, their lists and their pool. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/request.h"

/* Broken: a request would be in two lists, or in none. */
static void a_request_is_in_one_list_at_a_time(void **state)
{
    struct request_pool pool = {0};
    struct request_list ready = {0}, parked = {0};
    struct request *a = request_take(&pool), *b = request_take(&pool),
                   *c = request_take(&pool);

    (void)state;
    request_move(a, REQUEST_READY, &ready);
    request_move(b, REQUEST_READY, &ready);
    request_move(c, REQUEST_READY, &ready);
    assert_int_equal(ready.count, 3);
    request_move(b, REQUEST_PARKED, &parked);
    assert_ptr_equal(ready.first, a);
    assert_ptr_equal(ready.first->next, c);
    assert_ptr_equal(ready.last, c);
    assert_ptr_equal(parked.first, b);
    request_move(b, REQUEST_READY, &ready);
    assert_ptr_equal(ready.last, b);
    assert_null(parked.first);
    request_give(&pool, a);
    request_give(&pool, b);
    request_give(&pool, c);
    assert_int_equal(ready.count, 0);
    request_pool_release(&pool);
}

/* Broken: each request would allocate; or keep the memory of a large one. */
static void the_pool_gives_small_buffers_again(void **state)
{
    struct request_pool pool = {0};
    struct request *r = request_take(&pool);
    uint8_t *data;

    (void)state;
    buf_append(&r->payload, "abc", 3);
    data = r->payload.data;
    r->attempts = 7;
    request_give(&pool, r);
    assert_ptr_equal(request_take(&pool), r);
    assert_ptr_equal(r->payload.data, data);
    assert_int_equal(r->payload.size, 0);
    assert_int_equal(r->attempts, 0);
    (void)buf_grow(&r->payload, 100000);
    request_give(&pool, r);
    assert_int_equal(request_take(&pool)->payload.cap, 0);
    request_give(&pool, r);
    request_pool_release(&pool);
    assert_null(pool.free.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_in_one_list_at_a_time),
        cmocka_unit_test(the_pool_gives_small_buffers_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
