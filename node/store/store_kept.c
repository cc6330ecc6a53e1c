/* store_kept.c - see store_kept.h. */
#include "node/store/store_kept.h"

#include "node/store/layout.h"
#include "node/store/store_iter.h"

static enum status read_kind(struct store_view *view, uint8_t kind,
                             struct write_set *out)
{
    uint8_t lower[1] = {kind}, upper[1] = {(uint8_t)(kind + 1)};
    struct store_iter_options o = {.lower = slice_of(lower, 1),
                                   .upper = slice_of(upper, 1),
                                   .tier = STORE_ANY};
    struct store_iter *it = store_iter_new(view, &o);
    enum status st;

    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
        write_set_put(out, store_iter_key(it), store_iter_value(it));
    st = store_iter_status(it);
    store_iter_free(it);
    return st;
}

enum status store_kept(struct store *s, struct write_set *out)
{
    struct store_view *view = store_view_take(s);
    enum status st = read_kind(view, LAYOUT_REMEMBER, out);

    if (st == STATUS_OK)
        st = read_kind(view, LAYOUT_KEYSPACE, out);
    if (st == STATUS_OK)
        st = read_kind(view, LAYOUT_SESSION, out);
    store_view_unref(view);
    return st;
}
