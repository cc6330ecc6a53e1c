/* quota.c - see quota.h. */
#include "node/core/quota.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/sorted.h"

enum { USE_ROW_BYTES = 32 };

void quotas_release(struct quotas *q)
{
    for (unsigned i = 0; i < q->n; i++)
        free(q->v[i].v);
    free(q->v);
    *q = (struct quotas){0};
}

/* Where this keyspace is, or belongs. */
static unsigned place_of(const struct quotas *q, uint32_t keyspace)
{
    return SORTED_PLACE(q->v, q->n, keyspace, keyspace);
}

const struct quota *quotas_find(const struct quotas *q, uint32_t keyspace)
{
    return SORTED_FIND(q->v, q->n, keyspace, keyspace);
}

const struct quota_use *quota_of(const struct quota *q, uint32_t group)
{
    return SORTED_FIND(q->v, q->n, group, group);
}

bool quota_is_new(const struct quota *q, instant now)
{
    return instant_since(now, q->since).ms < QUOTA_SILENT_MS;
}

bool quota_is_heard(const struct quota *q, uint32_t group, instant since,
                    instant now)
{
    const struct quota_use *u = quota_of(q, group);

    if (!u)
        return !quota_is_new(q, now);
    return u->heard.ms > since.ms ||
           instant_since(now, u->heard).ms >= QUOTA_SILENT_MS;
}

static struct quota *find_or_add(struct quotas *q, uint32_t keyspace,
                                 instant now)
{
    unsigned at = place_of(q, keyspace);

    if (at < q->n && q->v[at].keyspace == keyspace)
        return &q->v[at];
    if (q->n == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 8;
        q->v = xrealloc(q->v, q->cap * sizeof *q->v);
    }
    memmove(q->v + at + 1, q->v + at, (q->n - at) * sizeof *q->v);
    q->n++;
    q->v[at] = (struct quota){.keyspace = keyspace, .since = now};
    return &q->v[at];
}

void quotas_heard(struct quotas *all, const struct quota_use *use)
{
    struct quota *q = find_or_add(all, use->keyspace, use->heard);
    unsigned at = SORTED_PLACE(q->v, q->n, group, use->group);
    struct quota_use *u;

    if (at == q->n || q->v[at].group != use->group) {
        if (q->n == q->cap) {
            q->cap = q->cap ? q->cap * 2 : 8;
            q->v = xrealloc(q->v, q->cap * sizeof *q->v);
        }
        memmove(q->v + at + 1, q->v + at, (q->n - at) * sizeof *q->v);
        q->n++;
        q->v[at] = (struct quota_use){.keyspace = use->keyspace,
                                      .group = use->group};
    }
    u = &q->v[at];
    if (use->index < u->index)
        return; /* of a leader that was */
    q->keys += use->keys - u->keys;
    q->bytes += use->bytes - u->bytes;
    q->changes += use->keys != u->keys || use->bytes != u->bytes || !u->index;
    *u = *use;
}

void quotas_forget(struct quotas *q, uint32_t keyspace)
{
    unsigned at = place_of(q, keyspace);

    if (at == q->n || q->v[at].keyspace != keyspace)
        return;
    free(q->v[at].v);
    q->n--;
    memmove(q->v + at, q->v + at + 1, (q->n - at) * sizeof *q->v);
}

uint64_t quota_share(const struct quota_ask *a, uint64_t *most)
{
    bool waits = a->unknown && a->waiting;
    uint64_t unknown = waits ? 0 : a->limit / a->groups * a->unknown;
    uint64_t used = a->own + a->others + unknown;
    uint64_t left = used < a->limit ? a->limit - used : 0;
    uint64_t part = left / (2 * (uint64_t)a->groups);
    uint64_t need = a->wanted > a->own ? a->wanted - a->own : 0;

    assert(a->limit && a->groups && a->unknown < a->groups);
    *most = a->own + left;
    if (waits)
        return a->own;
    if (a->groups == 1)
        return *most;
    part += !part && left;
    /* No more than that: all groups may be asking now. */
    return a->own + (need <= left ? MAX_OF(part, need) : part);
}

/* ---- USE ---- */

void quota_use_begin(struct buf *out, bool ask)
{
    buf_u32(out, ask);
    buf_u32(out, 0);
}

void quota_use_add(struct buf *out, size_t begun, const struct quota_use *u)
{
    uint32_t n = get_u32(out->data + begun + 4);

    put_u32(out->data + begun + 4, n + 1);
    buf_u32(out, u->keyspace);
    buf_u32(out, u->group);
    buf_u64(out, u->index);
    buf_u64(out, u->keys);
    buf_u64(out, u->bytes);
}

bool quota_use_decode(struct slice body, bool *ask, uint32_t *n,
                      struct reader *rest)
{
    uint32_t flag;

    *rest = reader_of(body);
    flag = reader_u32(rest);
    *n = reader_u32(rest);
    *ask = flag;
    return !rest->failed && flag <= 1 &&
           reader_left(rest) == (uint64_t)*n * USE_ROW_BYTES;
}

void quota_use_read(struct reader *rest, struct quota_use *out)
{
    out->keyspace = reader_u32(rest);
    out->group = reader_u32(rest);
    out->index = reader_u64(rest);
    out->keys = reader_u64(rest);
    out->bytes = reader_u64(rest);
    assert(!rest->failed); /* quota_use_decode() has counted */
}
