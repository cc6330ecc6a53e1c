/* stores.c - the replicas' stores: opened, read, written, flushed.
 *
 * groups/N/CURRENT names the store's directory inside groups/N and the install
 * id under which it came there (zero: made here): sealed (datadir.h) with
 * "COATCU", install id | u8 size | name. */
#include "node/shell/node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/shell/failpoint.h"
#include "node/store/memory.h"
#include "proto/base/log.h"
#include "proto/base/sorted.h"

enum { CURRENT_LEVEL = 1, PATH_SIZE = 4300 };

struct slot {
    uint32_t group;
    struct store *store;
    bool flushing;
    bool restart_wanted, copying;
    uint64_t restart_ticket;
};

struct stores {
    struct loop *l;
    struct slot *v; /* sorted by group */
    unsigned n_slots, cap;
};

struct stores *stores_new(struct loop *l)
{
    struct stores *s = xcalloc(1, sizeof *s);

    s->l = l;
    return s;
}

static struct slot *slot_of_group(const struct stores *s, uint32_t group)
{
    return SORTED_FIND(s->v, s->n_slots, group, group);
}

struct store *stores_find(const struct loop *l, uint32_t group)
{
    struct slot *x = slot_of_group(l->stores, group);

    return x ? x->store : NULL;
}

struct store *stores_replace(struct loop *l, uint32_t group,
                             struct store *store)
{
    struct stores *s = l->stores;
    struct slot *x = slot_of_group(s, group);
    struct store *old;
    unsigned at;

    if (x) {
        old = x->store;
        x->store = store;
        x->flushing = false;
        return old;
    }
    if (s->n_slots == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->v = xrealloc(s->v, s->cap * sizeof *s->v);
    }
    for (at = s->n_slots++; at > 0 && s->v[at - 1].group > group; at--)
        s->v[at] = s->v[at - 1];
    s->v[at] = (struct slot){.group = group, .store = store};
    return NULL;
}

void stores_group_path(const struct node *n, uint32_t group, char *path,
                       size_t size)
{
    snprintf(path, size, "%s/groups/%u", n->dir.path, group);
}

enum status stores_write_current(const struct node *n, uint32_t group,
                                 const char *name, const uint8_t *install_id)
{
    char dir[PATH_SIZE];
    struct buf b = {0};
    enum status st;

    buf_grow(&b, FILE_HEADER_BYTES);
    buf_append(&b, install_id, WAL_INSTALL_ID_BYTES);
    buf_u8(&b, (uint8_t)strlen(name));
    buf_append(&b, name, strlen(name));
    file_seal(&b, "COATCU", CURRENT_LEVEL);
    stores_group_path(n, group, dir, sizeof dir);
    st = FAILPOINT(CURRENT_BEFORE)
             ? STATUS_IO_ERROR
             : file_replace(dir, "CURRENT", buf_slice(&b));
    FAILPOINT_PASS(CURRENT_AFTER);
    buf_release(&b);
    return st;
}

static enum status read_current(const char *dir, char *name,
                                uint8_t *install_id)
{
    struct buf b = {0};
    struct reader r;
    struct slice rest, text;
    enum status st = file_read(dir, "CURRENT", &b);

    if (st == STATUS_OK)
        st = file_unseal(&b, "COATCU", CURRENT_LEVEL, &rest);
    if (st != STATUS_OK)
        goto out;
    r = reader_of(rest);
    text = reader_bytes(&r, WAL_INSTALL_ID_BYTES);
    if (!r.failed)
        memcpy(install_id, text.data, WAL_INSTALL_ID_BYTES);
    text = reader_bytes(&r, reader_u8(&r));
    if (r.failed || reader_left(&r) || memchr(text.data, '/', text.size)) {
        st = STATUS_CORRUPT;
        goto out;
    }
    memcpy(name, text.data, text.size);
    name[text.size] = 0;
out:
    buf_release(&b);
    return st;
}

enum status stores_open(struct loop *l, uint32_t group, uint8_t *install_id,
                        char *error)
{
    char dir[PATH_SIZE], path[PATH_SIZE + 300], name[256];
    struct store_options o = {.dir = path, .mode = STORE_OPEN, .tag = group};
    struct store *store;
    enum status st;

    stores_group_path(l->node, group, dir, sizeof dir);
    st = read_current(dir, name, install_id);
    if (st != STATUS_OK) {
        snprintf(error, DATADIR_ERROR_SIZE, "%s/CURRENT: %s", dir,
                 status_text(st));
        return st;
    }
    snprintf(path, sizeof path, "%s/%s", dir, name);
    st = store_open(l->node->env, &o, &store, error, DATADIR_ERROR_SIZE);
    if (st == STATUS_OK)
        stores_replace(l, group, store);
    /* A store that CURRENT names and is not there is damage, not news. */
    return st == STATUS_NOT_FOUND ? STATUS_CORRUPT : st;
}

enum status stores_create(struct node *n, uint32_t group,
                          const struct write_set *set, char *error)
{
    static const uint8_t none[WAL_INSTALL_ID_BYTES];
    char dir[PATH_SIZE], path[PATH_SIZE + 300];
    struct store_options o = {.dir = path, .mode = STORE_OPEN_OR_CREATE,
                              .tag = group};
    struct store *store = NULL;
    enum status st;

    snprintf(dir, sizeof dir, "%s/groups", n->dir.path);
    st = dir_make(dir);
    stores_group_path(n, group, dir, sizeof dir);
    if (st == STATUS_OK)
        st = dir_make(dir);
    snprintf(path, sizeof path, "%s/store-0", dir);
    error[0] = 0;
    if (st == STATUS_OK)
        st = store_open(n->env, &o, &store, error,
                        DATADIR_ERROR_SIZE);
    if (st == STATUS_OK)
        st = FAILPOINT(STORE_OPENED) ? STATUS_IO_ERROR
                                     : store_apply(store, set);
    if (st == STATUS_OK)
        st = FAILPOINT(STORE_RECORD_APPLIED) ? STATUS_IO_ERROR
                                             : store_flush_wait(store);
    if (st == STATUS_OK && FAILPOINT(STORE_RECORD_FLUSHED))
        st = STATUS_IO_ERROR;
    store_close(store);
    if (st == STATUS_OK)
        st = stores_write_current(n, group, "store-0", none);
    if (st != STATUS_OK && !error[0])
        snprintf(error, DATADIR_ERROR_SIZE, "cannot make %s: %s", path,
                 status_text(st));
    return st;
}

/* ---- effects ---- */

void stores_apply(struct loop *l, const struct effect *e)
{
    struct store *store = stores_find(l, e->group);
    struct event done = {.type = EVENT_APPLIED, .now = node_now()};

    done.applied.group = e->group;
    done.applied.status = !store || FAILPOINT(APPLY_BEFORE)
                              ? STATUS_IO_ERROR
                              : store_apply(store, e->apply.set);
    FAILPOINT_PASS(APPLY_AFTER);
    loop_step(l, &done);
    if (store && store_flush_wanted(store)) {
        struct event wanted = {.type = EVENT_FLUSH_WANTED, .now = done.now};
        wanted.flush_wanted.group = e->group;
        loop_step(l, &wanted);
    }
}

struct read_job {
    uv_work_t work;
    struct loop *l;
    struct store_view *view;
    uint32_t group;
    uint64_t token;
    struct origin from;
    enum status status;
    struct store_value value;
    struct buf key;
};

static void read_work(uv_work_t *w)
{
    struct read_job *j = w->data;

    j->status = store_get(store_view_store(j->view), j->view,
                          buf_slice(&j->key), STORE_ANY, &j->value);
}

static void read_done(uv_work_t *w, int canceled)
{
    struct read_job *j = w->data;
    struct event e = {.type = EVENT_READ, .now = node_now()};

    (void)canceled;
    doors_reading(j->l, j->from, false);
    e.read.token = j->token;
    e.read.status = j->status;
    e.read.record = j->value.bytes;
    loop_step(j->l, &e);
    if (j->status == STATUS_OK)
        store_keep(store_view_store(j->view), j->view, buf_slice(&j->key),
                   j->value.bytes);
    store_value_release(&j->value);
    store_view_unref(j->view);
    buf_release(&j->key);
    free(j);
}

static void read_on_worker(struct loop *l, struct store *store,
                           const struct effect *e)
{
    struct read_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->l = l;
    j->group = e->group;
    j->token = e->read.token;
    j->from = e->read.from;
    doors_reading(l, j->from, true);
    j->view = store_view_take(store);
    buf_append(&j->key, e->read.key.data, e->read.key.size);
    if (uv_queue_work(l->uv, &j->work, read_work, read_done))
        node_die("worker", "cannot queue");
}

void stores_read(struct loop *l, const struct effect *e)
{
    struct store *store = stores_find(l, e->group);
    struct store_value value = {0};
    struct event done = {.type = EVENT_READ, .now = node_now()};

    done.read.token = e->read.token;
    done.read.status = store ? store_get(store, NULL, e->read.key,
                                         STORE_CACHE_ONLY, &value)
                             : STATUS_IO_ERROR;
    if (done.read.status == STATUS_INCOMPLETE) {
        read_on_worker(l, store, e);
        return;
    }
    done.read.record = value.bytes;
    loop_step_replies(l, &done);
    store_value_release(&value);
}

unsigned stores_expect(struct loop *l, const struct effect *e, unsigned n)
{
    struct store *store = stores_find(l, e->group);
    struct slice keys[EXPECT_MAX];
    unsigned i = 0;

    n = MIN_OF(n, (unsigned)EXPECT_MAX);
    for (; i < n && e[i].type == EFFECT_READ && e[i].group == e->group; i++)
        keys[i] = e[i].read.key;
    assert(i > 0);
    if (store && i > 1)
        store_expect(store, keys, i);
    return i;
}

/* What FETCH asked for (the shard keeps that until EVENT_FETCHED), and the
 * answers: records stay pinned, but for what is cut. */
struct fetched_records {
    const struct slice *keys;
    const uint32_t *want;
    unsigned n;
    size_t bytes_max;
    struct fetched *records;
    struct store_value *values;
    uint8_t (*cut)[FETCH_CUT_BYTES]; /* made when one is */
};

struct fetch_job {
    uv_work_t work;
    struct loop *l;
    struct store_view *view;
    uint32_t group;
    struct fetched_records got;
    enum status status;
};

static struct fetched_records fetched_records_of(const struct effect *e)
{
    return (struct fetched_records){
        .keys = e->fetch.keys,
        .want = e->fetch.want,
        .n = e->fetch.n,
        .bytes_max = e->fetch.bytes_max,
        .records = xcalloc(e->fetch.n, sizeof(struct fetched)),
        .values = xcalloc(e->fetch.n, sizeof(struct store_value)),
    };
}

static void fetched_unpin(struct fetched_records *f)
{
    for (unsigned i = 0; i < f->n; i++)
        store_value_release(&f->values[i]);
}

static void fetched_free(struct fetched_records *f)
{
    fetched_unpin(f);
    free(f->records);
    free(f->values);
    free(f->cut);
}

static void fetch_cut(struct fetched_records *f, unsigned i)
{
    size_t n = MIN_OF(f->values[i].bytes.size, (size_t)FETCH_CUT_BYTES);

    if (!f->cut)
        f->cut = xcalloc(f->n, sizeof *f->cut);
    if (n)
        memcpy(f->cut[i], f->values[i].bytes.data, n);
    f->records[i].record = slice_of(f->cut[i], n);
    store_value_release(&f->values[i]);
}

static enum status fetch(struct store *store, const struct store_view *view,
                         enum store_tier tier, struct fetched_records *f)
{
    size_t sum = 0;

    for (unsigned i = 0; i < f->n; i++) {
        struct store_value *v = &f->values[i];
        enum status st = store_get(store, view, f->keys[i], tier, v);
        if (st != STATUS_OK && st != STATUS_NOT_FOUND) {
            fetched_unpin(f);
            return st;
        }
        f->records[i] = (struct fetched){st == STATUS_OK, v->bytes.size,
                                         v->bytes};
        if (sum >= f->bytes_max)
            fetch_cut(f, i);
        sum += MIN_OF(f->records[i].size, (size_t)f->want[i]);
    }
    return STATUS_OK;
}

static void fetch_work(uv_work_t *w)
{
    struct fetch_job *j = w->data;

    j->status = fetch(store_view_store(j->view), j->view, STORE_ANY, &j->got);
}

static void fetched(struct loop *l, uint32_t group, enum status st,
                    const struct fetched *records)
{
    struct event e = {.type = EVENT_FETCHED, .now = node_now()};

    e.fetched.group = group;
    e.fetched.status = st;
    e.fetched.records = records;
    loop_step(l, &e);
}

static void fetch_done(uv_work_t *w, int canceled)
{
    struct fetch_job *j = w->data;

    (void)canceled;
    fetched(j->l, j->group, j->status, j->got.records);
    fetched_free(&j->got);
    store_view_unref(j->view);
    free(j);
}

void stores_fetch(struct loop *l, const struct effect *e)
{
    struct store *store = stores_find(l, e->group);
    struct fetched_records got = fetched_records_of(e);
    enum status st = store ? fetch(store, NULL, STORE_CACHE_ONLY, &got)
                           : STATUS_IO_ERROR;
    struct fetch_job *j;

    if (st != STATUS_INCOMPLETE) {
        fetched(l, e->group, st, got.records);
        fetched_free(&got);
        return;
    }
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->l = l;
    j->group = e->group;
    j->view = store_view_take(store);
    j->got = got;
    if (uv_queue_work(l->uv, &j->work, fetch_work, fetch_done))
        node_die("worker", "cannot queue");
}

/* ---- flushing ---- */

static void flushed(struct loop *l, struct slot *x)
{
    struct event e = {.type = EVENT_FLUSHED, .now = node_now()};
    struct group_record record;
    struct buf bytes = {0};

    x->flushing = false;
    e.flushed.group = x->group;
    e.flushed.status = FAILPOINT(FLUSHED_BEFORE)
                           ? STATUS_IO_ERROR
                           : store_flushed_record(x->store, &bytes, &record);
    if (e.flushed.status == STATUS_OK)
        e.flushed.index = record.applied_index;
    loop_step(l, &e);
    FAILPOINT_PASS(FLUSHED_AFTER);
    buf_release(&bytes);
}

void stores_flush(struct loop *l, const struct effect *e)
{
    struct slot *x = slot_of_group(l->stores, e->group);
    struct event failed = {.type = EVENT_FLUSHED, .now = node_now()};
    enum status st = !x || FAILPOINT(FLUSH_BEFORE)
                         ? STATUS_IO_ERROR
                         : store_flush_begin(x->store);

    FAILPOINT_PASS(FLUSH_BEGUN);
    if (st == STATUS_OK) {
        x->flushing = true;
        return;
    }
    log_warn("flush_refused", "group=%u status=%s", e->group,
             status_name(st));
    failed.flushed.group = e->group;
    failed.flushed.status = st;
    loop_step(l, &failed);
}

static void ask_log(struct loop *l, struct slot *x)
{
    struct group_record record = {0};
    struct buf bytes = {0};

    if (store_group_record(x->store, NULL, &bytes, &record) != STATUS_OK)
        record.applied_index = 0; /* start_again() will say so */
    x->copying = true;
    logread_copy(l, x->group, record.applied_index, x->restart_ticket);
    buf_release(&bytes);
}

void stores_tick(struct loop *l)
{
    struct stores *s = l->stores;

    for (unsigned i = 0; i < s->n_slots; i++) {
        struct slot *x = &s->v[i];
        if (x->flushing && !store_flush_busy(x->store))
            flushed(l, x);
        if (x->restart_wanted && !x->copying)
            ask_log(l, x);
    }
}

void stores_restart_wanted(struct loop *l, uint32_t group)
{
    struct slot *x = slot_of_group(l->stores, group);

    if (!x)
        return;
    x->restart_wanted = true;
    x->restart_ticket = 0;
}

void stores_log_copied(struct loop *l, const struct log_copy *log)
{
    struct slot *x = slot_of_group(l->stores, log->group);

    if (!x)
        return;
    x->copying = false;
    x->restart_ticket = log->ticket;
    if (log->later)
        return;
    x->restart_wanted = false;
    start_again(l, log);
}

void stores_close(struct loop *l)
{
    struct stores *s = l->stores;

    for (unsigned i = 0; i < s->n_slots; i++) {
        enum status st = store_flush_wait(s->v[i].store);
        if (st != STATUS_OK)
            log_warn("flush_failed", "group=%u status=%s", s->v[i].group,
                     status_name(st));
        store_close(s->v[i].store);
    }
    free(s->v);
    free(s);
    l->stores = NULL;
}
