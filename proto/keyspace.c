/* keyspace.c - see keyspace.h. */
#include "proto/keyspace.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/codec.h"

enum { CHANGE_BYTES = 28, PURGED_BYTES = CHANGE_BYTES + 8 };

void keyspace_change_encode(const struct keyspace_change *c, struct buf *out)
{
    buf_u8(out, (uint8_t)c->action);
    buf_u8(out, 0);
    buf_u16(out, (uint16_t)c->set);
    buf_u64(out, c->keys_max);
    buf_u64(out, c->bytes_max);
    buf_u64(out, c->default_ttl_ms);
    if (c->action != KEYSPACE_PURGED)
        return;
    buf_u32(out, c->keyspace);
    buf_u32(out, c->group);
}

enum status keyspace_change_decode(struct slice bytes, bool client,
                                   struct keyspace_change *out)
{
    struct reader r = reader_of(bytes);

    *out = (struct keyspace_change){.action = reader_u8(&r)};
    reader_u8(&r);
    out->set = reader_u16(&r);
    out->keys_max = reader_u64(&r);
    out->bytes_max = reader_u64(&r);
    out->default_ttl_ms = reader_u64(&r);
    if (out->action == KEYSPACE_PURGED) {
        out->keyspace = reader_u32(&r);
        out->group = reader_u32(&r);
    }
    if (r.failed || reader_left(&r))
        return STATUS_BAD_MESSAGE;
    if (out->action < KEYSPACE_CREATE || out->action > KEYSPACE_PURGED ||
        (client && out->action == KEYSPACE_PURGED) || out->set > 7 ||
        out->default_ttl_ms > OPERATION_EXPIRE_MAX)
        return STATUS_INVALID;
    return STATUS_OK;
}

/* ---- on the map ---- */

/* Its place among those that are not being dropped; -1: there is none. */
static long find(const struct cluster_map *m, struct slice name)
{
    const struct map_keyspace *k =
        name.size ? map_keyspace_named(m, name) : NULL;

    return k ? k - m->keyspaces : -1;
}

static void set_fields(struct map_keyspace *k, const struct keyspace_change *c)
{
    if (c->set & KEYSPACE_SET_KEYS)
        k->keys_max = c->keys_max;
    if (c->set & KEYSPACE_SET_BYTES)
        k->bytes_max = c->bytes_max;
    if (c->set & KEYSPACE_SET_TTL)
        k->default_ttl_ms = c->default_ttl_ms;
}

static bool same_settings(const struct map_keyspace *a,
                          const struct map_keyspace *b)
{
    return a->keys_max == b->keys_max && a->bytes_max == b->bytes_max &&
           a->default_ttl_ms == b->default_ttl_ms;
}

static enum status create(struct cluster_map *m, struct slice name,
                          const struct keyspace_change *c, uint32_t *id)
{
    long at = find(m, name);
    struct map_keyspace k = {.id = m->next_keyspace};

    if (!name.size || name.size > KEYSPACE_NAME_MAX ||
        keyspace_check(name) != STATUS_OK)
        return STATUS_INVALID;
    set_fields(&k, c);
    if (at >= 0) {
        *id = m->keyspaces[at].id;
        return same_settings(&m->keyspaces[at], &k) ? STATUS_OK
                                                    : STATUS_EXISTS;
    }
    if (m->n_keyspaces == KEYSPACE_COUNT_MAX || k.id == UINT32_MAX)
        return STATUS_TOO_LARGE;
    k.counted = k.keys_max || k.bytes_max;
    memcpy(k.name, name.data, name.size);
    m->epoch++;
    k.changed = m->epoch;
    m->keyspaces = xrealloc(m->keyspaces,
                            (m->n_keyspaces + 1) * sizeof *m->keyspaces);
    m->keyspaces[m->n_keyspaces++] = k;
    *id = m->next_keyspace++;
    return STATUS_OK;
}

static enum status alter(struct cluster_map *m, long at,
                         const struct keyspace_change *c)
{
    struct map_keyspace *k = &m->keyspaces[at], before = *k;

    set_fields(k, c);
    if (!k->counted && (k->keys_max || k->bytes_max)) {
        *k = before;
        return STATUS_INVALID;
    }
    if (!same_settings(k, &before))
        k->changed = ++m->epoch;
    return STATUS_OK;
}

static enum status drop(struct cluster_map *m, long at)
{
    unsigned dropping = 0;

    if (!m->keyspaces[at].id)
        return STATUS_INVALID;
    for (unsigned i = 0; i < m->n_keyspaces; i++)
        dropping += m->keyspaces[i].state == KEYSPACE_DROPPING;
    if (dropping >= KEYSPACE_DROPPING_MAX)
        return STATUS_BUSY;
    m->keyspaces[at].state = KEYSPACE_DROPPING;
    m->keyspaces[at].changed = ++m->epoch;
    return STATUS_OK;
}

static bool group_purged(const struct cluster_map *m, uint32_t keyspace,
                         uint32_t group)
{
    for (unsigned i = 0; i < m->n_purged; i++)
        if (m->purged[i].keyspace == keyspace && m->purged[i].group == group)
            return true;
    return false;
}

static void forget(struct cluster_map *m, unsigned at)
{
    uint32_t keyspace = m->keyspaces[at].id;
    unsigned n = 0;

    m->n_keyspaces--;
    memmove(m->keyspaces + at, m->keyspaces + at + 1,
            (m->n_keyspaces - at) * sizeof *m->keyspaces);
    for (unsigned i = 0; i < m->n_purged; i++)
        if (m->purged[i].keyspace != keyspace)
            m->purged[n++] = m->purged[i];
    m->n_purged = n;
}

static enum status purged(struct cluster_map *m,
                          const struct keyspace_change *c)
{
    unsigned at = 0;

    while (at < m->n_keyspaces && m->keyspaces[at].id != c->keyspace)
        at++;
    if (at == m->n_keyspaces ||
        m->keyspaces[at].state != KEYSPACE_DROPPING || !c->group ||
        !map_group_find(m, c->group) ||
        group_purged(m, c->keyspace, c->group))
        return STATUS_OK; /* told before */
    m->purged = xrealloc(m->purged, (m->n_purged + 1) * sizeof *m->purged);
    m->purged[m->n_purged++] =
        (struct map_purged){c->keyspace, c->group};
    m->epoch++;
    for (unsigned i = 1; i < m->n_groups; i++)
        if (!group_purged(m, c->keyspace, m->groups[i].id))
            return STATUS_OK;
    forget(m, at);
    return STATUS_OK;
}

enum status keyspace_apply(struct cluster_map *map, struct slice name,
                           const struct keyspace_change *c, uint32_t *id)
{
    long at = find(map, name);

    *id = at >= 0 ? map->keyspaces[at].id : 0;
    switch (c->action) {
    case KEYSPACE_CREATE:
        return create(map, name, c, id);
    case KEYSPACE_ALTER:
        return at >= 0 ? alter(map, at, c) : STATUS_NO_KEYSPACE;
    case KEYSPACE_DROP:
        return at >= 0 ? drop(map, at) : STATUS_NO_KEYSPACE;
    case KEYSPACE_PURGED:
        return purged(map, c);
    }
    return STATUS_INVALID;
}
