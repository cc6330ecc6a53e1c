/* relief.c - the log kept short and checked, in the background.
 *
 * A group that is seldom written keeps its last entries in an old segment, and
 * with it every younger one. When the log has grown beyond SEGMENTS_MANY, the
 * group that holds the oldest segment is flushed; if it is flushed already,
 * the few entries kept for slow followers are written again into the newest
 * segment. One finished segment at a time is read back and its checksums are
 * checked; damage is told in the status and made to go by flushing everything,
 * while the entries still are in memory or in the stores. */
#include "node/shell/node.h"
#include "node/store/patient.h"

#include <inttypes.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/log.h"

enum {
    SEGMENTS_MANY = 8,
    SCRUB_EVERY_TICKS = 300, /* of 100 ms: one segment in 30 s */
    SCRUB_PIECE_BYTES = 64 << 10,
    SCRUB_REST_US = 20000, /* between pieces: 3 MiB/s */
    REWRITE_BYTES = 1 << 20,
};

struct relief {
    uint64_t scrubbed;       /* segment checked last */
    bool scrubbing, rewriting;
    uint64_t damaged;        /* segment; 0: none */
    char damage[160];
};

struct scrub_job {
    uv_work_t work;
    struct node *n;
    char dir[4300];
    struct wal_options options;
    struct wal_segment_info segment;
    uint32_t bad;
    enum status status;
};

static struct relief *relief_of(struct node *n)
{
    if (!n->relief)
        n->relief = xcalloc(1, sizeof *n->relief);
    return n->relief;
}

const char *relief_damage(const struct node *n)
{
    return n->relief && n->relief->damage[0] ? n->relief->damage : NULL;
}

void relief_stop(struct node *n)
{
    free(n->relief);
    n->relief = NULL;
}

/* ---- the oldest segment ---- */

static void flush_group(struct node *n, uint32_t group)
{
    struct event e = {.type = EVENT_FLUSH_WANTED, .now = node_now()};

    e.flush_wanted.group = group;
    e.flush_wanted.pinned = true;
    loop_post_event(&n->loops[0], loop_of(n, group), &e);
}

static void rewrite_read(struct node *n, void *arg UNUSED,
                         const struct wal_span *span,
                         const struct wal_entry *entries)
{
    if (n->relief)
        n->relief->rewriting = false;
    /* What was overwritten or released meanwhile must not come back. */
    if (entries && logread_still(n, span))
        wal_append(n->journal.wal, span->group, span->first, entries,
                   span->count, true, node_now_us());
}

void relief_rewrite(struct node *n, uint32_t group)
{
    struct wal_group_info info;
    struct wal_span span;
    uint32_t pinning;
    uint64_t index;

    /* Something may have moved since it was asked for. */
    if (relief_of(n)->rewriting ||
        !wal_pinning(n->journal.wal, &pinning, &index) || pinning != group ||
        !wal_group(n->journal.wal, group, &info) || info.quarantined ||
        wal_find(n->journal.wal, group, index, REWRITE_BYTES, &span) !=
            STATUS_OK)
        return;
    relief_of(n)->rewriting = true;
    logread_start(n, &span, rewrite_read, NULL);
}

static void shorten(struct node *n)
{
    uint64_t many = (uint64_t)SEGMENTS_MANY *
                    (n->o.segment_bytes ? n->o.segment_bytes : 64u << 20);
    uint32_t group;
    uint64_t index;

    if (wal_bytes(n->journal.wal) >= many &&
        wal_pinning(n->journal.wal, &group, &index))
        flush_group(n, group);
}

/* ---- scrubbing ---- */

/* In pieces with rests between them: there is time, and replicas of equal age
 * do it at the same moment. */
static size_t read_segment(const struct scrub_job *j, int fd, uint8_t *bytes)
{
    size_t done = 0;

    while (done < j->segment.end) {
        size_t piece = MIN_OF(j->segment.end - done, SCRUB_PIECE_BYTES);
        ssize_t got = pread(fd, bytes + done, piece, (off_t)done);
        if (got <= 0)
            break;
        done += (size_t)got;
        if (!j->n->hurry)
            usleep(SCRUB_REST_US);
    }
    return done;
}

static void scrub_segment(struct scrub_job *j)
{
    int fd = walfiles_descriptor(j->dir, j->segment.segment, false);
    uint8_t *bytes;
    size_t done;

    if (fd < 0) /* freed meanwhile, or scrub_done() finds that it is not */
        return;
    /* What the disk has, not what memory remembers; and no more of it at once
     * than is asked for: the kernel may read many pieces ahead. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    bytes = xmalloc(j->segment.end);
    done = read_segment(j, fd, bytes);
    j->bad = (uint32_t)done;
    j->status = done < j->segment.end
                    ? STATUS_CORRUPT
                    : wal_scrub_segment(&j->options, &j->segment,
                                        slice_of(bytes, done), &j->bad);
    free(bytes);
    close(fd);
}

static void scrub_work(uv_work_t *w)
{
    bool patient = patient_begin();

    scrub_segment(w->data);
    if (patient)
        patient_end();
}

static bool still_there(const struct node *n, uint64_t segment)
{
    struct wal_segment_info s;

    return wal_segment_next(n->journal.wal, segment - 1, &s) &&
           s.segment == segment;
}

static void scrub_done(uv_work_t *w, int canceled)
{
    struct scrub_job *j = w->data;
    struct node *n = j->n;

    (void)canceled;
    n->relief->scrubbing = false;
    if (j->status != STATUS_OK && n->journal.wal &&
        still_there(n, j->segment.segment)) {
        n->relief->damaged = j->segment.segment;
        snprintf(n->relief->damage, sizeof n->relief->damage,
                 "log segment %016" PRIx64 " is damaged at offset %u: check "
                 "the disk",
                 j->segment.segment, j->bad);
        log_error("wal_scrub_damage", "segment=%" PRIu64 " offset=%u",
                  j->segment.segment, j->bad);
        for (unsigned i = 0; i < n->dir.map->n_groups; i++)
            if (map_replica_on(&n->dir.map->groups[i], n->id))
                flush_group(n, n->dir.map->groups[i].id);
    }
    free(j);
}

static void scrub(struct node *n)
{
    struct relief *r = n->relief;
    struct wal_segment_info s;
    struct scrub_job *j;

    if (r->scrubbing)
        return;
    if (!wal_segment_next(n->journal.wal, r->scrubbed, &s)) {
        r->scrubbed = 0; /* from the oldest again, next time */
        return;
    }
    r->scrubbed = s.segment;
    r->scrubbing = true;
    j = xcalloc(1, sizeof *j);
    j->work.data = j;
    j->n = n;
    j->segment = s;
    j->options = n->wal_options;
    snprintf(j->dir, sizeof j->dir, "%s/wal", n->dir.path);
    if (uv_queue_work(n->loops[0].uv, &j->work, scrub_work, scrub_done))
        node_die("worker", "cannot queue");
}

/* Memory of all stores together, which no single one sees. */
static void flush_largest(struct node *n)
{
    enum { NODE_MIB_MAX = 128 };
    struct event e = {.type = EVENT_FLUSH_WANTED, .now = node_now()};
    struct store_env_stats stats;

    if (!n->env)
        return;
    store_env_stats(n->env, &stats);
    /* With what is being flushed: counted without, a node that is loaded takes
     * 130 MiB more, and is no faster. */
    if (stats.memtable_bytes < (uint64_t)NODE_MIB_MAX << 20 ||
        !stats.largest_bytes)
        return;
    e.flush_wanted.group = (uint32_t)stats.largest_tag;
    loop_post_event(&n->loops[0], loop_of(n, e.flush_wanted.group), &e);
}

void relief_tick(struct node *n)
{
    struct relief *r = relief_of(n);

    shorten(n);
    if (r->damaged && !still_there(n, r->damaged)) {
        r->damaged = 0; /* its entries are elsewhere now */
        r->damage[0] = 0;
    }
    flush_largest(n);
    if (n->loops[0].ticks % SCRUB_EVERY_TICKS == 0)
        scrub(n);
}
