/* table_node.c - see table_node.h. */
#include "node/store/table_node.h"

#include <assert.h>

enum {
    /* A prefix is made longer, and all heads anew (which reads all keys), only
     * when at least so many bytes of the heads are wasted. */
    PREFIX_STEP = 4,
};

static uint64_t head_of(struct slice key, size_t prefix)
{
    uint8_t bytes[8] = {0};

    if (key.size >= prefix + 8)
        return get_be64(key.data + prefix);
    if (key.size > prefix)
        memcpy(bytes, key.data + prefix, key.size - prefix);
    return get_be64(bytes);
}

static size_t common(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t n = 0;

    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* How many of the first `n` (1 or more) heads are below `h`; without branches
 * that could be mispredicted. */
static unsigned heads_below(const uint64_t *heads, unsigned n, uint64_t h)
{
    const uint64_t *base = heads;

    while (n > 1) {
        unsigned half = n / 2;
        base += base[half - 1] < h ? half : 0;
        n -= half;
    }
    return (unsigned)(base - heads) + (*base < h);
}

/* Among the records [from, to), which have equal heads. */
static bool find_equal(const struct table_node *n, struct slice key,
                       unsigned from, unsigned to, unsigned *at)
{
    while (from < to) {
        unsigned mid = (from + to) / 2;
        int c = slice_compare(table_record_key(n->records[mid]), key);
        if (c == 0) {
            *at = mid;
            return true;
        }
        if (c < 0)
            from = mid + 1;
        else
            to = mid;
    }
    *at = from;
    return false;
}

bool table_node_find(const struct table_node *n, struct slice key,
                     unsigned *at)
{
    size_t prefix = n->prefix_size;
    size_t shared = MIN_OF(prefix, key.size);
    int c = shared ? memcmp(key.data, n->prefix, shared) : 0;
    unsigned from, to;
    uint64_t head;

    if (c == 0 && key.size < prefix)
        c = -1;
    if (c != 0 || !n->count) {
        *at = c < 0 ? 0 : n->count;
        return false;
    }
    head = head_of(key, prefix);
    from = heads_below(n->heads, n->count, head);
    if (from == n->count || n->heads[from] != head) {
        *at = from;
        return false;
    }
    to = from + 1;
    if (to < n->count && n->heads[to] == head)
        to = head == UINT64_MAX
                 ? n->count
                 : heads_below(n->heads, n->count, head + 1);
    return find_equal(n, key, from, to, at);
}

unsigned table_node_guess(const struct table_node *n, struct slice key)
{
    assert(n->count);
    return MIN_OF(heads_below(n->heads, n->count,
                              head_of(key, n->prefix_size)),
                  n->count - 1u);
}

/* Set the prefix to the first `size` bytes of `key` and make all heads. */
static void set_prefix(struct table_node *n, struct slice key, size_t size)
{
    assert(size <= TABLE_PREFIX_MAX && size <= key.size);
    memcpy(n->prefix, key.data, size);
    n->prefix_size = (uint8_t)size;
    for (unsigned i = 0; i < n->count; i++)
        n->heads[i] = head_of(table_record_key(n->records[i]), size);
}

void table_node_insert(struct table_node *n, unsigned at,
                       struct table_record *r)
{
    struct slice key = table_record_key(r);
    unsigned behind = n->count - at;
    size_t shared;

    assert(n->count < TABLE_FANOUT && at <= n->count);
    if (!n->count) {
        set_prefix(n, key, MIN_OF(key.size, (size_t)TABLE_PREFIX_MAX));
    } else {
        shared = common(n->prefix, key.data,
                        MIN_OF((size_t)n->prefix_size, key.size));
        if (shared < n->prefix_size)
            set_prefix(n, key, shared);
    }
    memmove(n->heads + at + 1, n->heads + at, behind * sizeof *n->heads);
    memmove(n->records + at + 1, n->records + at,
            behind * sizeof *n->records);
    n->heads[at] = head_of(key, n->prefix_size);
    n->records[at] = r;
    n->count++;
}

void table_node_remove(struct table_node *n, unsigned from, unsigned to)
{
    unsigned behind = n->count - to;

    assert(from <= to && to <= n->count);
    memmove(n->heads + from, n->heads + to, behind * sizeof *n->heads);
    memmove(n->records + from, n->records + to, behind * sizeof *n->records);
    n->count = (uint8_t)(from + behind);
}

/* Fewer records may share more: make use of it when it pays. */
static void tighten(struct table_node *n)
{
    struct slice first, last;
    size_t shared;

    if (n->count < 2)
        return;
    first = table_record_key(n->records[0]);
    last = table_record_key(n->records[n->count - 1]);
    shared = common(first.data, last.data, MIN_OF(first.size, last.size));
    shared = MIN_OF(shared, (size_t)TABLE_PREFIX_MAX);
    if (shared >= (size_t)n->prefix_size + PREFIX_STEP)
        set_prefix(n, first, shared);
}

struct table_record *table_node_split(struct table_node *n,
                                      struct table_node *right,
                                      unsigned keep)
{
    struct table_record *separator = n->records[keep];
    unsigned from = n->level ? keep + 1 : keep;
    unsigned moved = n->count - from;

    assert(!right->count && right->level == n->level);
    assert(keep > 0 && from < n->count);
    memcpy(right->prefix, n->prefix, n->prefix_size);
    right->prefix_size = n->prefix_size;
    memcpy(right->heads, n->heads + from, moved * sizeof *n->heads);
    memcpy(right->records, n->records + from, moved * sizeof *n->records);
    right->count = (uint8_t)moved;
    if (n->level)
        memcpy(table_inner_of(right)->children,
               table_inner_of(n)->children + from,
               (moved + 1) * sizeof(struct table_node *));
    n->count = (uint8_t)keep;
    tighten(n);
    tighten(right);
    return separator;
}
