/* durable.c - see durable.h. */
#include "tests/sim/durable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the log was asked to keep and may not have durable yet. A RESET is an
 * EFFECT_INSTALL_COMMIT here. */
struct durable_ask {
    struct durable_ask *next;
    uint64_t ticket;
    enum effect_type type;
    uint32_t group;
    uint64_t index, term, vote;
    unsigned n;
    uint64_t terms[];
};

void durable_init(struct durable *d, struct cluster *c)
{
    *d = (struct durable){.c = c};
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++)
        d->asked[i].tail = &d->asked[i].head;
}

static void forget_asked(struct durable *d, unsigned place)
{
    struct durable_ask *a;

    while ((a = d->asked[place].head)) {
        d->asked[place].head = a->next;
        free(a);
    }
    d->asked[place].tail = &d->asked[place].head;
}

void durable_release(struct durable *d)
{
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++) {
        forget_asked(d, i);
        for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++)
            free(d->log[i][g].terms);
    }
}

static void add_term(struct durable_log *log, uint64_t term)
{
    if (log->n == log->cap) {
        log->cap = log->cap ? log->cap * 2 : 256;
        log->terms = xrealloc(log->terms, log->cap * sizeof *log->terms);
    }
    log->terms[log->n++] = term;
}

/* The log begins behind `index`. */
static void begin_behind(struct durable_log *log, uint64_t index)
{
    log->first = index + 1;
    log->n = 0;
}

void durable_started(struct durable *d, struct sim_node *n,
                     const struct replica_restore *from)
{
    struct durable_log *log = &d->log[n->place][from->group];

    if (from->broken)
        return;
    log->term = from->raft.term;
    log->vote = from->raft.vote;
    begin_behind(log, from->raft.first_index - 1);
    for (size_t i = 0; i < from->raft.n; i++)
        add_term(log, from->raft.entries[i].term);
}

/* ---- asked ---- */

static struct durable_ask *ask(struct durable *d, struct sim_node *n,
                               unsigned terms)
{
    struct durable_ask *a =
        xcalloc(1, sizeof *a + terms * sizeof a->terms[0]);

    *d->asked[n->place].tail = a;
    d->asked[n->place].tail = &a->next;
    return a;
}

void durable_asked(struct durable *d, struct sim_node *n,
                   const struct effect *e, const struct group_entry *entries,
                   unsigned count, uint64_t ticket)
{
    struct sim_replica *r = cluster_replica(n, e->group);
    struct durable_ask *a;
    uint64_t flushed;

    if (e->type == EFFECT_RELEASE) {
        flushed = mem_table_record(&r->open->flushed).applied_index;
        if (e->release.index > flushed)
            cluster_fail(d->c, "node %u group %u: the log is cut at %" PRIu64
                         ", its store is flushed up to %" PRIu64,
                         n->id, e->group, e->release.index, flushed);
        return;
    }
    a = ask(d, n, count);
    a->ticket = ticket;
    a->type = e->type;
    a->group = e->group;
    if (e->type == EFFECT_PERSIST_VOTE) {
        a->term = e->persist_vote.term;
        a->vote = e->persist_vote.vote;
    } else if (e->type == EFFECT_PERSIST_TRUNCATE) {
        a->index = e->persist_truncate.from;
    } else {
        a->index = e->persist_entries.first;
        a->n = count;
        for (unsigned i = 0; i < count; i++)
            a->terms[i] = entries[i].term;
    }
}

void durable_reset(struct durable *d, struct sim_node *n, uint32_t group,
                   uint64_t index, uint64_t term, uint64_t ticket)
{
    struct durable_ask *a = ask(d, n, 0);

    a->ticket = ticket;
    a->type = EFFECT_INSTALL_COMMIT;
    a->group = group;
    a->index = index;
    a->term = term;
}

void durable_died(struct durable *d, struct sim_node *n)
{
    forget_asked(d, n->place);
}

/* ---- durable ---- */

static void take(struct durable *d, struct durable_log *log,
                 const struct durable_ask *a)
{
    switch (a->type) {
    case EFFECT_PERSIST_VOTE:
        log->term = a->term;
        log->vote = a->vote;
        break;
    case EFFECT_PERSIST_TRUNCATE:
        if (a->index >= log->first)
            log->n = MIN_OF(log->n, a->index - log->first);
        else
            begin_behind(log, a->index - 1);
        break;
    case EFFECT_PERSIST_ENTRIES:
        if (a->n && a->index != log->first + log->n)
            cluster_fail(d->c, "group %u: entry %" PRIu64 " is kept behind %"
                         PRIu64, a->group, a->index, durable_last(log));
        for (unsigned i = 0; i < a->n; i++)
            add_term(log, a->terms[i]);
        break;
    default:
        begin_behind(log, a->index);
        break;
    }
}

const struct durable_log *durable_now(struct durable *d, struct sim_node *n,
                                      uint32_t group)
{
    uint64_t durable = wal_durable(n->journal.wal);
    struct durable_ask *a;

    while ((a = d->asked[n->place].head) && a->ticket <= durable) {
        take(d, &d->log[n->place][a->group], a);
        d->asked[n->place].head = a->next;
        if (!a->next)
            d->asked[n->place].tail = &d->asked[n->place].head;
        free(a);
    }
    return &d->log[n->place][group];
}

uint64_t durable_term(const struct durable_log *log, uint64_t index)
{
    return index >= log->first && index - log->first < log->n
               ? log->terms[index - log->first]
               : 0;
}
