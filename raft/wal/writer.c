/* writer.c - effects: what is written when, new and old segments.
 *
 * Policy: an idle log starts its write at once; under load (a record came
 * while records were on their way) the next write waits until the last one
 * ended AND there is enough or it waited long enough: every sync costs about
 * 50 us of CPU, so one must serve many. Then the seal. See wal.h, README.md. */
#include <assert.h>

#include "raft/wal/log.h"
#include "proto/base/planted.h"

static wal_instant after(wal_instant t, uint32_t us)
{
    return (wal_instant){t.us > UINT64_MAX - us ? UINT64_MAX : t.us + us};
}

/* ---- segments ---- */

/* Nobody needs the file of segment `id`, nor older ones: no entry in them can
 * be found, a younger opening that restates every group is durable, and so is
 * whatever made their entries obsolete. */
static bool segment_free(struct wal *w, uint64_t id)
{
    if (id >= w->opened || id >= wal_segments_needed(&w->segments) ||
        id <= w->recycling)
        return false;
    if (PLANTED(FREED_TOO_EARLY))
        return true;
    if (w->flying && w->flying->pin <= id)
        return false;
    for (const struct wal_batch *b = w->head; b; b = b->next)
        if (b->pin <= id)
            return false;
    return true;
}

static bool oldest_free(struct wal *w)
{
    return segment_free(w, w->segments.first);
}

/* Are there fewer files ahead than wanted? One more than the reserve, so that
 * the reserve is still whole while the next one is being made. */
static bool wants_segment(const struct wal *w)
{
    return w->ready_last < w->current + w->options.reserve + 1;
}

static bool next_create(struct wal *w, wal_instant now,
                        struct wal_effect *out)
{
    const struct wal_segment *oldest;
    bool recycle;

    if (w->creating || !wants_segment(w))
        return false;
    oldest = wal_segments_at(&w->segments, w->segments.first);
    recycle = oldest_free(w) && !oldest->missing &&
              oldest->size == w->options.segment_bytes;
    /* A freed segment cures a full disk: do not wait with it. */
    if (now.us < w->retry_at.us && (!recycle || w->failed_recycle))
        return false;
    w->creating = w->ready_last + 1;
    w->recycling = recycle ? w->segments.first : 0;
    *out = (struct wal_effect){
        .kind = WAL_CREATE,
        .segment = w->creating,
        .recycle_from = w->recycling,
    };
    return true;
}

static bool next_remove(struct wal *w, struct wal_effect *out)
{
    while (oldest_free(w)) {
        const struct wal_segment *oldest =
            wal_segments_at(&w->segments, w->segments.first);
        bool missing = oldest->missing;
        bool fit = oldest->size == w->options.segment_bytes;

        /* One that fits is kept: the next switch recycles it. */
        if (!missing && fit &&
            (w->creating || wants_segment(w) ||
             !segment_free(w, w->segments.first + 1)))
            return false;
        *out = (struct wal_effect){
            .kind = WAL_REMOVE,
            .segment = w->segments.first,
        };
        wal_segments_pop(&w->segments);
        if (!missing)
            return true;
    }
    return false;
}

void wal_on_created(struct wal *w, uint64_t segment, enum status status,
                    wal_instant now)
{
    assert(segment == w->creating);
    w->creating = 0;
    if (status == STATUS_OK) {
        w->ready_last = segment;
        w->retry_at = (wal_instant){0};
        w->failed_recycle = false;
        if (w->recycling) {
            assert(w->segments.first == w->recycling);
            wal_segments_pop(&w->segments);
        }
        if (w->ready_last >= w->current + w->options.reserve)
            w->starved = false;
    } else {
        w->starved = true;
        w->failed_recycle = w->recycling != 0;
        w->retry_at = after(now, w->options.retry_us);
    }
    w->recycling = 0;
}

/* ---- writes ---- */

/* When the batch at the head may start, if nothing is in flight. */
static wal_instant start_at(const struct wal *w)
{
    const struct wal_batch *b = w->head;

    if (b->segment > w->ready_last)
        return WAL_NEVER; /* its segment has no file yet */
    if (b->closed || !b->paced || wal_batch_body(b) >= w->options.pace_bytes)
        return (wal_instant){0};
    return after(b->first_at, w->options.pace_us);
}

static bool seal_wanted(const struct wal *w)
{
    return w->unsealed && !w->head && !w->flying;
}

static bool next_write(struct wal *w, wal_instant now, struct wal_effect *out)
{
    struct wal_batch *b;

    if (w->flying)
        return false;
    if (seal_wanted(w) &&
        now.us >= after(w->ended_at, w->options.seal_after_us).us)
        wal_seal(w, now);
    b = w->head;
    if (!b || now.us < start_at(w).us)
        return false;
    if (!b->closed)
        wal_end_batch(w);
    w->head = b->next;
    if (!w->head)
        w->last = NULL;
    w->flying = b;
    *out = (struct wal_effect){
        .kind = WAL_WRITE,
        .segment = b->segment,
        .offset = b->offset,
        .data = b->data,
        .size = b->length,
    };
    return true;
}

void wal_on_written(struct wal *w, enum status status, wal_instant now)
{
    struct wal_batch *b = w->flying;

    assert(b);
    if (status != STATUS_OK) {
        /* The kernel may have dropped the dirty pages: a second sync that
         * succeeds would say nothing. There is no way on. */
        w->dead = true;
        return;
    }
    w->flying = NULL;
    w->ended_at = now;
    w->durable_segment = b->segment;
    w->durable_offset = b->offset + b->length;
    w->durable = MAX_OF(w->durable, b->ticket);
    w->pending_bytes -= b->fresh;
    w->unsealed = b->records > 0;
    if (b->flags & WAL_BATCH_OPENING)
        w->opened = b->segment;
    if (b->flags & WAL_BATCH_FOOTER)
        wal_segments_at(&w->segments, b->segment)->sealed = true;
    wal_give_spare(w, b);
}

bool wal_next(struct wal *w, wal_instant now, struct wal_effect *out)
{
    if (w->dead)
        return false;
    return next_write(w, now, out) || next_create(w, now, out) ||
           next_remove(w, out);
}

wal_instant wal_wake_at(const struct wal *w)
{
    wal_instant at = WAL_NEVER;

    if (w->dead)
        return at;
    if (w->head && !w->flying)
        at = start_at(w);
    if (seal_wanted(w))
        at = after(w->ended_at, w->options.seal_after_us);
    if (!w->creating && wants_segment(w) && w->retry_at.us < at.us)
        at = w->retry_at;
    return at;
}

/* ---- getters ---- */

uint64_t wal_durable(const struct wal *w)
{
    return w->durable;
}

bool wal_dead(const struct wal *w)
{
    return w->dead;
}

uint64_t wal_oldest_age(const struct wal *w, wal_instant now)
{
    const struct wal_batch *b = w->flying ? w->flying : w->head;

    if (!b || b->first_at.us >= now.us)
        return 0;
    return now.us - b->first_at.us;
}

uint64_t wal_pending_bytes(const struct wal *w)
{
    return w->pending_bytes;
}

bool wal_accepts_entries(const struct wal *w)
{
    return !w->starved;
}

uint64_t wal_bytes(const struct wal *w)
{
    uint64_t bytes = w->segments.bytes;
    uint64_t size = w->options.segment_bytes;

    if (w->ready_last >= w->current)
        return bytes + (w->ready_last - w->current) * size;
    return bytes - (w->current - w->ready_last) * size;
}

bool wal_segment_next(const struct wal *w, uint64_t id,
                      struct wal_segment_info *out)
{
    id = MAX_OF(id + 1, w->segments.first);
    for (; id < w->opened; id++) {
        const struct wal_segment *s = wal_segments_at(&w->segments, id);
        if (!s || s->missing || !s->end)
            continue;
        *out = (struct wal_segment_info){
            .segment = id,
            .end = s->end,
            .sealed = s->sealed,
        };
        return true;
    }
    return false;
}
