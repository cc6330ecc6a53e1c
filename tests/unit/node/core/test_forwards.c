/* test_forwards.c - requests passed on and not answered yet. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/forwards.h"

struct answers {
    struct {
        uint64_t id;
        enum status why;
    } v[16];
    unsigned n;
};

static void take_answer(void *arg, const struct forwarded *w, enum status why)
{
    struct answers *a = arg;

    a->v[a->n].id = w->from.id;
    a->v[a->n++].why = why;
}

static uint64_t add(struct forwards *f, uint64_t id, enum op op,
                    uint32_t node, uint64_t deadline)
{
    struct forwarded w = {.from = {.conn = 1, .id = id}, .op = op, .node = node,
                          .deadline = {deadline}};

    return forwards_add(f, &w);
}

static void a_request_is_found_once(void **state)
{
    struct forwards f;
    struct forwarded out;
    uint64_t a, b;

    (void)state;
    forwards_init(&f, 100, 1000, 7);
    a = add(&f, 7, OP_SET, 2, 9);
    b = add(&f, 8, OP_GET, 3, 9);
    assert_true(a && b && a != b);
    assert_true(forwards_take(&f, b, &out));
    assert_int_equal(out.from.id, 8);
    assert_int_equal(out.node, 3);
    assert_false(forwards_take(&f, b, &out)); /* a repeated answer */
    assert_true(forwards_take(&f, a, &out));
    assert_int_equal(out.from.id, 7);
    assert_int_equal(f.count, 0);
    forwards_release(&f);
}

/* A late answer must not be given to who has the place now. */
static void a_late_answer_misses_the_next_in_its_place(void **state)
{
    struct forwards f;
    struct forwarded out;
    uint64_t old, new;

    (void)state;
    forwards_init(&f, 100, 1000, 7);
    old = add(&f, 1, OP_SET, 2, 9);
    assert_true(forwards_take(&f, old, &out));
    new = add(&f, 2, OP_SET, 2, 9);
    assert_int_equal((uint32_t)new, (uint32_t)old); /* the same place */
    assert_false(forwards_take(&f, old, &out));
    assert_false(forwards_take(&f, 0, &out));
    assert_false(forwards_take(&f, (uint64_t)1 << 32 | 1000, &out));
    assert_true(forwards_take(&f, new, &out));
    assert_int_equal(out.from.id, 2);
    forwards_release(&f);
}

/* A node that was started again gets answers to what it asked before. */
static void another_start_gives_other_numbers(void **state)
{
    struct forwards f;
    struct forwarded out;
    uint64_t old;

    (void)state;
    forwards_init(&f, 100, 1000, 1000);
    old = add(&f, 1, OP_SET, 2, 9);
    forwards_release(&f);
    forwards_init(&f, 100, 1000, 5000);
    assert_true(add(&f, 2, OP_SET, 2, 9) != old);
    assert_false(forwards_take(&f, old, &out));
    forwards_release(&f);
}

/* 0 says that there was no room. */
static void no_number_is_zero_when_generations_wrap(void **state)
{
    struct forwards f;
    struct forwarded out;

    (void)state;
    forwards_init(&f, 100, 1000, UINT32_MAX - 1);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t id = add(&f, i, OP_SET, 2, 9);
        assert_true(id);
        assert_true(forwards_take(&f, id, &out));
        assert_int_equal(out.from.id, i);
    }
    forwards_release(&f);
}

static void beyond_the_limit_nobody_is_taken(void **state)
{
    enum { MAX = 200 };
    struct forwards f;
    struct forwarded out;
    uint64_t ids[MAX];

    (void)state;
    forwards_init(&f, MAX, 1000, 7);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MAX; i++) {
            ids[i] = add(&f, i, OP_SET, 2, 9);
            assert_true(ids[i]);
        }
        assert_int_equal(add(&f, 0, OP_SET, 2, 9), 0);
        for (unsigned i = 0; i < MAX; i++) {
            assert_true(forwards_take(&f, ids[i], &out));
            assert_int_equal(out.from.id, i);
        }
    }
    assert_int_equal(f.n, MAX); /* places were used again */
    forwards_release(&f);
}

/* A write that was passed on may have been executed: not to be repeated. */
static void a_late_write_is_unknown_and_a_late_read_timed_out(void **state)
{
    struct forwards f;
    struct answers a = {0};
    struct forwarded out;
    uint64_t kept;

    (void)state;
    forwards_init(&f, 10, 1000, 7);
    add(&f, 1, OP_SET, 2, 100);
    add(&f, 2, OP_GET, 2, 100);
    kept = add(&f, 3, OP_DELETE, 2, 200);
    assert_int_equal(
        forwards_expire(&f, (instant){99}, 0, take_answer, &a).ms, 100);
    assert_int_equal(a.n, 0);
    assert_int_equal(
        forwards_expire(&f, (instant){100}, 0, take_answer, &a).ms, 200);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.v[0].why, STATUS_UNKNOWN);
    assert_int_equal(a.v[1].why, STATUS_TIMEOUT);
    assert_true(forwards_take(&f, kept, &out));
    assert_int_equal(
        forwards_expire(&f, (instant){300}, 0, take_answer, &a).ms,
        INSTANT_NEVER.ms);
    assert_int_equal(a.n, 2);
    forwards_release(&f);
}

static void a_lost_node_answers_only_what_went_there(void **state)
{
    struct forwards f;
    struct answers a = {0};

    (void)state;
    forwards_init(&f, 10, 1000, 7);
    add(&f, 1, OP_SET, 2, 100);
    add(&f, 2, OP_GET, 2, 100);
    add(&f, 3, OP_GET, 3, 100);
    forwards_expire(&f, (instant){1}, 2, take_answer, &a);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.v[0].why, STATUS_UNKNOWN);
    assert_int_equal(a.v[1].why, STATUS_UNAVAILABLE);
    assert_int_equal(f.count, 1);
    forwards_release(&f);
}

/* 65,536 requests of 16 MiB each are not "bounded". */
static void what_waits_is_bounded_in_bytes(void **state)
{
    struct forwards f;
    struct forwarded out, w = {.from = {.conn = 1, .id = 1}, .op = OP_SET,
                               .bytes = 600};
    uint64_t first, second;

    (void)state;
    forwards_init(&f, 100, 1000, 7);
    first = forwards_add(&f, &w);
    assert_true(first);
    assert_false(forwards_add(&f, &w));
    w.bytes = 400;
    second = forwards_add(&f, &w);
    assert_true(second);
    assert_false(forwards_add(&f, &(struct forwarded){.bytes = 1}));
    assert_true(forwards_take(&f, first, &out));
    assert_true(forwards_take(&f, second, &out));
    assert_int_equal(f.bytes, 0);
    w.bytes = 5000; /* alone, one of any size */
    assert_true(forwards_add(&f, &w));
    assert_false(forwards_add(&f, &(struct forwarded){.bytes = 1}));
    forwards_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_found_once),
        cmocka_unit_test(a_late_answer_misses_the_next_in_its_place),
        cmocka_unit_test(another_start_gives_other_numbers),
        cmocka_unit_test(no_number_is_zero_when_generations_wrap),
        cmocka_unit_test(beyond_the_limit_nobody_is_taken),
        cmocka_unit_test(a_late_write_is_unknown_and_a_late_read_timed_out),
        cmocka_unit_test(a_lost_node_answers_only_what_went_there),
        cmocka_unit_test(what_waits_is_bounded_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
