/* cluster_start.c - from the disk to a running shard, and back to the disk.
 *
 * Follows node/shell/start.c: the store's group record says what is applied,
 * the log holds what comes behind, a switched store without its RESET is
 * finished. Nothing here damages a disk, so a replica that has to stay out is
 * a failure. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/core/machine.h"
#include "raft/wal/recovery.h"
#include "tests/sim/cluster.h"

/* ---- creation ---- */

static void create_store(struct sim_replica *r, const struct map_group *g,
                         const struct cluster_map *map)
{
    struct machine machine;
    struct write_set set = {0};
    struct members members = {0};
    struct buf encoded = {0};
    struct group_record record = {.applied_index = 1, .applied_term = 1,
                                  .change_index = 1,
                                  .format_level = COMMAND_LEVEL};

    for (unsigned i = 0; i < g->n_replicas; i++)
        assert(members_add(&members, g->replicas[i].id, MEMBER_VOTER));
    members_encode(&members, &encoded);
    record.members = buf_slice(&encoded);
    machine_init(&machine, g->id);
    machine_create(&machine, map, &set);
    group_record_write(write_set_put_reserve(&set,
                                             layout_single_key(LAYOUT_GROUP),
                                             group_record_bytes(&record)),
                       &record);
    r->current = xcalloc(1, sizeof *r->current);
    mem_table_apply(&r->current->live, &set);
    mem_table_copy(&r->current->flushed, &r->current->live);
    machine_release(&machine);
    write_set_release(&set);
    buf_release(&encoded);
}

void start_create(struct cluster *c, struct sim_node *n)
{
    static const uint8_t none[WAL_INSTALL_ID_BYTES];
    struct cluster_map *active = map_copy(c->initial);

    map_activate(active);
    n->map = active;
    n->wal_options = disk_options(SEGMENT_BYTES, n->id);
    journal_init(&n->journal, wal_new(&n->wal_options, NULL));
    for (unsigned i = 0; i < active->n_groups; i++) {
        const struct map_group *g = &active->groups[i];
        const struct map_replica *m = map_replica_on(g, n->id);
        struct sim_replica *r = &n->replicas[n->n_replicas];
        if (!m)
            continue;
        n->n_replicas++;
        *r = (struct sim_replica){.group = g->id, .id = m->id};
        create_store(r, g, active);
        wal_reset(n->journal.wal, g->id, 1, 1, none, cluster_us(c, n));
        wal_vote(n->journal.wal, g->id, 1, 0, cluster_us(c, n));
    }
    disk_settle(c, n);
    journal_release(&n->journal);
}

/* ---- start ---- */

static const struct wal_recovered_group *
recovered_group(const struct wal_recovered *found, uint32_t group)
{
    for (unsigned i = 0; i < found->n_groups; i++)
        if (found->groups[i].group == group)
            return &found->groups[i];
    return NULL;
}

/* What was read for one replica. */
struct found {
    struct wal_recovered_group log;
    struct group_entry *entries;
    uint32_t *sizes;
    size_t n;
    bool finish_install;
    const char *broken; /* why the replica has to stay out */
    bool lost;
    struct write_set kept;
};

static void release_found(struct found *f)
{
    for (size_t i = 0; i < f->n; i++)
        blob_unref(f->entries[i].payload);
    free(f->entries);
    free(f->sizes);
    write_set_release(&f->kept);
}

static void found_room(struct found *f)
{
    f->n = f->log.last - f->log.first + 1;
    f->entries = xcalloc(f->n + 1, sizeof *f->entries);
    f->sizes = xcalloc(f->n + 1, sizeof *f->sizes);
}

static void found_entry(struct found *f, uint64_t index,
                        const struct wal_entry *e, uint64_t applied)
{
    struct group_entry *to = &f->entries[index - f->log.first];
    bool needed = index > applied || e->type == ENTRY_CHANGE;

    to->term = e->term;
    to->type = (uint8_t)e->type;
    f->sizes[index - f->log.first] = (uint32_t)e->data.size;
    if (needed && e->data.size)
        to->payload = blob_copy(e->data);
}

static void take_entries(const struct wal_recovered *log,
                         struct sim_replica *r, struct found *f)
{
    uint64_t applied = mem_table_record(&r->open->live).applied_index;

    found_room(f);
    for (uint64_t i = f->log.first; i <= f->log.last; i++) {
        struct wal_entry e = wal_recovered_entry(log, r->group, i);
        found_entry(f, i, &e, applied);
    }
}

/* As each_group() in node/shell/start.c. */
static void take_log(struct cluster *c, struct sim_node *n,
                     const struct wal_recovered *log, struct sim_replica *r,
                     struct found *f)
{
    const struct wal_recovered_group *g = recovered_group(log, r->group);
    uint64_t applied = mem_table_record(&r->open->live).applied_index;

    if (!g) {
        f->broken = "its log is missing";
        f->lost = true;
    } else if (g->quarantined) {
        f->broken = g->reason;
    } else if (r->unreadable && cluster_odds(c, STREAM_START, 500)) {
        f->broken = "its store cannot be opened";
    } else if (memcmp(r->install_id, g->install_id, WAL_INSTALL_ID_BYTES)) {
        f->finish_install = applied > g->reset_index;
        if (!f->finish_install)
            f->broken = "its store is older than its log";
    } else if (g->first > applied + 1 || g->last < applied) {
        f->broken = "its log does not reach its store";
    }
    if (g)
        f->log = *g;
    if (f->broken && !n->damaged)
        cluster_fail(c,
                     "node %u group %u: %s; log %" PRIu64 "..%" PRIu64
                     ", store at %" PRIu64,
                     n->id, r->group, f->broken, f->log.first, f->log.last,
                     applied);
    if (f->broken) {
        c->count.quarantines++;
        cluster_say(c, "node %u group %u stays out: %s", n->id, r->group,
                    f->broken);
    }
    if (c->judge.recovered)
        c->judge.recovered(c->judge.arg, n, r, f->broken ? NULL : g);
    if (!f->broken && !f->finish_install)
        take_entries(log, r, f);
}

static void finish_install(struct cluster *c, struct sim_node *n,
                           struct sim_replica *r, struct found *f)
{
    struct group_record record = mem_table_record(&r->open->live);

    cluster_say(c, "node %u group %u: install finished at start", n->id,
                r->group);
    wal_reset(n->journal.wal, r->group, record.applied_index,
              record.applied_term, r->install_id, cluster_us(c, n));
    f->log.first = record.applied_index + 1;
    f->log.last = record.applied_index;
}

static struct replica_restore restore_of(struct sim_replica *r,
                                         struct found *f)
{
    struct group_record record = mem_table_record(&r->open->live);
    struct replica_restore o = {
        .group = r->group,
        .replica = r->id,
        .broken = f->broken,
        .lost = f->lost,
        .record = record,
        .flushed = mem_table_record(&r->open->flushed).applied_index,
        .slots = mem_table_single(&r->open->live, LAYOUT_SLOTS),
        .map = mem_table_single(&r->open->live, LAYOUT_MAP),
        .kept = &f->kept,
    };
    enum status st =
        members_decode(record.members, &o.raft.snapshot.members);

    mem_table_kept(&r->open->live, &f->kept);

    assert(st == STATUS_OK);
    if (f->broken)
        return o;
    o.raft.term = f->log.term;
    o.raft.vote = f->log.vote;
    o.raft.snapshot.index = record.applied_index;
    o.raft.snapshot.term = record.applied_term;
    o.raft.snapshot.members_index = record.change_index;
    o.raft.first_index = f->n ? f->log.first : record.applied_index + 1;
    o.raft.entries = f->entries;
    o.raft.sizes = f->sizes;
    o.raft.n = f->n;
    return o;
}

static void tick(struct cluster *c, struct sim_loop *l, void *arg UNUSED,
                 bool dropped)
{
    struct sim_node *n = l->node;
    struct event e = {.type = EVENT_DISK};

    if (dropped)
        return;
    cluster_later(c, l, 100, tick, NULL);
    e.disk.write_age =
        MS(wal_oldest_age(n->journal.wal, cluster_us(c, n)) / 1000);
    e.disk.nearly_full =
        n->nearly_full || !wal_accepts_entries(n->journal.wal);
    for (unsigned i = 0; n->up && i < n->n_loops; i++)
        loop_post_event(c, l, &n->loops[i], &e);
    for (unsigned i = 0; n->up && i < n->n_replicas; i++)
        if (n->replicas[i].restart_wanted)
            start_again(c, n, &n->replicas[i]);
    if (n->up)
        effects_relief(c, n);
    if (n->up)
        effects_pump(c, n);
}

static void make_shard(struct cluster *c, struct sim_loop *l)
{
    struct sim_node *n = l->node;
    struct shard_options o = {
        .node = n->id,
        .shard = l->index,
        .shards = n->n_loops,
        .seed = rng_next(&c->rng[STREAM_START]),
        .entry_bytes_max = SEGMENT_BYTES / 2,
        .group_flush_bytes = c->o.flush_bytes,
        .node_flush_bytes = c->o.flush_bytes * 2,
        .log_trailing = c->o.trailing,
        .recent_bytes_max = c->o.recent_bytes,
        .self = *map_node_find(n->map, n->id),
    };

    /* Started with another address: the meta group has to hear of it. */
    if (n->boot % 8 == 2)
        snprintf(o.self.peer_address, sizeof o.self.peer_address,
                 "node%u-%u:7411", n->id, n->boot);
    l->shard = shard_new(&o, n->map);
    l->turn_pending = false;
    l->wake_at = UINT64_MAX;
    memset(l->letter_due, 0, sizeof l->letter_due);
}

void start_node(struct cluster *c, struct sim_node *n)
{
    struct found f[CLUSTER_GROUPS_MAX] = {0};
    struct event e = {.type = EVENT_DISK};
    struct wal_recovered *log = disk_recover(c, n);

    assert(!n->up);
    n->boot++;
    n->up = true;
    /* A monotonic clock begins anywhere. */
    n->clock_own_ms = c->now + cluster_draw(c, STREAM_START, c->o.clocks);
    n->clock_world_ms = c->now;
    n->stopping = false;
    n->n_loops = 1 + (unsigned)cluster_draw(c, STREAM_START, c->o.loops - 1);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        struct sim_replica *r = &n->replicas[i];
        r->open = r->current;
        r->flushing = r->restart_wanted = r->applying = r->fetching = false;
        take_log(c, n, log, r, &f[i]);
    }
    for (unsigned i = 0; i < log->n_remove; i++)
        disk_unlink(&n->disk, log->remove[i]);
    journal_init(&n->journal, wal_new(&n->wal_options, log));
    wal_recovered_free(log);
    for (unsigned i = 0; i < n->n_replicas; i++)
        if (f[i].finish_install)
            finish_install(c, n, &n->replicas[i], &f[i]);
    disk_settle(c, n);
    cluster_say(c, "start node %u boot %u loops %u", n->id, n->boot,
                n->n_loops);
    for (unsigned i = 0; i < n->n_loops; i++)
        make_shard(c, &n->loops[i]);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        struct replica_restore o = restore_of(&n->replicas[i], &f[i]);
        struct sim_loop *l = loop_of(n, n->replicas[i].group);
        if (c->judge.started)
            c->judge.started(c->judge.arg, n, &o);
        shard_replica_add(l->shard, cluster_clock(c, l->node), &o, &l->fx);
        release_found(&f[i]);
    }
    cluster_later(c, &n->loops[0], 100, tick, NULL);
    for (unsigned i = 0; n->up && i < n->n_loops; i++)
        loop_step(c, &n->loops[i], &e); /* what starting wanted */
}

/* ---- again, while the node runs ---- */

static bool take_span(struct sim_node *n, struct sim_replica *r,
                      struct found *f, uint64_t *index)
{
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span span;
    struct buf bytes = {0};
    bool ok = wal_find(n->journal.wal, r->group, *index, 1 << 20, &span) ==
                  STATUS_OK &&
              effects_read_span(n, &span, &bytes) &&
              wal_span_decode(&span, buf_slice(&bytes), out) == STATUS_OK;

    for (unsigned i = 0; ok && i < span.count; i++)
        found_entry(f, *index + i, &out[i], 0);
    if (ok)
        *index += span.count;
    buf_release(&bytes);
    return ok;
}

struct restarting {
    struct sim_replica *r;
    struct found f;
};

/* On the replica's loop, with a copy of its log. */
static void restart_run(struct cluster *c, struct sim_loop *l, void *arg,
                        bool dropped)
{
    struct restarting *a = arg;
    struct event e = {.type = EVENT_DISK};

    if (!dropped && a->r->restart_wanted) {
        struct replica_restore o = restore_of(a->r, &a->f);
        cluster_say(c, "restart group %u on node %u", a->r->group,
                    l->node->id);
        c->count.restarts++;
        a->r->restart_wanted = false;
        shard_replica_restart(l->shard, cluster_clock(c, l->node), &o, &l->fx);
        loop_step(c, l, &e);
    }
    release_found(&a->f);
    free(a);
}

void start_again(struct cluster *c, struct sim_node *n, struct sim_replica *r)
{
    struct restarting *a;
    struct wal_group_info info;
    bool ok = true;

    if (wal_pending_bytes(n->journal.wal))
        return;
    assert(wal_group(n->journal.wal, r->group, &info));
    a = xcalloc(1, sizeof *a);
    a->r = r;
    a->f.log = (struct wal_recovered_group){.term = info.term,
                                            .vote = info.vote,
                                            .first = info.first,
                                            .last = info.last};
    found_room(&a->f);
    for (uint64_t i = info.first; ok && i <= info.last;)
        ok = take_span(n, r, &a->f, &i);
    if (!ok && n->damaged)
        a->f.broken = "its log cannot be read";
    if (ok || n->damaged) {
        loop_letter(c, &n->loops[0], loop_of(n, r->group), restart_run, a);
        return;
    }
    release_found(&a->f);
    free(a);
}

/* ---- end ---- */

static void end_loop(struct sim_loop *l)
{
    /* Effects that nobody carries out any more. */
    for (unsigned i = l->carried; i < l->fx.n; i++)
        if (l->fx.v[i].type == EFFECT_MAP_SAVE && l->fx.v[i].map_save.give)
            map_free(l->fx.v[i].map_save.map);
    l->fx.n = l->carried = 0;
    l->draining = false;
    shard_free(l->shard);
    l->shard = NULL;
}

static void end_process(struct cluster *c, struct sim_node *n)
{
    if (c->judge.died)
        c->judge.died(c->judge.arg, n);
    n->up = false;
    n->stopping = false;
    n->paused_until = 0;
    n->crash_after = 0;
    for (unsigned i = 0; i < n->n_loops; i++)
        end_loop(&n->loops[i]);
    journal_release(&n->journal);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        struct sim_replica *r = &n->replicas[i];
        snapshot_forget(r);
        if (r->open != r->current)
            mem_store_free(r->open);
        r->open = NULL;
    }
    network_node_down(c, n);
}

void start_crash(struct cluster *c, struct sim_node *n)
{
    static const unsigned keeps[] = {0, 128, 256};

    cluster_say(c, "crash node %u", n->id);
    c->count.crashes++;
    disk_crash(&n->disk, &c->rng[STREAM_DISK],
               keeps[cluster_draw(c, STREAM_DISK, 2)]);
    end_process(c, n);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        struct mem_store *s = n->replicas[i].current;
        unsigned more = 0;
        /* A store may have flushed more than it was asked for. */
        if (cluster_odds(c, STREAM_STORE, 500))
            more = (unsigned)cluster_draw(c, STREAM_STORE, s->n_pending);
        mem_store_crash(s, more);
    }
}

void start_leave(struct cluster *c, struct sim_node *n)
{
    cluster_say(c, "node %u leaves", n->id);
    disk_settle(c, n);
    end_process(c, n);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        struct mem_store *s = n->replicas[i].current;
        mem_store_crash(s, s->n_pending);
    }
}

void start_wipe(struct cluster *c, struct sim_node *n, bool again)
{
    assert(!n->up && n->victim);
    cluster_say(c, "wipe node %u%s", n->id, again ? ", make it anew" : "");
    disk_wipe(&n->disk);
    for (unsigned i = 0; i < n->n_replicas; i++) {
        mem_store_free(n->replicas[i].current);
        n->replicas[i] = (struct sim_replica){0};
    }
    n->n_replicas = 0;
    map_free(n->map);
    n->map = NULL;
    n->damaged = true;
    n->wiped = true;
    n->directory[0] ^= 0x55; /* the id of a directory is made with it */
    if (again)
        start_create(c, n);
}
