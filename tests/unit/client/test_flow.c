/* test_flow.c - what lives as long as a client: driven by it, ended by it. */
#include "tests/unit/client/fixture.h"

#include "client/flow.h"

struct probe {
    struct flow flow;
    unsigned ticks, closes;
    struct probe *ends; /* this one ends that one in its tick */
    bool done;
};

static void on_tick(struct flow *f)
{
    struct probe *p = CONTAINER_OF(f, struct probe, flow);

    p->done = ++p->ticks >= 3;
    if (p->ends)
        flow_close(&p->ends->flow);
    p->ends = NULL;
}

static void on_close(struct flow *f)
{
    CONTAINER_OF(f, struct probe, flow)->closes++;
    flow_close(f);
}

static void open_probe(struct probe *p, struct coat_client *c)
{
    *p = (struct probe){.flow = {.on_tick = on_tick, .on_close = on_close}};
    assert_int_equal(flow_open(&p->flow, c), STATUS_OK);
}

/* Broken: a tick walks over a flow that another one has ended. */
static void one_may_end_another_in_its_tick(void **state)
{
    struct fixture *t = begin(1);
    struct probe a, b, c;

    (void)state;
    open_probe(&a, t->c);
    open_probe(&b, t->c);
    open_probe(&c, t->c); /* the newest ticks first */
    c.ends = &b;
    run_until(&t->loop, &a.done);
    assert_int_equal(b.ticks, 0);
    assert_true(c.ticks >= 2);
    stop(t);
    assert_int_equal(a.closes, 1);
    assert_int_equal(b.closes, 0);
    assert_int_equal(c.closes, 1);
}

static void a_closed_client_takes_none(void **state)
{
    struct fixture *t = begin(1);
    struct probe p = {0};
    bool closed = false;
    uint64_t id;

    (void)state;
    coat_client_close(t->c, mark, &closed);
    assert_int_equal(flow_open(&p.flow, t->c), STATUS_CLOSED);
    assert_int_equal(flow_submit(t->c, REQUEST_SCAN, 0,
                                 CONSISTENCY_LINEARIZABLE, slice_str("x"), 0, 0,
                                 answer_take, NULL, &id),
                     STATUS_CLOSED);
    run_until(&t->loop, &closed);
    t->c = NULL;
    stop(t);
}

static void a_forgotten_request_answers_nobody(void **state)
{
    struct fixture *t = begin(1);
    struct answer a = {0}, b;
    uint64_t id;

    (void)state;
    assert_int_equal(flow_submit(t->c, REQUEST_SCAN, 0,
                                 CONSISTENCY_LINEARIZABLE, slice_str("x"), 1, 0,
                                 answer_take, &a, &id),
                     STATUS_OK);
    flow_forget(t->c, id);
    flow_forget(t->c, 0);
    b = get(t, "key");
    assert_int_equal(b.status, COAT_NOT_FOUND);
    flow_forget(t->c, id);
    stop(t);
    assert_false(a.done);
}

static void a_group_is_found_by_one_of_its_slots(void **state)
{
    struct fixture *t = begin(2);

    (void)state;
    assert_int_equal(flow_slot_of(t->c, 1), -1); /* no map yet */
    assert_int_equal(get(t, "key").status, COAT_NOT_FOUND);
    for (uint32_t g = 1; g <= 8; g++) {
        int slot = flow_slot_of(t->c, g);
        assert_true(slot >= 0 && t->f.map->owner[slot] == g);
    }
    assert_int_equal(flow_slot_of(t->c, 0), -1);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_may_end_another_in_its_tick),
        cmocka_unit_test(a_closed_client_takes_none),
        cmocka_unit_test(a_forgotten_request_answers_nobody),
        cmocka_unit_test(a_group_is_found_by_one_of_its_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
