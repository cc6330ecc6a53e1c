/* machine.c - see machine.h. */
#include "node/core/machine.h"

#include <assert.h>

enum { SLOT_TABLE_FORMAT = 1, SLOT_TABLE_RECORD_BYTES = 16 + SLOT_TABLE_BYTES };

void machine_init(struct machine *m, uint32_t group)
{
    *m = (struct machine){.group = group};
}

void machine_release(struct machine *m)
{
    map_free(m->map);
    m->map = NULL;
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
}

void machine_step_clear(struct machine_step *s)
{
    write_set_clear(&s->set);
    view_clear(&s->view);
    s->map_changed = false;
}

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

void machine_create(struct machine *m, const struct cluster_map *map,
                    struct write_set *set)
{
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

enum status machine_load(struct machine *m, struct slice slots,
                         struct slice map)
{
    if (slots.size < 1)
        return STATUS_CORRUPT;
    if (slots.data[0] != SLOT_TABLE_FORMAT)
        return STATUS_WRONG_VERSION;
    if (slots.size != SLOT_TABLE_RECORD_BYTES)
        return STATUS_CORRUPT;
    m->version_offset = get_u64(slots.data + 8);
    memcpy(m->slots, slots.data + 16, SLOT_TABLE_BYTES);
    if (m->group == 0) {
        map_free(m->map);
        if (map_decode(map, &m->map) != STATUS_OK)
            return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static struct slice store_key(struct machine_step *s, const struct command *c)
{
    buf_clear(&s->key);
    layout_data_key_append(&s->key, c->keyspace, c->key);
    return buf_slice(&s->key);
}

/* Is this a command we know how to apply in this group? */
static bool command_known(const struct machine *m, const struct command *c)
{
    switch (c->op) {
    case OP_SET:
    case OP_DELETE:
        return m->group != 0 && c->key.size > 0;
    case OP_NODE_UPDATE:
        return m->group == 0;
    default:
        return false;
    }
}

enum status machine_needs(const struct machine *m, struct machine_step *s,
                          struct slice entry)
{
    struct entry_reader r = entry_reader_of(entry);
    struct command c;

    while (entry_next(&r, &c)) {
        if (!command_known(m, &c))
            return STATUS_WRONG_VERSION;
        if (c.op == OP_DELETE && machine_owns(m, c.slot))
            view_need(&s->view, store_key(s, &c));
    }
    return r.status;
}

static void apply_set(struct machine_step *s, const struct command *c,
                      uint64_t version)
{
    struct layout_value v = {.type = LAYOUT_TYPE_BYTES, .version = version};
    size_t key_size = LAYOUT_DATA_PREFIX_BYTES + c->key.size;
    uint8_t *at = write_set_put_in_place(
        &s->set, key_size, LAYOUT_VALUE_HEADER_BYTES + c->value.size);

    layout_data_key(at, c->keyspace, c->key);
    layout_value_header(at + key_size, &v);
    if (c->value.size)
        memcpy(at + key_size + LAYOUT_VALUE_HEADER_BYTES, c->value.data,
               c->value.size);
    if (!view_empty(&s->view))
        view_note(&s->view, slice_of(at, key_size), true);
}

static enum status apply_delete(struct machine_step *s,
                                const struct command *c)
{
    struct slice key = store_key(s, c);

    if (!view_present(&s->view, key))
        return STATUS_NOT_FOUND;
    write_set_delete(&s->set, key);
    view_note(&s->view, key, false);
    return STATUS_OK;
}

static enum status apply_node_update(struct machine *m, struct machine_step *s,
                                     const struct command *c)
{
    struct map_node node;
    uint64_t before = m->map->epoch;
    enum status st = map_node_decode(c->value, &node);

    if (st == STATUS_OK)
        st = map_node_update(m->map, &node);
    if (st == STATUS_OK && m->map->epoch != before) {
        put_map(m, &s->set);
        s->map_changed = true;
    }
    return st;
}

static struct result apply_command(struct machine *m, struct machine_step *s,
                                   const struct command *c, uint64_t version)
{
    if (c->op == OP_NODE_UPDATE)
        return (struct result){apply_node_update(m, s, c), 0};
    if (!machine_owns(m, c->slot))
        return (struct result){STATUS_MOVED, 0};
    if (c->op == OP_SET) {
        apply_set(s, c, version);
        return (struct result){STATUS_OK, version};
    }
    assert(c->op == OP_DELETE);
    return (struct result){apply_delete(s, c), version};
}

enum status machine_apply(struct machine *m, struct machine_step *s,
                          uint64_t index, struct slice entry,
                          struct result *results, unsigned n_results,
                          uint64_t *clock_ms)
{
    struct entry_reader r = entry_reader_of(entry);
    struct command c;

    /* machine_needs() has read the whole entry without an error. */
    while (entry_next(&r, &c)) {
        uint64_t version =
            (index + m->version_offset) << 10 | (r.position & 1023);
        struct result result = apply_command(m, s, &c, version);
        if (results && r.position < n_results)
            results[r.position] = result;
    }
    *clock_ms = r.clock_ms;
    return r.status;
}
