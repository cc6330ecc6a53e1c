/* table_iter.c - walking a view of a table in key order; see table.h. */
#include <assert.h>

#include "node/store/table_private.h"

void table_iter_init(struct table_iter *it, const struct table_view *v)
{
    it->view = v;
    it->depth = -1;
}

/* From `n`, at the path's place `depth`, down to its first or last leaf. */
static void descend(struct table_iter *it, const struct table_node *n,
                    int depth, bool last)
{
    for (;; depth++) {
        assert(depth < TABLE_DEPTH_MAX);
        it->path[depth].node = n;
        it->path[depth].at = last ? n->count : 0;
        if (!n->level)
            break;
        n = table_inner_of_const(n)->children[it->path[depth].at];
    }
    it->depth = depth;
    if (last)
        it->path[depth].at--; /* leaves are never empty */
}

/* To the first entry of the next leaf, or the last of the one before. */
static void other_leaf(struct table_iter *it, bool back)
{
    for (int d = it->depth - 1; d >= 0; d--) {
        const struct table_node *n = it->path[d].node;
        unsigned at = it->path[d].at;

        if (back ? at == 0 : at == n->count)
            continue;
        at = back ? at - 1 : at + 1;
        it->path[d].at = at;
        descend(it, table_inner_of_const(n)->children[at], d + 1, back);
        return;
    }
    it->depth = -1;
}

void table_iter_first(struct table_iter *it)
{
    it->depth = -1;
    if (it->view->root)
        descend(it, it->view->root, 0, false);
}

void table_iter_last(struct table_iter *it)
{
    it->depth = -1;
    if (it->view->root)
        descend(it, it->view->root, 0, true);
}

/* To the leaf where `key` belongs, at the first entry not below it, which may
 * be behind the leaf's last. True when that entry is `key`. */
static bool walk(struct table_iter *it, struct slice key)
{
    const struct table_node *n = it->view->root;
    int depth = 0;
    bool found;

    for (;; depth++) {
        it->path[depth].node = n;
        if (!n->level)
            break;
        it->path[depth].at = table_node_child(n, key);
        n = table_inner_of_const(n)->children[it->path[depth].at];
    }
    found = table_node_find(n, key, &it->path[depth].at);
    it->depth = depth;
    return found;
}

void table_iter_seek(struct table_iter *it, struct slice key)
{
    it->depth = -1;
    if (!it->view->root)
        return;
    walk(it, key);
    if (it->path[it->depth].at == it->path[it->depth].node->count)
        other_leaf(it, false);
}

void table_iter_seek_back(struct table_iter *it, struct slice key)
{
    it->depth = -1;
    if (it->view->root && !walk(it, key))
        table_iter_prev(it);
}

void table_iter_next(struct table_iter *it)
{
    assert(table_iter_valid(it));
    if (++it->path[it->depth].at == it->path[it->depth].node->count)
        other_leaf(it, false);
}

void table_iter_prev(struct table_iter *it)
{
    assert(table_iter_valid(it));
    if (it->path[it->depth].at == 0)
        other_leaf(it, true);
    else
        it->path[it->depth].at--;
}

static const struct table_record *record(const struct table_iter *it)
{
    assert(table_iter_valid(it));
    return it->path[it->depth].node->records[it->path[it->depth].at];
}

struct slice table_iter_key(const struct table_iter *it)
{
    return table_record_key(record(it));
}

enum table_answer table_iter_value(const struct table_iter *it,
                                   struct slice *value)
{
    const struct table_record *r = record(it);

    *value = table_record_value(r);
    return r->tombstone ? TABLE_DELETED : TABLE_FOUND;
}
