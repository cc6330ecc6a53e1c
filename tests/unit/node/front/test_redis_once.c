/* test_redis_once.c - the names under which the Redis door writes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "node/front/redis.h"

static struct session session_of(struct redis_senders *s,
                                 struct redis_write *w, uint32_t group,
                                 uint64_t now_ms)
{
    struct session q;

    redis_write_session(s, w, group, (instant){now_ms}, 5000000 + now_ms, &q);
    return q;
}

/* Broken: what is asked again would be another write to its group. */
static void each_attempt_has_the_same_session(void **state)
{
    struct redis_senders s = {0};
    struct redis_write a = {0}, b = {0};
    struct session first, again;

    (void)state;
    first = session_of(&s, &a, 3, 100);
    session_of(&s, &b, 3, 150);
    again = session_of(&s, &a, 3, 9000);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(first.not_after >= 5000100 + REDIS_GIVE_UP_MS);
    assert_true(first.not_after <= 5000100 + SESSION_AHEAD_MAX_MS);
    /* Its slot has moved: nobody knows it by another name. */
    again = session_of(&s, &a, 4, 9500);
    assert_memory_equal(&first, &again, sizeof first);
    redis_write_end(&a);
    redis_write_end(&b);
    redis_senders_release(&s);
}

/* Broken: a group would forget a result that is asked for again, or remember
 * every result while another group is stuck. */
static void groups_forget_by_their_own_oldest_write(void **state)
{
    struct redis_senders s = {0};
    struct redis_write stuck = {0}, w[3] = {{{0}}};
    struct session q, other;

    (void)state;
    other = session_of(&s, &stuck, 1, 0);
    for (unsigned i = 0; i < 3; i++)
        q = session_of(&s, &w[i], 200, 0);
    assert_int_not_equal(memcmp(q.client, other.client, sizeof q.client), 0);
    assert_int_equal(q.sequence, 3);
    assert_int_equal(q.acknowledged, 1);
    redis_write_end(&w[1]);
    assert_int_equal(session_of(&s, &w[2], 200, 0).acknowledged, 1);
    redis_write_end(&w[0]);
    assert_int_equal(session_of(&s, &w[2], 200, 0).acknowledged, 3);
    /* The place of one that has ended is a new write's. */
    assert_int_equal(session_of(&s, &w[0], 200, 0).sequence, 4);
    assert_int_equal(session_of(&s, &stuck, 1, 0).acknowledged, 1);
    redis_write_end(&stuck);
    redis_write_end(&w[0]);
    redis_write_end(&w[2]);
    redis_write_end(&w[2]); /* twice is legal */
    redis_senders_release(&s);
}

/* Broken: a node whose clock was wrong when it started would have every write
 * refused. */
static void the_time_is_what_the_group_tells(void **state)
{
    struct redis_senders s = {0};
    struct redis_write a = {0}, b = {0};

    (void)state;
    session_of(&s, &a, 1, 100);
    redis_write_told(&a, (instant){200}, 900);
    redis_write_end(&a);
    assert_true(session_of(&s, &b, 1, 300).not_after < 100000);
    redis_write_end(&b);
    redis_senders_release(&s);
}

static void no_operation(struct redis_cmd *cmd, uint32_t part,
                         struct operation *o)
{
    (void)cmd;
    (void)part;
    (void)o;
}

/* Broken: two parts that are under way would share a session. */
static void parts_have_places_of_their_own(void **state)
{
    struct redis_senders s = {0};
    struct redis_cmd cmd = {.n_parts = 3 * REDIS_WINDOW};
    uint32_t from = REDIS_WINDOW / 2;

    (void)state;
    assert_null(redis_write_of(&cmd, 0));
    session_of(&s, redis_write_place(&cmd, 0), 1, 0);
    assert_ptr_equal(redis_write_of(&cmd, 0), &cmd.write);
    redis_writes_forget(&cmd);

    cmd.part_of = no_operation;
    assert_null(redis_write_of(&cmd, 0));
    for (uint32_t i = from; i < from + REDIS_WINDOW; i++) {
        struct redis_write *w = redis_write_place(&cmd, i);
        assert_null(w->by);
        assert_null(redis_write_of(&cmd, i));
        session_of(&s, w, i % 5, 0);
        assert_ptr_equal(redis_write_of(&cmd, i), w);
    }
    redis_writes_forget(&cmd);
    assert_null(redis_write_of(&cmd, from));
    for (uint32_t i = 0; i < s.n; i++)
        assert_null(s.v[i]->oldest);
    redis_senders_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_attempt_has_the_same_session),
        cmocka_unit_test(groups_forget_by_their_own_oldest_write),
        cmocka_unit_test(the_time_is_what_the_group_tells),
        cmocka_unit_test(parts_have_places_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
