/* model.c - see model.h. */
#include "tests/unit/raft/wal/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
}

static void fill(uint8_t *at, uint32_t size, uint32_t seed)
{
    for (uint32_t i = 0; i < size; i++)
        at[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static bool filled(struct slice s, const struct model_entry *e)
{
    if (s.size != e->size)
        return false;
    for (uint32_t i = 0; i < e->size; i++)
        if (s.data[i] != (uint8_t)(e->seed + i * 7 + (i >> 8)))
            return false;
    return true;
}

static uint64_t term_at(const struct model_group *g, uint64_t index)
{
    if (index == g->reset_index)
        return g->reset_term;
    return g->entry[index].term;
}

static void apply(struct model_group *groups, const struct model_op *op)
{
    struct model_group *g = &groups[op->group];

    switch (op->kind) {
    case M_ENTRY:
        g->entry[op->index] = op->entry;
        g->last = op->index;
        break;
    case M_TRUNCATE:
        g->last = op->index - 1;
        break;
    case M_VOTE:
        g->term = op->term;
        g->vote = op->index;
        break;
    case M_RESET:
        g->here = true;
        g->reset_index = g->released = g->last = op->index;
        g->reset_term = op->term;
        g->install_byte = op->install_byte;
        break;
    case M_FORGET:
        *g = (struct model_group){0};
        break;
    }
    if (op->kind != M_FORGET)
        g->last_term = term_at(g, g->last);
}

static void note(struct model *m, struct model_op op)
{
    assert_true(m->ops < MODEL_OPS);
    m->op[m->ops++] = op;
    apply(m->now, &op);
}

static void append(struct model *m, struct wal *w, unsigned group,
                   struct rng *rng, wal_instant now, unsigned max)
{
    struct model_group *g = &m->now[group];
    unsigned n = 1 + (unsigned)rng_below(rng, 4);
    uint64_t first = g->last + 1, ticket;
    uint64_t term = MAX_OF(MAX_OF(g->last_term, g->term), 1u);
    struct wal_entry e[4];
    uint8_t *data[4];

    if (first + n >= MODEL_ENTRIES)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct model_op op = {.kind = M_ENTRY, .group = group,
                              .index = first + i};
        op.entry.term = term;
        op.entry.size = (uint32_t)rng_below(rng, max + 1);
        op.entry.seed = (uint32_t)rng_next(rng);
        op.entry.type = (uint16_t)rng_below(rng, 3);
        data[i] = xmalloc(op.entry.size);
        fill(data[i], op.entry.size, op.entry.seed);
        e[i] = (struct wal_entry){term, op.entry.type,
                                  slice_of(data[i], op.entry.size)};
        note(m, op);
    }
    ticket = wal_append(w, group, first, e, n, false, now);
    m->op[m->ops - 1].ticket = ticket;
    for (unsigned i = 0; i < n; i++)
        free(data[i]);
}

static void reset(struct model *m, struct wal *w, unsigned group,
                  struct rng *rng, wal_instant now)
{
    struct model_group *g = &m->now[group];
    struct model_op op = {.kind = M_RESET, .group = group};
    uint8_t id[WAL_INSTALL_ID_BYTES];

    op.install_byte = (uint8_t)rng_below(rng, 256);
    if (rng_below(rng, 2) || g->last) {
        op.index = g->last + rng_below(rng, 5);
        op.term = MAX_OF(g->last_term, 1u);
        if (!op.index)
            op.term = 0;
    }
    memset(id, op.install_byte, sizeof id);
    op.ticket = wal_reset(w, group, op.index, op.term, id, now);
    note(m, op);
}

void model_step(struct model *m, struct wal *w, struct rng *rng,
                wal_instant now, unsigned entry_bytes_max)
{
    unsigned group = (unsigned)rng_below(rng, MODEL_GROUPS);
    struct model_group *g = &m->now[group];
    struct model_op op = {.group = group};
    unsigned dice = (unsigned)rng_below(rng, 100);

    if (!g->here || dice < 3) {
        reset(m, w, group, rng, now);
    } else if (dice < 55) {
        append(m, w, group, rng, now, entry_bytes_max);
    } else if (dice < 65) {
        op.kind = M_TRUNCATE;
        op.index = g->released + 1 + rng_below(rng, g->last - g->released + 1);
        op.ticket = wal_truncate(w, group, op.index, now);
        note(m, op);
    } else if (dice < 75) {
        op.kind = M_VOTE;
        op.term = MAX_OF(g->term, g->last_term) + rng_below(rng, 2);
        op.index = rng_next(rng);
        op.ticket = wal_vote(w, group, op.term, op.index, now);
        note(m, op);
    } else if (dice < 77) {
        op.kind = M_FORGET;
        op.ticket = wal_forget(w, group, now);
        note(m, op);
    } else if (dice < 82) {
        model_rewrite(m, w, group, now);
    } else {
        /* Only what is durable can have been applied and flushed. */
        uint64_t max = MIN_OF(m->durable[group].last, g->last);
        if (m->ops == m->done && max > g->released) {
            g->released += 1 + rng_below(rng, max - g->released);
            m->durable[group].released = g->released;
            wal_release(w, group, g->released);
        }
    }
}

void model_rewrite(struct model *m, struct wal *w, unsigned group,
                   wal_instant now)
{
    struct model_group *g = &m->now[group];

    for (uint64_t i = g->released + 1; i <= g->last; i++) {
        struct model_entry *e = &g->entry[i];
        uint8_t *data = xmalloc(e->size);
        struct wal_entry copy = {e->term, e->type, slice_of(data, e->size)};
        fill(data, e->size, e->seed);
        (void)wal_append(w, group, i, &copy, 1, true, now);
        free(data);
    }
}

void model_settle(struct model *m, const struct wal *w)
{
    unsigned last = m->done;

    for (unsigned i = m->done; i < m->ops; i++)
        if (m->op[i].ticket && m->op[i].ticket <= wal_durable(w))
            last = i + 1;
    while (m->done < last)
        apply(m->durable, &m->op[m->done++]);
    if (m->done == m->ops)
        m->done = m->ops = 0;
}

void model_read(const struct model *m, struct wal *w, struct disk *d,
                struct rng *rng)
{
    unsigned group = (unsigned)rng_below(rng, MODEL_GROUPS);
    const struct model_group *g = &m->now[group];
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span s;
    uint64_t index;
    enum status status;
    uint8_t *bytes;
    uint32_t at = 0;

    if (!g->here || g->last == g->released)
        return;
    index = g->released + 1 + rng_below(rng, g->last - g->released);
    status = wal_find(w, group, index, (uint32_t)rng_below(rng, 30000), &s);
    if (status == STATUS_INCOMPLETE)
        return;
    assert_int_equal(status, STATUS_OK);
    bytes = xmalloc(s.bytes);
    for (unsigned i = 0; i < s.ranges; i++) {
        memcpy(bytes + at, disk_bytes(d, s.range[i].segment) +
               s.range[i].offset, s.range[i].size);
        at += s.range[i].size;
    }
    assert_int_equal(at, s.bytes);
    assert_int_equal(wal_span_decode(&s, slice_of(bytes, at), out),
                     STATUS_OK);
    for (unsigned i = 0; i < s.count; i++) {
        assert_int_equal(out[i].term, g->entry[index + i].term);
        assert_int_equal(out[i].type, g->entry[index + i].type);
        assert_true(filled(out[i].data, &g->entry[index + i]));
    }
    free(bytes);
}

bool model_group_equal(const struct model_group *g,
                       const struct wal_recovered *found, unsigned group)
{
    const struct wal_recovered_group *r = recovered_group(found, group);

    if (!g->here || !r)
        return !g->here && !r;
    if (r->quarantined || r->term != g->term || r->vote != g->vote ||
        r->last != g->last || r->reset_index != g->reset_index ||
        r->reset_term != g->reset_term ||
        r->install_id[3] != g->install_byte)
        return false;
    /* It may begin earlier than what was released, never later. */
    if (r->first > g->released + 1 || r->first <= g->reset_index)
        return false;
    if (r->first > r->last && r->base_term != g->last_term)
        return false;
    for (uint64_t i = r->first; i <= r->last; i++) {
        struct wal_entry e = wal_recovered_entry(found, group, i);
        if (e.term != g->entry[i].term || e.type != g->entry[i].type ||
            !filled(e.data, &g->entry[i]))
            return false;
    }
    return true;
}

void model_explain(const struct model_group *g,
                   const struct wal_recovered *found, unsigned group)
{
    const struct wal_recovered_group *r = recovered_group(found, group);

    print_error("group %u: here %d term %u vote %x last %u/%u released %u "
                "reset %u/%u\n", group, g->here, (unsigned)g->term,
                (unsigned)g->vote, (unsigned)g->last, (unsigned)g->last_term,
                (unsigned)g->released, (unsigned)g->reset_index,
                (unsigned)g->reset_term);
    if (r)
        print_error("  found: %s term %u vote %x first %u last %u base %u "
                    "reset %u/%u\n", r->reason ? r->reason : "whole",
                    (unsigned)r->term, (unsigned)r->vote, (unsigned)r->first,
                    (unsigned)r->last, (unsigned)r->base_term,
                    (unsigned)r->reset_index, (unsigned)r->reset_term);
    else
        print_error("  not found\n");
}

static bool equal(const struct model_group *groups,
                  const struct wal_recovered *found)
{
    for (unsigned i = 0; i < MODEL_GROUPS; i++)
        if (!model_group_equal(&groups[i], found, i))
            return false;
    return true;
}

void model_check(struct model *m, const struct wal_recovered *found,
                 bool none, bool all)
{
    unsigned from = m->done, to = none ? m->done : m->ops;

    /* A long append may lie in two batches, and the first be durable. */
    while (none && to < m->ops && !m->op[to].ticket)
        to++;
    if (all)
        while (m->done < m->ops)
            apply(m->durable, &m->op[m->done++]);
    while (!equal(m->durable, found)) {
        /* Nothing between what was acknowledged and what was asked for. */
        for (unsigned i = 0; m->done >= to && i < MODEL_GROUPS; i++)
            if (!model_group_equal(&m->durable[i], found, i))
                model_explain(&m->durable[i], found, i);
        if (m->done >= to)
            fail_msg("no state from op %u to %u fits", from, to);
        apply(m->durable, &m->op[m->done++]);
    }
    memcpy(m->now, m->durable, sizeof m->now);
    model_restart(m);
}

void model_restart(struct model *m)
{
    memcpy(m->durable, m->now, sizeof m->now);
    m->ops = m->done = 0;
}
