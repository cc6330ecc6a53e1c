/* fuzz_wal.c - recovery of a damaged log, and decoding of spans.
 *
 * The input is a list of changes to a small good log: 8 bytes each,
 *
 *     what (1) file (1) offset (2) value (4)
 *
 * Some changes make the checksums right again, so that hostile content gets
 * past them to the rules behind. Whatever is found must be readable, and the
 * log must go on from there and be recovered again. */
#include <assert.h>
#include <stdlib.h>

#include "proto/crc.h"
#include "raft/wal/format.h"
#include "raft/wal/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = WAL_SEGMENT_MIN, FILES = 24, CHANGES_MAX = 64 };

static uint8_t *file[FILES]; /* by id */
static uint8_t *good[FILES];
static struct wal_options options;

static void pump(struct wal *w, wal_instant now)
{
    struct wal_effect e;

    while (wal_next(w, now, &e)) {
        if (e.kind == WAL_WRITE) {
            memcpy(file[e.segment] + e.offset, e.data, e.size);
            wal_on_written(w, STATUS_OK, now);
        } else if (e.kind == WAL_REMOVE) {
            free(file[e.segment]);
            file[e.segment] = NULL;
        } else if (e.segment >= FILES) {
            wal_on_created(w, e.segment, STATUS_DISK_FULL, now);
        } else {
            if (e.recycle_from) {
                file[e.segment] = file[e.recycle_from];
                file[e.recycle_from] = NULL;
            } else {
                file[e.segment] = xcalloc(1, SEGMENT);
            }
            wal_on_created(w, e.segment, STATUS_OK, now);
        }
    }
}

/* Three segments with everything that records can say. */
static void make_good(void)
{
    static const uint8_t id[WAL_LOG_ID_BYTES] = "a log for fuzzes";
    static uint8_t payload[5000];
    struct wal_entry e = {1, 1, slice_of(payload, sizeof payload)};
    wal_instant now = {0};
    struct wal *w;

    options = wal_options_default(id);
    options.segment_bytes = SEGMENT;
    options.batch_bytes = 16384;
    w = wal_new(&options, NULL);
    for (uint32_t g = 1; g <= 30; g++)
        wal_reset(w, g, g % 3 * 10, g % 3, id, now);
    pump(w, now);
    for (unsigned i = 0; i < 26; i++) {
        uint32_t g = 1 + i % 4;
        e.term = 2 + i / 10;
        e.data.size = i * 190;
        wal_append(w, g, wal_last(w, g) + 1, &e, 1, false, now);
        if (i % 5 == 4)
            wal_truncate(w, g, wal_last(w, g), now);
        if (i % 6 == 1)
            wal_vote(w, g + 4, i, g, now);
        if (i == 20)
            wal_forget(w, 9, now);
        pump(w, now);
        if (i == 12)
            wal_release(w, 1, wal_last(w, 1));
    }
    now.us = 1000000;
    pump(w, now);
    wal_free(w);
    for (unsigned i = 0; i < FILES; i++) {
        good[i] = file[i];
        file[i] = NULL;
    }
}

/* Make the checksums of the batch at `at` fit what it says now. */
static void repair(uint8_t *seg, uint32_t offset, uint64_t segment)
{
    uint64_t key = wal_key(options.log_id);
    uint8_t *at = seg + offset;
    uint32_t chain = 0, records = 0, pos = WAL_HEADER_BYTES;
    struct wal_header h;

    put_u32(at, crc32c(0, at + 4, WAL_HEADER_BYTES - 4));
    if (wal_header_decode(slice_of(at, WAL_BLOCK), &h) != WAL_HEADER_OURS ||
        h.length > SEGMENT - offset)
        return;
    while (pos < WAL_HEADER_BYTES + h.body) {
        struct wal_record r;
        uint32_t left = WAL_HEADER_BYTES + h.body - pos, crc;
        uint32_t n = wal_record_read(slice_of(at + pos, left), &r);
        uint8_t *copy;
        if (!n)
            return;
        copy = xmalloc(r.data.size);
        memcpy(copy, r.data.data, r.data.size);
        r.data.data = copy;
        crc = wal_record_encode(at + pos, &r, key, segment, offset + pos);
        free(copy);
        chain = crc32c(chain, &crc, sizeof crc);
        records++;
        pos += n;
    }
    h.body_crc = chain;
    h.records = records;
    h.table_crc = crc32c(0, at + pos, wal_rows_behind(h.groups));
    wal_header_encode(at, &h);
}

/* The block at or before `offset` that begins a batch. */
static uint32_t batch_of(const uint8_t *seg, uint32_t offset)
{
    struct wal_header h;

    offset -= offset % WAL_BLOCK;
    while (offset && wal_header_decode(slice_of(seg + offset, WAL_BLOCK),
                                       &h) != WAL_HEADER_OURS)
        offset -= WAL_BLOCK;
    return offset;
}

static void change(const uint8_t *c)
{
    uint32_t offset = get_u16(c + 2), value = get_u32(c + 4), batch;
    unsigned id = 1 + c[1] % 6;
    uint8_t *seg = file[id];

    if (!seg)
        return;
    batch = batch_of(seg, offset);
    switch (c[0] % 8) {
    case 0:
    case 1: /* one byte, with or without its checksums */
        seg[offset] ^= (uint8_t)value;
        break;
    case 2: /* a word in a header or the first records, repaired */
        offset = batch + (offset % 1024) / 8 * 8;
        memcpy(seg + offset, &value, 4);
        break;
    case 3: /* a small word: the hostile values that look right */
        offset = batch + (offset % 1024) / 8 * 8;
        put_u64(seg + offset, get_u64(seg + offset) + (int8_t)value);
        break;
    case 4: /* a block of elsewhere */
        memcpy(seg + offset / WAL_BLOCK * WAL_BLOCK,
               seg + value % (SEGMENT / WAL_BLOCK) * WAL_BLOCK, WAL_BLOCK);
        return;
    case 5:
        memset(seg + offset / WAL_BLOCK * WAL_BLOCK, 0, WAL_BLOCK);
        return;
    case 6:
        free(seg);
        file[id] = NULL;
        return;
    case 7: /* a record's kind or flags */
        offset = batch + WAL_HEADER_BYTES + 12 + offset % 2;
        seg[offset] = (uint8_t)(value % 9);
        break;
    }
    if (c[0] % 8)
        repair(seg, batch, id);
}

static struct wal_recovered *recover(void)
{
    struct wal_recovery *r = wal_recovery_new(&options);
    struct wal_recovered *found;

    for (unsigned i = 1; i < FILES; i++) {
        enum status s = STATUS_OK;
        if (file[i])
            s = wal_recovery_segment(r, i, slice_of(file[i], SEGMENT));
        if (s != STATUS_OK) {
            wal_recovery_free(r);
            return NULL;
        }
    }
    found = wal_recovery_finish(r);
    for (unsigned i = 0; i < found->n_remove; i++) {
        free(file[found->remove[i]]);
        file[found->remove[i]] = NULL;
    }
    return found;
}

/* Read every entry of every whole group. */
static void read_all(const struct wal_recovered *found)
{
    volatile uint8_t sum = 0;

    for (unsigned i = 0; i < found->n_groups; i++) {
        const struct wal_recovered_group *g = &found->groups[i];
        assert(!g->quarantined == !g->reason);
        assert(g->first <= g->last + 1);
        assert(!g->quarantined || g->first == g->last + 1);
        for (uint64_t j = g->first; j <= g->last; j++) {
            struct wal_entry e = wal_recovered_entry(found, g->group, j);
            assert(e.term > 0);
            for (size_t k = 0; k < e.data.size; k++)
                sum = (uint8_t)(sum + e.data.data[k]);
        }
    }
}

/* The log goes on: every whole group votes and appends. */
static void go_on(struct wal_recovered *found)
{
    struct wal_recovered_group *groups = found->groups;
    unsigned n = found->n_groups;
    wal_instant now = {0};
    bool far = found->last_batch > WAL_NUMBER_MAX / 2;
    struct wal *w;

    found->groups = NULL;
    w = wal_new(&options, found);
    wal_recovered_free(found);
    for (unsigned i = 0; i < n && !far; i++) {
        const struct wal_recovered_group *g = &groups[i];
        struct wal_entry e = {1, 0, slice_str("behind")};
        if (g->quarantined || g->term > WAL_NUMBER_MAX / 2 ||
            g->last > WAL_NUMBER_MAX / 2)
            continue;
        e.term = MAX_OF(wal_term_at(w, g->group, g->last), 1u);
        if (e.term > WAL_NUMBER_MAX / 2)
            continue;
        wal_vote(w, g->group, g->term + 1, 1, now);
        wal_append(w, g->group, g->last + 1, &e, 1, false, now);
        pump(w, now);
    }
    if (!far)
        pump(w, (wal_instant){1000000});
    wal_free(w);
    found = recover();
    assert(found);
    for (unsigned i = 0; i < n && !far; i++) {
        /* What was damaged stays so: nobody has removed the replica. */
        bool kept = false;
        for (unsigned j = 0; j < found->n_groups; j++)
            if (found->groups[j].group == groups[i].group)
                kept = found->groups[j].quarantined;
        assert(!groups[i].quarantined || kept);
    }
    read_all(found);
    wal_recovered_free(found);
    free(groups);
}

/* What may lie where a record of a span was: another one, by `what` and
 * `value`, because the segment has been used again. */
static void make_other(struct wal_record *r, uint8_t what, uint8_t value)
{
    static const uint8_t payload[40] = "what another one says";
    const struct wal_record old = *r;

    switch (what % 8) {
    case 1:
        r->group = value;
        break;
    case 2:
        r->index = value;
        break;
    case 3:
        r->term = value;
        break;
    case 4:
        r->type = value;
        break;
    case 5:
        r->data.size = value % (r->data.size + 1);
        break;
    case 6:
        r->kind = value;
        break;
    }
    if (r->group != old.group || r->index != old.index ||
        r->term != old.term || r->type != old.type || r->kind != old.kind)
        r->data = slice_of(payload, sizeof payload);
}

/* Read entries back from a file that has changed since they were found: what
 * is given out are those entries. The first 8 bytes say what has changed. */
static void fuzz_span(const uint8_t *data, size_t size)
{
    enum { COUNT = 4, DATA = 40, SEGMENT_ID = 3, OFFSET = 8192 };
    static const uint8_t payload[DATA] = "what an entry says";
    uint8_t bytes[COUNT * 128];
    struct wal_span s = {.group = 1, .count = COUNT, .ranges = 1, .first = 7,
                         .range[0].segment = SEGMENT_ID};
    struct wal_entry out[WAL_SPAN_ENTRIES];

    if (size < 8)
        return;
    s.key = wal_key(options.log_id);
    for (unsigned i = 0; i < COUNT; i++) {
        struct wal_record r = {.kind = WAL_ENTRY, .group = 1, .term = 3,
                               .index = s.first + i, .prev_term = 3,
                               .data = slice_of(payload, DATA)};
        s.piece[i] = (struct wal_span_piece){
            .term = 3, .at = s.bytes, .size = DATA,
            .offset = OFFSET + s.bytes};
        make_other(&r, data[i], data[6]);
        (void)wal_record_encode(bytes + s.bytes, &r, s.key, SEGMENT_ID,
                                OFFSET + s.bytes);
        s.bytes += wal_record_size(DATA);
    }
    bytes[data[4] % s.bytes] ^= data[5];
    if (wal_span_decode(&s, slice_of(bytes, s.bytes - data[7] % 2), out))
        return;
    for (unsigned i = 0; i < COUNT; i++) {
        assert(out[i].term == 3 && out[i].type == 0);
        assert(slice_equal(out[i].data, slice_of(payload, DATA)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_recovered *found;

    if (!good[1])
        make_good();
    fuzz_span(data, size);
    for (unsigned i = 0; i < FILES; i++)
        if (good[i])
            file[i] = memcpy(xmalloc(SEGMENT), good[i], SEGMENT);
    for (unsigned i = 0; i < CHANGES_MAX && size >= 8; i++) {
        change(data);
        data += 8;
        size -= 8;
    }
    found = recover();
    if (found) {
        read_all(found);
        go_on(found);
    }
    for (unsigned i = 0; i < FILES; i++) {
        free(file[i]);
        file[i] = NULL;
    }
    return 0;
}
