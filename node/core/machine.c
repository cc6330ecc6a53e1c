/* machine.c - the state, entries and commands; records put and removed. */
#include "node/core/machine_state.h"
#include "proto/base/planted.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOT_TABLE_FORMAT = 1, SLOT_TABLE_RECORD_BYTES = 16 + SLOT_TABLE_BYTES };

void machine_init(struct machine *m, uint32_t group)
{
    *m = (struct machine){.group = group};
    sessions_init(&m->sessions, 0);
    expiry_init(&m->expiry);
    machine_number_locale();
}

void machine_release(struct machine *m)
{
    map_free(m->map);
    m->map = NULL;
    sessions_release(&m->sessions);
    keyspaces_release(&m->keyspaces);
    expiry_release(&m->expiry);
    written_release(&m->written);
}

void machine_step_init(struct machine_step *s, uint64_t seed)
{
    *s = (struct machine_step){0};
    view_init(&s->view, seed);
}

void machine_step_release(struct machine_step *s)
{
    write_set_release(&s->set);
    view_release(&s->view);
    buf_release(&s->key);
    buf_release(&s->out);
    buf_release(&s->replies);
    free(s->made);
    free(s->changes);
    free(s->saved);
}

static void keep_little(struct buf *b)
{
    buf_clear(b);
    if (b->cap > VIEW_KEEP_BYTES)
        buf_release(b);
}

void machine_step_begin(struct machine_step *s, const struct machine *m,
                        uint64_t clock_ms)
{
    write_set_clear(&s->set);
    view_clear(&s->view);
    keep_little(&s->out);
    keep_little(&s->replies);
    s->n_made = 0;
    s->needs_clock_ms = s->clock_ms = clock_ms;
    s->needs_due = m->expiry.next_due;
    s->needs_remember = m->remember_until;
    s->due_min = UINT64_MAX;
    s->needs_all = false;
    s->map_changed = false;
}

/* ---- the state's own records ---- */

/* The slot table's record: u8 format | 7 x 0 | u64 version offset | bits. */
static void put_slots(const struct machine *m, struct write_set *set)
{
    uint8_t *at =
        write_set_put_reserve(set, layout_single_key(LAYOUT_SLOTS),
                              SLOT_TABLE_RECORD_BYTES);

    memset(at, 0, 8);
    at[0] = SLOT_TABLE_FORMAT;
    put_u64(at + 8, m->version_offset);
    memcpy(at + 16, m->slots, SLOT_TABLE_BYTES);
}

static void put_map(const struct machine *m, struct write_set *set)
{
    struct buf bytes = {0};

    map_encode(m->map, &bytes);
    write_set_put(set, layout_single_key(LAYOUT_MAP), buf_slice(&bytes));
    buf_release(&bytes);
}

void machine_map_changed(struct machine *m, struct machine_step *s)
{
    put_map(m, &s->set);
    s->map_changed = true;
}

void machine_create(struct machine *m, const struct cluster_map *map,
                    struct write_set *set)
{
    expiry_empty(&m->expiry);
    written_forget(&m->written);
    memset(m->slots, 0, sizeof m->slots);
    for (unsigned s = 0; s < SLOT_COUNT; s++)
        if (map->owner[s] == m->group)
            m->slots[s / 8] |= (uint8_t)(1u << (s % 8));
    put_slots(m, set);
    if (m->group == 0) {
        map_free(m->map);
        m->map = map_copy(map);
        put_map(m, set);
    }
}

enum status machine_load_kept(struct machine *m, const struct write_set *kept)
{
    struct write_record r;
    enum status st = STATUS_OK;
    size_t at = 0;

    sessions_clear(&m->sessions);
    keyspaces_clear(&m->keyspaces);
    m->remember_until = 0;
    while (kept && st == STATUS_OK && !PLANTED(SESSIONS_FORGOTTEN) &&
           write_set_next(kept, &at, &r))
        switch (r.key.data[0]) {
        case LAYOUT_REMEMBER:
            st = machine_remember_load(m, r.value);
            break;
        case LAYOUT_KEYSPACE:
            st = keyspaces_load(&m->keyspaces, r.key, r.value);
            break;
        default:
            st = sessions_load(&m->sessions, r.key, r.value);
        }
    return st;
}

static enum status check_slots(struct slice record)
{
    if (record.size < 1)
        return STATUS_CORRUPT;
    if (record.data[0] != SLOT_TABLE_FORMAT)
        return STATUS_WRONG_VERSION;
    return record.size == SLOT_TABLE_RECORD_BYTES ? STATUS_OK
                                                  : STATUS_CORRUPT;
}

enum status machine_load_slots(uint8_t slots[SLOT_TABLE_BYTES],
                               struct slice record)
{
    enum status st = check_slots(record);

    if (st == STATUS_OK)
        memcpy(slots, record.data + 16, SLOT_TABLE_BYTES);
    return st;
}

enum status machine_load(struct machine *m, struct slice slots,
                         struct slice map)
{
    enum status st = machine_load_slots(m->slots, slots);

    if (st != STATUS_OK)
        return st;
    expiry_forget(&m->expiry);
    written_forget(&m->written);
    m->version_offset = get_u64(slots.data + 8);
    if (m->group == 0) {
        map_free(m->map);
        if (map_decode(map, &m->map) != STATUS_OK)
            return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* ---- what the step knows ---- */

struct slice machine_bytes(const struct machine_step *s, struct piece p)
{
    switch (p.where) {
    case PIECE_NONE:
        break;
    case PIECE_AT:
        return slice_of(p.data, p.size);
    case PIECE_SET:
        return slice_of(s->set.records.data + p.offset, p.size);
    case PIECE_OUT:
        return slice_of(s->out.data + p.offset, p.size);
    }
    return slice_of("", 0);
}

static enum status check_record(const struct machine_step *s,
                                const struct view_row *r)
{
    struct slice record = machine_bytes(s, r->now.record);
    struct layout_value v;
    struct layout_fence f;

    if (!r->now.present)
        return STATUS_OK;
    switch (s->view.bytes.data[r->offset]) {
    case LAYOUT_DATA:
        return layout_value_parse(record, &v);
    case LAYOUT_FENCE:
        return layout_fence_parse(record, &f);
    default:
        return STATUS_OK;
    }
}

enum status machine_fetched(struct machine_step *s,
                            const struct fetched *records, bool *whole)
{
    *whole = view_fill(&s->view, records);
    for (unsigned i = 0; i < s->view.n; i++) {
        enum status st = check_record(s, &s->view.rows[i]);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

bool machine_step_full(const struct machine_step *s)
{
    return view_fetched_bytes(&s->view) + s->set.records.size + s->out.size >
           VIEW_BYTES_MAX;
}

bool machine_room(const struct machine_step *s, size_t size)
{
    return s->set.records.size - s->entry_set + size <= MACHINE_WRITE_MAX;
}

bool machine_reply_room(const struct machine_step *s, size_t size)
{
    return s->out.size - s->entry_out + size <= MACHINE_WRITE_MAX;
}

struct slice machine_data_key(struct machine_step *s, uint32_t keyspace,
                              struct slice key)
{
    buf_clear(&s->key);
    layout_data_key_append(&s->key, keyspace, key);
    return buf_slice(&s->key);
}

void machine_current(struct doing *d, struct slice key, struct current *out)
{
    struct machine_step *s = d->s;
    struct view_row *row =
        view_find(&s->view, machine_data_key(s, d->keyspace, key));

    assert(row); /* machine_needs() named it */
    *out = (struct current){.row = row};
    if (!row->now.present)
        return;
    out->present = true;
    out->size = row->now.size - LAYOUT_VALUE_HEADER_BYTES;
    out->value = row->now.record;
    out->value.size -= LAYOUT_VALUE_HEADER_BYTES;
    if (out->value.where == PIECE_AT)
        out->value.data += LAYOUT_VALUE_HEADER_BYTES;
    else
        out->value.offset += LAYOUT_VALUE_HEADER_BYTES;
    out->cut = out->value.size < out->size;
    /* machine_fetched() has looked at those of the store. */
    if (layout_value_parse(machine_bytes(s, row->now.record), &out->v))
        assert(!"a record that was not checked");
    if (machine_live(out->v.expire_at_ms, s->clock_ms) ||
        PLANTED(EXPIRED_IS_THERE))
        return;
    machine_expired(d, key, out);
    *out = (struct current){.row = row};
}

void machine_touch(struct machine_step *s, const struct view_row *row)
{
    if (!s->saving)
        return;
    if (s->n_saved == s->cap_saved) {
        s->cap_saved = s->cap_saved ? s->cap_saved * 2 : 16;
        s->saved = xrealloc(s->saved, s->cap_saved * sizeof *s->saved);
    }
    s->saved[s->n_saved++] =
        (struct saved_row){(uint32_t)(row - s->view.rows), row->now};
}

/* ---- records and changes ---- */

uint8_t *machine_put(struct doing *d, struct slice key, struct view_row *row,
                     uint64_t old_deadline, uint64_t version,
                     uint64_t deadline, size_t size, struct piece *value)
{
    struct machine_step *s = d->s;
    struct layout_value v = {.type = LAYOUT_TYPE_BYTES, .version = version,
                             .expire_at_ms = deadline};
    size_t key_size = LAYOUT_DATA_PREFIX_BYTES + key.size;
    size_t record = LAYOUT_VALUE_HEADER_BYTES + size;
    uint8_t *at;

    machine_count(d, key, row, (long)size);
    if (old_deadline != deadline) {
        if (old_deadline)
            machine_due_drop(d, LAYOUT_DATA, key, old_deadline);
        if (deadline)
            machine_due_add(d, LAYOUT_DATA, key, deadline);
    }
    at = write_set_put_in_place(&s->set, key_size, record);
    layout_data_key(at, d->keyspace, key);
    layout_value_header(at + key_size, &v);
    *value = (struct piece){.where = PIECE_SET, .size = (uint32_t)size,
                            .offset = s->set.records.size - size};
    if (row && !PLANTED(OWN_WRITES_UNSEEN)) {
        machine_touch(s, row);
        row->now = (struct view_state){
            .present = true,
            .size = (uint32_t)record,
            .record = {.where = PIECE_SET, .size = (uint32_t)record,
                       .offset = s->set.records.size - record},
        };
    }
    return at + key_size + LAYOUT_VALUE_HEADER_BYTES;
}

void machine_remove(struct doing *d, struct slice key, struct view_row *row,
                    uint64_t old_deadline)
{
    struct machine_step *s = d->s;

    machine_count(d, key, row, -1);
    if (old_deadline)
        machine_due_drop(d, LAYOUT_DATA, key, old_deadline);
    write_set_delete(&s->set, machine_data_key(s, d->keyspace, key));
    if (row) {
        machine_touch(s, row);
        row->now = (struct view_state){.present = false};
    }
}

void machine_change(struct doing *d, enum change_kind kind, struct slice key,
                    struct piece value, const struct current *before)
{
    struct machine_step *s = d->s;
    struct made_change *c;

    if (s->n_made == s->cap_made) {
        s->cap_made = s->cap_made ? s->cap_made * 2 : 64;
        s->made = xrealloc(s->made, s->cap_made * sizeof *s->made);
    }
    c = &s->made[s->n_made++];
    *c = (struct made_change){.kind = kind, .keyspace = d->keyspace,
                              .key = key, .value = value,
                              .version = d->version};
    if (!s->previous)
        return; /* nobody asks; what is known of it by chance is not told */
    if (!before->present) {
        c->flags = WATCH_HAD_NOTHING;
    } else if (before->value.size < before->size ||
               before->size > WATCH_PREVIOUS_BYTES_MAX) {
        c->flags = WATCH_HAD_LARGE;
    } else {
        c->flags = WATCH_HAD_PREVIOUS;
        c->previous = before->value;
    }
}

const struct change *machine_changes(struct machine_step *s, unsigned *n)
{
    *n = s->n_made;
    if (s->cap_changes < s->n_made) {
        s->cap_changes = s->cap_made;
        s->changes =
            xrealloc(s->changes, s->cap_changes * sizeof *s->changes);
    }
    for (unsigned i = 0; i < s->n_made; i++) {
        const struct made_change *c = &s->made[i];
        s->changes[i] = (struct change){
            .kind = c->kind,
            .flags = c->flags,
            .keyspace = c->keyspace,
            .key = c->key,
            .value = machine_bytes(s, c->value),
            .previous = machine_bytes(s, c->previous),
            .version = c->version,
        };
    }
    return s->changes;
}

/* ---- commands ---- */

void machine_execute(struct doing *d, const struct operation *o,
                     struct result *r)
{
    switch (o->op) {
    case OP_GET:
        machine_get(d, o, r);
        break;
    case OP_SET:
        machine_set(d, o, r);
        break;
    case OP_DELETE:
        machine_delete(d, o, r);
        break;
    case OP_INCR:
        machine_incr(d, o, r);
        break;
    case OP_INCR_FLOAT:
        machine_incr_float(d, o, r);
        break;
    case OP_APPEND:
        machine_append(d, o, r);
        break;
    case OP_SET_RANGE:
        machine_set_range(d, o, r);
        break;
    case OP_EXPIRE:
        machine_expire(d, o, r);
        break;
    default:
        assert(!"an operation that machine_needs() did not let pass");
    }
}

static enum status apply_node_update(struct machine *m, struct machine_step *s,
                                     const struct operation *o)
{
    struct map_node node;
    uint64_t before = m->map->epoch;
    enum status st = map_node_decode(o->value, &node);

    if (st == STATUS_OK)
        st = map_node_update(m->map, &node);
    if (st == STATUS_OK && m->map->epoch != before)
        machine_map_changed(m, s);
    return st;
}

static void apply_known(struct doing *d, const struct command *c,
                        struct result *r)
{
    const struct operation *o = &c->operation;
    const struct group_keyspace *g;

    g = d->m->keyspaces.n ? keyspaces_find(&d->m->keyspaces, c->keyspace)
                          : NULL;
    if (g && g->purged) {
        r->status = STATUS_NO_KEYSPACE; /* an old map let it in */
        return;
    }
    r->status = machine_fence(d, o);
    if (r->status != STATUS_OK)
        return;
    if (o->op == OP_TRANSACT)
        machine_transact(d, o, r);
    else
        machine_execute(d, o, r);
    r->clock = d->s->clock_ms;
}

static void apply_command(struct machine *m, struct machine_step *s,
                          const struct command *c, uint64_t version,
                          struct result *r)
{
    struct doing d = {m, s, c->keyspace, version};

    *r = (struct result){.clock = s->clock_ms};
    switch (c->operation.op) {
    case OP_NODE_UPDATE:
        r->status = apply_node_update(m, s, &c->operation);
        break;
    case OP_SWEEP:
        machine_sweep(&d, &c->operation, r);
        break;
    case OP_REMEMBER:
        machine_remember(&d, &c->operation);
        break;
    case OP_KEYSPACE:
    case OP_PURGE:
        machine_keyspace(&d, &c->operation, r);
        break;
    default:
        apply_known(&d, c, r);
    }
}

/* Is it for the group itself, whatever it owns? */
static bool for_the_group(enum op op)
{
    return op == OP_NODE_UPDATE || op == OP_SWEEP || op == OP_REMEMBER ||
           op == OP_KEYSPACE || op == OP_PURGE;
}

/* Whose the slot is comes first: another group's sessions and clock say nothing
 * of a request ("too late" would be taken for "never executed"). */
static void apply_once(struct machine *m, struct machine_step *s,
                       const struct command *c, uint64_t version,
                       struct result *r)
{
    if (!for_the_group(c->operation.op) && !machine_owns(m, c->slot)) {
        *r = (struct result){.status = STATUS_MOVED};
    } else if (!c->session.sequence) {
        apply_command(m, s, c, version, r);
    } else if (machine_session_first(m, s, &c->session, r)) {
        apply_command(m, s, c, version, r);
        machine_session_remember(m, s, &c->session, r);
    }
}

enum status machine_apply(struct machine *m, struct machine_step *s,
                          uint64_t index, struct slice entry,
                          struct result *results, unsigned n_results,
                          uint64_t *clock_ms)
{
    struct entry_reader r = entry_reader_of(entry);
    struct command c;

    s->clock_ms = MAX_OF(s->clock_ms, r.clock_ms);
    s->previous = m->remember_until > s->clock_ms;
    s->entry_set = s->set.records.size;
    s->entry_out = s->out.size;
    /* machine_needs() has read the whole entry without an error. */
    while (entry_next(&r, &c)) {
        uint64_t version =
            (index + m->version_offset) << 10 | (r.position & 1023);
        struct result result;
        apply_once(m, s, &c, version, &result);
        if (results && r.position < n_results)
            results[r.position] = result;
    }
    sessions_entry_end(&m->sessions, index, s->clock_ms, &s->set);
    keyspaces_write(&m->keyspaces, &s->set);
    *clock_ms = s->clock_ms;
    return r.status;
}
