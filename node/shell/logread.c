/* logread.c - entries read back from the log's segments, always on workers:
 * for followers that lag behind (LOG_READ), for a group that begins again (its
 * whole log is copied), for relief.c.
 *
 * The main loop finds where entries lie (wal_find), a worker reads and checks
 * them, the main loop goes on. Meanwhile they may have been written elsewhere
 * or released, and their segment used anew: then the checksums are wrong, and
 * whoever asked looks again before he calls that damage. */
#include "node/shell/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/log.h"

enum { PATH_SIZE = 4300, READ_BYTES = 1 << 20 };

bool logread_bytes(const char *dir, const struct wal_span *span, uint8_t *to)
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

/* ---- a span ---- */

struct span_job {
    uv_work_t work;
    struct node *n;
    char dir[PATH_SIZE];
    struct wal_span span;
    uint8_t *bytes;
    struct wal_entry entries[WAL_SPAN_ENTRIES];
    bool read;
    logread_done *done;
    void *arg;
};

static void span_work(uv_work_t *w)
{
    struct span_job *j = w->data;

    j->bytes = xmalloc(j->span.bytes);
    j->read = logread_bytes(j->dir, &j->span, j->bytes) &&
              wal_span_decode(&j->span, slice_of(j->bytes, j->span.bytes),
                              j->entries) == STATUS_OK;
}

static void span_done(uv_work_t *w, int canceled)
{
    struct span_job *j = w->data;

    (void)canceled;
    j->done(j->n, j->arg, &j->span, j->read ? j->entries : NULL);
    free(j->bytes);
    free(j);
}

void logread_start(struct node *n, const struct wal_span *span,
                   logread_done *done, void *arg)
{
    struct span_job *j = xcalloc(1, sizeof *j);

    j->work.data = j;
    j->n = n;
    j->span = *span;
    j->done = done;
    j->arg = arg;
    snprintf(j->dir, sizeof j->dir, "%s/wal", n->dir.path);
    if (uv_queue_work(n->loops[0].uv, &j->work, span_work, span_done))
        node_die("worker", "cannot queue");
}

bool logread_still(const struct node *n, const struct wal_span *span)
{
    struct wal_span now;

    if (!n->journal.wal ||
        wal_find(n->journal.wal, span->group, span->first, READ_BYTES,
                 &now) != STATUS_OK ||
        now.count < span->count || now.ranges < span->ranges)
        return false;
    for (unsigned i = 0; i < span->count; i++)
        if (now.piece[i].term != span->piece[i].term ||
            now.piece[i].offset != span->piece[i].offset ||
            now.range[now.piece[i].range].segment !=
                span->range[span->piece[i].range].segment)
            return false;
    return true;
}

/* ---- LOG_READ ---- */

struct read_post {
    struct post post;
    uint32_t group;
    uint64_t token, from;
    unsigned asked; /* entries, at most */
    struct group_entry entries[WAL_SPAN_ENTRIES];
    unsigned count;
};

/* The answer, on the loop that asked. */
static void run_answer(struct loop *to, struct post *p)
{
    struct read_post *x = CONTAINER_OF(p, struct read_post, post);
    struct event e = {.type = EVENT_LOG_READ, .now = node_now()};

    e.log_read.group = x->group;
    e.log_read.token = x->token;
    e.log_read.entries = x->entries;
    e.log_read.n = x->count;
    loop_step(to, &e);
    for (unsigned i = 0; i < x->count; i++)
        blob_unref(x->entries[i].payload);
    free(x);
}

/* Without entries: the group asks again, or sends a snapshot. */
static void answer(struct node *n, void *arg, const struct wal_span *span,
                   const struct wal_entry *in)
{
    struct read_post *x = arg;

    if (in)
        x->count = MIN_OF(span->count, x->asked);
    for (unsigned i = 0; i < x->count; i++) {
        x->entries[i] = (struct group_entry){
            in[i].term, (uint8_t)in[i].type,
            in[i].data.size ? blob_copy(in[i].data) : NULL};
        x->post.bytes += in[i].data.size;
    }
    x->post.run = run_answer;
    post_to(&n->loops[0], loop_of(n, x->group), &x->post);
}

static void run_find(struct loop *to, struct post *p)
{
    struct read_post *x = CONTAINER_OF(p, struct read_post, post);
    struct node *n = to->node;
    struct wal_span span;

    if (wal_find(n->journal.wal, x->group, x->from, READ_BYTES, &span) !=
        STATUS_OK)
        answer(n, x, NULL, NULL);
    else
        logread_start(n, &span, answer, x);
}

void logread_entries(struct loop *l, const struct effect *e)
{
    struct read_post *x = xcalloc(1, sizeof *x);

    x->post.run = run_find;
    x->group = e->group;
    x->token = e->log_read.token;
    x->from = e->log_read.from;
    x->asked = e->log_read.n;
    post_to(l, &l->node->loops[0], &x->post);
}

/* ---- a whole group's log ---- */

struct copy_post {
    struct post post;
    struct log_copy log;
    uint64_t next; /* entry to read */
};

void log_copy_release(struct log_copy *c)
{
    for (size_t i = 0; i < c->n; i++)
        blob_unref(c->entries[i].payload);
    free(c->entries);
    free(c->sizes);
}

static void run_copied(struct loop *to, struct post *p)
{
    struct copy_post *x = CONTAINER_OF(p, struct copy_post, post);

    stores_log_copied(to, &x->log);
    log_copy_release(&x->log);
    free(x);
}

static void copy_more(struct node *n, struct copy_post *x);

static void copy_read(struct node *n, void *arg, const struct wal_span *span,
                      const struct wal_entry *in)
{
    struct copy_post *x = arg;
    struct log_copy *c = &x->log;

    if (!in && logread_still(n, span))
        c->broken = "its log cannot be read";
    for (unsigned i = 0; in && i < span->count; i++) {
        size_t at = span->first - c->info.first + i;
        bool needed =
            span->first + i > c->applied || in[i].type == ENTRY_CHANGE;
        c->entries[at] = (struct group_entry){
            in[i].term, (uint8_t)in[i].type,
            in[i].data.size && needed ? blob_copy(in[i].data) : NULL};
        c->sizes[at] = (uint32_t)in[i].data.size;
    }
    if (in)
        x->next += span->count;
    copy_more(n, x);
}

static void copy_more(struct node *n, struct copy_post *x)
{
    struct log_copy *c = &x->log;
    struct wal_span span;
    enum status st = STATUS_NOT_FOUND;

    if (!c->broken && x->next <= c->info.last && n->journal.wal) {
        st = wal_find(n->journal.wal, c->group, x->next, READ_BYTES, &span);
        if (st == STATUS_OK) {
            logread_start(n, &span, copy_read, x);
            return;
        }
        c->later = st == STATUS_INCOMPLETE;
        if (!c->later)
            c->broken = "its log cannot be read";
    }
    x->post.run = run_copied;
    post_to(&n->loops[0], loop_of(n, c->group), &x->post);
}

/* Until copy_more() has ended the group does nothing: its log stays. */
static void run_copy(struct loop *to, struct post *p)
{
    struct copy_post *x = CONTAINER_OF(p, struct copy_post, post);
    struct node *n = to->node;
    struct wal *w = n->journal.wal;
    struct log_copy *c = &x->log;

    /* Term and vote, too, have to be durable before anything rests on them. */
    if (!c->ticket)
        c->ticket = n->journal.last_ticket;
    c->later = wal_durable(w) < c->ticket;
    if (!c->later && (!wal_group(w, c->group, &c->info) ||
                      c->info.quarantined))
        c->broken = "its log is damaged or gone";
    if (c->later || c->broken)
        c->info = (struct wal_group_info){.first = 1};
    if (c->info.last >= c->info.first)
        c->n = c->info.last - c->info.first + 1;
    c->entries = xcalloc(c->n + 1, sizeof *c->entries);
    c->sizes = xcalloc(c->n + 1, sizeof *c->sizes);
    x->next = c->info.first;
    copy_more(n, x);
}

void logread_copy(struct loop *l, uint32_t group, uint64_t applied,
                  uint64_t ticket)
{
    struct copy_post *x = xcalloc(1, sizeof *x);

    x->post.run = run_copy;
    x->log.group = group;
    x->log.applied = applied;
    x->log.ticket = ticket;
    post_to(l, &l->node->loops[0], &x->post);
}
