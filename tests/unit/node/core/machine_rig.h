/* machine_rig.h - a machine with its store in memory, for its unit tests.
 *
 * rig_do() applies one operation as an entry and a step of its own; rig_add()
 * and rig_apply() put several into an entry, several entries into a step. The
 * results of the last entry are kept, with their values. */
#ifndef TESTS_UNIT_NODE_CORE_MACHINE_RIG_H
#define TESTS_UNIT_NODE_CORE_MACHINE_RIG_H

#include "tests/unit/node/core/core_test.h"

#include "node/core/machine.h"
#include "proto/slot.h"
#include "tests/sim/mem_store.h"

enum { RIG_ENTRIES = 8, RIG_RESULTS = 600 };

struct rig {
    struct machine m;
    struct machine_step step;
    struct mem_table store;
    uint64_t index;            /* of the last entry */
    uint64_t clock;            /* the state's */
    struct entry_writer entry; /* the open one */
    struct buf entries[RIG_ENTRIES];
    unsigned n;                /* closed and not applied */
    struct result results[RIG_RESULTS];
    bool cut;                  /* the last step was cut */
};

static inline void rig_init(struct rig *r, uint64_t seed)
{
    *r = (struct rig){.index = 1};
    machine_init(&r->m, 1);
    memset(r->m.slots, 0xff, sizeof r->m.slots);
    r->m.expiry.next_due = UINT64_MAX;
    machine_step_init(&r->step, seed);
}

static inline void rig_release(struct rig *r)
{
    machine_release(&r->m);
    machine_step_release(&r->step);
    mem_table_release(&r->store);
    entry_writer_release(&r->entry);
    for (unsigned i = 0; i < RIG_ENTRIES; i++)
        buf_release(&r->entries[i]);
}

static inline void rig_add(struct rig *r, const struct operation *o)
{
    struct command c = {.slot = slot_of(o->key), .operation = *o};

    entry_writer_add(&r->entry, &c);
}

/* Close the open entry, stamped. */
static inline void rig_close(struct rig *r, uint64_t clock)
{
    struct buf *b = &r->entries[r->n++];

    buf_clear(b);
    entry_writer_write(&r->entry, clock,
                       buf_grow(b, entry_writer_size(&r->entry)));
    entry_writer_clear(&r->entry);
}

/* As FETCH answers: exactly what was asked for, cut by the rule of event.h. */
static inline void rig_fetch(struct rig *r, size_t bytes_max)
{
    struct view *v = &r->step.view;
    const struct slice *keys = view_keys(v);
    struct fetched *got = xcalloc(v->asked + 1, sizeof *got);
    size_t sum = 0;
    bool whole;

    for (unsigned i = 0; i < v->asked; i++) {
        const struct mem_row *row = mem_table_get(&r->store, keys[i]);
        size_t n = sum >= bytes_max ? FETCH_CUT_BYTES : view_wants(v)[i];
        if (!row)
            continue;
        got[i].present = true;
        got[i].record = mem_row_value(row);
        got[i].size = got[i].record.size;
        got[i].record.size = MIN_OF(got[i].size, n);
        sum += MIN_OF(got[i].size, (size_t)view_wants(v)[i]);
    }
    assert_int_equal(machine_fetched(&r->step, got, &whole), STATUS_OK);
    r->cut = !whole;
    free(got);
}

/* Apply the closed entries as one step, whatever their size. */
static inline void rig_apply_within(struct rig *r, size_t bytes_max)
{
    machine_step_begin(&r->step, &r->m, r->clock);
    for (unsigned i = 0; i < r->n; i++)
        assert_int_equal(machine_needs(&r->m, &r->step, r->index + 1 + i,
                                       buf_slice(&r->entries[i])),
                         STATUS_OK);
    rig_fetch(r, bytes_max);
    for (unsigned i = 0; i < r->n; i++)
        assert_int_equal(machine_apply(&r->m, &r->step, ++r->index,
                                       buf_slice(&r->entries[i]), r->results,
                                       RIG_RESULTS, &r->clock),
                         STATUS_OK);
    mem_table_apply(&r->store, &r->step.set);
    r->n = 0;
}

static inline void rig_apply(struct rig *r)
{
    rig_apply_within(r, VIEW_BYTES_MAX);
}

/* Apply one operation at this clock; gives its result. */
static inline const struct result *rig_do(struct rig *r, uint64_t clock,
                                          struct operation o)
{
    rig_add(r, &o);
    rig_close(r, clock);
    rig_apply(r);
    return &r->results[0];
}

static inline struct slice rig_value(const struct rig *r, unsigned at)
{
    return machine_bytes(&r->step, r->results[at].value);
}

/* The version that the command at `position` of the last entry has. */
static inline uint64_t rig_version(const struct rig *r, unsigned position)
{
    return r->index << 10 | position;
}

/* A key's record in the store; false: none. */
static inline bool rig_record(const struct rig *r, const char *key,
                              struct layout_value *v)
{
    struct buf k = {0};
    const struct mem_row *row;

    layout_data_key_append(&k, 0, slice_str(key));
    row = mem_table_get(&r->store, buf_slice(&k));
    buf_release(&k);
    return row && layout_value_parse(mem_row_value(row), v) == STATUS_OK;
}

static inline bool rig_holds(const struct rig *r, const char *key,
                             const char *value)
{
    struct layout_value v;

    return rig_record(r, key, &v) && slice_equal(v.bytes, slice_str(value));
}

/* Lines of the index of deadlines. */
static inline unsigned rig_lines(const struct rig *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->store.n; i++)
        n += mem_row_key(&r->store.v[i]).data[0] == LAYOUT_DEADLINE;
    return n;
}

static inline struct operation rig_op(enum op op, const char *key,
                                      const char *value, uint32_t flags)
{
    return (struct operation){.op = op, .flags = flags, .key = slice_str(key),
                              .value = slice_str(value)};
}

/* How many changes the last step made; `*last` is the last of them. */
static inline unsigned rig_changes(struct rig *r, struct change *last)
{
    unsigned n;
    const struct change *v = machine_changes(&r->step, &n);

    if (n)
        *last = v[n - 1];
    return n;
}

#endif
