/* duelook.c - looks into the index of deadlines, by workers.
 *
 * Behind what was swept lie the marks of what was deleted; the shard says where
 * the index begins, so a look walks over few of them, but nobody knows how few:
 * never on the loop. */
#include <stdlib.h>

#include "node/shell/node.h"
#include "node/store/store_iter.h"

struct look_job {
    uv_work_t work;
    struct loop *l;
    struct store_view *view;
    uint32_t group;
    struct buf from;
    uint64_t until;
    unsigned max;
    size_t bytes_max;
    struct buf keys;      /* u32 size, key; each */
    unsigned n;
    struct buf next;
    enum status status;
};

static bool take(struct look_job *j, struct slice key)
{
    struct layout_deadline line;

    /* What cannot be read is passed on: the shard says so. */
    if (layout_deadline_key_parse(key, &line) != STATUS_OK) {
        j->status = STATUS_CORRUPT;
        return false;
    }
    if (line.deadline > j->until || j->n == j->max ||
        j->keys.size >= j->bytes_max) {
        buf_append(&j->next, key.data, key.size);
        return false;
    }
    buf_u32(&j->keys, (uint32_t)key.size);
    buf_append(&j->keys, key.data, key.size);
    j->n++;
    return true;
}

static void look_work(uv_work_t *w)
{
    static const uint8_t behind[1] = {LAYOUT_DEADLINE + 1};
    struct look_job *j = w->data;
    struct store_iter_options o = {.lower = buf_slice(&j->from),
                                   .upper = slice_of(behind, 1),
                                   .tier = STORE_ANY};
    struct store_iter *it = store_iter_new(j->view, &o);

    store_iter_first(it);
    while (store_iter_valid(it) && take(j, store_iter_key(it)))
        store_iter_next(it);
    if (j->status == STATUS_OK)
        j->status = store_iter_status(it);
    store_iter_free(it);
}

static void look_done(uv_work_t *w, int canceled)
{
    struct look_job *j = w->data;
    struct event e = {.type = EVENT_DUE, .now = node_now()};

    (void)canceled;
    e.due.group = j->group;
    e.due.status = j->status;
    e.due.keys = buf_slice(&j->keys);
    e.due.n = j->n;
    e.due.next = buf_slice(&j->next);
    loop_step(j->l, &e);
    store_view_unref(j->view);
    buf_release(&j->from);
    buf_release(&j->keys);
    buf_release(&j->next);
    free(j);
}

void duelook_begin(struct loop *l, const struct effect *e)
{
    struct store *store = stores_find(l, e->group);
    struct look_job *j;

    if (!store) {
        struct event done = {.type = EVENT_DUE, .now = node_now()};
        done.due.group = e->group;
        done.due.status = STATUS_IO_ERROR;
        loop_step(l, &done);
        return;
    }
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->l = l;
    j->group = e->group;
    j->until = e->due.until;
    j->max = e->due.max;
    j->bytes_max = e->due.bytes_max;
    buf_append(&j->from, e->due.from.data, e->due.from.size);
    j->view = store_view_take(store);
    if (uv_queue_work(l->uv, &j->work, look_work, look_done))
        node_die("worker", "cannot queue");
}
