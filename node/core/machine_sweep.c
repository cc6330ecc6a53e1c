/* machine_sweep.c - SWEEP: records that are due go, and stale lines of the
 * index of deadlines. See expiry.h. */
#include "node/core/machine_state.h"

#include <assert.h>

#include "proto/base/planted.h"

static struct slice record_key(struct machine_step *s,
                               const struct layout_deadline *line)
{
    if (line->kind == LAYOUT_DATA)
        return machine_data_key(s, line->keyspace, line->user_key);
    buf_clear(&s->key);
    layout_fence_key_append(&s->key, line->keyspace, line->user_key);
    return buf_slice(&s->key);
}

/* Is what the line claims of the record with this key true of ours? */
static bool claim_holds(const struct machine *m, const struct machine_step *s,
                        const struct sweep_line *line, uint64_t as_of,
                        struct slice key)
{
    if (line->held == SWEEP_UNKNOWN || as_of >= s->needs_index)
        return false;
    if (s->needs_all || machine_counted(m, line->of.keyspace))
        return false; /* its size matters, too */
    return PLANTED(CLAIM_BELIEVED_LATE) ||
           !written_behind(&m->written, key, as_of);
}

/* Replicas do not read the same ones: so they are wished for, which cuts off
 * nothing of another command; and what is wished for is not shorter than that.
 */
_Static_assert((int)LAYOUT_VALUE_HEADER_BYTES <= (int)FETCH_CUT_BYTES &&
                   (int)LAYOUT_FENCE_BYTES <= (int)FETCH_CUT_BYTES,
               "enough is left of what is cut off");

static void line_need(struct machine *m, struct machine_step *s,
                      const struct sweep_line *line, uint64_t as_of)
{
    struct slice key = record_key(s, &line->of);

    if (line->of.kind == LAYOUT_FENCE) {
        view_wish(&s->view, key, LAYOUT_FENCE_BYTES);
        return;
    }
    if (!claim_holds(m, s, line, as_of, key))
        view_wish(&s->view, key, LAYOUT_VALUE_HEADER_BYTES);
    machine_remember_need(s, key); /* then it is read in any case */
    written_note(&m->written, key, s->needs_index);
}

enum status machine_sweep_need(struct machine *m, struct machine_step *s,
                               const struct operation *o)
{
    struct sweep_reader in = sweep_reader_of(o->value);
    struct sweep_line line;

    written_begin(&m->written, s->needs_index, s->view.seed);
    while (sweep_next(&in, &line))
        line_need(m, s, &line, o->argument);
    return in.status;
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

/* It went by its deadline `now`. */
static void drop_data(struct doing *d, struct view_row *row, struct slice key,
                      uint64_t now)
{
    struct current c = {.v = {.expire_at_ms = now}};

    if (row)
        machine_current(d, key, &c); /* it expires by that */
    else
        machine_expired(d, key, &c);
}

/* True: a record went. */
static bool sweep_line(struct doing *d, const struct sweep_line *told)
{
    const struct layout_deadline *line = &told->of;
    struct machine_step *s = d->s;
    struct view_row *row = view_find(&s->view, record_key(s, line));
    uint64_t now;
    bool due;

    /* What machine_sweep_need() did not name is as the line claims. */
    assert(row || told->held != SWEEP_UNKNOWN);
    d->keyspace = line->keyspace;
    now = row ? deadline_now(s, row, line->kind) : told->held;
    due = now && !machine_live(now, s->clock_ms);
    if (now == line->deadline && !due) {
        /* The line is true, and early: whoever proposed it has passed it by and
         * has to come back. */
        expiry_add(&d->m->expiry, line->deadline);
        return false;
    }
    if (due && line->kind == LAYOUT_DATA)
        drop_data(d, row, line->user_key, now);
    else if (due)
        drop_fence(d, row, line);
    if (!due || line->kind != LAYOUT_DATA || now != line->deadline)
        machine_due_drop(d, line->kind, line->user_key, line->deadline);
    return due;
}

void machine_sweep(struct doing *d, const struct operation *o,
                   struct result *r)
{
    struct sweep_reader in = sweep_reader_of(o->value);
    struct sweep_line line;

    while (sweep_next(&in, &line))
        r->argument += sweep_line(d, &line);
}
