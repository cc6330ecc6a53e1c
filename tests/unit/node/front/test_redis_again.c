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
    static struct redis door = {.seed = 5};
    static struct queue q;

    q = (struct queue){.client.door = &door};
    TAILQ_INIT(&q.client.cmds);
    begin(&q, &q.a, a);
    begin(&q, &q.b, b);
    q.a.is_retrying = true;
    return &q;
}

/* May `a` be asked again, which ended so? */
static enum redis_verdict look(struct queue *q, enum status why)
{
    q->a.refused = why;
    redis_look_behind(&q->client);
    return (enum redis_verdict)q->a.verdict;
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
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->b.buckets = 2;
    q->b.op.key = q->a.op.key; /* not looked at: buckets tell */
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
}

/* Broken: the older of two values would win. */
static void what_was_refused_does_not_follow_what_was_executed(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_WAIT);
    q->b.is_retrying = true;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->b.is_retrying = false;
    q->b.done = true;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->b.touched = true;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NEVER);
}

/* Broken: a reply that was lost would never be fetched. What is behind it in
 * the log was executed after it. */
static void what_was_lost_is_before_what_was_executed(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    assert_int_equal(look(q, LOST), REDIS_RETRY_WAIT);
    q->b.done = q->b.touched = true;
    assert_int_equal(look(q, LOST), REDIS_RETRY_NOW);
}

static void reads_pass_each_other(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    q->a.is_read = q->b.is_read = true;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->a.is_read = false;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_WAIT);
}

static void every_key_of_a_command_counts(void **state)
{
    struct queue *q = queue_of("k2", "");

    (void)state;
    q->b.part_of = two_keys;
    q->b.n_parts = q->b.issued = 2;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_WAIT);
    q->b.n_again = 1;
    q->b.answered = 1; /* the rest is to be asked again */
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->b.touched = true;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NEVER);
    q->a.op.key = slice_str("k3");
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    q->b.what = &everything;
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NEVER);
}

static void many_keys(struct redis_cmd *cmd, uint32_t part,
                      struct operation *o)
{
    const uint32_t *place = &((const uint32_t *)cmd->state)[part];

    cmd->sum++; /* keys looked at */
    *o = (struct operation){.op = OP_SET,
                            .key = slice_of(place, sizeof *place)};
}

/* Broken: a pipeline of MSETs whose group lost its leader would keep its loop
 * from everything else for seconds, each key being compared with all others. */
static void a_look_behind_costs_as_much_as_there_are_keys(void **state)
{
    enum { CMDS = 100, KEYS = 100 };
    struct queue *q = queue_of("", "");
    struct redis_cmd *cmds = xcalloc(CMDS, sizeof *cmds);
    uint32_t *keys = xcalloc(CMDS * KEYS, sizeof *keys);
    int64_t looked = 0;

    (void)state;
    for (uint32_t i = 0; i < CMDS * KEYS; i++)
        keys[i] = i;
    for (unsigned i = 0; i < CMDS; i++) {
        begin(q, &cmds[i], "");
        cmds[i].part_of = many_keys;
        cmds[i].n_parts = cmds[i].issued = KEYS;
        cmds[i].state = &keys[i * KEYS];
        cmds[i].is_retrying = i % 2 == 0;
        cmds[i].n_again = i % 2 ? 0 : KEYS;
        cmds[i].refused = REFUSED;
    }
    cmds[0].state = &keys[99 * KEYS]; /* the only two that share keys */
    cmds[99].touched = true;
    redis_look_behind(&q->client);
    for (unsigned i = 0; i < CMDS; i++) {
        looked += cmds[i].sum;
        if (cmds[i].is_retrying)
            assert_int_equal(cmds[i].verdict,
                             i ? REDIS_RETRY_NOW : REDIS_RETRY_NEVER);
    }
    assert_true(looked >= CMDS / 2 * KEYS);
    assert_true(looked <= CMDS * KEYS);
    assert_true(q->client.door->looked >= CMDS / 2 * KEYS);
    free(keys);
    free(cmds);
}

static enum status told(bool lost, enum status st, uint64_t clock)
{
    struct redis_write w = {.lost = lost};

    return redis_outcome(&w,
                         &(struct operation_reply){.status = st,
                                                   .clock = clock});
}

/* Broken: a write that was executed, and whose reply was lost, would be told as
 * not executed, and the client would send it again. */
static void no_refusal_is_the_answer_to_what_was_lost(void **state)
{
    static const enum status refusals[] = {
        STATUS_DISK_FULL, STATUS_NO_KEYSPACE,    STATUS_CANCELLED,
        STATUS_CLOSED,    STATUS_NO_MEMORY,      STATUS_NOT_INITIALISED,
        STATUS_QUOTA,     STATUS_DENIED,         STATUS_INVALID,
        STATUS_EXPIRED,   STATUS_STALE_REQUEST,  STATUS_BUSY,
        STATUS_MOVED,     STATUS_NOT_LEADER,     STATUS_TIMEOUT,
        STATUS_STALLED,   STATUS_UNAVAILABLE,    STATUS_IO_ERROR,
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(refusals); i++) {
        assert_int_equal(told(true, refusals[i], 0), STATUS_UNKNOWN);
        assert_int_equal(told(false, refusals[i], 0), refusals[i]);
    }
    /* By the group, which looked for a first result: */
    assert_int_equal(told(true, STATUS_EXPIRED, 900), STATUS_UNKNOWN);
    assert_int_equal(told(true, STATUS_STALE_REQUEST, 900), STATUS_UNKNOWN);
    assert_int_equal(told(true, STATUS_INVALID, 900), STATUS_UNKNOWN);
    assert_int_equal(told(true, STATUS_BUSY, 900), STATUS_UNKNOWN);
    assert_int_equal(told(true, STATUS_OK, 900), STATUS_OK);
    assert_int_equal(told(true, STATUS_NOT_MET, 900), STATUS_NOT_MET);
    assert_int_equal(told(true, STATUS_NOT_A_NUMBER, 900),
                     STATUS_NOT_A_NUMBER);
    assert_int_equal(redis_outcome(NULL, &(struct operation_reply){
                                             .status = STATUS_DISK_FULL}),
                     STATUS_DISK_FULL);
}

/* Broken: a disk that is full for a moment would make an unknown outcome of
 * what has a first result. */
static void what_was_lost_waits_for_room(void **state)
{
    struct redis_write lost = {.lost = true}, sent = {.lost = false};
    struct operation_reply full = {.status = STATUS_DISK_FULL};
    struct operation_reply over = {.status = STATUS_QUOTA};
    struct operation_reply fine = {.status = STATUS_OK, .clock = 900};
    struct operation_reply unknown = {.status = STATUS_UNKNOWN};

    (void)state;
    assert_true(redis_is_worth_it(&lost, &full));
    assert_true(redis_is_worth_it(&lost, &over));
    assert_false(redis_is_worth_it(&lost, &fine));
    assert_false(redis_is_worth_it(&sent, &full));
    assert_false(redis_is_worth_it(&sent, &over));
    assert_true(redis_is_worth_it(&sent, &unknown));
    assert_false(redis_is_worth_it(NULL, &full));
}

/* One command in the middle of a queue, whose time is over, has this answer. */
static void answered(struct queue *q, bool lost, enum status st)
{
    static struct identity by;

    q->b.reply.size = 0;
    q->b.done = q->b.touched = false;
    q->b.where = 0;
    identity_init(&by, (const uint8_t *)"sixteen bytes id");
    identity_add(&by, &q->b.write.id);
    q->b.write.by = &by;
    q->b.write.lost = lost;
    redis_result(&q->b, 0, &(struct operation_reply){.status = st});
    assert_true(q->b.done);
    assert_null(by.oldest);
}

static bool no_answer(struct redis_cmd *cmd, const struct operation_reply *r,
                      struct buf *out)
{
    (void)cmd;
    (void)r;
    (void)out;
    return false;
}

/* Broken: as above, on the wire; or what was refused would keep those before it
 * from being asked again. */
static void a_refusal_is_told_and_touches_nothing(void **state)
{
    struct queue *q = queue_of("k", "k");

    (void)state;
    q->b.answer = no_answer;
    answered(q, false, STATUS_DISK_FULL);
    assert_memory_equal(q->b.reply.data, "-OOM ", 5);
    assert_false(q->b.touched);
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NOW);
    answered(q, true, STATUS_DISK_FULL);
    assert_memory_equal(q->b.reply.data, "-UNKNOWN ", 9);
    assert_true(q->b.touched);
    assert_int_equal(look(q, REFUSED), REDIS_RETRY_NEVER);
    buf_release(&q->b.reply);
}

static bool any_answer(struct redis_cmd *cmd, const struct operation_reply *r,
                       struct buf *out)
{
    (void)cmd;
    if (r->status == STATUS_OK)
        resp_simple(out, "fine");
    return r->status == STATUS_OK;
}

/* Broken: a read would not see the write before it on its connection, or would
 * be kept waiting by writes of other keys. */
static void a_read_is_early_while_a_write_of_its_key_is_out(void **state)
{
    struct queue *q = queue_of("k", "k");
    struct redis *d = q->client.door;

    (void)state;
    TAILQ_INIT(&d->retrying);
    TAILQ_INSERT_TAIL(&d->retrying, &q->a, in_retrying);
    q->client.retrying = 2; /* one more, of another key */
    *redis_keys_at(&q->client.again,
                   redis_key_hash(d->seed, slice_str("k"))) = 1;
    q->a.marked = 1;
    q->b.answer = any_answer;
    for (unsigned turn = 0; turn < 3; turn++) {
        const char *expected = turn ? "+fine" : "-CLUSTERDOWN ";
        if (turn == 1)
            q->b.op.key = slice_str("other");
        if (turn == 2) {
            redis_retry_ends(&q->a);
            q->b.op.key = slice_str("k");
        }
        q->b.done = false;
        q->b.where = 0;
        q->b.reply.size = 0;
        q->b.is_read = true;
        q->client.reads = q->client.reading[0] = 1;
        redis_result(&q->b, 0, &(struct operation_reply){0});
        assert_true(q->b.done);
        assert_memory_equal(q->b.reply.data, expected, strlen(expected));
    }
    assert_int_equal(q->client.retrying, 1);
    redis_keys_release(&q->client.again);
    buf_release(&q->b.reply);
}

/* Broken: under overload a write would be in its group's log several times, or
 * a silent leader would be waited for until there is no time to ask another. */
static void a_silent_leader_is_left_unless_it_is_here(void **state)
{
    struct redis_cmd cmd = {.begun = {1000}};
    instant now = {3000}, late = {9000};

    (void)state;
    assert_int_equal(redis_attempt_ends(&cmd, OP_INCR, false, now).ms, 8000);
    assert_int_equal(redis_attempt_ends(&cmd, OP_INCR, false, late).ms, 11000);
    assert_int_equal(redis_attempt_ends(&cmd, OP_INCR, true, now).ms, 11000);
    assert_int_equal(redis_attempt_ends(&cmd, OP_SCAN, false, late).ms, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_keys_do_not_matter),
        cmocka_unit_test(what_was_refused_does_not_follow_what_was_executed),
        cmocka_unit_test(what_was_lost_is_before_what_was_executed),
        cmocka_unit_test(reads_pass_each_other),
        cmocka_unit_test(every_key_of_a_command_counts),
        cmocka_unit_test(a_look_behind_costs_as_much_as_there_are_keys),
        cmocka_unit_test(no_refusal_is_the_answer_to_what_was_lost),
        cmocka_unit_test(what_was_lost_waits_for_room),
        cmocka_unit_test(a_refusal_is_told_and_touches_nothing),
        cmocka_unit_test(a_read_is_early_while_a_write_of_its_key_is_out),
        cmocka_unit_test(a_silent_leader_is_left_unless_it_is_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
