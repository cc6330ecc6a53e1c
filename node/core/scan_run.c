/* scan_run.c - see scan_run.h. */
#include "node/core/scan_run.h"

#include "proto/glob.h"
#include "proto/slot.h"
#include "proto/base/planted.h"

/* Make `bound` (a user key) the lower bound if it is above the one there. */
static void raise_lower(struct scan_run *r, struct slice bound)
{
    struct slice now = slice_of(r->lower.data + LAYOUT_DATA_PREFIX_BYTES,
                                r->lower.size - LAYOUT_DATA_PREFIX_BYTES);

    if (slice_compare(bound, now) <= 0)
        return;
    r->lower.size = LAYOUT_DATA_PREFIX_BYTES;
    buf_append(&r->lower, bound.data, bound.size);
}

static void put_upper(struct scan_run *r, struct slice bound)
{
    buf_clear(&r->upper);
    layout_data_key_append(&r->upper, r->keyspace, bound);
}

/* What stands before a pattern's first wildcard narrows the range. */
static void narrow(struct scan_run *r)
{
    struct buf prefix = {0}, end = {0};

    glob_prefix(r->scan.pattern, &prefix);
    scan_prefix_end(buf_slice(&prefix), &end);
    raise_lower(r, buf_slice(&prefix));
    if (end.size && (!r->scan.end.size ||
                     slice_compare(buf_slice(&end), r->scan.end) < 0))
        put_upper(r, buf_slice(&end));
    buf_release(&prefix);
    buf_release(&end);
}

enum status scan_run_begin(struct scan_run *r, uint32_t group,
                           uint32_t keyspace, struct slice request,
                           struct buf *out)
{
    enum status st;

    if (!group) /* the meta group has no keys */
        return STATUS_INVALID;
    *r = (struct scan_run){.keyspace = keyspace,
                           .work_max = SCAN_WORK_MAX};
    st = scan_decode(request, &r->scan);
    if (st != STATUS_OK)
        return st;
    layout_data_key_append(&r->lower, keyspace, r->scan.begin);
    if (r->scan.end.size)
        put_upper(r, r->scan.end);
    else
        layout_keyspace_end(&r->upper, keyspace);
    if (r->scan.pattern.size)
        narrow(r);
    /* An empty range: a walk between crossed bounds is nobody's to define. */
    if (slice_compare(buf_slice(&r->lower), buf_slice(&r->upper)) > 0) {
        buf_clear(&r->upper);
        buf_append(&r->upper, r->lower.data, r->lower.size);
    }
    scan_writer_begin(&r->writer, out,
                      !(r->scan.flags & (SCAN_KEYS_ONLY | SCAN_COUNT_ONLY)));
    return STATUS_OK;
}

enum status scan_run_state(struct scan_run *r,
                           const struct group_record *record,
                           struct slice slots)
{
    r->record = *record;
    r->record.members = slice_of(NULL, 0);
    r->status = machine_load_slots(r->slots, slots);
    if (r->status == STATUS_OK && r->scan.key.size &&
        !slots_own(r->slots, slot_of(r->scan.key)))
        r->status = STATUS_MOVED;
    return r->status;
}

/* The page ends before `key`, which was not taken, or behind it. */
static bool stop(struct scan_run *r, struct slice key, bool taken)
{
    bool reverse = r->scan.flags & SCAN_REVERSE;

    r->more = true;
    buf_clear(&r->next);
    buf_append(&r->next, key.data, key.size);
    /* The successor of a key is the key with a zero byte behind it. Forward
     * `next` is the first that is still wanted, backwards the first that is not
     * any more. */
    if (taken != reverse || PLANTED(SCAN_SKIPS))
        buf_u8(&r->next, 0);
    return false;
}

static bool wanted(struct scan_run *r, struct slice key,
                   const struct layout_value *v)
{
    if (v->expire_at_ms && v->expire_at_ms <= r->record.clock_ms)
        return false;
    if (!slots_own(r->slots, slot_of(key)) && !PLANTED(SCAN_NOT_OWNED))
        return false;
    if (!r->scan.pattern.size)
        return true;
    r->work += key.size * r->scan.pattern.size / 64;
    return glob_match(r->scan.pattern, key);
}

static bool room_for(const struct scan_run *r, size_t bytes)
{
    uint32_t records = r->writer.records;

    if (!records)
        return true;
    return (!r->scan.keys_max || records < r->scan.keys_max) &&
           scan_writer_bytes(&r->writer) + bytes <= r->scan.bytes_max;
}

bool scan_run_take(struct scan_run *r, struct slice store_key,
                   struct slice value)
{
    struct layout_value v;
    struct scan_record record = {0};
    uint32_t keyspace;
    struct slice key;

    r->status = layout_data_key_parse(store_key, &keyspace, &key);
    if (r->status == STATUS_OK)
        r->status = layout_value_parse(value, &v);
    if (r->status != STATUS_OK)
        return false;
    if (r->work >= r->work_max)
        return stop(r, key, false);
    r->work++;
    if (!wanted(r, key, &v))
        return true;
    if (r->scan.flags & SCAN_COUNT_ONLY) {
        r->counted++;
        return true;
    }
    record.key = key;
    record.value = v.bytes;
    record.value_size = (uint32_t)v.bytes.size;
    record.version = v.version;
    record.expire_at = v.expire_at_ms;
    if (!room_for(r, SCAN_RECORD_BYTES + key.size +
                         (r->writer.values ? v.bytes.size : 0)))
        return stop(r, key, false);
    r->counted++;
    scan_writer_add(&r->writer, &record);
    return true;
}

void scan_run_stop(struct scan_run *r, struct slice store_key)
{
    uint32_t keyspace;
    struct slice key;

    if (r->status == STATUS_OK)
        r->status = layout_data_key_parse(store_key, &keyspace, &key);
    if (r->status == STATUS_OK)
        (void)stop(r, key, true);
}

static uint64_t ownership(const struct scan_run *r)
{
    uint64_t sum = 0;

    for (unsigned s = 0; s < SLOT_COUNT; s++)
        if (slots_own(r->slots, (uint16_t)s))
            sum ^= scan_ownership_of((uint16_t)s);
    return sum;
}

enum status scan_run_end(struct scan_run *r)
{
    struct scan_page page = {
        .flags = r->more ? SCAN_PAGE_MORE : 0,
        .counted = r->counted,
        .index = r->record.applied_index,
        .clock_ms = r->record.clock_ms,
        .next = buf_slice(&r->next),
    };

    if (r->status == STATUS_OK) {
        page.ownership = ownership(r);
        scan_writer_end(&r->writer, &page);
    } else {
        r->writer.out->size = r->writer.begun;
    }
    buf_release(&r->lower);
    buf_release(&r->upper);
    buf_release(&r->next);
    return r->status;
}
