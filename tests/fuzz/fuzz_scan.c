/* fuzz_scan.c - scan and watch requests, pages, parts and patterns, any bytes.
 *
 * The first byte chooses what the rest is. What is accepted has to read back as
 * itself; a pattern has to end in bounded time. */
#include <stdlib.h>

#include "proto/glob.h"
#include "proto/scan.h"
#include "proto/watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void scan_again(struct slice in)
{
    struct scan s, again;
    struct buf b = {0};

    if (scan_decode(in, &s) == STATUS_OK) {
        scan_encode(&s, &b);
        if (scan_decode(buf_slice(&b), &again) != STATUS_OK ||
            b.size != in.size || !slice_equal(s.pattern, again.pattern))
            abort();
    }
    buf_release(&b);
}

static void watch_again(struct slice in)
{
    struct watch_request m, again;
    struct buf b = {0};

    if (watch_decode(in, &m) == STATUS_OK) {
        watch_encode(&m, &b);
        if (watch_decode(buf_slice(&b), &again) != STATUS_OK ||
            b.size != in.size || m.after != again.after)
            abort();
    }
    buf_release(&b);
}

static void page(struct slice in)
{
    struct scan_page p;
    struct scan_record r;
    size_t total = 0;

    if (scan_page_decode(in, &p) != STATUS_OK)
        return;
    while (scan_page_record(&p, &r))
        total += SCAN_RECORD_BYTES + r.key.size + r.value.size;
    if (total + p.next.size + SCAN_PAGE_HEADER_BYTES > in.size)
        abort();
}

static void part(struct slice in)
{
    struct watch_part p;
    struct watch_event e;
    size_t total = WATCH_PART_HEADER_BYTES;

    if (watch_part_decode(in, &p) != STATUS_OK)
        return;
    while (watch_part_event(&p, &e))
        total += watch_event_bytes(&e);
    if (total > in.size)
        abort();
}

static void pattern(struct slice in)
{
    size_t n = in.size ? in.data[0] % in.size : 0;
    struct slice p = slice_of(in.data, n);
    struct slice key = slice_of(in.data + n, in.size - n);
    struct buf prefix = {0};

    glob_prefix(p, &prefix);
    if (glob_match(p, key) &&
        (key.size < prefix.size ||
         !slice_equal(slice_of(key.data, prefix.size), buf_slice(&prefix))))
        abort();
    buf_release(&prefix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;

    if (!size)
        return 0;
    in = slice_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        scan_again(in);
        break;
    case 1:
        watch_again(in);
        break;
    case 2:
        page(in);
        break;
    case 3:
        part(in);
        break;
    default:
        pattern(in);
    }
    return 0;
}
