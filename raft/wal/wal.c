/* wal.c - making records: groups, batches, segment switches. See wal.h. */
#include "raft/wal/wal.h"

#include <assert.h>
#include <stdlib.h>

#include "raft/wal/log.h"
#include "raft/wal/replay.h"

struct wal_options wal_options_default(const uint8_t *log_id)
{
    struct wal_options o = {
        .segment_bytes = 64u << 20,
        .batch_bytes = 4u << 20,
        .pace_bytes = 64u << 10,
        .pace_us = 1000,
        .seal_after_us = 50000,
        .retry_us = 1000000,
        .reserve = 2,
    };
    memcpy(o.log_id, log_id, WAL_LOG_ID_BYTES);
    return o;
}

/* Make what recovery found our own. */
static void wal_adopt(struct wal *w, struct wal_replay *p)
{
    assert(!memcmp(p->options.log_id, w->options.log_id, WAL_LOG_ID_BYTES));
    assert(p->options.segment_bytes == w->options.segment_bytes);
    w->groups = p->groups;
    w->segments = p->segments;
    p->groups = (struct wal_groups){0};
    p->segments = (struct wal_segments){.first = 1};
    w->current = p->last_segment;
    w->ready_last = MAX_OF(p->ready_last, p->last_segment);
    w->number = p->last_batch;
    w->opened = p->opened;
    w->unsealed = !p->sealed;
    w->durable_segment = w->current + 1;
    if (w->segments.count)
        w->tail = w->segments.array[w->segments.count - 1].end;
}

struct wal *wal_new(const struct wal_options *o, struct wal_recovered *from)
{
    struct wal *w = xcalloc(1, sizeof *w);

    assert(o->segment_bytes >= WAL_SEGMENT_MIN);
    assert(o->segment_bytes <= WAL_SEGMENT_MAX);
    assert(o->segment_bytes % WAL_BLOCK == 0);
    w->options = *o;
    w->key = wal_key(o->log_id);
    w->segments.first = 1;
    if (from)
        wal_adopt(w, from->replay);
    return w;
}

void wal_free(struct wal *w)
{
    if (!w)
        return;
    wal_batch_free(w->flying);
    while (w->head) {
        struct wal_batch *b = w->head;
        w->head = b->next;
        wal_batch_free(b);
    }
    for (unsigned i = 0; i < WAL_SPARE_BATCHES; i++)
        wal_batch_free(w->spare[i]);
    wal_groups_release(&w->groups);
    wal_segments_release(&w->segments);
    free(w);
}

struct wal_batch *wal_take_spare(struct wal *w)
{
    for (unsigned i = 0; i < WAL_SPARE_BATCHES; i++) {
        struct wal_batch *b = w->spare[i];
        if (b) {
            w->spare[i] = NULL;
            return b;
        }
    }
    return NULL;
}

void wal_give_spare(struct wal *w, struct wal_batch *b)
{
    /* One huge entry must not hold its memory for ever. */
    if (b->cap <= 2 * w->options.batch_bytes) {
        for (unsigned i = 0; i < WAL_SPARE_BATCHES; i++) {
            if (!w->spare[i]) {
                w->spare[i] = b;
                return;
            }
        }
    }
    wal_batch_free(b);
}

/* The batch that records may join, or NULL. */
static struct wal_batch *open_batch(const struct wal *w)
{
    return w->last && !w->last->closed ? w->last : NULL;
}

static struct wal_batch *batch_begin(struct wal *w, wal_instant now)
{
    struct wal_batch *b = wal_batch_new(wal_take_spare(w), w->current,
                                        w->tail, ++w->number);
    b->first_at = now;
    /* Under load: records are on their way already. An opening or a seal does
     * not count: it comes rarely and says nothing about load. */
    b->paced = w->flying && w->flying->groups > 0;
    if (w->last)
        w->last->next = b;
    else
        w->head = b;
    w->last = b;
    return b;
}

void wal_end_batch(struct wal *w)
{
    struct wal_batch *b = open_batch(w);
    if (!b)
        return;
    wal_batch_close(b, w->options.log_id);
    w->tail = b->offset + b->length;
}

/* What the footer of the current segment takes if it needs its own batch and
 * `more` further groups come. */
static uint64_t footer_length(const struct wal *w, uint32_t more)
{
    uint64_t one = wal_record_size(WAL_FOOT_BYTES);
    return wal_blocks(WAL_HEADER_BYTES + (w->foot_groups + more) * one);
}

/* Would `size` bytes of one group's records fit behind what is there? */
static bool fits(const struct wal *w, uint32_t size)
{
    const struct wal_batch *b = open_batch(w);
    uint64_t length = b ? wal_batch_length(b, size, 1)
                        : wal_blocks(WAL_HEADER_BYTES + (uint64_t)size);
    return w->tail + length + footer_length(w, 1) <= w->options.segment_bytes;
}

/* End the current segment with what it holds of each group. */
static void write_footer(struct wal *w, wal_instant now)
{
    struct wal_batch *b = open_batch(w);
    struct wal_group *g;

    if (!b)
        b = batch_begin(w, now);
    b->flags |= WAL_BATCH_FOOTER;
    for (uint32_t i = 0; (g = wal_groups_next(&w->groups, &i));) {
        uint8_t data[WAL_FOOT_BYTES];
        struct wal_record r = {
            .group = g->id,
            .kind = WAL_FOOT,
            .data = slice_of(data, sizeof data),
        };
        if (g->foot_segment != w->current || !g->foot.count)
            continue;
        wal_foot_encode(data, &g->foot);
        wal_batch_add(b, &r, w->key);
    }
    wal_end_batch(w);
    assert(w->tail <= w->options.segment_bytes);
}

/* Open the next segment: every group's state as of this point, alone in its
 * batch, so that losing it later loses nothing else. */
static void write_opening(struct wal *w, wal_instant now)
{
    uint32_t prev_end = w->tail;
    struct wal_batch *b;
    struct wal_group *g;

    w->current++;
    w->tail = 0;
    w->foot_groups = 0;
    w->opened_here = true;
    if (!w->segments.count) {
        w->segments.first = w->current;
        w->segments.needed = w->current;
    }
    wal_segments_push(&w->segments, w->options.segment_bytes);
    b = batch_begin(w, now);
    b->flags |= WAL_BATCH_OPENING;
    b->prev_end = prev_end;
    for (uint32_t i = 0; (g = wal_groups_next(&w->groups, &i));) {
        uint8_t data[WAL_STATE_BYTES];
        struct wal_state s;
        struct wal_record r = {
            .group = g->id,
            .kind = WAL_STATE,
            .data = slice_of(data, sizeof data),
        };
        wal_group_state(g, &s);
        wal_state_encode(data, &s);
        wal_batch_add(b, &r, w->key);
    }
    wal_end_batch(w);
    assert(w->tail + footer_length(w, 1) < w->options.segment_bytes);
}

static void switch_segment(struct wal *w, wal_instant now)
{
    if (w->opened_here) {
        struct wal_segment *s = wal_segments_at(&w->segments, w->current);
        write_footer(w, now);
        s->end = w->tail;
    }
    write_opening(w, now);
}

void wal_seal(struct wal *w, wal_instant now)
{
    assert(!open_batch(w));
    if (!w->opened_here || !fits(w, 0))
        switch_segment(w, now);
    batch_begin(w, now);
    wal_end_batch(w);
}

/* An open batch that has room for one more record of `size` bytes. */
static struct wal_batch *room(struct wal *w, uint32_t size, wal_instant now)
{
    struct wal_batch *b = open_batch(w);

    if (b && b->records &&
        (uint64_t)b->size + size > w->options.batch_bytes) {
        wal_end_batch(w);
        b = NULL;
    }
    if (!w->opened_here || !fits(w, size)) {
        switch_segment(w, now);
        assert(fits(w, size)); /* an entry larger than a segment */
        b = NULL;
    }
    return b ? b : batch_begin(w, now);
}

/* Put a record of `g` into the log; gives its batch and its offset. */
static struct wal_batch *put(struct wal *w, struct wal_group *g,
                             const struct wal_record *r, wal_instant now,
                             uint32_t *offset)
{
    uint32_t size = wal_record_size(r->data.size);
    struct wal_batch *b = room(w, size, now);

    if (g->batch != b->number) {
        wal_batch_name(b, (struct wal_row){g->id, g->batch});
        g->batch = b->number;
    }
    *offset = wal_batch_add(b, r, w->key);
    w->pending_bytes += size;
    b->fresh += size;
    return b;
}

static uint64_t stamp(struct wal *w, struct wal_batch *b)
{
    b->ticket = ++w->ticket;
    return b->ticket;
}

/* The group, which the caller knows to be here and whole. */
static struct wal_group *whole(const struct wal *w, uint32_t group)
{
    struct wal_group *g = wal_groups_find(&w->groups, group);
    assert(g);
    assert(!g->quarantined);
    return g;
}

/* ---- entries ---- */

/* An entry no longer needs its segment once batch `b` is durable. */
static void unlive(struct wal *w, uint64_t segment, struct wal_batch *b)
{
    struct wal_segment *s = wal_segments_at(&w->segments, segment);
    assert(s && s->live > 0);
    s->live--;
    b->pin = MIN_OF(b->pin, segment);
}

static void count_foot(struct wal *w, struct wal_group *g, uint64_t index)
{
    if (g->foot_segment != w->current) {
        g->foot_segment = w->current;
        g->foot = (struct wal_foot){.first = index, .last = index};
        w->foot_groups++;
    }
    g->foot.first = MIN_OF(g->foot.first, index);
    g->foot.last = MAX_OF(g->foot.last, index);
    g->foot.count++;
}

static struct wal_batch *append_one(struct wal *w, struct wal_group *g,
                                    uint64_t index, const struct wal_entry *e,
                                    bool rewritten, wal_instant now)
{
    struct wal_record r = {
        .group = g->id,
        .kind = WAL_ENTRY,
        .flags = rewritten ? WAL_RECORD_REWRITTEN : 0,
        .type = e->type,
        .index = index,
        .term = e->term,
        .prev_term = wal_group_term(g, index - 1),
        .data = e->data,
    };
    struct wal_slot slot = {
        .term = e->term,
        .size = (uint32_t)e->data.size,
        .type = e->type,
    };
    struct wal_batch *b;

    assert(e->term > 0 && e->term >= r.prev_term && e->term < WAL_NUMBER_MAX);
    assert(e->data.size <= WAL_ENTRY_BYTES_MAX);
    b = put(w, g, &r, now, &slot.offset);
    slot.segment = (uint32_t)b->segment;
    if (rewritten) {
        struct wal_slot *old = wal_index_at(&g->log, index);
        assert(old->term == slot.term && old->size == slot.size &&
               old->type == slot.type);
        unlive(w, old->segment, b);
        *old = slot;
        g->sorted = false;
    } else {
        wal_index_push(&g->log, slot);
    }
    wal_segments_at(&w->segments, b->segment)->live++;
    count_foot(w, g, index);
    return b;
}

uint64_t wal_append(struct wal *w, uint32_t group, uint64_t first_index,
                    const struct wal_entry *e, unsigned n, bool rewritten,
                    wal_instant now)
{
    struct wal_group *g = whole(w, group);
    struct wal_batch *b = NULL;
    uint64_t last = wal_group_last(g);

    assert(n > 0);
    if (rewritten) {
        assert(first_index > wal_group_base(g));
        assert(first_index + n - 1 <= last);
        assert(last - first_index < WAL_REWRITE_MAX);
    } else {
        assert(first_index == last + 1);
        assert(first_index + n < WAL_NUMBER_MAX);
    }
    for (unsigned i = 0; i < n; i++)
        b = append_one(w, g, first_index + i, &e[i], rewritten, now);
    return stamp(w, b);
}

static void drop_entries(struct wal *w, struct wal_group *g, uint64_t from,
                         struct wal_batch *b)
{
    while (g->log.count && wal_group_last(g) >= from) {
        unlive(w, wal_index_at(&g->log, wal_group_last(g))->segment, b);
        wal_index_pop_back(&g->log);
    }
    if (!g->log.count)
        g->sorted = true;
}

uint64_t wal_truncate(struct wal *w, uint32_t group, uint64_t from_index,
                      wal_instant now)
{
    struct wal_group *g = whole(w, group);
    struct wal_record r = {.group = group, .kind = WAL_TRUNCATE};
    struct wal_batch *b;
    uint32_t offset;

    assert(from_index > wal_group_base(g));
    assert(from_index <= wal_group_last(g) + 1);
    r.index = from_index;
    r.prev_term = wal_group_term(g, from_index - 1);
    b = put(w, g, &r, now, &offset);
    drop_entries(w, g, from_index, b);
    return stamp(w, b);
}

uint64_t wal_vote(struct wal *w, uint32_t group, uint64_t term,
                  uint64_t voted_for, wal_instant now)
{
    struct wal_group *g = whole(w, group);
    struct wal_record r = {
        .group = group, .kind = WAL_VOTE, .index = voted_for, .term = term};
    struct wal_batch *b;
    uint32_t offset;

    assert(term >= g->term && term < WAL_NUMBER_MAX);
    /* First the record: making room may write an opening, which must not say
     * what no record before it says. */
    b = put(w, g, &r, now, &offset);
    g->term = term;
    g->vote = voted_for;
    return stamp(w, b);
}

uint64_t wal_reset(struct wal *w, uint32_t group, uint64_t index,
                   uint64_t term, const uint8_t *install_id, wal_instant now)
{
    struct wal_group *g = wal_groups_find(&w->groups, group);
    struct wal_record r = {
        .group = group,
        .kind = WAL_RESET,
        .index = index,
        .term = term,
        .data = slice_of(install_id, WAL_INSTALL_ID_BYTES),
    };
    struct wal_batch *b;
    uint32_t offset;

    assert((index == 0) == (term == 0));
    assert(index < WAL_NUMBER_MAX && term < WAL_NUMBER_MAX);
    assert(!g || !g->quarantined);
    /* The opening that making room may write must not know it yet. */
    b = room(w, wal_record_size(r.data.size), now);
    if (!g)
        g = wal_groups_add(&w->groups, group);
    b = put(w, g, &r, now, &offset);
    drop_entries(w, g, 0, b);
    wal_index_clear(&g->log, index + 1);
    g->base_term = term;
    g->reset_index = index;
    g->reset_term = term;
    memcpy(g->install_id, install_id, WAL_INSTALL_ID_BYTES);
    return stamp(w, b);
}

uint64_t wal_forget(struct wal *w, uint32_t group, wal_instant now)
{
    struct wal_group *g = wal_groups_find(&w->groups, group);
    struct wal_record r = {.group = group, .kind = WAL_FORGET};
    struct wal_batch *b;
    uint64_t ticket;
    uint32_t offset;

    assert(g);
    b = put(w, g, &r, now, &offset);
    drop_entries(w, g, 0, b);
    ticket = stamp(w, b);
    if (g->foot_segment == w->current)
        w->foot_groups--;
    wal_groups_remove(&w->groups, group);
    /* A batch names a group once: what recreates it begins another. */
    wal_end_batch(w);
    return ticket;
}

void wal_release(struct wal *w, uint32_t group, uint64_t index)
{
    struct wal_group *g = whole(w, group);

    if (index <= wal_group_base(g))
        return;
    assert(index <= wal_group_last(g));
    g->base_term = wal_group_term(g, index);
    while (g->log.first <= index) {
        uint64_t segment = wal_index_at(&g->log, g->log.first)->segment;
        struct wal_segment *s = wal_segments_at(&w->segments, segment);
        assert(s && s->live > 0);
        s->live--;
        wal_index_pop_front(&g->log);
    }
    if (!g->log.count)
        g->sorted = true;
}

/* ---- getters ---- */

bool wal_group(const struct wal *w, uint32_t group,
               struct wal_group_info *out)
{
    const struct wal_group *g = wal_groups_find(&w->groups, group);
    if (!g)
        return false;
    *out = (struct wal_group_info){
        .term = g->term,
        .vote = g->vote,
        .first = g->log.first,
        .last = wal_group_last(g),
        .base_term = g->base_term,
        .reset_index = g->reset_index,
        .reset_term = g->reset_term,
        .quarantined = g->quarantined,
    };
    memcpy(out->install_id, g->install_id, WAL_INSTALL_ID_BYTES);
    return true;
}

uint64_t wal_first(const struct wal *w, uint32_t group)
{
    const struct wal_group *g = wal_groups_find(&w->groups, group);
    assert(g);
    return g->log.first;
}

uint64_t wal_last(const struct wal *w, uint32_t group)
{
    const struct wal_group *g = wal_groups_find(&w->groups, group);
    assert(g);
    return wal_group_last(g);
}

uint64_t wal_term_at(const struct wal *w, uint32_t group, uint64_t index)
{
    const struct wal_group *g = wal_groups_find(&w->groups, group);
    assert(g);
    if (index < wal_group_base(g) || index > wal_group_last(g))
        return 0;
    return wal_group_term(g, index);
}

bool wal_pinning(const struct wal *w, uint32_t *group, uint64_t *index)
{
    struct wal_segment *oldest = wal_segments_at(&w->segments,
                                                 w->segments.first);
    struct wal_group *g;

    if (!oldest || !oldest->live || w->segments.first == w->current)
        return false;
    for (uint32_t i = 0; (g = wal_groups_next(&w->groups, &i));) {
        uint32_t n = g->sorted ? MIN_OF(g->log.count, 1u) : g->log.count;
        for (uint32_t j = 0; j < n; j++) {
            struct wal_slot *s = wal_index_at(&g->log, g->log.first + j);
            if (s->segment == w->segments.first) {
                *group = g->id;
                *index = g->log.first + j;
                return true;
            }
        }
    }
    return false;
}
