/* disk.c - the log's bytes to disk: one write in flight, one sync for all.
 *
 * Where a write is carried out is one decision (`inline_now`): on the loop's
 * thread while syncs are fast and this is the machine's habit, which saves two
 * wake-ups; on the disk thread otherwise, so that a slow disk does not stop the
 * loop. Segment files are made and removed on libuv's workers, one by one. */
#include "node/shell/node.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "rpc/mailbox.h"

enum { PATH_SIZE = 4300, LETTERS_MAX = 16 };

/* Inline syncs are for disks that answer within this. */
enum { INLINE_US_MAX = 1000, SLOW_US = 100000 };

struct write_job {
    struct letter letter;
    int fd;
    const uint8_t *data;
    uint32_t size;
    uint64_t offset;
    enum status status;
    uint64_t took_us;
};

struct disk {
    struct node *n;
    char dir[PATH_SIZE];
    uint64_t segment; /* whose descriptor is open */
    int fd;
    struct write_job job;
    bool writing; /* on the thread */
    double sync_us; /* how long syncs take, smoothed */
    uint64_t syncs;
    uv_thread_t thread;
    bool thread_runs;
    struct mailbox *to_thread, *to_loop;
    bool file_work; /* a worker makes or removes a segment file */
};

static void write_and_sync(struct write_job *j)
{
    uint32_t done = 0;
    uint64_t began = node_now_us().us;

    j->status = STATUS_OK;
    while (done < j->size) {
        ssize_t n = pwrite(j->fd, j->data + done, j->size - done,
                           (off_t)(j->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            j->status = STATUS_IO_ERROR;
            return;
        }
        done += (uint32_t)n;
    }
    if (fdatasync(j->fd))
        j->status = STATUS_IO_ERROR;
    j->took_us = node_now_us().us - began;
}

static void disk_thread(void *arg)
{
    struct disk *d = arg;
    struct letters in = {0};

    while (mailbox_wait(d->to_thread, &in) == STATUS_OK) {
        struct letter *l;
        while ((l = letters_pop(&in))) {
            struct write_job *j = CONTAINER_OF(l, struct write_job, letter);
            write_and_sync(j);
            if (mailbox_post(d->to_loop, &j->letter) != STATUS_OK)
                node_die("disk_mailbox", "full");
        }
    }
}

/* Tell the log, and hand durable persists to the shard. */
static void written(struct node *n, const struct write_job *j)
{
    struct disk *d = n->disk;
    struct event e = {.type = EVENT_PERSISTED};

    d->syncs++;
    if (j->took_us > SLOW_US)
        log_warn("slow_sync", "ms=%" PRIu64 " bytes=%u", j->took_us / 1000,
                 j->size);
    d->sync_us += ((double)j->took_us - d->sync_us) / 16;
    wal_on_written(n->journal.wal, j->status, node_now_us());
    /* What is on disk now is unknown, and a later sync may lie: the others
     * have to go on without this node. */
    if (j->status != STATUS_OK)
        node_die("log_write_failed", strerror(errno));
    while (journal_durable(&n->journal, &e.persisted.group,
                           &e.persisted.seq)) {
        e.now = node_now();
        node_step(n, &e);
    }
    checkpoints_durable(n);
}

static void on_letters(struct mailbox *m, struct letters *l, void *user)
{
    struct node *n = user;
    struct letter *one;

    (void)m;
    while ((one = letters_pop(l))) {
        n->disk->writing = false;
        written(n, CONTAINER_OF(one, struct write_job, letter));
    }
}

struct disk *disk_new(struct node *n)
{
    struct disk *d = xcalloc(1, sizeof *d);

    d->n = n;
    d->fd = -1;
    snprintf(d->dir, sizeof d->dir, "%s/wal", n->dir.path);
    d->to_thread = mailbox_new_waiting(LETTERS_MAX);
    d->to_loop = mailbox_new(n->loop, LETTERS_MAX, on_letters, n);
    d->sync_us = n->dir.fsync_us > 0 ? n->dir.fsync_us : INLINE_US_MAX;
    if (uv_thread_create(&d->thread, disk_thread, d))
        node_die("disk_thread", "cannot start");
    d->thread_runs = true;
    return d;
}

uint64_t disk_syncs(const struct disk *d)
{
    return d->syncs;
}

static bool inline_now(const struct disk *d, uint32_t size)
{
    return d->sync_us < INLINE_US_MAX && size <= 256 * 1024;
}

/* True when it is done already. */
static bool start_write(struct node *n, const struct wal_effect *e)
{
    struct disk *d = n->disk;

    if (d->segment != e->segment || d->fd < 0) {
        if (d->fd >= 0)
            close(d->fd);
        d->fd = walfiles_descriptor(d->dir, e->segment, true);
        if (d->fd < 0)
            node_die("log_segment_gone", strerror(errno));
        d->segment = e->segment;
    }
    d->job = (struct write_job){.fd = d->fd, .data = e->data,
                                .size = e->size, .offset = e->offset};
    if (inline_now(d, e->size)) {
        write_and_sync(&d->job);
        written(n, &d->job);
        return true;
    }
    d->writing = true;
    if (mailbox_post(d->to_thread, &d->job.letter) != STATUS_OK)
        node_die("disk_mailbox", "full");
    return false;
}

/* ---- segment files ---- */

struct file_job {
    uv_work_t work;
    struct node *n;
    struct wal_effect effect;
    char dir[PATH_SIZE];
    uint32_t bytes;
    enum status status;
};

static void file_work(uv_work_t *w)
{
    struct file_job *j = w->data;

    if (j->effect.kind == WAL_CREATE)
        j->status = walfiles_create(j->dir, j->effect.segment,
                                    j->effect.recycle_from, j->bytes);
    else
        j->status = walfiles_remove(j->dir, j->effect.segment);
}

static void file_done(uv_work_t *w, int canceled)
{
    struct file_job *j = w->data;
    struct node *n = j->n;

    (void)canceled;
    n->disk->file_work = false;
    if (j->effect.kind == WAL_CREATE && n->journal.wal)
        wal_on_created(n->journal.wal, j->effect.segment, j->status,
                       node_now_us());
    free(j);
    disk_pump(n); /* the turn of this loop iteration comes behind */
}

static struct file_job *file_job_new(struct node *n,
                                     const struct wal_effect *e)
{
    struct file_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->n = n;
    j->effect = *e;
    j->bytes = n->o.segment_bytes ? n->o.segment_bytes : 64u << 20;
    snprintf(j->dir, sizeof j->dir, "%s", n->disk->dir);
    return j;
}

static void start_file_work(struct node *n, const struct wal_effect *e)
{
    struct file_job *j = file_job_new(n, e);

    n->disk->file_work = true;
    if (uv_queue_work(n->loop, &j->work, file_work, file_done))
        node_die("worker", "cannot queue");
}

bool disk_pump(struct node *n)
{
    bool wrote = false;
    struct wal_effect e;

    /* Removing and making files keep their order: one at a time. */
    while (n->journal.wal && !n->disk->file_work &&
           wal_next(n->journal.wal, node_now_us(), &e)) {
        if (e.kind == WAL_WRITE)
            wrote |= start_write(n, &e);
        else
            start_file_work(n, &e);
    }
    return wrote;
}

static enum status settle_one(struct node *n, const struct wal_effect *e)
{
    struct wal *w = n->journal.wal;
    enum status st;

    if (e->kind == WAL_WRITE) {
        struct write_job j = {.data = e->data, .size = e->size,
                              .offset = e->offset};
        j.fd = walfiles_descriptor(n->disk->dir, e->segment, true);
        if (j.fd < 0)
            return STATUS_IO_ERROR;
        write_and_sync(&j);
        close(j.fd);
        wal_on_written(w, j.status, node_now_us());
        n->disk->syncs++;
        return j.status;
    }
    struct file_job *j = file_job_new(n, e);
    file_work(&j->work);
    if (e->kind == WAL_CREATE)
        wal_on_created(w, e->segment, j->status, node_now_us());
    st = j->status;
    free(j);
    return st;
}

enum status disk_settle(struct node *n)
{
    struct wal *w = n->journal.wal;
    enum status st = STATUS_OK;
    struct wal_effect e;

    while (n->disk->writing || n->disk->file_work)
        uv_run(n->loop, UV_RUN_ONCE);
    while (st == STATUS_OK && wal_pending_bytes(w)) {
        if (wal_next(w, node_now_us(), &e))
            st = settle_one(n, &e);
        else
            usleep(1000); /* the log paces itself */
    }
    return st;
}

/* ---- reading entries back ---- */

struct read_job {
    uv_work_t work;
    struct node *n;
    uint32_t group;
    uint64_t token;
    char dir[PATH_SIZE];
    struct wal_span span;
    struct group_entry entries[WAL_SPAN_ENTRIES];
    unsigned count;
};

bool disk_read_span(const char *dir, const struct wal_span *span,
                    uint8_t *to)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < span->ranges; i++) {
        const struct wal_range *r = &span->range[i];
        int fd = walfiles_descriptor(dir, r->segment, false);
        ssize_t got = fd < 0 ? -1 : pread(fd, to + at, r->size, r->offset);
        if (fd >= 0)
            close(fd);
        if (got != (ssize_t)r->size)
            return false;
        at += r->size;
    }
    return true;
}

static void read_work(uv_work_t *w)
{
    struct read_job *j = w->data;
    uint8_t *bytes = xmalloc(j->span.bytes);
    struct wal_entry out[WAL_SPAN_ENTRIES];

    if (disk_read_span(j->dir, &j->span, bytes) &&
        wal_span_decode(&j->span, slice_of(bytes, j->span.bytes), out) ==
            STATUS_OK) {
        for (unsigned i = 0; i < j->span.count; i++)
            j->entries[i] = (struct group_entry){
                out[i].term, (uint8_t)out[i].type,
                out[i].data.size ? blob_copy(out[i].data) : NULL};
        j->count = j->span.count;
    }
    free(bytes);
}

static void read_done(uv_work_t *w, int canceled)
{
    struct read_job *j = w->data;
    struct event e = {.type = EVENT_LOG_READ, .now = node_now()};

    (void)canceled;
    e.log_read.group = j->group;
    e.log_read.token = j->token;
    e.log_read.entries = j->entries;
    e.log_read.n = j->count;
    node_step(j->n, &e);
    for (unsigned i = 0; i < j->count; i++)
        blob_unref(j->entries[i].payload);
    free(j);
}

void disk_log_read(struct node *n, const struct effect *e)
{
    enum { READ_BYTES = 1 << 20 };
    struct read_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->n = n;
    j->group = e->group;
    j->token = e->log_read.token;
    snprintf(j->dir, sizeof j->dir, "%s", n->disk->dir);
    if (wal_find(n->journal.wal, e->group, e->log_read.from, READ_BYTES,
                 &j->span) != STATUS_OK ||
        uv_queue_work(n->loop, &j->work, read_work, read_done)) {
        read_done(&j->work, 0); /* none: the group finds another way */
        return;
    }
}

void disk_stop(struct node *n)
{
    struct disk *d = n->disk;

    mailbox_close(d->to_thread);
    if (d->thread_runs)
        uv_thread_join(&d->thread);
    d->thread_runs = false;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    journal_release(&n->journal);
}
