/* duelook.c - looks into the index of deadlines, by workers.
 *
 * Behind what was swept lie the marks of what was deleted; the shard says where
 * the index begins, so a look walks over few of them, but nobody knows how few:
 * never on the loop.
 *
 * Who looks in order to sweep will soon have to know the records that the lines
 * are about. They are read here, too, and kept (store_keep), so that applying
 * the sweep need not wait for a worker, and others behind it. */
#include <stdlib.h>

#include "node/shell/node.h"
#include "node/store/row_cache.h"
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
    struct buf data_keys; /* u32 size, key; each: of `values` */
    struct store_value *values;
    unsigned n_values;
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

/* Read what a line is about, if it is small. */
static void read_ahead(struct look_job *j, const struct layout_deadline *line)
{
    struct store_value *v = &j->values[j->n_values];
    size_t begin = j->data_keys.size, size;
    struct slice key;

    size = LAYOUT_DATA_PREFIX_BYTES + line->user_key.size;
    buf_u32(&j->data_keys, (uint32_t)size);
    layout_data_key_append(&j->data_keys, line->keyspace, line->user_key);
    key = slice_of(j->data_keys.data + begin + 4, size);
    if (store_get(store_view_store(j->view), j->view, key, STORE_ANY, v) ==
            STATUS_OK &&
        size + v->bytes.size <= ROW_BYTES_MAX) {
        j->n_values++;
        return;
    }
    store_value_release(v); /* errors are for who has to know it */
    j->data_keys.size = begin;
}

static void read_all_ahead(struct look_job *j)
{
    struct reader in = reader_of(buf_slice(&j->keys));
    struct layout_deadline line;

    j->values = xcalloc(j->n + 1, sizeof *j->values);
    while (reader_left(&in))
        if (layout_deadline_key_parse(reader_bytes(&in, reader_u32(&in)),
                                      &line) == STATUS_OK &&
            line.kind == LAYOUT_DATA)
            read_ahead(j, &line);
}

static void keep_all(struct look_job *j)
{
    struct reader in = reader_of(buf_slice(&j->data_keys));

    for (unsigned i = 0; i < j->n_values; i++) {
        struct slice key = reader_bytes(&in, reader_u32(&in));
        store_keep(store_view_store(j->view), j->view, key,
                   j->values[i].bytes);
        store_value_release(&j->values[i]);
    }
    free(j->values);
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
    if (j->n)
        read_all_ahead(j);
}

static void look_done(uv_work_t *w, int canceled)
{
    struct look_job *j = w->data;
    struct event e = {.type = EVENT_DUE, .now = node_now()};

    (void)canceled;
    keep_all(j);
    e.due.group = j->group;
    e.due.status = j->status;
    e.due.keys = buf_slice(&j->keys);
    e.due.n = j->n;
    e.due.next = buf_slice(&j->next);
    loop_step(j->l, &e);
    store_view_unref(j->view);
    buf_release(&j->from);
    buf_release(&j->keys);
    buf_release(&j->data_keys);
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
