/* scans.c - pages of scans, read by workers.
 *
 * A page is a walk over thousands of records: never on the loop. The view is
 * taken when the effect is carried out; slots, clock and records are all read
 * from it, so the page shows one moment. How many run at a time is bounded by
 * the shard. */
#include <stdlib.h>

#include "node/core/scan_run.h"
#include "node/shell/node.h"
#include "node/store/store_iter.h"

enum {
    PAGE_MS_MAX = 50,  /* then the page ends where it is */
    LOOK_AT_CLOCK = 256, /* keys between two looks */
};

struct scan_job {
    uv_work_t work;
    struct loop *l;
    struct store_view *view;
    uint32_t group, keyspace;
    uint64_t token;
    struct slice request; /* the shard keeps it until EVENT_SCANNED */
    struct buf page;
    enum status status;
};

/* What the page's moment is: the group record and the slots of the view. */
static enum status state_of(struct scan_run *run, struct scan_job *j)
{
    struct store *store = store_view_store(j->view);
    struct group_record record;
    struct store_value slots = {0};
    struct buf bytes = {0};
    enum status st = store_group_record(store, j->view, &bytes, &record);

    if (st == STATUS_OK)
        st = store_get(store, j->view, layout_single_key(LAYOUT_SLOTS),
                       STORE_ANY, &slots);
    if (st == STATUS_OK)
        st = scan_run_state(run, &record, slots.bytes);
    store_value_release(&slots);
    buf_release(&bytes);
    return st;
}

static enum status walk(struct scan_run *run, struct store_view *view)
{
    struct store_iter_options o = {.lower = buf_slice(&run->lower),
                                   .upper = buf_slice(&run->upper),
                                   .tier = STORE_ANY};
    struct store_iter *it = store_iter_new(view, &o);
    bool reverse = run->scan.flags & SCAN_REVERSE;
    instant end = instant_add(node_now(), MS(PAGE_MS_MAX));
    enum status st;
    unsigned n = 0;

    if (reverse)
        store_iter_last(it);
    else
        store_iter_first(it);
    while (store_iter_valid(it)) {
        struct slice key = store_iter_key(it);
        if (!scan_run_take(run, key, store_iter_value(it)))
            break;
        if (++n % LOOK_AT_CLOCK == 0 && instant_reached(node_now(), end)) {
            scan_run_stop(run, key);
            break;
        }
        if (reverse)
            store_iter_prev(it);
        else
            store_iter_next(it);
    }
    st = store_iter_status(it);
    store_iter_free(it);
    return st;
}

static void scan_work(uv_work_t *w)
{
    struct scan_job *j = w->data;
    struct scan_run run;
    enum status walked = STATUS_OK;

    j->status = scan_run_begin(&run, j->group, j->keyspace, j->request,
                               &j->page);
    if (j->status != STATUS_OK)
        return;
    j->status = state_of(&run, j);
    if (j->status == STATUS_OK)
        walked = walk(&run, j->view);
    else
        run.status = j->status;
    j->status = scan_run_end(&run);
    if (walked != STATUS_OK)
        j->status = walked;
}

static void scan_done(uv_work_t *w, int canceled)
{
    struct scan_job *j = w->data;
    struct event e = {.type = EVENT_SCANNED, .now = node_now()};

    (void)canceled;
    e.scanned.token = j->token;
    e.scanned.status = j->status;
    e.scanned.page = buf_slice(&j->page);
    loop_step(j->l, &e);
    store_view_unref(j->view);
    buf_release(&j->page);
    free(j);
}

void scans_begin(struct loop *l, const struct effect *e)
{
    struct store *store = stores_find(l, e->group);
    struct scan_job *j;

    if (!store) {
        struct event done = {.type = EVENT_SCANNED, .now = node_now()};
        done.scanned.token = e->scan.token;
        done.scanned.status = STATUS_IO_ERROR;
        loop_step(l, &done);
        return;
    }
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->l = l;
    j->group = e->group;
    j->keyspace = e->scan.keyspace;
    j->token = e->scan.token;
    j->request = e->scan.request;
    j->view = store_view_take(store);
    if (uv_queue_work(l->uv, &j->work, scan_work, scan_done))
        node_die("worker", "cannot queue");
}
