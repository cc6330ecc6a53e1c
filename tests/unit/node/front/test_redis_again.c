/* test_redis_again.c - what may be asked again, with what stands behind it in
 * its client's queue. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "node/front/redis.h"

static const enum status REFUSED = STATUS_NOT_LEADER, LOST = STATUS_UNKNOWN;

static const struct redis_command one_key = {.name = "one"};
static const struct redis_command everything = {.name = "all",
                                                .flags = REDIS_ALONE};

/* Commands of one client; `a` is the one to be asked again. */
struct queue {
    struct redis_client client;
    struct redis_cmd a, b;
};

static void begin(struct queue *q, struct redis_cmd *cmd, const char *key)
{
    cmd->what = &one_key;
    cmd->client = &q->client;
    cmd->buckets = 1; /* all of them share it */
    cmd->op = (struct operation){.op = OP_SET, .key = slice_str(key)};
    TAILQ_INSERT_TAIL(&q->client.cmds, cmd, next);
}

static struct queue *queue_of(const char *a, const char *b)
{
    static struct queue q;

    q = (struct queue){0};
    TAILQ_INIT(&q.client.cmds);
    begin(&q, &q.a, a);
    begin(&q, &q.b, b);
    q.a.is_retrying = true;
    return &q;
}

static void two_keys(struct redis_cmd *cmd, uint32_t part,
                     struct operation *o)
{
    (void)cmd;
    *o = (struct operation){.op = OP_DELETE,
                            .key = slice_str(part ? "k2" : "k1")};
}

/* Broken: one of 64 buckets would make an error of a command whose neighbour
 * is of another key. */
static void other_keys_do_not_matter(void **state)
{
    struct queue *q = queue_of("k", "other");

    (void)state;
    q->b.done = q->b.touched = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->b.buckets = 2;
    q->b.op.key = q->a.op.key; /* not looked at: buckets tell */
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
}

/* Broken: the older of two values would win. */
static void what_was_refused_does_not_follow_what_was_executed(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_WAIT);
    q->b.is_retrying = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->b.is_retrying = false;
    q->b.done = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->b.touched = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NEVER);
}

/* Broken: a reply that was lost would never be fetched. What is behind it in
 * the log was executed after it. */
static void what_was_lost_is_before_what_was_executed(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    assert_int_equal(redis_look_behind(&q->a, LOST), REDIS_RETRY_WAIT);
    q->b.done = q->b.touched = true;
    assert_int_equal(redis_look_behind(&q->a, LOST), REDIS_RETRY_NOW);
}

static void reads_pass_each_other(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    q->a.is_read = q->b.is_read = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->a.is_read = false;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_WAIT);
}

static void every_key_of_a_command_counts(void **state)
{
    struct queue *q = queue_of("k2", "");

    (void)state;
    q->b.part_of = two_keys;
    q->b.n_parts = q->b.issued = 2;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_WAIT);
    q->b.n_again = 1;
    q->b.answered = 1; /* the rest is to be asked again */
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->b.touched = true;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NEVER);
    q->a.op.key = slice_str("k3");
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NOW);
    q->b.what = &everything;
    assert_int_equal(redis_look_behind(&q->a, REFUSED), REDIS_RETRY_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_keys_do_not_matter),
        cmocka_unit_test(what_was_refused_does_not_follow_what_was_executed),
        cmocka_unit_test(what_was_lost_is_before_what_was_executed),
        cmocka_unit_test(reads_pass_each_other),
        cmocka_unit_test(every_key_of_a_command_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
