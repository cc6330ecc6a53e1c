/* journal.c - see journal.h. */
#include "node/core/journal.h"
#include "proto/base/planted.h"

#include <assert.h>
#include <stdlib.h>

void journal_init(struct journal *j, struct wal *wal)
{
    *j = (struct journal){.wal = wal};
}

void journal_release(struct journal *j)
{
    wal_free(j->wal);
    free(j->rows);
    free(j->entries);
    *j = (struct journal){0};
}

static void remember(struct journal *j, uint64_t ticket, uint32_t group,
                     uint64_t seq)
{
    j->last_ticket = MAX_OF(j->last_ticket, ticket);
    if (j->count == j->cap) {
        unsigned cap = j->cap ? j->cap * 2 : 64;
        struct journal_row *rows = xmalloc(cap * sizeof *rows);
        for (unsigned i = 0; i < j->count; i++)
            rows[i] = j->rows[(j->head + i) % j->cap];
        free(j->rows);
        j->rows = rows;
        j->head = 0;
        j->cap = cap;
    }
    j->rows[(j->head + j->count++) % j->cap] =
        (struct journal_row){ticket, seq, group};
}

unsigned journal_entries(const struct effect *e, struct group_entry *out)
{
    const struct group *raft = e->persist_entries.raft;
    unsigned n = 0;

    for (; n < e->persist_entries.n; n++) {
        const struct group_entry *x =
            group_entry_at(raft, e->persist_entries.first + n);
        if (!x)
            break; /* truncated meanwhile: that follows */
        out[n] = *x;
    }
    return n;
}

static uint64_t append(struct journal *j, const struct effect *e,
                       const struct group_entry *entries, unsigned n,
                       wal_instant now)
{
    if (!n)
        return j->last_ticket; /* nothing of its own to wait for */
    if (j->entries_cap < n) {
        j->entries_cap = n;
        j->entries = xrealloc(j->entries, n * sizeof *j->entries);
    }
    for (unsigned i = 0; i < n; i++)
        j->entries[i] = (struct wal_entry){
            entries[i].term, entries[i].type, blob_slice(entries[i].payload)};
    return wal_append(j->wal, e->group, e->persist_entries.first, j->entries,
                      n, false, now);
}

void journal_persist(struct journal *j, const struct effect *e,
                     const struct group_entry *entries, unsigned n,
                     wal_instant now)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
        remember(j,
                 wal_vote(j->wal, e->group, e->persist_vote.term,
                          e->persist_vote.vote, now),
                 e->group, e->persist_vote.seq);
        break;
    case EFFECT_PERSIST_TRUNCATE:
        remember(j,
                 wal_truncate(j->wal, e->group, e->persist_truncate.from, now),
                 e->group, e->persist_truncate.seq);
        break;
    case EFFECT_PERSIST_ENTRIES:
        remember(j, append(j, e, entries, n, now), e->group,
                 e->persist_entries.seq);
        break;
    case EFFECT_RELEASE:
        wal_release(j->wal, e->group, e->release.index);
        break;
    default:
        assert(!"not a persist");
    }
}

bool journal_durable(struct journal *j, uint32_t *group, uint64_t *seq)
{
    uint64_t durable =
        PLANTED(ACK_BEFORE_SYNC) ? j->last_ticket : wal_durable(j->wal);
    bool found = false;

    while (j->count) {
        const struct journal_row *row = &j->rows[j->head];
        if (row->ticket > durable || (found && row->group != *group))
            break;
        *group = row->group;
        *seq = row->seq;
        found = true;
        j->head = (j->head + 1) % j->cap;
        j->count--;
    }
    return found;
}
