/* fake_operate.c - what a fake node does with OPERATE: enough of
 * proto/operation.h for the client's tests, exactly once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/keyspace.h"
#include "tests/unit/client/fake_cluster.h"

static uint64_t version_of(const struct fake_cluster *f,
                           const struct fake_write *w)
{
    return w ? (uint64_t)(w - f->log) + 1 : 0;
}

static bool conditions_hold(const struct fake_cluster *f,
                            const struct operation *o,
                            const struct fake_write *old)
{
    if (o->flags & OPERATION_IF_ABSENT && old)
        return false;
    if (o->flags & OPERATION_IF_PRESENT && !old)
        return false;
    if (o->flags & OPERATION_IF_VERSION &&
        version_of(f, old) != o->if_version)
        return false;
    return !(o->flags & OPERATION_IF_VALUE) ||
           (old && slice_equal(slice_str(old->value), o->if_value));
}

static struct fake_write *write_log(struct fake_node *n, const char *key,
                                    const struct operation *o,
                                    const struct fake_write *old)
{
    struct fake_cluster *f = n->cluster;
    struct fake_write *w = &f->log[f->n_log];

    assert_true(f->n_log < FAKE_LOG_MAX);
    *w = (struct fake_write){.node = n->id};
    strcpy(w->key, key);
    if (o->flags & OPERATION_TTL)
        w->deadline = FAKE_CLOCK + o->expire;
    else if (o->flags & OPERATION_DEADLINE)
        w->deadline = o->expire;
    else if (old && (o->flags & OPERATION_KEEP_TTL || o->op != OP_SET))
        w->deadline = old->deadline;
    f->n_log++;
    return w;
}

static void text_of(char *to, struct slice s)
{
    assert_true(s.size < 64);
    if (s.size)
        memcpy(to, s.data, s.size);
    to[s.size] = 0;
}

static void keyspace_execute(struct fake_cluster *f,
                             const struct operation *o,
                             struct operation_reply *m)
{
    struct keyspace_change c;
    uint32_t id = 0;

    *m = (struct operation_reply){.clock = FAKE_CLOCK};
    m->status = keyspace_change_decode(o->value, true, &c);
    if (!m->status)
        m->status = keyspace_apply(f->map, o->key, &c, &id);
    m->argument = id;
    m->version = f->map->epoch;
}

/* One operation but TRANSACT. */
static void execute(struct fake_node *n, const struct operation *o,
                    struct operation_reply *m, char *kept)
{
    struct fake_cluster *f = n->cluster;
    char key[64];
    const struct fake_write *old;
    struct fake_write *w;

    if (o->op == OP_KEYSPACE) {
        keyspace_execute(f, o, m);
        return;
    }
    text_of(key, o->key);
    old = fake_present(f, key);
    *m = (struct operation_reply){.clock = FAKE_CLOCK,
                                  .version = version_of(f, old)};
    if (old && (o->op == OP_GET || o->flags & OPERATION_PREVIOUS)) {
        strcpy(kept, old->value);
        m->has_value = !(o->flags & OPERATION_META);
        m->value = slice_str(m->has_value ? kept : "");
    }
    if (!old && (o->op == OP_GET || o->op == OP_EXPIRE ||
                 o->op == OP_DELETE)) {
        m->status = STATUS_NOT_FOUND;
        return;
    }
    if (o->op == OP_GET) {
        m->expire_at = old->deadline;
        m->argument = strlen(old->value);
        return;
    }
    if (!conditions_hold(f, o, old)) {
        m->status = STATUS_NOT_MET;
        return;
    }
    if (o->op == OP_EXPIRE) { /* the version stays */
        f->log[old - f->log].deadline =
            o->flags & OPERATION_PERSIST ? 0
            : o->flags & OPERATION_TTL   ? FAKE_CLOCK + o->expire
                                         : o->expire;
        return;
    }
    if (o->op == OP_INCR && old && old->value[0] > '9') {
        m->status = STATUS_NOT_A_NUMBER;
        return;
    }
    w = write_log(n, key, o, old);
    m->version = version_of(f, w);
    w->is_delete = o->op == OP_DELETE;
    if (o->op == OP_SET)
        text_of(w->value, o->value);
    if (o->op == OP_INCR)
        snprintf(w->value, sizeof w->value, "%lld",
                 (old ? atoll(old->value) : 0) + (long long)o->argument);
    if (o->op == OP_APPEND) {
        snprintf(w->value, sizeof w->value, "%s%.*s", old ? old->value : "",
                 (int)o->value.size, (const char *)o->value.data);
        m->argument = strlen(w->value);
    }
    if (o->op == OP_INCR) {
        m->has_value = true;
        m->value = slice_str(w->value);
    }
}

static bool compare_holds(const struct fake_cluster *f,
                          const struct compare *c)
{
    char key[64];
    const struct fake_write *old;
    uint64_t version;
    int order;

    text_of(key, c->key);
    old = fake_present(f, key);
    version = version_of(f, old);
    if (c->what == COMPARE_VALUE && !old)
        return c->relation == RELATION_NOT_EQUAL;
    order = c->what == COMPARE_VALUE
                ? slice_compare(slice_str(old->value), c->value)
                : (version > c->version) - (version < c->version);
    switch (c->relation) {
    case RELATION_EQUAL:
        return order == 0;
    case RELATION_NOT_EQUAL:
        return order != 0;
    case RELATION_LESS:
        return order < 0;
    default:
        return order > 0;
    }
}

static void transact(struct fake_node *n, const struct operation *o,
                     struct operation_reply *m, struct buf *out)
{
    struct transaction t;
    bool holds = true;
    unsigned skip, run;
    uint8_t head[4] = {0};

    *m = (struct operation_reply){.clock = FAKE_CLOCK};
    assert_int_equal(transaction_decode(o->value, &t), STATUS_OK);
    if (o->flags & OPERATION_IF_FENCE && o->fence < n->cluster->fence) {
        m->status = STATUS_FENCED;
        return;
    }
    if (o->flags & OPERATION_IF_FENCE)
        n->cluster->fence = o->fence;
    for (unsigned i = 0; i < t.n_compares; i++) {
        struct compare c;
        assert_int_equal(transaction_compare(&t.compares, &c), STATUS_OK);
        holds = holds && compare_holds(n->cluster, &c);
    }
    skip = holds ? 0 : t.n_then;
    run = holds ? t.n_then : t.n_else;
    head[0] = holds;
    put_u16(head + 2, (uint16_t)run);
    buf_append(out, head, sizeof head);
    for (unsigned i = 0; i < skip + run; i++) {
        struct operation one;
        struct operation_reply r;
        char kept[64];
        uint8_t size[4];
        assert_int_equal(operation_decode(&t.operations, &one), STATUS_OK);
        if (i < skip)
            continue;
        execute(n, &one, &r, kept);
        put_u32(size, (uint32_t)operation_reply_bytes(&r));
        buf_append(out, size, sizeof size);
        operation_reply_encode(&r, out);
    }
    m->has_value = true;
    m->value = buf_slice(out);
}

/* The first result of this request, if it was executed before. */
static struct fake_result *known(struct fake_cluster *f,
                                 const struct session *s)
{
    for (unsigned i = 0; i < f->n_results; i++)
        if (f->results[i].sequence == s->sequence &&
            !memcmp(f->results[i].client, s->client, sizeof s->client))
            return &f->results[i];
    return NULL;
}

static struct slice execute_once(struct fake_node *n,
                                 const struct operate_request *q,
                                 struct buf *scratch)
{
    struct fake_cluster *f = n->cluster;
    struct fake_result *r = q->session.sequence ? known(f, &q->session) : NULL;
    struct operation_reply m;
    struct buf value = {0};
    char kept[64];

    if (r) {
        f->repeated++;
        return buf_slice(&r->reply);
    }
    if (q->operation.op == OP_TRANSACT)
        transact(n, &q->operation, &m, &value);
    else
        execute(n, &q->operation, &m, kept);
    operation_reply_encode(&m, scratch);
    if (q->session.sequence) {
        assert_true(f->n_results < FAKE_LOG_MAX);
        r = &f->results[f->n_results++];
        memcpy(r->client, q->session.client, sizeof r->client);
        r->sequence = q->session.sequence;
        buf_append(&r->reply, scratch->data, scratch->size);
        f->acknowledged = q->session.acknowledged;
        f->not_after = q->session.not_after;
    }
    buf_release(&value);
    return buf_slice(scratch);
}

void fake_operate_answer(struct conn *c, const struct frame_header *h,
                         struct slice reply, enum status status,
                         struct hint hint)
{
    struct operate_reply m = {.hint = hint};
    struct buf b = {0};

    if (reply.size)
        assert_int_equal(operation_reply_decode(reply, &m.reply), STATUS_OK);
    else
        m.reply.status = status;
    operate_reply_encode(&m, &b);
    fake_send(c, h, MESSAGE_OPERATE_REPLY, &b);
    buf_release(&b);
}

void fake_operate(struct fake_node *n, struct conn *c,
                  const struct frame_header *h,
                  const struct operate_request *q, struct hint hint)
{
    struct buf scratch = {0};
    struct slice reply;

    if (n->clock && (q->session.not_after < n->clock ||
                     q->session.not_after > n->clock + SESSION_AHEAD_MAX_MS)) {
        struct operation_reply m = {.clock = n->clock};
        m.status = q->session.not_after < n->clock ? STATUS_EXPIRED
                                                   : STATUS_INVALID;
        operation_reply_encode(&m, &scratch);
        fake_operate_answer(c, h, buf_slice(&scratch), STATUS_OK, hint);
        buf_release(&scratch);
        return;
    }
    reply = execute_once(n, q, &scratch);

    if (n->forgets) {
        n->forgets--; /* executed, but the answer gets lost */
        conn_close(c, STATUS_CANCELLED, "told to");
    } else {
        fake_operate_answer(c, h, reply, STATUS_OK, hint);
    }
    buf_release(&scratch);
}
