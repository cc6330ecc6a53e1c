/* checkpoints.c - snapshots on disk: made, served in pieces, installed.
 *
 * Sending: groups/N/send-TOKEN holds a checkpoint while it is being sent.
 * Installing: groups/N/store-XXXX is filled file by file. INSTALL_COMMIT, on a
 * worker: files and directory synced, the store opened and its record compared
 * with what was announced; then on the loop, in this order: CURRENT switched
 * (with the install id) and synced; the log RESET with the same id, durable;
 * only then the shard hears of it, and only then the old store is deleted. A
 * stop between the two is repaired at start (start.c, finish_install). */
#include "node/shell/node.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "node/core/peer_item.h"
#include "node/store/store_files.h"
#include "node/shell/failpoint.h"
#include "node/store/store_kept.h"
#include "proto/base/log.h"

enum { PATH_SIZE = 4700, WORK_BUFFER = 512 };

/* One checkpoint being sent. */
struct checkpoint {
    struct checkpoint *next;
    uint32_t group;
    uint64_t token;
    char dir[PATH_SIZE];
    struct snapshot_file *files;
    unsigned n_files;
};

/* One store being received. */
struct install {
    struct install *next;
    uint32_t group;
    uint64_t token;
    char name[64];
    char dir[PATH_SIZE];
    uint8_t id[WAL_INSTALL_ID_BYTES];
    bool committing;         /* from COMMIT on: nothing may replace it */
    struct store *store;     /* opened by COMMIT */
    struct group_record record;
    struct buf record_bytes;
    struct store_value slots, map;
    struct write_set kept;
};

struct checkpoints {
    struct checkpoint *sending;
    struct install *installing;
};

struct checkpoints *checkpoints_new(struct loop *l)
{
    (void)l;
    return xcalloc(1, sizeof(struct checkpoints));
}

/* ---- dropping directories ---- */

struct drop_job {
    uv_work_t work;
    struct store *store; /* closed first; may be NULL */
    char dir[PATH_SIZE];
};

static void drop_work(uv_work_t *w)
{
    struct drop_job *j = w->data;
    char error[WORK_BUFFER];

    FAILPOINT_PASS(DROP_BEFORE);
    store_close(j->store);
    if (store_destroy(j->dir, error, sizeof error) != STATUS_OK)
        log_warn("store_stays", "dir=%s error=\"%s\"", j->dir, error);
    FAILPOINT_PASS(DROP_AFTER);
}

static void drop_done(uv_work_t *w, int canceled)
{
    (void)canceled;
    free(w->data);
}

/* Takes the store. What cannot be removed now goes at the next start. */
static void drop_dir(struct loop *l, struct store *store, const char *dir)
{
    struct drop_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->store = store;
    snprintf(j->dir, sizeof j->dir, "%s", dir);
    if (uv_queue_work(l->uv, &j->work, drop_work, drop_done))
        node_die("worker", "cannot queue");
}

/* ---- making ---- */

struct make_job {
    uv_work_t work;
    struct loop *l;
    struct checkpoint *made;
    struct store *store;
    struct group_record record;
    struct buf record_bytes;
    enum status status;
};

static enum status list_files(struct checkpoint *c)
{
    struct store_file *files = NULL;
    size_t count = 0;
    enum status st = store_file_list(c->dir, &files, &count);

    if (st == STATUS_OK) {
        c->files = xcalloc(count + 1, sizeof *c->files);
        for (size_t i = 0; i < count; i++) {
            memcpy(c->files[i].name, files[i].name,
                   sizeof c->files[i].name);
            c->files[i].size = files[i].size;
        }
        c->n_files = (unsigned)count;
    }
    free(files);
    return st;
}

static void make_work(uv_work_t *w)
{
    struct make_job *j = w->data;
    char error[WORK_BUFFER];

    j->status = FAILPOINT(CHECKPOINT_BEFORE)
                    ? STATUS_IO_ERROR
                    : store_checkpoint(j->store, j->made->dir, error,
                                       sizeof error);
    if (j->status == STATUS_OK && FAILPOINT(CHECKPOINT_MADE))
        j->status = STATUS_IO_ERROR;
    if (j->status == STATUS_OK)
        j->status = store_read_record(j->l->node->env, j->made->dir,
                                      &j->record_bytes, &j->record, error,
                                      sizeof error);
    if (j->status == STATUS_OK)
        j->status = FAILPOINT(CHECKPOINT_READ) ? STATUS_IO_ERROR
                                               : list_files(j->made);
    if (j->status != STATUS_OK)
        log_error("checkpoint_failed", "dir=%s status=%s", j->made->dir,
                  status_name(j->status));
}

static void checkpoint_free(struct checkpoint *c)
{
    free(c->files);
    free(c);
}

static void make_done(uv_work_t *w, int canceled)
{
    struct make_job *j = w->data;
    struct loop *l = j->l;
    struct event e = {.type = EVENT_CHECKPOINT, .now = node_now()};

    (void)canceled;
    store_unref(j->store);
    e.checkpoint.group = j->made->group;
    e.checkpoint.token = j->made->token;
    e.checkpoint.status = j->status;
    if (j->status == STATUS_OK) {
        e.checkpoint.index = j->record.applied_index;
        e.checkpoint.term = j->record.applied_term;
        e.checkpoint.members_index = j->record.change_index;
        e.checkpoint.members = j->record.members;
        e.checkpoint.files = j->made->files;
        e.checkpoint.n_files = j->made->n_files;
        j->made->next = l->checkpoints->sending;
        l->checkpoints->sending = j->made;
    }
    loop_step(l, &e);
    if (j->status != STATUS_OK) {
        drop_dir(l, NULL, j->made->dir);
        checkpoint_free(j->made);
    }
    buf_release(&j->record_bytes);
    free(j);
}

void checkpoints_make(struct loop *l, const struct effect *e)
{
    struct make_job *j = xcalloc(1, sizeof *j);
    struct store *store = stores_find(l, e->group);
    char dir[4300];

    stores_group_path(l->node, e->group, dir, sizeof dir);
    j->work.data = j;
    j->l = l;
    j->made = xcalloc(1, sizeof *j->made);
    j->made->group = e->group;
    j->made->token = e->checkpoint.token;
    snprintf(j->made->dir, sizeof j->made->dir, "%s/send-%" PRIu64, dir,
             e->checkpoint.token);
    j->store = store_ref(store);
    if (uv_queue_work(l->uv, &j->work, make_work, make_done))
        node_die("worker", "cannot queue");
}

/* ---- dropping checkpoints ---- */

void checkpoints_drop(struct loop *l, const struct effect *e)
{
    struct checkpoint **at = &l->checkpoints->sending;

    for (; *at; at = &(*at)->next) {
        struct checkpoint *c = *at;
        if (c->group != e->group || c->token != e->checkpoint.token)
            continue;
        *at = c->next;
        drop_dir(l, NULL, c->dir);
        checkpoint_free(c);
        return;
    }
}

/* ---- serving ---- */

struct serve_job {
    uv_work_t work;
    struct loop *l;
    uint32_t node;
    unsigned shard;
    struct snapshot_ask ask;
    char path[PATH_SIZE];
    uint8_t *bytes;
    uint32_t size;
    enum status status;
};

static void serve_work(uv_work_t *w)
{
    struct serve_job *j = w->data;
    int fd = open(j->path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        got = pread(fd, j->bytes, j->size, (off_t)j->ask.offset);
        close(fd);
    }
    j->status = got == (ssize_t)j->size ? STATUS_OK : STATUS_IO_ERROR;
}

static void serve_done(uv_work_t *w, int canceled)
{
    struct serve_job *j = w->data;
    struct buf out = {0};
    struct snapshot_chunk c = {
        .group = j->ask.group,
        .replica = j->ask.replica,
        .index = j->ask.index,
        .ask = j->ask.ask,
        .file = j->ask.file,
        .offset = j->ask.offset,
        .status = j->status,
        .bytes = slice_of(j->bytes, j->status == STATUS_OK ? j->size : 0),
    };

    (void)canceled;
    snapshot_chunk_encode(&out, &c);
    links_send(j->l, j->node, j->shard, CHANNEL_BULK, 0, buf_slice(&out));
    buf_release(&out);
    free(j->bytes);
    free(j);
}

void checkpoints_serve(struct loop *l, const struct effect *e)
{
    const struct snapshot_ask *ask = &e->serve.ask;
    struct checkpoint *c = l->checkpoints->sending;
    struct serve_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->l = l;
    j->node = e->serve.node;
    j->shard = e->serve.shard;
    j->ask = *ask;
    while (c && (c->group != e->group || c->token != e->serve.token))
        c = c->next;
    if (!c || ask->file >= c->n_files ||
        ask->offset >= c->files[ask->file].size) {
        j->status = STATUS_NOT_FOUND;
        serve_done(&j->work, 0);
        return;
    }
    snprintf(j->path, sizeof j->path, "%s/%s", c->dir,
             c->files[ask->file].name);
    j->size = (uint32_t)MIN_OF((uint64_t)ask->size_max,
                               c->files[ask->file].size - ask->offset);
    j->bytes = xmalloc(j->size);
    if (uv_queue_work(l->uv, &j->work, serve_work, serve_done))
        node_die("worker", "cannot queue");
}

/* ---- installing ---- */

static struct install *install_of(const struct loop *l, uint32_t group)
{
    struct install *i = l->checkpoints->installing;

    while (i && i->group != group)
        i = i->next;
    return i;
}

static void install_forget(struct loop *l, struct install *i)
{
    struct install **at = &l->checkpoints->installing;

    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    store_value_release(&i->slots);
    store_value_release(&i->map);
    write_set_release(&i->kept);
    buf_release(&i->record_bytes);
    free(i);
}

static void install_event(struct loop *l, uint32_t group, uint64_t token,
                          enum status st, const struct install *i)
{
    struct event e = {.type = EVENT_INSTALL, .now = node_now()};

    e.install.group = group;
    e.install.token = token;
    e.install.status = st;
    if (i) {
        e.install.slots = i->slots.bytes;
        e.install.map = i->map.bytes;
        e.install.clock_ms = i->record.clock_ms;
        e.install.kept = &i->kept;
    }
    loop_step(l, &e);
}

static void install_begin(struct loop *l, const struct effect *e)
{
    struct install *i = install_of(l, e->group);
    char dir[4300];
    enum status st;

    if (i && i->committing) {
        install_event(l, e->group, e->install.token, STATUS_BUSY, NULL);
        return;
    }
    if (i) { /* an earlier one was given up */
        drop_dir(l, i->store, i->dir);
        install_forget(l, i);
    }
    i = xcalloc(1, sizeof *i);
    i->group = e->group;
    i->token = e->install.token;
    if (getrandom(i->id, sizeof i->id, 0) != sizeof i->id)
        node_die("random", "no random numbers");
    snprintf(i->name, sizeof i->name, "store-%016" PRIx64, get_u64(i->id));
    stores_group_path(l->node, e->group, dir, sizeof dir);
    snprintf(i->dir, sizeof i->dir, "%s/%s", dir, i->name);
    i->next = l->checkpoints->installing;
    l->checkpoints->installing = i;
    st = dir_make(i->dir);
    if (FAILPOINT(INSTALL_BEGUN))
        st = STATUS_IO_ERROR;
    install_event(l, e->group, e->install.token, st, NULL);
}

struct piece_job {
    uv_work_t work;
    struct loop *l;
    uint32_t group;
    uint64_t token;
    char path[PATH_SIZE + 70];
    uint64_t offset;
    struct buf bytes;
    enum status status;
};

static void piece_work(uv_work_t *w)
{
    struct piece_job *j = w->data;
    int fd = open(j->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t done = 0;

    j->status = fd < 0 || FAILPOINT(INSTALL_PIECE_BEFORE) ? STATUS_IO_ERROR
                                                          : STATUS_OK;
    while (j->status == STATUS_OK && done < j->bytes.size) {
        ssize_t n = pwrite(fd, j->bytes.data + done, j->bytes.size - done,
                           (off_t)(j->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            j->status = errno == ENOSPC ? STATUS_DISK_FULL : STATUS_IO_ERROR;
        else
            done += (size_t)n;
    }
    if (fd >= 0 && close(fd) && j->status == STATUS_OK)
        j->status = STATUS_IO_ERROR;
    if (FAILPOINT(INSTALL_PIECE_AFTER))
        j->status = STATUS_IO_ERROR;
}

static void piece_done(uv_work_t *w, int canceled)
{
    struct piece_job *j = w->data;

    (void)canceled;
    install_event(j->l, j->group, j->token, j->status, NULL);
    buf_release(&j->bytes);
    free(j);
}

static void install_piece(struct loop *l, const struct effect *e)
{
    struct install *i = install_of(l, e->group);
    struct piece_job *j;

    if (!i || i->token != e->install.token) {
        install_event(l, e->group, e->install.token, STATUS_NOT_FOUND, NULL);
        return;
    }
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->l = l;
    j->group = e->group;
    j->token = e->install.token;
    j->offset = e->install.offset;
    snprintf(j->path, sizeof j->path, "%s/%s", i->dir,
             e->install.files[e->install.file].name);
    buf_append(&j->bytes, e->install.bytes.data, e->install.bytes.size);
    if (uv_queue_work(l->uv, &j->work, piece_work, piece_done))
        node_die("worker", "cannot queue");
}

struct commit_job {
    uv_work_t work;
    struct loop *l;
    struct install *i;
    uint64_t index, term;
    struct snapshot_file *files;
    unsigned n_files;
    enum status status;
};

static enum status sync_files(const struct commit_job *j)
{
    for (unsigned k = 0; k < j->n_files; k++) {
        char path[PATH_SIZE + 70];
        int fd, rv;
        snprintf(path, sizeof path, "%s/%s", j->i->dir, j->files[k].name);
        /* An empty file was never sent as a piece. */
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return STATUS_IO_ERROR;
        rv = fsync(fd);
        close(fd);
        if (rv)
            return STATUS_IO_ERROR;
    }
    return dir_sync(j->i->dir);
}

static enum status open_installed(struct commit_job *j)
{
    struct install *i = j->i;
    struct store_options o = {.dir = i->dir, .mode = STORE_OPEN,
                              .tag = i->group};
    char error[WORK_BUFFER];
    enum status st = store_open(j->l->node->env, &o, &i->store, error,
                                sizeof error);

    if (st == STATUS_OK)
        st = store_group_record(i->store, NULL, &i->record_bytes,
                                &i->record);
    if (st == STATUS_OK && (i->record.applied_index != j->index ||
                            i->record.applied_term != j->term))
        st = STATUS_CORRUPT;
    if (st == STATUS_OK)
        st = store_get(i->store, NULL, layout_single_key(LAYOUT_SLOTS),
                       STORE_ANY, &i->slots);
    if (st == STATUS_OK && i->group == 0)
        st = store_get(i->store, NULL, layout_single_key(LAYOUT_MAP),
                       STORE_ANY, &i->map);
    if (st == STATUS_OK)
        st = store_kept(i->store, &i->kept);
    return st;
}

static void commit_work(uv_work_t *w)
{
    struct commit_job *j = w->data;

    j->status = FAILPOINT(INSTALL_SYNC_BEFORE) ? STATUS_IO_ERROR
                                               : sync_files(j);
    if (j->status == STATUS_OK)
        j->status = FAILPOINT(INSTALL_SYNCED) ? STATUS_IO_ERROR
                                              : open_installed(j);
    if (j->status == STATUS_OK && FAILPOINT(INSTALL_OPENED))
        j->status = STATUS_IO_ERROR;
}

static void commit_done(uv_work_t *w, int canceled)
{
    struct commit_job *j = w->data;
    struct loop *l = j->l;
    struct install *i = j->i;
    enum status st = j->status;

    (void)canceled;
    if (st == STATUS_OK)
        st = stores_write_current(l->node, i->group, i->name, i->id);
    /* Renamed, and perhaps not lasting: nobody can say which store is ours. */
    if (st == STATUS_UNKNOWN)
        node_die("current_not_synced", i->dir);
    if (st == STATUS_OK) {
        disk_reset(l, i->group, i->token, j->index, j->term, i->id);
    } else {
        log_error("install_failed", "group=%u status=%s", i->group,
                  status_name(st));
        i->committing = false;
        install_event(l, i->group, i->token, st, NULL);
    }
    free(j->files);
    free(j);
}

static void install_commit(struct loop *l, const struct effect *e)
{
    struct install *i = install_of(l, e->group);
    struct commit_job *j;

    if (!i || i->token != e->install.token) {
        install_event(l, e->group, e->install.token, STATUS_NOT_FOUND, NULL);
        return;
    }
    i->committing = true;
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->l = l;
    j->i = i;
    j->index = e->install.index;
    j->term = e->install.term;
    j->n_files = e->install.n_files;
    j->files = xcalloc(j->n_files + 1, sizeof *j->files);
    memcpy(j->files, e->install.files, j->n_files * sizeof *j->files);
    if (uv_queue_work(l->uv, &j->work, commit_work, commit_done))
        node_die("worker", "cannot queue");
}

void checkpoints_install(struct loop *l, const struct effect *e)
{
    switch (e->type) {
    case EFFECT_INSTALL_BEGIN:
        install_begin(l, e);
        break;
    case EFFECT_INSTALL_CHUNK:
        install_piece(l, e);
        break;
    default:
        assert(e->type == EFFECT_INSTALL_COMMIT);
        install_commit(l, e);
        break;
    }
}

void checkpoints_reset_done(struct loop *l, uint32_t group, uint64_t token)
{
    struct install *i = install_of(l, group);
    struct store *old;

    if (!i || i->token != token || !i->store)
        return;
    old = stores_replace(l, group, i->store);
    i->store = NULL;
    install_event(l, group, i->token, STATUS_OK, i);
    FAILPOINT_PASS(INSTALL_SWITCHED);
    if (old)
        drop_dir(l, old, store_dir(old));
    install_forget(l, i);
}
