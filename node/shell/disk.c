/* disk.c - the log's bytes to disk: one write in flight, one sync for all.
 *
 * Where a write is carried out is one decision (`inline_now`): on the loop's
 * thread while syncs are fast and this is the machine's habit, which saves two
 * wake-ups; on the disk thread otherwise, so that a slow disk does not stop the
 * loop. Segment files are made and removed on libuv's workers, one by one, and
 * in no hurry while the reserve is whole.
 *
 * Other loops' persists come by letter, with references to their payloads; what
 * is durable goes back by letter. */
#include "node/shell/post.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/shell/failpoint.h"
#include "node/store/patient.h"
#include "proto/base/log.h"
#include "rpc/mailbox.h"

enum { PATH_SIZE = 4300, LETTERS_MAX = 16 };

/* Inline syncs are for disks that answer within this. */
enum { INLINE_US_MAX = 1000, SLOW_US = 100000 };

enum {
    FILL_PIECE_BYTES = 256 * 1024,
    FILL_REST_US = 40000, /* between pieces: 6 MiB/s */
};

struct write_job {
    struct letter letter;
    int fd;
    const uint8_t *data;
    uint32_t size;
    uint64_t offset;
    enum status status;
    int error; /* errno */
    uint64_t took_us;
};

struct disk {
    struct node *n;
    char dir[PATH_SIZE];
    uint64_t segment; /* whose descriptor is open */
    int fd;
    struct write_job job;
    bool writing; /* on the thread */
    atomic_uint_fast64_t position; /* in bytes of all segments; 0: unknown */
    double sync_us; /* how long syncs take, smoothed */
    uint64_t syncs;
    uv_thread_t thread;
    bool thread_runs;
    struct mailbox *to_thread, *to_loop;
    bool file_work; /* a worker makes or removes a segment file */
    struct file_job *files; /* waiting for that */
    struct reset_row *resets; /* that somebody waits for */
    unsigned n_resets;
    struct group_entry *entries; /* scratch of disk_persist() */
    unsigned entries_cap;
};

struct reset_row {
    uint64_t ticket;
    uint32_t group;
    uint64_t token;
};

static bool write_range(const struct write_job *j, uint32_t from, uint32_t to)
{
    while (from < to) {
        ssize_t n = pwrite(j->fd, j->data + from, to - from,
                           (off_t)(j->offset + from));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        from += (uint32_t)n;
    }
    return true;
}

static void write_and_sync(struct write_job *j)
{
    uint64_t began = node_now_us().us;
    uint32_t half = FAILPOINT_ARMED(WAL_WRITE_HALF) ? j->size / 2 : 0;

    j->status = STATUS_OK;
    if (FAILPOINT(WAL_WRITE_BEFORE) || !write_range(j, 0, half) ||
        FAILPOINT(WAL_WRITE_HALF) || !write_range(j, half, j->size) ||
        FAILPOINT(WAL_WRITE_AFTER) || fdatasync(j->fd) ||
        FAILPOINT(WAL_SYNC_AFTER)) {
        j->status = STATUS_IO_ERROR;
        j->error = errno;
    }
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

struct done_post {
    struct post post;
    uint32_t group;
    uint64_t token;
};

static void run_reset_done(struct loop *to, struct post *p)
{
    struct done_post *d = CONTAINER_OF(p, struct done_post, post);

    FAILPOINT_PASS(LOG_RESET_DURABLE);
    checkpoints_reset_done(to, d->group, d->token);
    free(d);
}

static void answer_resets(struct node *n)
{
    struct disk *d = n->disk;

    while (d->n_resets &&
           d->resets[0].ticket <= wal_durable(n->journal.wal)) {
        struct done_post *p = xcalloc(1, sizeof *p);
        p->post.run = run_reset_done;
        p->group = d->resets[0].group;
        p->token = d->resets[0].token;
        d->n_resets--;
        memmove(d->resets, d->resets + 1, d->n_resets * sizeof *d->resets);
        post_to(&n->loops[0], loop_of(n, p->group), &p->post);
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
        node_die("log_write_failed", strerror(j->error));
    FAILPOINT_PASS(PERSISTED_BEFORE);
    while (journal_durable(&n->journal, &e.persisted.group,
                           &e.persisted.seq)) {
        e.now = node_now();
        loop_post_event(&n->loops[0], loop_of(n, e.persisted.group), &e);
    }
    answer_resets(n);
    FAILPOINT_PASS(PERSISTED_AFTER);
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
    d->to_loop = mailbox_new(n->loops[0].uv, LETTERS_MAX, on_letters, n);
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

static uint32_t segment_bytes(const struct node *n)
{
    return n->o.segment_bytes ? n->o.segment_bytes : 64u << 20;
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
    d->position = e->segment * segment_bytes(n) + e->offset + e->size;
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
    struct file_job *next;
    uv_work_t work;
    struct node *n;
    struct wal_effect effect;
    char dir[PATH_SIZE];
    uint32_t bytes;
    enum status status;
};

/* Somebody waits for the first ones; then the reserve is whole until the log
 * leaves the segment that it is in. */
enum disk_pace disk_pace(const struct node *n, uint64_t segment,
                         uint32_t left)
{
    uint64_t bytes = segment_bytes(n), position = n->disk->position;
    uint64_t reserve = (segment - n->wal_options.reserve) * bytes;

    if (n->hurry || !position || segment <= n->wal_options.reserve ||
        position > reserve)
        return DISK_HURRY;
    return reserve - position < left ? DISK_STEADY : DISK_REST;
}

static uint32_t file_pace(void *arg, uint32_t left)
{
    const struct file_job *j = arg;

    switch (disk_pace(j->n, j->effect.segment, left)) {
    case DISK_HURRY:
        break;
    case DISK_REST:
        usleep(FILL_REST_US);
        return FILL_PIECE_BYTES;
    case DISK_STEADY:
        return FILL_PIECE_BYTES;
    }
    return UINT32_MAX;
}

static void file_work(uv_work_t *w)
{
    struct file_job *j = w->data;
    bool patient = patient_begin();

    if (j->effect.kind == WAL_CREATE)
        j->status =
            walfiles_create(j->dir, j->effect.segment, j->effect.recycle_from,
                            j->bytes, file_pace, j);
    else
        j->status = walfiles_remove(j->dir, j->effect.segment);
    if (patient)
        patient_end();
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
    j->bytes = segment_bytes(n);
    snprintf(j->dir, sizeof j->dir, "%s", n->disk->dir);
    return j;
}

/* Segment files are made and removed in order, one at a time; writes go on
 * beside that. */
static void next_file_work(struct node *n)
{
    struct disk *d = n->disk;
    struct file_job *j = d->files;

    if (d->file_work || !j)
        return;
    d->files = j->next;
    d->file_work = true;
    if (uv_queue_work(n->loops[0].uv, &j->work, file_work, file_done))
        node_die("worker", "cannot queue");
}

bool disk_pump(struct node *n)
{
    bool wrote = false;
    struct wal_effect e;

    while (n->journal.wal && wal_next(n->journal.wal, node_now_us(), &e)) {
        struct file_job **at = &n->disk->files;
        if (e.kind == WAL_WRITE) {
            wrote |= start_write(n, &e);
            continue;
        }
        while (*at)
            at = &(*at)->next;
        *at = file_job_new(n, &e);
    }
    next_file_work(n);
    return wrote;
}

static enum status settle_one(struct node *n, const struct wal_effect *e)
{
    struct wal *w = n->journal.wal;

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
    /* A file that cannot be made or removed now is the log's business. */
    free(j);
    return STATUS_OK;
}

enum status disk_settle(struct node *n, bool files)
{
    struct wal *w = n->journal.wal;
    bool hurry = atomic_exchange(&n->hurry, true);
    enum status st = STATUS_OK;
    struct wal_effect e;

    while (n->disk->writing || n->disk->file_work || n->disk->files)
        uv_run(n->loops[0].uv, UV_RUN_ONCE);
    while (st == STATUS_OK && (files || wal_pending_bytes(w))) {
        if (wal_next(w, node_now_us(), &e)) {
            st = settle_one(n, &e);
            continue;
        }
        if (!wal_pending_bytes(w))
            break;
        usleep(1000); /* the log paces itself */
    }
    n->hurry = hurry;
    return st;
}

/* ---- persists ---- */

/* The failpoints around one effect's persist. */
static void failpoint_persist(const struct effect *e, bool after)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
        after ? FAILPOINT_PASS(LOG_VOTE_AFTER)
              : FAILPOINT_PASS(LOG_VOTE_BEFORE);
        break;
    case EFFECT_PERSIST_TRUNCATE:
        after ? FAILPOINT_PASS(LOG_TRUNCATE_AFTER)
              : FAILPOINT_PASS(LOG_TRUNCATE_BEFORE);
        break;
    case EFFECT_RELEASE:
        after ? FAILPOINT_PASS(LOG_RELEASE_AFTER)
              : FAILPOINT_PASS(LOG_RELEASE_BEFORE);
        break;
    default:
        after ? FAILPOINT_PASS(LOG_ENTRIES_AFTER)
              : FAILPOINT_PASS(LOG_ENTRIES_BEFORE);
        break;
    }
}

struct persist_post {
    struct post post;
    struct effect effect;
    unsigned n;
    struct group_entry entries[];
};

static void persist(struct node *n, const struct effect *e,
                    const struct group_entry *entries, unsigned count)
{
    failpoint_persist(e, false);
    journal_persist(&n->journal, e, entries, count, node_now_us());
    failpoint_persist(e, true);
}

static void run_persist(struct loop *to, struct post *p)
{
    struct persist_post *x = CONTAINER_OF(p, struct persist_post, post);

    persist(to->node, &x->effect, x->entries, x->n);
    for (unsigned i = 0; i < x->n; i++)
        blob_unref(x->entries[i].payload);
    free(x);
}

static void persist_by_letter(struct loop *l, const struct effect *e)
{
    unsigned room =
        e->type == EFFECT_PERSIST_ENTRIES ? e->persist_entries.n : 0;
    struct persist_post *x =
        xcalloc(1, sizeof *x + room * sizeof x->entries[0]);

    x->post.run = run_persist;
    x->effect = *e;
    if (room)
        x->n = journal_entries(e, x->entries);
    for (unsigned i = 0; i < x->n; i++)
        blob_ref(x->entries[i].payload);
    for (unsigned i = 0; i < x->n; i++)
        x->post.bytes += x->entries[i].payload ? x->entries[i].payload->size
                                               : 0;
    post_to(l, &l->node->loops[0], &x->post);
}

void disk_persist(struct loop *l, const struct effect *e)
{
    struct disk *d = l->node->disk;
    unsigned n = 0;

    if (l->index) {
        persist_by_letter(l, e);
        return;
    }
    if (e->type == EFFECT_PERSIST_ENTRIES) {
        if (d->entries_cap < e->persist_entries.n) {
            d->entries_cap = e->persist_entries.n;
            d->entries =
                xrealloc(d->entries, d->entries_cap * sizeof *d->entries);
        }
        n = journal_entries(e, d->entries);
    }
    persist(l->node, e, d->entries, n);
}

/* ---- resets ---- */

struct reset_post {
    struct post post;
    uint32_t group;
    uint64_t token, index, term;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
};

static void run_reset(struct loop *to, struct post *p)
{
    struct reset_post *r = CONTAINER_OF(p, struct reset_post, post);
    struct disk *d = to->node->disk;

    FAILPOINT_PASS(LOG_RESET_BEFORE);
    d->resets = xrealloc(d->resets, (d->n_resets + 1) * sizeof *d->resets);
    d->resets[d->n_resets++] = (struct reset_row){
        wal_reset(to->node->journal.wal, r->group, r->index, r->term,
                  r->install_id, node_now_us()),
        r->group, r->token};
    FAILPOINT_PASS(LOG_RESET_AFTER);
    free(r);
}

void disk_reset(struct loop *l, uint32_t group, uint64_t token,
                uint64_t index, uint64_t term, const uint8_t *install_id)
{
    struct reset_post *r = xcalloc(1, sizeof *r);

    r->post.run = run_reset;
    r->group = group;
    r->token = token;
    r->index = index;
    r->term = term;
    memcpy(r->install_id, install_id, sizeof r->install_id);
    post_to(l, &l->node->loops[0], &r->post);
}

void disk_stop(struct node *n)
{
    struct disk *d = n->disk;

    while (d->file_work || d->files) /* workers look at it */
        uv_run(n->loops[0].uv, UV_RUN_ONCE);
    mailbox_close(d->to_thread);
    if (d->thread_runs)
        uv_thread_join(&d->thread);
    d->thread_runs = false;
    mailbox_free(d->to_thread); /* the thread has taken all of it */
    d->to_thread = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    free(d->resets);
    free(d->entries);
    journal_release(&n->journal);
}
