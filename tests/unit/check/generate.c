/* generate.c - see generate.h. */
#include "tests/unit/check/generate.h"

#include <assert.h>

#include "tests/check/model.h"

enum { PROCESSES_MAX = 64 };

static uint8_t kind_of(struct rng *rng, unsigned kinds)
{
    for (;;) {
        unsigned kind = (unsigned)rng_below(rng, CHECK_KINDS);
        if (kinds & 1u << kind)
            return (uint8_t)kind;
    }
}

static uint64_t value_for(struct rng *rng, const struct shape *shape,
                          uint64_t *fresh)
{
    return shape->unique ? ++*fresh : 1 + rng_below(rng, 3);
}

/* What it gets if it takes effect now. */
static void execute(struct check_operation *op, uint64_t *state)
{
    uint64_t before = *state, next;
    struct check_operation free = *op;

    free.outcome = CHECK_EITHER;
    check_model_step(&free, before, &next);
    *state = next;
    if (op->kind == CHECK_GET || op->kind == CHECK_SWAP)
        op->seen = before;
    else if (op->kind == CHECK_ADD)
        op->seen = next;
    else if (op->kind == CHECK_DELETE && before == CHECK_ABSENT)
        op->outcome = CHECK_NO;
    else if (op->kind == CHECK_CAS) {
        bool met = op->expect == CHECK_PRESENT ? before != CHECK_ABSENT
                                               : before == op->expect;
        op->outcome = met ? CHECK_YES : CHECK_NO;
        op->seen = met ? CHECK_UNSEEN : before;
    }
}

static void lie(struct rng *rng, struct check_operation *op)
{
    switch (rng_below(rng, 3)) {
    case 0:
        if (op->seen != CHECK_UNSEEN)
            op->seen = rng_below(rng, 4) ? 1 + rng_below(rng, 3)
                                         : CHECK_ABSENT;
        break;
    case 1:
        if (op->kind == CHECK_DELETE || op->kind == CHECK_CAS) {
            op->outcome = op->outcome == CHECK_YES ? CHECK_NO : CHECK_YES;
            op->seen = CHECK_UNSEEN;
        }
        break;
    default:
        if (op->outcome != CHECK_UNKNOWN && op->called < op->returned)
            op->called += rng_below(rng, op->returned - op->called);
    }
}

struct running {
    struct check_operation op;
    bool busy, executed;
};

static void begin(struct rng *rng, const struct shape *shape, uint32_t key,
                  uint64_t now, uint64_t *fresh, struct running *r)
{
    r->op = (struct check_operation){.called = now,
                                     .key = key,
                                     .kind = kind_of(rng, shape->kinds),
                                     .seen = CHECK_UNSEEN};
    r->op.value = value_for(rng, shape, fresh);
    if (r->op.kind == CHECK_ADD)
        r->op.value = 1 + rng_below(rng, 2);
    if (r->op.kind == CHECK_CAS) {
        uint64_t what = rng_below(rng, 6);
        r->op.expect = what == 0   ? CHECK_ABSENT
                       : what == 1 ? CHECK_PRESENT
                       : shape->unique && *fresh > 1
                           ? *fresh - rng_below(rng, *fresh < 9 ? *fresh : 9)
                           : 1 + rng_below(rng, 3);
        if (rng_below(rng, 5) == 0)
            r->op.value = CHECK_ABSENT;
    }
    r->busy = true;
    r->executed = false;
}

/* The caller gives up, or is answered. */
static void finish(struct rng *rng, const struct shape *shape, uint64_t now,
                   struct running *r, struct check_history *h)
{
    r->op.returned = now;
    if (!r->executed) {
        r->op.outcome = CHECK_UNKNOWN;
    } else if (rng_below(rng, 100) < shape->unknown) {
        r->op.outcome = CHECK_UNKNOWN;
    } else if (r->op.kind != CHECK_GET &&
               rng_below(rng, 100) < shape->either) {
        r->op.outcome = CHECK_EITHER;
    }
    if (r->op.outcome == CHECK_UNKNOWN) {
        r->op.returned = CHECK_NEVER;
        r->op.seen = CHECK_UNSEEN;
    }
    check_history_add(h, &r->op);
    r->busy = false;
}

void generate(struct rng *rng, const struct shape *shape, uint32_t key,
              struct check_history *h)
{
    struct running all[PROCESSES_MAX] = {0};
    uint64_t state = CHECK_ABSENT, now = 1, fresh = 0, index = 0;
    size_t begun = 0, first = h->n, open = 0;

    assert(shape->processes <= PROCESSES_MAX);
    while (begun < shape->operations || open) {
        unsigned p = (unsigned)rng_below(rng, shape->processes);
        struct running *r = &all[p];
        now += rng_below(rng, 2);
        if (!r->busy && begun < shape->operations) {
            begin(rng, shape, key, now, &fresh, r);
            r->op.process = p;
            begun++;
            open++;
        } else if (r->busy && !r->executed &&
                   rng_below(rng, 200) >= shape->unknown) {
            execute(&r->op, &state);
            r->executed = true;
            if (shape->places) {
                r->op.group = 1;
                r->op.index = ++index;
            }
        } else if (r->busy) {
            finish(rng, shape, now, r, h);
            open--;
        }
    }
    for (int i = 0; i < 3 && rng_below(rng, 100) < shape->lies; i++)
        lie(rng, &h->v[first + rng_below(rng, h->n - first)]);
}
