/* workload.c - see workload.h. */
#include "tests/sim/workload.h"

static const struct workload_kind kinds[] = {
    {OP_SET, READ_LINEARIZABLE, 40, true},
    {OP_DELETE, READ_LINEARIZABLE, 15, false},
    {OP_GET, READ_LINEARIZABLE, 40, false},
    {OP_GET, READ_STALE, 5, false},
};

const struct workload_kind *workload_any(struct rng *rng, bool registers)
{
    uint64_t at = rng_below(rng, 100);

    for (unsigned i = 0;; i++) {
        if (at < kinds[i].weight)
            return registers && operation_is_write(kinds[i].op) ? &kinds[0]
                                                                : &kinds[i];
        at -= kinds[i].weight;
    }
}

struct request workload_request(enum op op, enum read_mode mode,
                                struct slice key)
{
    return (struct request){
        .operation = {.op = op, .key = key,
                      .flags = mode == READ_STALE ? OPERATION_STALE : 0}};
}

bool workload_expected(enum op op, enum status st)
{
    switch (st) {
    case STATUS_OK:
    case STATUS_NOT_LEADER:
    case STATUS_UNAVAILABLE:
    case STATUS_BUSY:
    case STATUS_MOVED: /* a door had a wrong map */
        return true;
    case STATUS_NOT_FOUND:
        return op != OP_SET;
    case STATUS_TIMEOUT:
        return op == OP_GET;
    case STATUS_UNKNOWN:
        return op != OP_GET;
    case STATUS_DISK_FULL:
        return op == OP_SET;
    default:
        return false;
    }
}

static size_t value_size(uint64_t number)
{
    uint64_t h = number * 0x9e3779b97f4a7c15u;

    return 8 + (h % 50 == 0 ? (h >> 16) % 12000 : (h >> 16) % 200);
}

void workload_value(uint64_t number, struct buf *out)
{
    size_t size = value_size(number);

    buf_u64(out, number);
    while (out->size < size)
        buf_u8(out, (uint8_t)(number + out->size));
}

bool workload_number(struct slice value, uint64_t *number)
{
    if (value.size < 8)
        return false;
    *number = get_u64(value.data);
    if (value.size != value_size(*number))
        return false;
    for (size_t i = 8; i < value.size; i++)
        if (value.data[i] != (uint8_t)(*number + i))
            return false;
    return true;
}
