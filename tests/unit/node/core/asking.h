/* asking.h - any operation asked of a simulated cluster, one at a time.
 *
 * asking_begin() puts itself between the world and trial's clients. */
#ifndef TESTS_UNIT_NODE_CORE_ASKING_H
#define TESTS_UNIT_NODE_CORE_ASKING_H

#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

/* A connection that is none of the clients'. */
#define ASKING_CONN (UINT64_C(1) << 32 | 63)

struct asking {
    struct trial *t;
    uint64_t id;
    bool answered;
    struct reply reply; /* value in `value` */
    struct buf value;
};

static struct asking asking;

static void asking_replied(void *arg UNUSED, struct sim_node *n UNUSED,
                           const struct effect *e)
{
    if (e->reply.to.conn != ASKING_CONN) {
        clients_replied(&asking.t->clients, e);
        return;
    }
    if (e->reply.to.id != asking.id)
        return; /* to one that was given up */
    asking.answered = true;
    asking.reply = e->reply.reply;
    buf_clear(&asking.value);
    buf_append(&asking.value, e->reply.reply.value.data,
               e->reply.reply.value.size);
    asking.reply.value = buf_slice(&asking.value);
}

static inline void asking_begin(struct trial *t)
{
    asking = (struct asking){.t = t};
    t->c.judge.replied = asking_replied;
}

static inline void asking_end(void)
{
    buf_release(&asking.value);
}

/* Ask and do not wait. */
static inline void asking_send(struct sim_node *n, const char *keyspace,
                               const struct operation *o,
                               const struct session *session)
{
    struct request q = {.from = {.conn = ASKING_CONN, .id = ++asking.id},
                        .keyspace = slice_str(keyspace), .operation = *o,
                        .deadline = {asking.t->c.now + 2000}};

    if (session)
        q.session = *session;
    asking.answered = false;
    loop_request(&asking.t->c, &n->loops[0], &q);
}

static inline bool asking_answered(struct trial *t UNUSED, void *arg UNUSED)
{
    return asking.answered;
}

static inline const struct reply *asking_wait(void)
{
    trial_wait(asking.t, 5000, asking_answered, NULL, "an answer");
    return &asking.reply;
}

/* Ask and wait; again while it was certainly not done. */
static inline const struct reply *ask_op(struct sim_node *n,
                                         const char *keyspace,
                                         struct operation o,
                                         const struct session *session)
{
    for (unsigned i = 0; i < 50; i++) {
        asking_send(n, keyspace, &o, session);
        asking_wait();
        if (status_retry(asking.reply.status) != RETRY_SAFE)
            break;
        trial_run(asking.t, 100);
    }
    return &asking.reply;
}

/* Rows of a kind in the store of this group's replica on `n`. */
static inline unsigned asking_rows(struct sim_node *n, uint32_t group,
                                   enum layout_kind kind)
{
    const struct mem_table *t = &cluster_replica(n, group)->open->live;
    unsigned rows = 0;

    for (unsigned i = 0; i < t->n; i++)
        rows += mem_row_key(&t->v[i]).data[0] == (uint8_t)kind;
    return rows;
}

#endif
