/* span.c - reading old entries back: where they lie, are they good. */
#include <assert.h>

#include "raft/wal/log.h"

/* Entries of one group lie between those of others. Reading over a gap is
 * cheaper than another system call, up to about this. */
enum { SPAN_GAP_MAX = 16 * 1024 };

static bool durable(const struct wal *w, const struct wal_slot *s)
{
    if (s->segment != w->durable_segment)
        return s->segment < w->durable_segment;
    return s->offset < w->durable_offset;
}

/* Put one more entry into the span, if limits allow. */
static bool span_add(struct wal_span *out, const struct wal_slot *s,
                     uint32_t bytes_max)
{
    uint32_t size = wal_record_size(s->size);
    struct wal_range *r = out->ranges ? &out->range[out->ranges - 1] : NULL;
    uint32_t gap = 0;
    bool joins;

    joins = r && r->segment == s->segment &&
            s->offset >= r->offset + r->size &&
            s->offset - (r->offset + r->size) <= SPAN_GAP_MAX;
    if (joins)
        gap = s->offset - (r->offset + r->size);
    else if (out->ranges == WAL_SPAN_RANGES)
        return false;
    if (out->count && (uint64_t)out->bytes + gap + size > bytes_max)
        return false;
    if (!joins) {
        r = &out->range[out->ranges++];
        *r = (struct wal_range){s->segment, s->offset, 0};
    }
    r->size += gap + size;
    out->bytes += gap + size;
    out->piece[out->count++] = (struct wal_span_piece){
        .term = s->term,
        .at = out->bytes - size,
        .size = s->size,
        .offset = s->offset,
        .type = s->type,
        .range = (uint16_t)(out->ranges - 1),
    };
    return true;
}

enum status wal_find(const struct wal *w, uint32_t group, uint64_t index,
                     uint32_t bytes_max, struct wal_span *out)
{
    const struct wal_group *g = wal_groups_find(&w->groups, group);

    if (!g || !wal_index_has(&g->log, index))
        return STATUS_NOT_FOUND;
    out->group = group;
    out->count = out->ranges = out->bytes = 0;
    out->first = index;
    out->key = w->key;
    while (out->count < WAL_SPAN_ENTRIES && wal_index_has(&g->log, index)) {
        const struct wal_slot *s = wal_index_at(&g->log, index);
        if (!durable(w, s) || !span_add(out, s, bytes_max))
            break;
        index++;
    }
    return out->count ? STATUS_OK : STATUS_INCOMPLETE;
}

enum status wal_span_decode(const struct wal_span *s, struct slice bytes,
                            struct wal_entry *out)
{
    if (bytes.size < s->bytes)
        return STATUS_CORRUPT;
    for (unsigned i = 0; i < s->count; i++) {
        const struct wal_span_piece *p = &s->piece[i];
        struct slice part = slice_of(bytes.data + p->at,
                                     wal_record_size(p->size));
        struct wal_record r;
        uint32_t crc;

        if (!wal_record_decode(part, s->key, s->range[p->range].segment,
                               p->offset, &r, &crc))
            return STATUS_CORRUPT;
        if (r.kind != WAL_ENTRY || r.group != s->group ||
            r.index != s->first + i || r.term != p->term ||
            r.type != p->type || r.data.size != p->size)
            return STATUS_CORRUPT;
        out[i] = (struct wal_entry){r.term, r.type, r.data};
    }
    return STATUS_OK;
}
