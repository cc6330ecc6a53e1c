/* machine_needs.c - which keys a command has to know, and how much of them.
 *
 * A plain set needs nothing, unless the record that it overwrites may have
 * expired without having been swept: then watchers have to see that first.
 * Whether it may have is asked of a bound (machine.next_due), which replicas
 * need not agree on: it only ever makes one look in vain. So such a key is
 * named behind all others of its entry: what is named late may be cut off, and
 * what is cut off has to be the same everywhere. */
#include "node/core/machine_state.h"

#include "proto/slot.h"

static const uint32_t header = LAYOUT_VALUE_HEADER_BYTES;

bool machine_blind(const struct operation *o, uint64_t clock_ms)
{
    const uint32_t free_flags = OPERATION_TTL | OPERATION_DEADLINE;

    return o->op == OP_SET && !(o->flags & ~free_flags) &&
           !machine_due(o, clock_ms);
}

/* Bytes of the record that `o` has to know. */
static uint32_t wanted(const struct operation *o)
{
    uint32_t want = header;

    if (machine_whole(o))
        return VIEW_WHOLE;
    if (o->op == OP_INCR || o->op == OP_INCR_FLOAT)
        want = header + NUMBER_TEXT_MAX;
    if (o->flags & OPERATION_IF_VALUE)
        want = MAX_OF(want, header + (uint32_t)o->if_value.size);
    return want;
}

/* A later plain set in this step may meet this deadline. */
static void expect_deadline(struct machine_step *s, const struct operation *o)
{
    uint64_t deadline = machine_deadline(o, s->needs_clock_ms, UINT64_MAX);

    if (deadline && deadline < s->needs_due)
        s->needs_due = deadline;
}

/* Name some data; whatever looks at it may find it expired, a change. */
static void need_data(struct machine_step *s, uint32_t keyspace,
                      struct slice key, uint32_t want)
{
    view_need(&s->view, machine_data_key(s, keyspace, key), want);
    machine_remember_need(s, buf_slice(&s->key));
}

/* Whatever is done with this key may write its record, if only because that has
 * expired. */
static void note_written(struct machine *m, struct machine_step *s,
                         uint32_t keyspace, struct slice key)
{
    if (m->written.slots)
        written_note(&m->written, machine_data_key(s, keyspace, key),
                     s->needs_index);
}

static void need(struct machine *m, struct machine_step *s,
                 uint32_t keyspace, const struct operation *o)
{
    bool blind = machine_blind(o, s->needs_clock_ms);

    if (s->needs_late) {
        if (blind)
            view_need(&s->view, machine_data_key(s, keyspace, o->key), header);
        return;
    }
    note_written(m, s, keyspace, o->key);
    /* A counted keyspace has to know what there was. */
    if (blind && (s->needs_all || machine_counted(m, keyspace)))
        need_data(s, keyspace, o->key, header);
    if (o->op != OP_GET)
        expect_deadline(s, o);
    if (!blind)
        need_data(s, keyspace, o->key, wanted(o));
    else if (s->needs_previous)
        machine_remember_need(s, machine_data_key(s, keyspace, o->key));
    else if (s->needs_due <= s->needs_clock_ms)
        s->needs_more = true;
}

bool machine_owns_key(const struct machine *m, struct slice route,
                      struct slice key)
{
    return slice_equal(key, route) || machine_owns(m, slot_of(key));
}

static enum status need_transaction(struct machine *m,
                                    struct machine_step *s,
                                    const struct command *c)
{
    struct transaction t;
    struct compare compare;
    struct operation o;

    if (transaction_decode(c->operation.value, &t) != STATUS_OK)
        return STATUS_CORRUPT;
    for (unsigned i = 0; i < t.n_compares; i++) {
        uint32_t want = header;
        if (transaction_compare(&t.compares, &compare) != STATUS_OK)
            return STATUS_CORRUPT;
        if (compare.what == COMPARE_VALUE)
            want += (uint32_t)compare.value.size;
        if (!machine_owns_key(m, c->operation.key, compare.key))
            continue;
        note_written(m, s, c->keyspace, compare.key);
        need_data(s, c->keyspace, compare.key, want);
    }
    for (unsigned i = 0; i < t.n_then + t.n_else; i++) {
        if (operation_decode(&t.operations, &o) != STATUS_OK)
            return STATUS_CORRUPT;
        if (machine_owns_key(m, c->operation.key, o.key))
            need(m, s, c->keyspace, &o);
    }
    return STATUS_OK;
}

/* Is this a command we know how to apply in this group, as a door lets it in?
 * operation_check() is what the leader held it to. */
static enum status known(const struct machine *m, const struct command *c)
{
    if (c->operation.op == OP_NODE_UPDATE)
        return m->group == 0 ? STATUS_OK : STATUS_WRONG_VERSION;
    if (c->operation.op == OP_KEYSPACE || c->operation.op == OP_PURGE)
        return machine_keyspace_known(m, &c->operation);
    if (m->group == 0 || !operation_is_write(c->operation.op))
        return STATUS_WRONG_VERSION;
    if (c->operation.op == OP_SWEEP)
        return STATUS_OK; /* machine_sweep_need() looks */
    if (c->operation.op == OP_REMEMBER)
        return machine_remember_known(&c->operation);
    switch (operation_check(&c->operation, NULL)) {
    case STATUS_OK:
        return STATUS_OK;
    case STATUS_BAD_MESSAGE: /* an op that is not for clients */
    case STATUS_INVALID:     /* what a newer program may allow */
        return STATUS_WRONG_VERSION;
    default:
        return STATUS_CORRUPT;
    }
}

/* Go over the entry's commands. */
static enum status name(struct machine *m, struct machine_step *s,
                        struct slice entry)
{
    struct entry_reader r = entry_reader_of(entry);
    struct command c;

    while (entry_next(&r, &c)) {
        enum status st = known(m, &c);
        if (st != STATUS_OK)
            return st;
        s->needs_all |= c.operation.op == OP_KEYSPACE;
        if (c.operation.op == OP_REMEMBER)
            s->needs_remember = MAX_OF(s->needs_remember,
                                       s->needs_clock_ms +
                                           c.operation.argument);
        if (c.operation.op == OP_PURGE)
            written_note_all(&m->written, s->needs_index);
        if (m->group == 0 || c.operation.op == OP_KEYSPACE ||
            c.operation.op == OP_PURGE || c.operation.op == OP_REMEMBER)
            continue;
        if (c.operation.op == OP_SWEEP) {
            if (!s->needs_late)
                st = machine_sweep_need(m, s, &c.operation);
            if (st != STATUS_OK)
                return st;
            continue;
        }
        if (!machine_owns(m, c.slot))
            continue;
        machine_fence_need(s, c.keyspace, &c.operation);
        if (c.operation.op == OP_TRANSACT)
            st = need_transaction(m, s, &c);
        else
            need(m, s, c.keyspace, &c.operation);
        if (st != STATUS_OK)
            return st;
    }
    return r.status;
}

enum status machine_needs(struct machine *m, struct machine_step *s,
                          uint64_t index, struct slice entry)
{
    enum status st;

    s->needs_index = index;
    s->needs_clock_ms =
        MAX_OF(s->needs_clock_ms, entry_reader_of(entry).clock_ms);
    s->needs_more = s->needs_late = false;
    s->needs_previous = s->needs_remember > s->needs_clock_ms;
    st = name(m, s, entry);
    if (st != STATUS_OK || !s->needs_more)
        return st;
    s->needs_late = true; /* now what may be due */
    return name(m, s, entry);
}
