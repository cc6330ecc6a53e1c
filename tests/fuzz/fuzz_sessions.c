/* fuzz_sessions.c - a record of first results and a sweep's value, any bytes.
 *
 * First byte even: the rest is a record's key and value, loaded twice: the
 * second time it must be refused, or the first was. Odd: a sweep's value, which
 * read whole has to encode to the same. */
#include <stdlib.h>

#include "node/core/expiry.h"
#include "node/core/sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct slice in)
{
    size_t n = MIN_OF(in.size, (size_t)SESSION_KEY_BYTES);
    struct slice key = slice_of(in.data, n);
    struct slice value = slice_of(in.data + n, in.size - n);
    struct write_set set = {0};
    struct sessions s;

    sessions_init(&s, 1);
    if (sessions_load(&s, key, value) == STATUS_OK) {
        if (sessions_load(&s, key, value) == STATUS_OK)
            abort();
        sessions_clear(&s);
        if (sessions_load(&s, key, value) != STATUS_OK)
            abort();
        /* Beyond all times everything goes. */
        sessions_entry_end(&s, UINT64_MAX, UINT64_MAX, &set);
        if (s.n_clients && get_u64(value.data + 16) != UINT64_MAX)
            abort();
    }
    sessions_release(&s);
    write_set_release(&set);
}

static void sweep(struct slice in)
{
    struct sweep_reader r = sweep_reader_of(in);
    struct sweep_line l;
    struct buf b = {0};

    sweep_begin(&b);
    while (sweep_next(&r, &l))
        sweep_add(&b, &l);
    if (r.status == STATUS_OK && !slice_equal(buf_slice(&b), in))
        abort();
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] % 2)
        sweep(slice_of(data + 1, size - 1));
    else
        load(slice_of(data + 1, size - 1));
    return 0;
}
