/* truth.c - see truth.h. */
#include "tests/sim/truth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void truth_release(struct truth *t)
{
    free(t->v);
    free(t->keys);
    *t = (struct truth){0};
}

uint64_t truth_digest(struct slice value)
{
    return value.size ? XXH3_64bits(value.data, value.size) : 1;
}

size_t truth_find(const struct truth *t, uint64_t version)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->v[middle].version < version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* There are not many keys. */
static unsigned key_place(struct truth *t, struct cluster *c,
                          struct slice key)
{
    for (unsigned i = 0; i < t->n_keys; i++)
        if (slice_equal(key, slice_of(t->keys[i].bytes, t->keys[i].size)))
            return i;
    if (key.size > TRUTH_KEY_MAX)
        cluster_fail(c, "a key of %zu bytes", key.size);
    if (t->n_keys == t->cap_keys) {
        t->cap_keys = t->cap_keys ? t->cap_keys * 2 : 32;
        t->keys = xrealloc(t->keys, t->cap_keys * sizeof *t->keys);
    }
    t->keys[t->n_keys] = (struct truth_key){.size = (uint8_t)key.size};
    memcpy(t->keys[t->n_keys].bytes, key.data, key.size);
    return t->n_keys++;
}

static void add(struct truth *t, struct cluster *c, const struct change *x)
{
    unsigned key = key_place(t, c, x->key);

    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->v = xrealloc(t->v, t->cap * sizeof *t->v);
    }
    t->v[t->n++] = (struct truth_event){
        .version = x->version, .at = c->now, .kind = x->kind, .key = key,
        .value = truth_digest(x->value), .before = t->keys[key].last};
    t->keys[key].last = t->n;
}

void truth_note(struct truth *t, struct cluster *c, uint32_t group,
                const struct change *changes, unsigned n)
{
    size_t at = n ? truth_find(t, changes[0].version) : 0;

    for (unsigned i = 0; i < n; i++) {
        const struct change *x = &changes[i];
        if (x->keyspace)
            continue; /* watches are of "default" */
        if (at == t->n) {
            if (at && t->v[at - 1].version > x->version)
                cluster_fail(c, "group %u: a change of version %" PRIu64
                             " behind one of %" PRIu64, group, x->version,
                             t->v[at - 1].version);
            add(t, c, x);
        }
        if (t->v[at].version != x->version || t->v[at].kind != x->kind ||
            t->v[at].value != truth_digest(x->value) ||
            !slice_equal(truth_key(t, at), x->key))
            cluster_fail(c, "group %u: a replica lists another change of "
                         "version %" PRIu64 " than the first one did of %"
                         PRIu64, group, x->version, t->v[at].version);
        at++;
    }
}

/* Data of the keyspace "default"? */
static bool is_default(struct slice key)
{
    return key.data[0] == LAYOUT_DATA && !get_be32(key.data + 1);
}

void truth_equals(const struct truth *t, struct cluster *c, uint32_t group,
                  const struct mem_table *table)
{
    unsigned there = 0, rows = 0;

    for (unsigned i = 0; i < t->n_keys; i++) {
        const struct truth_key *k = &t->keys[i];
        const struct truth_event *last = &t->v[k->last - 1];
        const struct mem_row *row;
        struct layout_value v;
        struct buf key = {0};
        layout_data_key_append(&key, 0, slice_of(k->bytes, k->size));
        row = mem_table_get(table, buf_slice(&key));
        buf_release(&key);
        there += row != NULL;
        if ((row != NULL) != (last->kind == CHANGE_PUT))
            cluster_fail(c, "group %u: %.*s is %s, but its last event was %d",
                         group, (int)k->size, (const char *)k->bytes,
                         row ? "there" : "gone", (int)last->kind);
        if (row && (layout_value_parse(mem_row_value(row), &v) != STATUS_OK ||
                    truth_digest(v.bytes) != last->value))
            cluster_fail(c, "group %u: %.*s is not what its last event said",
                         group, (int)k->size, (const char *)k->bytes);
    }
    for (unsigned i = 0; i < table->n; i++)
        rows += is_default(mem_row_key(&table->v[i]));
    if (rows != there)
        cluster_fail(c, "group %u: %u keys, events know of %u", group, rows,
                     there);
}
