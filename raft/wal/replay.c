/* replay.c - see replay.h. */
#include "raft/wal/replay.h"
#include "proto/base/planted.h"

#include <assert.h>
#include <stdlib.h>

void wal_replay_init(struct wal_replay *p, const struct wal_options *o)
{
    *p = (struct wal_replay){
        .options = *o,
        .key = wal_key(o->log_id),
        .segments = {.first = 1},
        .sealed = true,
    };
}

void wal_replay_release(struct wal_replay *p)
{
    wal_groups_release(&p->groups);
    wal_segments_release(&p->segments);
    free(p->damage);
    free(p->bytes);
}

void wal_replay_note(struct wal_replay *p, enum wal_damage_kind kind,
                     uint64_t segment, uint32_t offset, uint32_t size)
{
    if (p->n_damage == WAL_DAMAGE_MAX)
        return;
    if (!p->damage)
        p->damage = xcalloc(WAL_DAMAGE_MAX, sizeof *p->damage);
    p->damage[p->n_damage++] =
        (struct wal_damage){kind, segment, offset, size};
}

void wal_replay_lost(struct wal_replay *p, uint64_t number)
{
    if (!PLANTED(MISSING_UNNOTICED))
        p->lost_to = MAX_OF(p->lost_to, number);
}

/* ---- one group ---- */

/* The log of `g` starts anew behind `base`: what was known is dropped. */
static void restart(struct wal_group *g, uint64_t base, uint64_t base_term)
{
    wal_index_clear(&g->log, base + 1);
    g->base_term = base_term;
}

/* Records of `g` are missing before this point: nothing it did before can be
 * told from what it did after. A later opening may heal it. */
static void begin_gap(struct wal_group *g)
{
    g->gap = true;
    restart(g, wal_group_last(g), 0);
}

static void contradict(struct wal_replay *p, struct wal_group *g,
                       const struct wal_header *h)
{
    wal_replay_note(p, WAL_DAMAGE_ORDER, h->segment, h->offset, h->length);
    g->quarantined = true;
    g->reason = "its log records contradict each other";
    restart(g, wal_group_last(g), 0);
}

/* Is `term` what we know of entry `index` (base..last)? */
static bool term_fits(const struct wal_group *g, uint64_t index, uint64_t term)
{
    uint64_t known = wal_group_term(g, index);
    return !known || known == term; /* 0: a hole, or behind a gap */
}

static struct wal_slot slot_of_record(const struct wal_header *h,
                                      const struct wal_record *r,
                                      uint32_t offset)
{
    return (struct wal_slot){
        .term = r->term,
        .segment = (uint32_t)h->segment,
        .offset = offset,
        .size = (uint32_t)r->data.size,
        .type = r->type,
    };
}

/* A copy of an entry, made to free the segment of the original, which may be
 * gone by now: then it fills a hole at or below what the opening said. */
static bool apply_rewritten(struct wal_group *g, const struct wal_record *r,
                            struct wal_slot slot)
{
    uint64_t last = wal_group_last(g);
    struct wal_slot *s;

    if (r->index > last || r->index <= g->reset_index ||
        last - r->index >= WAL_REWRITE_MAX)
        return false;
    if (r->index <= wal_group_base(g)) {
        uint64_t old = wal_group_base(g);
        wal_index_extend_front(&g->log, r->index);
        wal_index_at(&g->log, old)->term = g->base_term;
        g->base_term = r->prev_term;
    }
    s = wal_index_at(&g->log, r->index);
    if (s->term && s->term != slot.term)
        return false;
    if (s->segment && (s->size != slot.size || s->type != slot.type))
        return false;
    if (!term_fits(g, r->index - 1, r->prev_term))
        return false;
    *s = slot;
    while (PLANTED(COPY_TRUNCATES) && wal_group_last(g) > r->index)
        wal_index_pop_back(&g->log);
    if (wal_index_has(&g->log, r->index - 1))
        wal_index_at(&g->log, r->index - 1)->term = r->prev_term;
    return true;
}

static bool apply_entry(struct wal_group *g, const struct wal_record *r,
                        struct wal_slot slot)
{
    bool joins;

    if (r->flags & WAL_RECORD_REWRITTEN)
        /* Behind a gap a copy proves nothing: it may be of an entry that a
         * lost record truncated. */
        return g->gap || apply_rewritten(g, r, slot);
    joins = r->index == wal_group_last(g) + 1 &&
            term_fits(g, r->index - 1, r->prev_term);
    if (!joins && !g->gap)
        return false;
    if (!joins)
        restart(g, r->index - 1, r->prev_term);
    else if (!g->log.count)
        g->base_term = r->prev_term; /* unknown behind a gap */
    wal_index_push(&g->log, slot);
    return true;
}

static bool apply_truncate(struct wal_group *g, const struct wal_record *r)
{
    uint64_t from = r->index;

    if (from > wal_group_last(g) + 1 || from <= wal_group_base(g)) {
        /* Below the base is fine where the base is what an opening said: the
         * entries between were in segments that are gone since. */
        if (!g->gap && (from > wal_group_last(g) || from <= g->reset_index))
            return false;
        restart(g, from - 1, r->prev_term);
        return true;
    }
    if (!term_fits(g, from - 1, r->prev_term)) {
        if (!g->gap)
            return false;
        restart(g, from - 1, r->prev_term);
        return true;
    }
    while (wal_group_last(g) >= from)
        wal_index_pop_back(&g->log);
    /* What ends the log now may be a hole: its term is known from here. */
    if (g->log.count)
        wal_index_at(&g->log, from - 1)->term = r->prev_term;
    else
        g->base_term = r->prev_term;
    return true;
}

static void apply_reset(struct wal_group *g, const struct wal_record *r)
{
    restart(g, r->index, r->term);
    g->reset_index = r->index;
    g->reset_term = r->term;
    memcpy(g->install_id, r->data.data, WAL_INSTALL_ID_BYTES);
}

static bool apply_vote(struct wal_group *g, const struct wal_record *r)
{
    if (r->term < g->term && !g->gap)
        return false;
    g->term = r->term;
    g->vote = r->index;
    return true;
}

/* ---- openings ---- */

static bool state_fits(const struct wal_state *s)
{
    return s->batch < WAL_NUMBER_MAX && s->term < WAL_NUMBER_MAX &&
           s->last < WAL_NUMBER_MAX && s->last_term < WAL_NUMBER_MAX &&
           s->base <= s->last && s->reset_index <= s->last &&
           (s->last == 0) == (s->last_term == 0);
}

/* Take what the opening says; what was seen since the gap stays if it ends
 * where the opening says the log ends. */
static void adopt(struct wal_group *g, const struct wal_state *s)
{
    uint64_t last = wal_group_last(g);

    if (!g->log.count || last != s->last ||
        wal_group_term(g, last) != s->last_term ||
        wal_group_base(g) < s->reset_index)
        restart(g, s->last, s->last_term);
    g->gap = false;
    g->term = s->term;
    g->vote = s->vote;
    g->batch = s->batch;
    g->reset_index = s->reset_index;
    g->reset_term = s->reset_term;
    memcpy(g->install_id, s->install_id, WAL_INSTALL_ID_BYTES);
}

static bool agrees(const struct wal_group *g, const struct wal_state *s)
{
    uint64_t last = wal_group_last(g);
    return g->term == s->term && g->vote == s->vote && last == s->last &&
           wal_group_term(g, last) == s->last_term &&
           g->reset_index == s->reset_index;
}

static void apply_state(struct wal_replay *p, const struct wal_header *h,
                        const struct wal_record *r)
{
    struct wal_group *g = wal_groups_find(&p->groups, r->group);
    struct wal_state s;

    wal_state_decode(r->data.data, &s);
    if (!g) {
        g = wal_groups_add(&p->groups, r->group);
        g->gap = true;
    }
    g->verified = h->number;
    if (s.quarantined && s.last < WAL_NUMBER_MAX) {
        adopt(g, &s);
        g->quarantined = true;
        g->reason = "it was found damaged at an earlier start";
        restart(g, s.last, 0);
    } else if (!state_fits(&s)) {
        contradict(p, g, h);
    } else if (g->quarantined) {
        g->batch = s.batch;
    } else if (g->gap || g->batch != s.batch) {
        /* Behind a gap, too: records may be missing up to here. */
        if (g->batch != s.batch)
            begin_gap(g);
        adopt(g, &s);
    } else if (!agrees(g, &s)) {
        contradict(p, g, h);
    }
}

/* An opening names every group: one that it does not name was forgotten in a
 * batch that is lost. */
static void drop_unnamed(struct wal_replay *p, const struct wal_header *h)
{
    uint32_t *gone = xmalloc((p->groups.count + 1) * sizeof *gone);
    uint32_t n = 0;
    struct wal_group *g;

    for (uint32_t i = 0; (g = wal_groups_next(&p->groups, &i));)
        if (g->verified < h->number)
            gone[n++] = g->id;
    for (uint32_t i = 0; i < n; i++)
        wal_groups_remove(&p->groups, gone[i]);
    if (n && !p->lost_to && !p->n_damage)
        wal_replay_note(p, WAL_DAMAGE_ORDER, h->segment, h->offset,
                        h->length);
    free(gone);
}

/* ---- batches ---- */

/* Follow the sequence of every group that the batch names. `body`: the records
 * can be read; without them the sequence is broken here. */
static void follow_rows(struct wal_replay *p, const struct wal_header *h,
                        const uint8_t *batch, bool body)
{
    for (uint32_t i = 0; i < h->groups; i++) {
        struct wal_row row = wal_row_decode(batch + wal_row_at(i, h->body));
        struct wal_group *g = wal_groups_find(&p->groups, row.group);

        if (g && !row.prev) {
            /* It was forgotten in a lost batch and begins anew here. */
            wal_groups_remove(&p->groups, row.group);
            g = NULL;
        }
        if (!g) {
            g = wal_groups_add(&p->groups, row.group);
            if (row.prev)
                begin_gap(g);
        } else if (row.prev != g->batch && !PLANTED(MISSING_UNNOTICED)) {
            begin_gap(g);
        }
        if (!body)
            begin_gap(g);
        g->batch = h->number;
        g->verified = h->number;
    }
}

static void apply(struct wal_replay *p, const struct wal_header *h,
                  const struct wal_record *r, uint32_t offset)
{
    struct wal_group *g;
    bool ok = true;

    if (r->kind == WAL_FOOT)
        return;
    if (r->kind == WAL_STATE) {
        apply_state(p, h, r);
        return;
    }
    g = wal_groups_find(&p->groups, r->group);
    if (!g || g->batch != h->number) {
        /* Not named by the header: not written by us. */
        if (!g)
            g = wal_groups_add(&p->groups, r->group);
        contradict(p, g, h);
        return;
    }
    if (r->kind == WAL_FORGET) {
        wal_groups_remove(&p->groups, r->group);
        return;
    }
    if (g->quarantined)
        return;
    switch (r->kind) {
    case WAL_ENTRY:
        ok = apply_entry(g, r, slot_of_record(h, r, offset));
        break;
    case WAL_TRUNCATE:
        ok = apply_truncate(g, r);
        break;
    case WAL_VOTE:
        ok = apply_vote(g, r);
        break;
    default:
        assert(r->kind == WAL_RESET); /* no other is left (format.c) */
        apply_reset(g, r);
        break;
    }
    if (!ok)
        contradict(p, g, h);
}

static void seen(struct wal_replay *p, const struct wal_header *h)
{
    p->first_seen = true;
    p->last_batch = h->number;
    p->sealed = h->records == 0;
}

void wal_replay_batch(struct wal_replay *p, const struct wal_header *h,
                      const uint8_t *batch)
{
    uint32_t at = WAL_HEADER_BYTES, end = WAL_HEADER_BYTES + h->body;

    follow_rows(p, h, batch, true);
    while (at < end) {
        struct wal_record r;
        uint32_t size = wal_record_read(slice_of(batch + at, end - at), &r);
        assert(size); /* the caller checked the body */
        apply(p, h, &r, h->offset + at);
        at += size;
    }
    if (h->flags & WAL_BATCH_OPENING) {
        drop_unnamed(p, h);
        p->opened = h->segment;
        p->opening = h->number;
    }
    seen(p, h);
}

void wal_replay_damaged(struct wal_replay *p, const struct wal_header *h,
                        const uint8_t *batch)
{
    wal_replay_note(p, WAL_DAMAGE_BODY, h->segment, h->offset, h->length);
    if (!wal_rows_good(h, batch))
        wal_replay_lost(p, h->number);
    else
        follow_rows(p, h, batch, false);
    /* The log's first opening says what nothing else says. */
    if (!p->first_seen)
        wal_replay_lost(p, h->number);
    seen(p, h);
}

/* ---- the end ---- */

static void quarantine(struct wal_group *g, const char *reason)
{
    if (!g->quarantined)
        g->reason = reason;
    g->quarantined = true;
    restart(g, wal_group_last(g), 0);
}

/* Keep the entries behind the last hole; count who needs which segment. */
static void settle(struct wal_replay *p, struct wal_group *g)
{
    uint64_t from = g->log.first, before = 0;

    for (uint64_t i = from; i <= wal_group_last(g); i++)
        if (!wal_index_at(&g->log, i)->segment)
            from = i + 1;
    while (g->log.first < from) {
        g->base_term = wal_index_at(&g->log, g->log.first)->term;
        wal_index_pop_front(&g->log);
    }
    for (uint64_t i = from; i <= wal_group_last(g); i++) {
        uint64_t segment = wal_index_at(&g->log, i)->segment;
        wal_segments_at(&p->segments, segment)->live++;
        if (segment < before)
            g->sorted = false;
        before = segment;
    }
}

void wal_replay_end(struct wal_replay *p)
{
    struct wal_group *g;

    for (uint32_t i = 0; (g = wal_groups_next(&p->groups, &i));) {
        if (PLANTED(QUARANTINE_VOTES))
            g->gap = false;
        else if (g->gap)
            quarantine(g, "records of it are lost or damaged");
        else if (g->verified < p->lost_to)
            quarantine(g, "a batch was lost that may have held its records");
        settle(p, g);
    }
}
