/* test_rounds.c - rounds of "are you still in this term?" to one peer. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/rounds.h"

struct confirmed {
    struct round_entry v[8];
    unsigned n;
};

static void confirm(void *arg, const struct round_entry *e)
{
    struct confirmed *c = arg;

    c->v[c->n++] = *e;
}

/* The one item in `b`, which is a READ_ROUND of `n` groups; gives its id. */
static uint64_t round_in(struct buf *b, uint32_t n)
{
    struct reader r = reader_of(buf_slice(b)), in;
    enum item_type type;
    struct slice body;
    uint64_t id;

    assert_true(item_next(&r, &type, &body));
    assert_int_equal(type, ITEM_READ_ROUND);
    assert_int_equal(reader_left(&r), 0);
    in = reader_of(body);
    id = reader_u64(&in);
    assert_int_equal(reader_u32(&in), n);
    assert_int_equal(reader_left(&in), n * 12);
    buf_clear(b);
    return id;
}

static bool ack(struct rounds *r, uint64_t id, const char *yes,
                struct confirmed *c)
{
    struct buf b = {0};
    bool ok;

    c->n = 0;
    buf_u64(&b, id);
    buf_u32(&b, (uint32_t)strlen(yes));
    for (; *yes; yes++)
        buf_u8(&b, *yes == 'y');
    ok = rounds_answer(r, buf_slice(&b), confirm, c);
    buf_release(&b);
    return ok;
}

static void one_round_carries_all_groups(void **state)
{
    struct rounds r = {0};
    struct confirmed c;
    struct buf b = {0};
    uint64_t id;

    (void)state;
    assert_false(rounds_send(&r, (instant){0}, MS(100), &b));
    assert_int_equal(b.size, 0);
    rounds_ask(&r, 3, 7, 11);
    rounds_ask(&r, 5, 8, 12);
    rounds_ask(&r, 9, 9, 13);
    assert_true(rounds_send(&r, (instant){0}, MS(100), &b));
    id = round_in(&b, 3);
    assert_true(ack(&r, id, "yny", &c));
    assert_int_equal(c.n, 2); /* who says no confirms nothing */
    assert_int_equal(c.v[0].group, 3);
    assert_int_equal(c.v[0].term, 7);
    assert_int_equal(c.v[0].seq, 11);
    assert_int_equal(c.v[1].group, 9);
    buf_release(&b);
    rounds_release(&r);
}

/* A read that came while a round was under way needs a later one. */
static void what_comes_meanwhile_waits_for_the_next(void **state)
{
    struct rounds r = {0};
    struct confirmed c;
    struct buf b = {0};
    uint64_t first, second;

    (void)state;
    rounds_ask(&r, 1, 1, 1);
    assert_true(rounds_send(&r, (instant){0}, MS(100), &b));
    first = round_in(&b, 1);
    rounds_ask(&r, 2, 1, 2);
    assert_false(rounds_send(&r, (instant){99}, MS(100), &b));
    assert_true(ack(&r, first, "y", &c));
    assert_int_equal(c.n, 1);
    assert_int_equal(c.v[0].seq, 1);
    assert_true(rounds_send(&r, (instant){99}, MS(100), &b));
    second = round_in(&b, 1);
    assert_true(second > first);
    assert_true(ack(&r, second, "y", &c));
    assert_int_equal(c.v[0].seq, 2);
    buf_release(&b);
    rounds_release(&r);
}

/* An answer to an older round was given before the reads of this one came. */
static void an_answer_to_another_round_confirms_nothing(void **state)
{
    struct rounds r = {0};
    struct confirmed c;
    struct buf b = {0};
    uint64_t first, second;

    (void)state;
    rounds_ask(&r, 1, 1, 1);
    assert_true(rounds_send(&r, (instant){0}, MS(100), &b));
    first = round_in(&b, 1);
    rounds_ask(&r, 1, 1, 2);
    assert_true(rounds_send(&r, (instant){100}, MS(100), &b)); /* it is lost */
    second = round_in(&b, 1);
    assert_true(ack(&r, first, "y", &c));
    assert_int_equal(c.n, 0);
    assert_true(ack(&r, second + 1, "y", &c));
    assert_int_equal(c.n, 0);
    assert_true(ack(&r, second, "y", &c));
    assert_int_equal(c.n, 1);
    assert_int_equal(c.v[0].seq, 2);
    assert_true(ack(&r, second, "y", &c)); /* twice */
    assert_int_equal(c.n, 0);
    buf_release(&b);
    rounds_release(&r);
}

static void a_lost_connection_ends_the_round(void **state)
{
    struct rounds r = {0};
    struct confirmed c;
    struct buf b = {0};
    uint64_t id;

    (void)state;
    rounds_ask(&r, 1, 1, 1);
    assert_true(rounds_send(&r, (instant){0}, MS(100), &b));
    id = round_in(&b, 1);
    rounds_ask(&r, 2, 1, 1);
    rounds_reset(&r);
    assert_true(ack(&r, id, "y", &c));
    assert_int_equal(c.n, 0);
    assert_false(rounds_send(&r, (instant){1}, MS(100), &b));
    rounds_ask(&r, 1, 1, 2);
    assert_true(rounds_send(&r, (instant){1}, MS(100), &b)); /* at once */
    assert_true(round_in(&b, 1) > id);
    buf_release(&b);
    rounds_release(&r);
}

static void malformed_answers_are_refused(void **state)
{
    struct rounds r = {0};
    struct confirmed c = {0};
    struct buf b = {0}, good = {0};
    uint64_t id;

    (void)state;
    rounds_ask(&r, 1, 1, 1);
    rounds_ask(&r, 2, 1, 1);
    assert_true(rounds_send(&r, (instant){0}, MS(100), &b));
    id = round_in(&b, 2);
    assert_false(ack(&r, id, "y", &c)); /* too few */
    assert_false(ack(&r, id, "yyy", &c));
    buf_u64(&good, id);
    buf_u32(&good, 2);
    buf_u16(&good, 0x0101);
    for (size_t size = 0; size < good.size; size++) {
        struct slice part = exact_copy(buf_slice(&good), size);
        assert_false(rounds_answer(&r, part, confirm, &c));
        exact_free(part);
    }
    assert_int_equal(c.n, 0);
    assert_true(rounds_answer(&r, buf_slice(&good), confirm, &c));
    assert_int_equal(c.n, 2);
    buf_release(&b);
    buf_release(&good);
    rounds_release(&r);
}

static void the_lists_grow_and_change_places(void **state)
{
    struct rounds r = {0};
    struct buf b = {0};

    (void)state;
    for (unsigned round = 1; round < 50; round++) {
        for (unsigned i = 0; i < round * 3; i++)
            rounds_ask(&r, i, round, i);
        assert_true(rounds_send(&r, (instant){round * 100}, MS(100), &b));
        assert_int_equal(round_in(&b, round * 3), round);
        assert_int_equal(r.n_next, 0);
    }
    buf_release(&b);
    rounds_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_round_carries_all_groups),
        cmocka_unit_test(what_comes_meanwhile_waits_for_the_next),
        cmocka_unit_test(an_answer_to_another_round_confirms_nothing),
        cmocka_unit_test(a_lost_connection_ends_the_round),
        cmocka_unit_test(malformed_answers_are_refused),
        cmocka_unit_test(the_lists_grow_and_change_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
