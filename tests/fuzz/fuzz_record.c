/* fuzz_record.c - what stands in a store, from any bytes: keys and values of
 * each kind, the group record and the members inside it.
 *
 * The first byte chooses the kind; what is accepted has to read back as itself.
 * A checksum is put right first, so that what is behind it is reached. */
#include <stdlib.h>

#include "node/store/layout.h"
#include "raft/members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_equal(struct buf *again, struct slice in)
{
    if (!slice_equal(buf_slice(again), in))
        abort();
    buf_release(again);
}

static void data_key(struct slice in)
{
    struct buf b = {0};
    struct slice user_key;
    uint32_t keyspace;

    if (layout_data_key_parse(in, &keyspace, &user_key))
        return;
    layout_data_key_append(&b, keyspace, user_key);
    expect_equal(&b, in);
}

static void deadline_key(struct slice in)
{
    struct layout_deadline d;
    struct buf b = {0};

    if (layout_deadline_key_parse(in, &d))
        return;
    layout_deadline_key_append(&b, &d);
    expect_equal(&b, in);
}

static void value(struct slice in)
{
    uint8_t header[LAYOUT_VALUE_HEADER_BYTES];
    struct layout_value v;

    if (layout_value_parse(in, &v))
        return;
    layout_value_header(header, &v);
    if (v.bytes.size + sizeof header != in.size ||
        memcmp(header, in.data, sizeof header))
        abort();
}

static void fence(struct slice in)
{
    uint8_t at[LAYOUT_FENCE_BYTES];
    struct layout_fence f, again;

    if (layout_fence_parse(in, &f))
        return;
    layout_fence_write(at, &f);
    if (layout_fence_parse(slice_of(at, sizeof at), &again) ||
        f.fence != again.fence || f.drop_after_ms != again.drop_after_ms)
        abort();
}

static void members(struct slice in)
{
    struct members m;
    struct buf b = {0};

    if (members_decode(in, &m))
        return;
    if (m.n > MEMBERS_MAX || members_voters(&m) > m.n)
        abort();
    members_encode(&m, &b);
    expect_equal(&b, in);
}

static void group_record(struct slice in)
{
    struct group_record r;
    struct buf b = {0};

    if (group_record_decode(in, &r))
        return;
    members(r.members);
    group_record_encode(&r, &b);
    expect_equal(&b, in);
}

/* The checksum stands where the encoder puts it: found out by asking it. */
static void group_record_right(struct slice in)
{
    struct group_record r = {.members = in};
    struct buf b = {0};

    if (in.size > LAYOUT_MEMBERS_BYTES_MAX)
        return;
    if (in.size >= 8)
        r.applied_index = r.clock_ms = get_u64(in.data);
    group_record_encode(&r, &b);
    group_record(buf_slice(&b));
    if (in.size) {
        b.data[in.data[0] % b.size] ^= 1;
        if (group_record_decode(buf_slice(&b), &r) == STATUS_OK)
            abort();
    }
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct slice) = {
        data_key, deadline_key, value, fence, members, group_record,
        group_record_right};

    if (size)
        kinds[data[0] % ARRAY_LEN(kinds)](slice_of(data + 1, size - 1));
    return 0;
}
