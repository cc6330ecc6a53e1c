/* fuzz_peer_item.c - a frame of items from another node, any bytes.
 *
 * Every item is given to every decoder; what is accepted has to encode to the
 * same bytes again. Manifests' names have to be safe as file names. */
#include <stdlib.h>

#include "node/core/peer_item.h"
#include "node/core/quota.h"
#include "node/core/rounds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `b` holds one item: its body has to be `body`. */
static void must_be(struct buf *b, struct slice body)
{
    struct reader r = reader_of(buf_slice(b));
    enum item_type type;
    struct slice again;

    if (!item_next(&r, &type, &again) || !slice_equal(again, body))
        abort();
    buf_release(b);
}

static void requests(struct slice body)
{
    struct forward f;
    struct reply r;
    struct buf b = {0};
    uint64_t id;
    uint32_t refused;

    if (forward_decode(body, &f)) {
        forward_encode(&b, &f);
        must_be(&b, body);
    }
    if (forward_reply_decode(body, &id, &refused, &r) &&
        !status_known(r.status))
        abort();
}

static void snapshots(struct slice body)
{
    enum { FILES = 8 };
    struct snapshot_ask ask;
    struct snapshot_chunk chunk;
    struct snapshot_file files[FILES];
    struct slice members;
    uint64_t index, term, members_index;
    struct buf b = {0};
    unsigned n;

    if (snapshot_ask_decode(body, &ask)) {
        snapshot_ask_encode(&b, &ask);
        must_be(&b, body);
    }
    if (snapshot_chunk_decode(body, &chunk) && !status_known(chunk.status))
        abort();
    if (!manifest_decode(body, &index, &term, &members_index, &members,
                         files, FILES, &n))
        return;
    for (unsigned i = 0; i < n; i++)
        if (!files[i].name[0] || files[i].name[0] == '.' ||
            strchr(files[i].name, '/'))
            abort();
    manifest_encode(&b, index, term, members_index, members, files, n);
    if (!slice_equal(buf_slice(&b), body))
        abort();
    buf_release(&b);
}

static void uses(struct slice body)
{
    struct quota_use u;
    struct reader rest;
    struct buf b = {0};
    uint32_t n;
    bool ask;

    if (!quota_use_decode(body, &ask, &n, &rest))
        return;
    quota_use_begin(&b, ask);
    while (n--) {
        quota_use_read(&rest, &u);
        quota_use_add(&b, 0, &u);
    }
    if (!slice_equal(buf_slice(&b), body))
        abort();
    buf_release(&b);
}

static void confirm(void *arg, const struct round_entry *e)
{
    unsigned *confirmed = arg;

    if (e->group != 7 && e->group != 8)
        abort();
    ++*confirmed;
}

/* A round of two groups is in flight. */
static void round_answers(struct slice body)
{
    struct rounds r = {0};
    struct buf b = {0};
    unsigned confirmed = 0;

    rounds_ask(&r, 7, 1, 1);
    rounds_ask(&r, 8, 1, 1);
    if (!rounds_send(&r, (instant){0}, MS(1), &b))
        abort();
    (void)rounds_answer(&r, body, confirm, &confirmed);
    if (confirmed > 2)
        abort();
    buf_release(&b);
    rounds_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(slice_of(data, size));
    enum item_type type;
    struct slice body;

    while (item_next(&r, &type, &body)) {
        requests(body);
        snapshots(body);
        uses(body);
        round_answers(body);
    }
    return 0;
}
