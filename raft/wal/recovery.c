/* recovery.c - from segment files to what the log holds. See recovery.h; the
 * argument why each rule is safe is in README.md, "Recovery". */
#include "raft/wal/recovery.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"
#include "raft/wal/replay.h"
#include "raft/wal/scan.h"

struct file {
    uint64_t id;
    struct slice bytes;
};

struct wal_recovery {
    struct wal_options options;
    struct file *files;
    unsigned n;
    unsigned cap;
    unsigned used; /* files[0..used) have content or lie before such */
    struct wal_replay *replay;
};

struct wal_recovery *wal_recovery_new(const struct wal_options *o)
{
    struct wal_recovery *r = xcalloc(1, sizeof *r);
    r->options = *o;
    r->replay = xcalloc(1, sizeof *r->replay);
    wal_replay_init(r->replay, o);
    return r;
}

void wal_recovery_free(struct wal_recovery *r)
{
    if (!r)
        return;
    if (r->replay)
        wal_replay_release(r->replay);
    free(r->replay);
    free(r->files);
    free(r);
}

enum status wal_recovery_segment(struct wal_recovery *r, uint64_t id,
                                 struct slice bytes)
{
    struct wal_header h;
    enum wal_header_kind kind = wal_header_decode(bytes, &h);

    if (!id || id > WAL_SEGMENT_ID_MAX)
        return STATUS_INVALID;
    for (unsigned i = 0; i < r->n; i++)
        if (r->files[i].id == id)
            return STATUS_EXISTS;
    if (kind == WAL_HEADER_NEWER)
        return STATUS_WRONG_VERSION;
    if (kind == WAL_HEADER_OURS &&
        memcmp(h.log_id, r->options.log_id, WAL_LOG_ID_BYTES))
        return STATUS_WRONG_NODE;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 32;
        r->files = xrealloc(r->files, r->cap * sizeof *r->files);
    }
    bytes.size = MIN_OF(bytes.size, (size_t)WAL_SEGMENT_MAX);
    r->files[r->n++] = (struct file){id, bytes};
    return STATUS_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static struct wal_scan scan_of(const struct wal_recovery *r,
                               const struct file *f)
{
    return (struct wal_scan){
        .bytes = f->bytes,
        .log_id = r->options.log_id,
        .segment = f->id,
    };
}

/* Does the segment hold anything but, at most, an opening that never became
 * whole? Such a one was the very last write, and is cut. */
static bool has_content(const struct wal_recovery *r, const struct file *f)
{
    struct wal_scan s = scan_of(r, f);
    struct wal_header h;
    uint32_t from;

    if (!wal_scan_next(&s, &h, &from))
        return false;
    return h.offset > 0 ||
           wal_body_good(&h, f->bytes.data, r->replay->key) ||
           wal_scan_next(&s, &h, &from);
}

/* Where the segment after this one says that this one ended. Its opening need
 * not be whole: it was begun only after everything before it was durable. */
static bool end_from_next(const struct wal_recovery *r, const struct file *f,
                          uint32_t *end)
{
    const struct file *next = f + 1;
    struct wal_scan s;
    struct wal_header h;

    if (next >= r->files + r->n || next->id != f->id + 1)
        return false;
    s = scan_of(r, next);
    if (!wal_scan_at(&s, 0, &h) || !(h.flags & WAL_BATCH_OPENING))
        return false;
    *end = h.prev_end;
    return true;
}

/* The batch `h` was found where another was expected, or its number says that
 * some before it are gone. `whole_before`: up to the expected number, all
 * segments are here. */
static void account_gap(struct wal_replay *p, const struct wal_header *h,
                        uint32_t from, bool whole_before)
{
    uint64_t expected = p->last_batch + 1;
    bool first_block = from == 0 && h->offset > 0;

    if (!p->first_seen) {
        if (h->offset > 0 || !(h->flags & WAL_BATCH_OPENING)) {
            wal_replay_note(p, WAL_DAMAGE_OPENING, h->segment, 0, h->offset);
            wal_replay_lost(p, h->number - 1);
        }
        return;
    }
    if (first_block && whole_before && h->number == expected + 1) {
        /* Every segment begins with an opening, which says nothing new: the
         * one batch that is gone is that one. */
        wal_replay_note(p, WAL_DAMAGE_OPENING, h->segment, 0, h->offset);
        return;
    }
    if (h->offset > from)
        wal_replay_note(p, WAL_DAMAGE_HEADER, h->segment, from,
                        h->offset - from);
    if (h->number > expected)
        wal_replay_lost(p, h->number - 1);
}

/* Nothing valid follows: `s` stands behind the last batch of the log. */
static bool nothing_follows(struct wal_scan s)
{
    struct wal_header h;
    uint32_t from;
    return !wal_scan_next(&s, &h, &from);
}

/* Replay one segment; gives where its content ends. `last`: no younger one has
 * content, so an unreadable batch at its end was never finished. */
static uint32_t replay_segment(struct wal_recovery *r, const struct file *f,
                               bool whole_before, bool last)
{
    struct wal_replay *p = r->replay;
    struct wal_scan s = scan_of(r, f);
    struct wal_header h;
    uint32_t from, end;
    bool has_end = end_from_next(r, f, &end);

    if (has_end)
        s.bytes.size = MIN_OF(s.bytes.size, end);
    s.number = p->last_batch;
    while (wal_scan_next(&s, &h, &from)) {
        const uint8_t *batch = f->bytes.data + h.offset;
        bool good = wal_body_good(&h, batch, p->key);

        if (!good && last && !has_end && !PLANTED(TORN_IS_DAMAGE) &&
            (nothing_follows(s) || PLANTED(TORN_IN_THE_MIDDLE))) {
            wal_replay_note(p, WAL_DAMAGE_TORN, f->id, h.offset, h.length);
            s.at = h.offset;
            break;
        }
        account_gap(p, &h, from, whole_before);
        if (good)
            wal_replay_batch(p, &h, batch);
        else
            wal_replay_damaged(p, &h, batch);
    }
    if (has_end && s.at < end) {
        wal_replay_note(p, WAL_DAMAGE_HEADER, f->id, s.at, end - s.at);
        wal_replay_lost(p, p->last_batch + 1);
    }
    return s.at;
}

static void push_segment(struct wal_replay *p, struct slice bytes,
                         bool missing)
{
    struct wal_segments *s = &p->segments;
    uint32_t i = s->count;

    wal_segments_push(s, bytes.size)->missing = missing;
    p->bytes = xrealloc(p->bytes, s->count * sizeof *p->bytes);
    p->bytes[i] = bytes;
}

static void replay_all(struct wal_recovery *r)
{
    struct wal_replay *p = r->replay;
    bool whole_before = true;

    if (r->used) {
        p->segments.first = r->files[0].id;
        p->segments.needed = r->files[0].id;
    }
    for (unsigned i = 0; i < r->used; i++) {
        const struct file *f = &r->files[i];
        uint64_t before = p->last_batch;
        uint32_t end;

        while (p->segments.first + p->segments.count < f->id) {
            uint64_t id = p->segments.first + p->segments.count;
            wal_replay_note(p, WAL_DAMAGE_SEGMENT, id, 0, 0);
            push_segment(p, slice_of(NULL, 0), true);
            whole_before = false;
        }
        push_segment(p, f->bytes, false);
        end = replay_segment(r, f, whole_before, i + 1 == r->used);
        wal_segments_at(&p->segments, f->id)->end = end;
        if (p->last_batch == before && i + 1 < r->used)
            wal_replay_note(p, WAL_DAMAGE_SEGMENT, f->id, 0,
                            (uint32_t)f->bytes.size);
        whole_before = p->last_batch > before;
        p->last_segment = f->id;
    }
}

/* The files behind the last content: made in advance, never written, or with
 * an opening that did not get whole. They are used in the order of their ids,
 * so they must follow without a gap and have the right size. */
static void sort_blanks(struct wal_recovery *r, struct wal_recovered *out)
{
    struct wal_replay *p = r->replay;
    uint64_t expected = p->last_segment + 1;
    unsigned keep = r->used;

    if (keep < r->n && r->files[keep].id != expected) {
        /* Files are made in the order of their ids: one that is missing here
         * was there, and nobody knows what was in it. */
        wal_replay_note(p, WAL_DAMAGE_SEGMENT, expected, 0, 0);
        wal_replay_lost(p, p->last_batch + 1);
        p->last_segment = r->files[keep].id - 1;
        expected = r->files[keep].id;
        /* Keep the ids consecutive. */
        if (!p->segments.count)
            p->segments.first = expected;
        while (p->segments.first + p->segments.count < expected)
            push_segment(p, slice_of(NULL, 0), true);
    }
    while (keep < r->n && r->files[keep].id == expected &&
           r->files[keep].bytes.size == r->options.segment_bytes) {
        expected++;
        keep++;
    }
    p->ready_last = expected - 1;
    out->remove = xcalloc(r->n - keep + 1, sizeof *out->remove);
    /* Highest first: what is left never has a gap. */
    for (unsigned i = r->n; i > keep; i--)
        out->remove[out->n_remove++] = r->files[i - 1].id;
}

static int by_group(const void *a, const void *b)
{
    const struct wal_recovered_group *x = a, *y = b;
    return x->group < y->group ? -1 : x->group > y->group;
}

static void list_groups(struct wal_replay *p, struct wal_recovered *out)
{
    const struct wal_group *g;

    out->groups = xcalloc(p->groups.count + 1, sizeof *out->groups);
    for (uint32_t i = 0; (g = wal_groups_next(&p->groups, &i));) {
        struct wal_recovered_group *o = &out->groups[out->n_groups++];
        *o = (struct wal_recovered_group){
            .group = g->id,
            .quarantined = g->quarantined,
            .reason = g->reason,
            .term = g->term,
            .vote = g->vote,
            .first = g->log.first,
            .last = wal_group_last(g),
            .base_term = g->base_term,
            .reset_index = g->reset_index,
            .reset_term = g->reset_term,
        };
        memcpy(o->install_id, g->install_id, WAL_INSTALL_ID_BYTES);
    }
    qsort(out->groups, out->n_groups, sizeof *out->groups, by_group);
}

struct wal_recovered *wal_recovery_finish(struct wal_recovery *r)
{
    struct wal_recovered *out = xcalloc(1, sizeof *out);
    struct wal_replay *p = r->replay;

    if (r->n)
        qsort(r->files, r->n, sizeof *r->files, by_id);
    r->used = r->n;
    while (r->used && !has_content(r, &r->files[r->used - 1]))
        r->used--;
    replay_all(r);
    sort_blanks(r, out);
    wal_replay_end(p);
    list_groups(p, out);
    out->damage = p->damage;
    out->n_damage = p->n_damage;
    p->damage = NULL;
    out->lost_unnamed = p->lost_to > p->opening;
    out->last_segment = p->last_segment;
    out->last_batch = p->last_batch;
    out->replay = p;
    r->replay = NULL;
    wal_recovery_free(r);
    return out;
}

void wal_recovered_free(struct wal_recovered *found)
{
    if (!found)
        return;
    wal_replay_release(found->replay);
    free(found->replay);
    free(found->groups);
    free(found->damage);
    free(found->remove);
    free(found);
}

struct wal_entry wal_recovered_entry(const struct wal_recovered *found,
                                     uint32_t group, uint64_t index)
{
    const struct wal_replay *p = found->replay;
    const struct wal_group *g = wal_groups_find(&p->groups, group);
    const struct wal_slot *s;
    const uint8_t *at;

    assert(g && wal_index_has(&g->log, index));
    s = wal_index_at(&g->log, index);
    at = p->bytes[s->segment - p->segments.first].data + s->offset;
    return (struct wal_entry){
        .term = s->term,
        .type = s->type,
        .data = slice_of(at + WAL_RECORD_BYTES, s->size),
    };
}

const char *wal_damage_text(enum wal_damage_kind kind)
{
    switch (kind) {
    case WAL_DAMAGE_TORN:
        return "an unfinished write at the end was cut";
    case WAL_DAMAGE_BODY:
        return "a batch is damaged";
    case WAL_DAMAGE_HEADER:
        return "bytes of the log cannot be read";
    case WAL_DAMAGE_OPENING:
        return "the opening of a segment is lost";
    case WAL_DAMAGE_SEGMENT:
        return "a segment is missing";
    case WAL_DAMAGE_ORDER:
        return "records contradict each other";
    }
    return "unknown";
}
