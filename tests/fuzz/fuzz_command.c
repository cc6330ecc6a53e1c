/* fuzz_command.c - a log entry's payload, any bytes, read and applied.
 *
 * What machine_needs() accepts has to apply without an error; what it refuses
 * is not applied. An entry that is read whole has to encode to the same. */
#include <stdlib.h>

#include "node/core/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fields that nobody reads are free in the format and zero when we write. */
static void round_trip(struct slice entry)
{
    struct entry_reader r = entry_reader_of(entry);
    struct buf b = {0};
    struct command c;
    uint32_t n = 0;

    entry_begin(&b);
    while (entry_next(&r, &c)) {
        command_append(&b, &c);
        if (r.position != n++)
            abort();
    }
    if (r.status == STATUS_OK && b.size != entry.size)
        abort();
    buf_release(&b);
}

static void run(struct machine *m, struct slice entry)
{
    struct machine_step step;
    struct result results[16];
    bool present[256];
    uint64_t clock_ms;

    machine_step_init(&step, 1);
    if (machine_needs(m, &step, entry) == STATUS_OK &&
        step.view.n <= ARRAY_LEN(present)) {
        for (unsigned i = 0; i < step.view.n; i++)
            present[i] = view_keys(&step.view)[i].size % 2;
        view_fill(&step.view, present);
        if (machine_apply(m, &step, 5, entry, results, ARRAY_LEN(results),
                          &clock_ms) != STATUS_OK)
            abort();
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
