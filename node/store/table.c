/* table.c - see table.h: memory, writing, views.
 *
 * Generations: a view is of one generation, and taking it begins the next.
 * What was made in the present generation no view can see. A node that is
 * replaced in generation g is seen by views older than g only: it is used
 * again when no such view lives. Records are not used again. */
#include "node/store/table.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/table_private.h"

enum {
    CHUNK_MIN = 4 * 1024,
    CHUNK_MAX = 1024 * 1024,
    LINE = 64, /* of the processor's cache */
    RANGES_MIN = 4,
};

struct chunk {
    struct chunk *next;
};

/* A node that views may still see. */
struct retired {
    struct table_node *node;
    uint32_t generation; /* in which it was replaced */
};

struct table {
    atomic_uint refs; /* the maker's, and one for each view that lives */
    uint32_t generation;
    struct table_node *root; /* NULL: no entries */
    struct table_ranges *ranges;
    uint64_t count;
    uint64_t bytes;

    struct chunk *chunks;
    uint8_t *at, *end; /* what is free of the newest chunk */

    struct table_node *free[2]; /* leaves, inner nodes; by records[0] */
    struct retired *retired;    /* oldest first, from retired_first */
    size_t retired_first, retired_count, retired_cap;

    struct table_view *oldest, *youngest;
    unsigned views, sweep_at;
};

/* The way from the root to a leaf; [0] is the root. */
struct path {
    struct table_node *node[TABLE_DEPTH_MAX];
    unsigned child[TABLE_DEPTH_MAX]; /* of an inner node: which was taken */
    unsigned leaf;                   /* the leaf's place */
};

/* ---- memory ---- */

static void *chunk_add(struct table *t, size_t size)
{
    struct chunk *c = xmalloc(LINE + size);

    c->next = t->chunks;
    t->chunks = c;
    return c;
}

/* Large things get a chunk of their own, which leaves the newest as it is. */
static void *take(struct table *t, size_t size, size_t align)
{
    size_t gap = -(uintptr_t)t->at & (align - 1), chunk;
    uint8_t *p;

    t->bytes += size;
    if ((size_t)(t->end - t->at) >= gap + size) {
        p = t->at + gap;
        t->at = p + size;
        return p;
    }
    chunk = MAX_OF(t->bytes / 2, (uint64_t)CHUNK_MIN);
    chunk = MIN_OF(chunk, (size_t)CHUNK_MAX);
    if (size > chunk / 4) {
        p = chunk_add(t, size + align);
        p += sizeof(struct chunk);
        return p + (-(uintptr_t)p & (align - 1));
    }
    p = chunk_add(t, chunk);
    t->end = p + LINE + chunk;
    p += sizeof(struct chunk);
    p += -(uintptr_t)p & (align - 1);
    t->at = p + size;
    return p;
}

static struct table_record *record_new(struct table *t, struct slice key,
                                       struct slice value, bool tombstone)
{
    struct table_record *r =
        take(t, offsetof(struct table_record, bytes) + key.size + value.size,
             _Alignof(struct table_record));

    assert(key.size && key.size <= UINT32_MAX && value.size <= UINT32_MAX);
    *r = (struct table_record){
        .key_size = (uint32_t)key.size,
        .value_size = (uint32_t)value.size,
        .room = (uint32_t)value.size,
        .generation = t->generation,
        .tombstone = tombstone,
    };
    memcpy(r->bytes, key.data, key.size);
    if (value.size)
        memcpy(r->bytes + key.size, value.data, value.size);
    return r;
}

/* Write the new value over the old one, where nobody can see that. */
static bool record_change(const struct table *t, struct table_record *r,
                          struct slice value, bool tombstone)
{
    if (r->generation != t->generation || r->pinned || value.size > r->room)
        return false;
    if (value.size)
        memcpy(r->bytes + r->key_size, value.data, value.size);
    r->value_size = (uint32_t)value.size;
    r->tombstone = tombstone;
    return true;
}

/* ---- nodes that views may see ---- */

/* Forget views that were given back; with `all` not only the oldest. */
static void views_sweep(struct table *t, bool all)
{
    struct table_view **at = &t->oldest, *last = NULL;

    while (*at) {
        struct table_view *v = *at;
        if (atomic_load_explicit(&v->refs, memory_order_acquire) == 0) {
            *at = v->next;
            free(v);
            t->views--;
        } else if (all) {
            last = v;
            at = &v->next;
        } else {
            return;
        }
    }
    t->youngest = last;
}

static void free_push(struct table *t, struct table_node *n)
{
    struct table_node **list = &t->free[n->level > 0];

    n->records[0] = (struct table_record *)(void *)*list;
    *list = n;
}

/* Nodes that only views could see that are no more. */
static void reclaim(struct table *t)
{
    if (!t->retired_count)
        return;
    views_sweep(t, false);
    while (t->retired_count) {
        struct retired *r = &t->retired[t->retired_first];
        if (t->oldest && t->oldest->generation < r->generation)
            return;
        free_push(t, r->node);
        t->retired_first++;
        t->retired_count--;
    }
    t->retired_first = 0;
}

/* The tree no longer leads to `n`. */
static void node_drop(struct table *t, struct table_node *n)
{
    if (n->generation == t->generation) {
        free_push(t, n);
        return;
    }
    if (t->retired_first + t->retired_count == t->retired_cap) {
        if (t->retired_first > t->retired_cap / 2) {
            memmove(t->retired, t->retired + t->retired_first,
                    t->retired_count * sizeof *t->retired);
            t->retired_first = 0;
        } else {
            t->retired_cap = t->retired_cap ? 2 * t->retired_cap : 64;
            t->retired = xrealloc(t->retired,
                                  t->retired_cap * sizeof *t->retired);
        }
    }
    t->retired[t->retired_first + t->retired_count++] =
        (struct retired){n, t->generation};
}

static struct table_node *node_new(struct table *t, unsigned level)
{
    struct table_node **list = &t->free[level > 0], *n = *list;
    size_t size = level ? sizeof(struct table_inner) : sizeof *n;

    if (n)
        *list = (struct table_node *)(void *)n->records[0];
    else
        n = take(t, size, LINE);
    n->generation = t->generation;
    n->level = (uint8_t)level;
    n->count = 0;
    n->prefix_size = 0;
    return n;
}

/* The node itself when no view can see it, else a copy in its place. */
static struct table_node *node_own(struct table *t, struct table_node *n)
{
    struct table_node *copy;

    if (n->generation == t->generation)
        return n;
    copy = node_new(t, n->level);
    copy->count = n->count;
    copy->prefix_size = n->prefix_size;
    memcpy(copy->prefix, n->prefix, n->prefix_size);
    memcpy(copy->heads, n->heads, n->count * sizeof *n->heads);
    memcpy(copy->records, n->records, n->count * sizeof *n->records);
    if (n->level)
        memcpy(table_inner_of(copy)->children, table_inner_of(n)->children,
               (n->count + 1u) * sizeof(struct table_node *));
    node_drop(t, n);
    return copy;
}

/* ---- putting ---- */

/* Split the full child `i`; a tree that grows at its end leaves full nodes. */
static void split_child(struct table *t, struct table_inner *parent,
                        unsigned i, struct slice key)
{
    struct table_node *child = parent->children[i], *right;
    struct table_record *separator;
    unsigned keep = TABLE_FANOUT / 2;

    if (i == parent->node.count &&
        slice_compare(key, table_record_key(
                               child->records[TABLE_FANOUT - 1])) > 0)
        keep = TABLE_FANOUT - 4;
    right = node_new(t, child->level);
    separator = table_node_split(child, right, keep);
    memmove(parent->children + i + 2, parent->children + i + 1,
            (parent->node.count - i) * sizeof(struct table_node *));
    parent->children[i + 1] = right;
    table_node_insert(&parent->node, i, separator);
}

/* The leaf where `key` belongs, all on the way ready to be changed, and not
 * full: full nodes are split on the way down. */
static struct table_node *leaf_for(struct table *t, struct slice key)
{
    struct table_node *n;

    if (!t->root)
        t->root = node_new(t, 0);
    n = t->root = node_own(t, t->root);
    if (n->count == TABLE_FANOUT) {
        struct table_node *root = node_new(t, n->level + 1u);
        assert(root->level < TABLE_DEPTH_MAX);
        table_inner_of(root)->children[0] = n;
        split_child(t, table_inner_of(root), 0, key);
        n = t->root = root;
    }
    while (n->level) {
        struct table_inner *inner = table_inner_of(n);
        unsigned i = table_node_child(n, key);

        table_node_prefetch(inner->children[i]);
        n = inner->children[i] = node_own(t, inner->children[i]);
        if (n->count == TABLE_FANOUT) {
            split_child(t, inner, i, key);
            n = inner->children[table_node_child(&inner->node, key)];
        }
    }
    return n;
}

static void put(struct table *t, struct slice key, struct slice value,
                bool tombstone)
{
    struct table_node *leaf;
    unsigned at;

    reclaim(t);
    leaf = leaf_for(t, key);
    if (!table_node_find(leaf, key, &at)) {
        table_node_insert(leaf, at, record_new(t, key, value, tombstone));
        t->count++;
    } else if (!record_change(t, leaf->records[at], value, tombstone)) {
        leaf->records[at] = record_new(t, key, value, tombstone);
    }
}

void table_put(struct table *t, struct slice key, struct slice value)
{
    put(t, key, value, false);
}

void table_delete(struct table *t, struct slice key)
{
    put(t, key, (struct slice){0}, true);
}

/* ---- deleting ranges ---- */

/* Walk to the leaf where `key` belongs. Gives the key behind all of the
 * leaf's, or an empty slice for the last leaf. */
static struct slice walk(struct table *t, struct slice key, struct path *p)
{
    struct table_node *n = t->root;
    struct slice fence = {0};
    unsigned depth = 0;

    while (n->level) {
        unsigned i = table_node_child(n, key);
        if (i < n->count)
            fence = table_record_key(n->records[i]);
        p->node[depth] = n;
        p->child[depth++] = i;
        n = table_inner_of(n)->children[i];
    }
    p->node[depth] = n;
    p->leaf = depth;
    return fence;
}

/* Make all nodes of the path ready to be changed. */
static void own_path(struct table *t, struct path *p)
{
    t->root = p->node[0] = node_own(t, p->node[0]);
    for (unsigned d = 1; d <= p->leaf; d++) {
        p->node[d] = node_own(t, p->node[d]);
        table_inner_of(p->node[d - 1])->children[p->child[d - 1]] =
            p->node[d];
    }
}

/* Take the path's leaf, which is empty, out of the tree; then its parents, as
 * far as they have nothing else. */
static void drop_leaf(struct table *t, struct path *p)
{
    for (unsigned d = p->leaf; d > 0; d--) {
        struct table_inner *parent = table_inner_of(p->node[d - 1]);
        unsigned i = p->child[d - 1], n = parent->node.count;

        node_drop(t, p->node[d]);
        if (!n)
            continue; /* it was the only child */
        memmove(parent->children + i, parent->children + i + 1,
                (n - i) * sizeof(struct table_node *));
        i = i ? i - 1 : 0;
        table_node_remove(&parent->node, i, i + 1);
        return;
    }
    node_drop(t, p->node[0]);
    t->root = NULL;
}

static void erase(struct table *t, struct slice begin, struct slice end)
{
    struct path p;

    while (t->root) {
        struct slice fence = walk(t, begin, &p);
        struct table_node *leaf = p.node[p.leaf];
        unsigned from, to;

        table_node_find(leaf, begin, &from);
        table_node_find(leaf, end, &to);
        if (from < to) {
            own_path(t, &p);
            leaf = p.node[p.leaf];
            t->count -= to - from;
            table_node_remove(leaf, from, to);
            if (!leaf->count)
                drop_leaf(t, &p);
        }
        if (!fence.size || slice_compare(fence, end) >= 0)
            return;
        begin = fence;
    }
}

static struct slice copied(struct table *t, struct slice bytes)
{
    uint8_t *p = take(t, bytes.size, 1);

    if (bytes.size)
        memcpy(p, bytes.data, bytes.size);
    return slice_of(p, bytes.size);
}

/* The set of ranges, ready for one more. */
static struct table_ranges *ranges_own(struct table *t)
{
    struct table_ranges *old = t->ranges, *r;
    unsigned count = old ? old->count : 0;
    unsigned cap = MAX_OF(2 * count, (unsigned)RANGES_MIN);

    if (old && old->generation == t->generation && count < old->cap)
        return old;
    r = take(t, table_ranges_bytes(cap), _Alignof(struct table_ranges));
    *r = (struct table_ranges){t->generation, count, cap};
    if (count)
        memcpy(r->v, old->v, count * sizeof *old->v);
    t->ranges = r;
    return r;
}

void table_delete_range(struct table *t, struct slice begin, struct slice end)
{
    struct table_ranges *ranges;

    if (slice_compare(begin, end) >= 0)
        return;
    reclaim(t);
    erase(t, begin, end);
    ranges = ranges_own(t);
    table_ranges_add(ranges, (struct table_range){copied(t, begin),
                                                  copied(t, end)});
}

/* ---- reading ---- */

static enum table_answer look_up(const struct table_node *n,
                                 const struct table_ranges *ranges,
                                 struct slice key, struct table_record **out)
{
    unsigned at;

    while (n && n->level) {
        n = table_inner_of_const(n)->children[table_node_child(n, key)];
        table_node_prefetch(n);
    }
    if (n && table_node_find(n, key, &at)) {
        *out = n->records[at];
        return (*out)->tombstone ? TABLE_DELETED : TABLE_FOUND;
    }
    return table_ranges_find(ranges, key) ? TABLE_DELETED : TABLE_UNKNOWN;
}

enum table_answer table_get(struct table *t, struct slice key,
                            struct slice *value)
{
    struct table_record *r;
    enum table_answer answer = look_up(t->root, t->ranges, key, &r);

    if (answer == TABLE_FOUND) {
        r->pinned = true;
        *value = table_record_value(r);
    }
    return answer;
}

/* Level by level: while one key's node is on its way the others' are asked
 * for, so that n keys wait about as long as one. */
void table_expect(const struct table *t, const struct slice *keys, unsigned n)
{
    const struct table_node *at[EXPECT_MAX];
    struct table_record *const *record[EXPECT_MAX];

    assert(n <= EXPECT_MAX);
    if (!t->root)
        return;
    for (unsigned i = 0; i < n; i++)
        at[i] = t->root;
    for (unsigned level = t->root->level; level; level--)
        for (unsigned i = 0; i < n; i++) {
            at[i] = table_inner_of_const(at[i])
                        ->children[table_node_child(at[i], keys[i])];
            table_node_prefetch(at[i]);
        }
    for (unsigned i = 0; i < n; i++) {
        record[i] = &at[i]->records[table_node_guess(at[i], keys[i])];
        __builtin_prefetch(record[i]);
    }
    for (unsigned i = 0; i < n; i++)
        memory_prefetch(*record[i], EXPECT_BYTES);
}

uint64_t table_bytes(const struct table *t)
{
    return t->bytes;
}

uint64_t table_count(const struct table *t)
{
    return t->count;
}

enum table_answer table_view_get(const struct table_view *v, struct slice key,
                                 struct slice *value)
{
    struct table_record *r;
    enum table_answer answer = look_up(v->root, v->ranges, key, &r);

    if (answer == TABLE_FOUND)
        *value = table_record_value(r);
    return answer;
}

bool table_view_covers(const struct table_view *v, struct slice key,
                       struct slice *begin, struct slice *end)
{
    const struct table_range *r = table_ranges_find(v->ranges, key);

    if (r && begin)
        *begin = r->begin;
    if (r && end)
        *end = r->end;
    return r;
}

bool table_view_range(const struct table_view *v, unsigned i,
                      struct slice *begin, struct slice *end)
{
    if (!v->ranges || i >= v->ranges->count)
        return false;
    *begin = v->ranges->v[i].begin;
    *end = v->ranges->v[i].end;
    return true;
}

/* ---- life, views ---- */

struct table *table_new(void)
{
    struct table *t = xcalloc(1, sizeof *t);

    atomic_init(&t->refs, 1);
    t->sweep_at = 16;
    return t;
}

struct table *table_ref(struct table *t)
{
    unsigned before = atomic_fetch_add(&t->refs, 1);

    assert(before > 0);
    (void)before;
    return t;
}

void table_unref(struct table *t)
{
    unsigned before;
    struct chunk *next;

    if (!t)
        return;
    before = atomic_fetch_sub(&t->refs, 1);
    assert(before > 0);
    if (before > 1)
        return;
    views_sweep(t, true);
    assert(!t->views);
    for (struct chunk *c = t->chunks; c; c = next) {
        next = c->next;
        free(c);
    }
    free(t->retired);
    free(t);
}

struct table_view *table_view_take(struct table *t)
{
    struct table_view *v = xcalloc(1, sizeof *v);

    if (t->views >= t->sweep_at) {
        views_sweep(t, true);
        t->sweep_at = 2 * t->views + 16;
    }
    atomic_init(&v->refs, 1);
    v->table = table_ref(t);
    v->generation = t->generation++;
    assert(t->generation);
    v->root = t->root;
    v->ranges = t->ranges;
    if (t->oldest)
        t->youngest->next = v;
    else
        t->oldest = v;
    t->youngest = v;
    t->views++;
    return v;
}

struct table_view *table_view_ref(struct table_view *v)
{
    unsigned before = atomic_fetch_add(&v->refs, 1);

    assert(before > 0);
    (void)before;
    return v;
}

void table_view_unref(struct table_view *v)
{
    struct table *t;
    unsigned before;

    if (!v)
        return;
    /* The owner may free `v` as soon as its count is zero. */
    t = v->table;
    before = atomic_fetch_sub(&v->refs, 1);
    assert(before > 0);
    if (before == 1)
        table_unref(t);
}
