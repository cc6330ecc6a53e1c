/* duelook.c - looks into the index of deadlines, by workers.
 *
 * Behind what was swept lie the marks of what was deleted; the shard says where
 * the index begins, so a look walks over few of them, but nobody knows how few:
 * never on the loop; and it may take milliseconds, so the loops go first
 * (patient.h).
 *
 * The records that the lines are about are read here, too, so that no replica
 * has to when the sweep is applied (node/core/expiry.h). If they will have to
 * be known all the same they are kept (store_keep): then applying the sweep
 * need not wait for a worker here, and others behind it. */
#include <stdlib.h>

#include "node/core/expiry.h"
#include "node/shell/node.h"
#include "node/store/patient.h"
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
    bool keep;
    struct buf keys;      /* u32 size, key; each */
    unsigned n;
    struct buf next;
    enum status status;
    uint64_t *held;       /* of each key */
    /* Of the records: */
    struct buf data_keys;
    struct slice *key;
    unsigned *line;       /* whose it is */
    struct store_value *values;
    unsigned n_records;
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

/* List the keys of the lines' records. */
static void list_records(struct look_job *j)
{
    struct reader in = reader_of(buf_slice(&j->keys));
    struct layout_deadline line;

    /* None is longer than its line's: the buffer does not move. */
    buf_reserve(&j->data_keys, j->keys.size);
    for (unsigned i = 0; i < j->n; i++) {
        size_t begin = j->data_keys.size;
        j->held[i] = SWEEP_UNKNOWN;
        if (layout_deadline_key_parse(reader_bytes(&in, reader_u32(&in)),
                                      &line) != STATUS_OK ||
            line.kind != LAYOUT_DATA)
            continue;
        layout_data_key_append(&j->data_keys, line.keyspace, line.user_key);
        j->key[j->n_records] = slice_of(j->data_keys.data + begin,
                                        j->data_keys.size - begin);
        j->line[j->n_records++] = i;
    }
}

/* Errors are for who has to know the record: here nothing is known then. */
static uint64_t held_until(enum status st, struct slice record)
{
    struct layout_value v;

    if (st == STATUS_NOT_FOUND)
        return 0;
    if (st != STATUS_OK || layout_value_parse(record, &v) != STATUS_OK)
        return SWEEP_UNKNOWN;
    return v.expire_at_ms;
}

static void read_records(struct look_job *j)
{
    enum status *statuses;

    j->held = xcalloc(j->n, sizeof *j->held);
    j->key = xcalloc(j->n, sizeof *j->key);
    j->line = xcalloc(j->n, sizeof *j->line);
    j->values = xcalloc(j->n, sizeof *j->values);
    statuses = xcalloc(j->n, sizeof *statuses);
    list_records(j);
    /* Which ones failed is told by their own statuses, and in the log. */
    if (store_multi_get(store_view_store(j->view), j->view, j->key,
                        j->n_records, STORE_ANY, j->values,
                        statuses) != STATUS_OK)
        j->keep = false;
    for (unsigned i = 0; i < j->n_records; i++) {
        j->held[j->line[i]] = held_until(statuses[i], j->values[i].bytes);
        if (!j->keep || statuses[i] != STATUS_OK ||
            j->key[i].size + j->values[i].bytes.size > ROW_BYTES_MAX)
            store_value_release(&j->values[i]);
    }
    free(statuses);
}

static void records_free(struct look_job *j)
{
    for (unsigned i = 0; i < j->n_records; i++) {
        if (j->values[i].bytes.size)
            store_keep(store_view_store(j->view), j->view, j->key[i],
                       j->values[i].bytes);
        store_value_release(&j->values[i]);
    }
    free(j->held);
    free(j->key);
    free(j->line);
    free(j->values);
    buf_release(&j->data_keys);
}

static void look_work(uv_work_t *w)
{
    static const uint8_t behind[1] = {LAYOUT_DEADLINE + 1};
    struct look_job *j = w->data;
    struct store_iter_options o = {.lower = buf_slice(&j->from),
                                   .upper = slice_of(behind, 1),
                                   .tier = STORE_ANY};
    bool patient = patient_begin();
    struct store_iter *it = store_iter_new(j->view, &o);

    store_iter_first(it);
    while (store_iter_valid(it) && take(j, store_iter_key(it)))
        store_iter_next(it);
    if (j->status == STATUS_OK)
        j->status = store_iter_status(it);
    store_iter_free(it);
    if (j->n)
        read_records(j);
    if (patient)
        patient_end();
}

static void look_done(uv_work_t *w, int canceled)
{
    struct look_job *j = w->data;
    struct event e = {.type = EVENT_DUE, .now = node_now()};

    (void)canceled;
    e.due.group = j->group;
    e.due.status = j->status;
    e.due.keys = buf_slice(&j->keys);
    e.due.held = j->held;
    e.due.n = j->n;
    e.due.next = buf_slice(&j->next);
    loop_step(j->l, &e);
    records_free(j);
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
    j->keep = e->due.keep;
    buf_append(&j->from, e->due.from.data, e->due.from.size);
    j->view = store_view_take(store);
    if (uv_queue_work(l->uv, &j->work, look_work, look_done))
        node_die("worker", "cannot queue");
}
