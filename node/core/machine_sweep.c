/* machine_sweep.c - SWEEP: records that are due go, and stale lines of the
 * index of deadlines. See expiry.h. */
#include "node/core/machine_state.h"

#include <assert.h>

static struct slice record_key(struct machine_step *s,
                               const struct layout_deadline *line)
{
    if (line->kind == LAYOUT_DATA)
        return machine_data_key(s, line->keyspace, line->user_key);
    buf_clear(&s->key);
    layout_fence_key_append(&s->key, line->keyspace, line->user_key);
    return buf_slice(&s->key);
}

enum status machine_sweep_need(struct machine_step *s,
                               const struct operation *o)
{
    struct sweep_reader in = sweep_reader_of(o->value);
    struct layout_deadline line;

    while (sweep_next(&in, &line)) {
        if (line.kind != LAYOUT_DATA && line.kind != LAYOUT_FENCE)
            return STATUS_WRONG_VERSION;
        view_need(&s->view, record_key(s, &line),
                  line.kind == LAYOUT_DATA ? LAYOUT_VALUE_HEADER_BYTES
                                           : LAYOUT_FENCE_BYTES);
        if (line.kind == LAYOUT_DATA)
            machine_remember_need(s, buf_slice(&s->key));
    }
    return in.failed ? STATUS_CORRUPT : STATUS_OK;
}

/* The deadline of the record that is there; 0: none, or no record. */
static uint64_t deadline_now(const struct machine_step *s,
                             const struct view_row *row, uint8_t kind)
{
    struct slice record = machine_bytes(s, row->now.record);
    struct layout_value v = {0};
    struct layout_fence f = {0};

    if (!row->now.present)
        return 0;
    /* machine_fetched() has looked at those of the store. */
    if (kind == LAYOUT_DATA ? layout_value_parse(record, &v)
                            : layout_fence_parse(record, &f))
        assert(!"a record that was not checked");
    return kind == LAYOUT_DATA ? v.expire_at_ms : f.drop_after_ms;
}

static void drop_fence(struct doing *d, struct view_row *row,
                       const struct layout_deadline *line)
{
    machine_touch(d->s, row);
    write_set_delete(&d->s->set, record_key(d->s, line));
    row->now = (struct view_state){.present = false};
}

/* True: a record went. */
static bool sweep_line(struct doing *d, const struct layout_deadline *line)
{
    struct machine_step *s = d->s;
    struct view_row *row = view_find(&s->view, record_key(s, line));
    uint64_t now;
    bool due;

    assert(row); /* machine_sweep_need() named it */
    d->keyspace = line->keyspace;
    now = deadline_now(s, row, line->kind);
    due = now && !machine_live(now, s->clock_ms);
    if (now == line->deadline && !due) {
        /* The line is true, and early: whoever proposed it has passed it by and
         * has to come back. */
        expiry_add(&d->m->expiry, line->deadline);
        return false;
    }
    if (due && line->kind == LAYOUT_DATA) {
        struct current c;
        machine_current(d, line->user_key, &c); /* it expires by that */
    } else if (due) {
        drop_fence(d, row, line);
    }
    machine_due_drop(d, line->kind, line->user_key, line->deadline);
    return due;
}

void machine_sweep(struct doing *d, const struct operation *o,
                   struct result *r)
{
    struct sweep_reader in = sweep_reader_of(o->value);
    struct layout_deadline line;

    while (sweep_next(&in, &line))
        r->argument += sweep_line(d, &line);
}
