/* machine_keyspace.c - KEYSPACE and PURGE; what counted keyspaces hold.
 *
 * In the meta group KEYSPACE changes the cluster map (proto/keyspace.h). In a
 * data group it tells the limits of a counted keyspace (keyspaces.h); PURGE
 * removes all that is in a dropped one. Lines of the index of deadlines stay
 * behind; they are found to be nothing when their time comes. */
#include "node/core/machine_state.h"

#include <assert.h>

#include "proto/base/planted.h"
#include "proto/keyspace.h"

enum status machine_keyspace_known(const struct machine *m,
                                   const struct operation *o)
{
    struct keyspace_change change;
    struct keyspace_limits limits;
    enum status st = STATUS_WRONG_VERSION;
    uint32_t keyspace;

    if (m->group == 0 && o->op == OP_KEYSPACE)
        st = keyspace_change_decode(o->value, false, &change);
    else if (m->group && o->op == OP_KEYSPACE)
        st = keyspace_limits_decode(o->value, &limits);
    else if (m->group)
        st = keyspace_purge_decode(o->value, &keyspace);
    return st == STATUS_OK ? STATUS_OK : STATUS_WRONG_VERSION;
}

static void change_map(struct doing *d, const struct operation *o,
                       struct result *r)
{
    struct cluster_map *map = d->m->map;
    uint64_t before = map->epoch;
    struct keyspace_change c;
    uint32_t id = 0;

    r->status = keyspace_change_decode(o->value, false, &c);
    if (r->status == STATUS_OK)
        r->status = keyspace_apply(map, o->key, &c, &id);
    r->argument = id;
    r->version = map->epoch;
    if (map->epoch != before)
        machine_map_changed(d->m, d->s);
}

/* Rows of this keyspace are not there any more. */
static void forget_rows(struct machine_step *s, uint32_t keyspace)
{
    for (unsigned i = 0; i < s->view.n; i++) {
        struct view_row *row = &s->view.rows[i];
        const uint8_t *key = s->view.bytes.data + row->offset;
        if ((key[0] == LAYOUT_DATA || key[0] == LAYOUT_FENCE) &&
            row->size >= LAYOUT_DATA_PREFIX_BYTES &&
            get_be32(key + 1) == keyspace)
            row->now = (struct view_state){.present = false};
    }
}

static void purge(struct doing *d, uint32_t keyspace)
{
    const uint8_t kinds[] = {LAYOUT_DATA, LAYOUT_FENCE};
    const struct group_keyspace *g =
        keyspaces_find(&d->m->keyspaces, keyspace);
    uint8_t begin[LAYOUT_DATA_PREFIX_BYTES];
    struct buf end = {0};

    if (g && g->purged)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        layout_data_key(begin, keyspace, slice_of("", 0));
        if (kinds[i] == LAYOUT_FENCE && PLANTED(PURGED_BY_HALF))
            continue;
        begin[0] = kinds[i];
        buf_clear(&end);
        layout_prefix_end(&end, slice_of(begin, sizeof begin));
        write_set_delete_range(&d->s->set, slice_of(begin, sizeof begin),
                               buf_slice(&end));
    }
    buf_release(&end);
    forget_rows(d->s, keyspace);
    keyspaces_purged(&d->m->keyspaces, keyspace);
}

void machine_keyspace(struct doing *d, const struct operation *o,
                      struct result *r)
{
    struct keyspace_limits l;
    uint32_t keyspace;

    if (d->m->group == 0) {
        change_map(d, o, r);
        return;
    }
    if (o->op == OP_PURGE &&
        keyspace_purge_decode(o->value, &keyspace) == STATUS_OK)
        purge(d, keyspace);
    else if (o->op == OP_KEYSPACE &&
             keyspace_limits_decode(o->value, &l) == STATUS_OK)
        keyspaces_limit(&d->m->keyspaces, &l);
    else
        assert(!"a command that machine_needs() did not let pass");
}

/* ---- counting ---- */

/* What the keyspace grows by when the key's value has `size` bytes; -1: when it
 * goes. */
static void growth(struct slice key, const struct view_row *row, long size,
                   int64_t *keys, int64_t *bytes)
{
    int64_t before =
        row->now.present
            ? (int64_t)row->now.size - LAYOUT_VALUE_HEADER_BYTES
            : -1;

    *keys = (size >= 0) - (before >= 0);
    *bytes = MAX_OF(size, 0) - MAX_OF(before, 0) +
             *keys * (int64_t)key.size;
}

static struct group_keyspace *counted(const struct doing *d)
{
    struct group_keyspace *g =
        d->m->keyspaces.n ? keyspaces_find(&d->m->keyspaces, d->keyspace)
                          : NULL;

    return g && !g->purged ? g : NULL;
}

enum status machine_quota(const struct doing *d, struct slice key,
                          const struct view_row *row, size_t size)
{
    struct group_keyspace *g = counted(d);
    int64_t keys, bytes;

    if (!g || !row)
        return STATUS_OK;
    growth(key, row, (long)size, &keys, &bytes);
    return keyspaces_room(g, keys, bytes);
}

void machine_count(struct doing *d, struct slice key,
                   const struct view_row *row, long size)
{
    struct group_keyspace *g = counted(d);
    int64_t keys, bytes;

    if (!g)
        return;
    assert(row); /* machine_needs() names every key of a counted keyspace */
    growth(key, row, size, &keys, &bytes);
    if (keys || bytes)
        keyspaces_count(&d->m->keyspaces, g, keys, bytes);
}
