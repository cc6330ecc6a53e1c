/* fuzz_command.c - a log entry's payload, any bytes, read and applied.
 *
 * What machine_needs() accepts has to apply without an error; what it refuses
 * is not applied. An entry that is read whole has to encode to the same. */
#include <stdlib.h>

#include "node/core/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Rows of the table of clients may stand in any order, or for nobody; without
 * any there is only one way to write an entry. */
static void round_trip(struct slice entry)
{
    struct entry_reader r = entry_reader_of(entry);
    struct entry_writer w = {0};
    struct buf b = {0};
    struct command c;
    uint32_t n = 0;

    while (entry_next(&r, &c)) {
        entry_writer_add(&w, &c);
        if (r.position != n++)
            abort();
    }
    if (r.status == STATUS_OK && n && !entry_clients(&r)) {
        entry_writer_write(&w, r.clock_ms,
                           buf_grow(&b, entry_writer_size(&w)));
        if (b.size != entry.size ||
            memcmp(b.data + 2, entry.data + 2, b.size - 2))
            abort();
    }
    buf_release(&b);
    entry_writer_release(&w);
}

/* Every second key is there, with a number and a deadline. */
static void fetch(struct machine_step *s)
{
    static const char text[] = "12";
    static uint8_t record[LAYOUT_VALUE_HEADER_BYTES + 2];
    static uint8_t fence[LAYOUT_FENCE_BYTES];
    struct layout_value v = {.version = 9, .expire_at_ms = 2000};
    const struct slice *keys = view_keys(&s->view);
    struct fetched *got = calloc(s->view.asked + 1, sizeof *got);
    bool whole;

    if (!got)
        abort();
    layout_value_header(record, &v);
    memcpy(record + LAYOUT_VALUE_HEADER_BYTES, text, 2);
    layout_fence_write(fence, &(struct layout_fence){7, 5000});
    for (unsigned i = 0; i < s->view.asked; i++) {
        struct slice key = keys[i];
        got[i].present = key.size % 2;
        got[i].record = key.data[0] == LAYOUT_FENCE
                            ? slice_of(fence, sizeof fence)
                            : slice_of(record, sizeof record);
        got[i].size = got[i].record.size;
    }
    if (machine_fetched(s, got, &whole) != STATUS_OK || !whole)
        abort();
    free(got);
}

static void run(struct machine *m, struct slice entry)
{
    struct machine_step step;
    struct result results[16];
    uint64_t clock_ms;
    unsigned n;

    machine_step_init(&step, 1);
    machine_step_begin(&step, m, 1000);
    if (machine_needs(m, &step, 5, entry) == STATUS_OK) {
        fetch(&step);
        if (machine_apply(m, &step, 5, entry, results, ARRAY_LEN(results),
                          &clock_ms) != STATUS_OK)
            abort();
        machine_changes(&step, &n);
    }
    machine_step_release(&step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    struct slice entry = slice_of(data, size);

    if (!m.group) {
        machine_init(&m, 1);
        memset(m.slots, 0x55, sizeof m.slots); /* every other slot */
    }
    round_trip(entry);
    run(&m, entry);
    return 0;
}
