/* scrub.c - is a complete segment as good on disk as it was? See wal.h. */
#include <stdlib.h>

#include "raft/wal/groups.h"
#include "raft/wal/scan.h"

/* Compare a footer's line with what was counted for its group. */
static bool foot_good(const struct wal_groups *t, const struct wal_record *r)
{
    const struct wal_group *g = wal_groups_find(t, r->group);
    struct wal_foot f;

    wal_foot_decode(r->data.data, &f);
    return g && g->foot.first == f.first && g->foot.last == f.last &&
           g->foot.count == f.count;
}

static void count_entry(struct wal_groups *t, const struct wal_record *r)
{
    struct wal_group *g = wal_groups_find(t, r->group);

    if (!g) {
        g = wal_groups_add(t, r->group);
        g->foot.first = g->foot.last = r->index;
    }
    g->foot.first = MIN_OF(g->foot.first, r->index);
    g->foot.last = MAX_OF(g->foot.last, r->index);
    g->foot.count++;
}

/* Count the entries of a good batch, check the footer's lines in it. */
static bool check_batch(struct wal_groups *t, const struct wal_header *h,
                        const uint8_t *batch, uint32_t *feet)
{
    uint32_t at = WAL_HEADER_BYTES, end = at + h->body;

    while (at < end) {
        struct wal_record r;
        at += wal_record_read(slice_of(batch + at, end - at), &r);
        if (r.kind == WAL_ENTRY)
            count_entry(t, &r);
        else if (r.kind == WAL_FORGET && wal_groups_find(t, r.group))
            wal_groups_remove(t, r.group);
        else if (r.kind == WAL_FOOT && (++*feet, !foot_good(t, &r)))
            return false;
    }
    return true;
}

enum status wal_scrub_segment(const struct wal_options *o,
                              const struct wal_segment_info *s,
                              struct slice bytes, uint32_t *bad_offset)
{
    struct wal_scan scan = {
        .bytes = slice_of(bytes.data, MIN_OF(bytes.size, s->end)),
        .log_id = o->log_id,
        .segment = s->segment,
    };
    struct wal_groups groups = {0};
    uint64_t key = wal_key(o->log_id);
    enum status status = STATUS_CORRUPT;
    bool footer = false;
    uint32_t from = 0, feet = 0;
    struct wal_header h;

    while (scan.at < s->end) {
        uint64_t before = scan.number;
        if (!wal_scan_next(&scan, &h, &from) || h.offset != from)
            goto out;
        if (before && h.number != before + 1)
            goto out;
        if (!wal_body_good(&h, bytes.data + h.offset, key) ||
            !check_batch(&groups, &h, bytes.data + h.offset, &feet))
            goto out;
        footer = h.flags & WAL_BATCH_FOOTER;
    }
    from = scan.at;
    if (s->sealed && (!footer || feet != groups.count))
        goto out;
    status = STATUS_OK;
out:
    *bad_offset = from;
    wal_groups_release(&groups);
    return status;
}
