/* start.c - from what is on disk to a running shard; replicas made.
 *
 * For each replica that the map binds to this data directory: its store's group
 * record says what is applied, the log holds what comes behind. Whatever is
 * missing or contradicts itself keeps that one replica out (quarantined, or
 * lost); the others start. An ACTIVE replica is never made anew here. */
#include "node/shell/node.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "node/core/machine.h"
#include "node/store/store_files.h"
#include "node/shell/failpoint.h"
#include "proto/base/log.h"
#include "node/store/store_kept.h"
#include "raft/wal/recovery.h"

/* What was read for one replica. */
struct found {
    uint32_t group;
    uint64_t replica;
    const char *broken;
    bool lost;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
    struct group_record record;
    struct buf record_bytes, flushed_bytes;
    uint64_t flushed;
    struct store_value slots, map;
    struct write_set kept;

    bool in_log;
    bool finish_install;  /* the log still lacks the RESET of the store */
    struct wal_recovered_group log;
    struct group_entry *entries;
    uint32_t *sizes;
    size_t n_entries;
};

struct starting {
    struct node *n;
    struct found *v;
    unsigned count;
};

/* ---- the stores ---- */

static void read_records(struct loop *l, struct found *f)
{
    struct store *s = stores_find(l, f->group);
    struct group_record flushed;
    enum status st =
        store_group_record(s, NULL, &f->record_bytes, &f->record);

    if (st == STATUS_OK)
        st = store_flushed_record(s, &f->flushed_bytes, &flushed);
    if (st == STATUS_OK)
        st = store_get(s, NULL, layout_single_key(LAYOUT_SLOTS), STORE_ANY,
                       &f->slots);
    if (st == STATUS_OK && f->group == 0)
        st = store_get(s, NULL, layout_single_key(LAYOUT_MAP), STORE_ANY,
                       &f->map);
    if (st == STATUS_OK)
        st = store_kept(s, &f->kept);
    if (st != STATUS_OK) {
        f->broken = "its store's records are missing or damaged";
        return;
    }
    f->flushed = flushed.applied_index;
}

static void read_store(struct loop *l, struct found *f)
{
    char error[DATADIR_ERROR_SIZE] = "";
    enum status st = stores_open(l, f->group, f->install_id, error);

    if (st == STATUS_NOT_FOUND) {
        f->broken = "its store is missing";
        f->lost = true;
        return;
    }
    if (st != STATUS_OK) {
        log_error("store_refused", "group=%u error=\"%s\"", f->group, error);
        f->broken = "its store cannot be opened";
        return;
    }
    read_records(l, f);
}

/* ---- the log ---- */

static struct found *found_of(struct starting *s, uint32_t group)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->v[i].group == group)
            return &s->v[i];
    return NULL;
}

/* Take the entries out of the mapped log: what is applied needs no payload,
 * unless it is a CHANGE. */
static void take_entries(const struct wal_recovered *log, struct found *f)
{
    uint64_t first = f->log.first;

    if (f->log.last < first)
        return;
    f->n_entries = f->log.last - first + 1;
    f->entries = xcalloc(f->n_entries, sizeof *f->entries);
    f->sizes = xcalloc(f->n_entries, sizeof *f->sizes);
    for (size_t i = 0; i < f->n_entries; i++) {
        struct wal_entry e = wal_recovered_entry(log, f->group, first + i);
        bool needed = first + i > f->record.applied_index ||
                      e.type == ENTRY_CHANGE;
        f->entries[i].term = e.term;
        f->entries[i].type = (uint8_t)e.type;
        f->sizes[i] = (uint32_t)e.data.size;
        if (needed && e.data.size)
            f->entries[i].payload = blob_copy(e.data);
    }
}

static void each_group(void *arg, const struct wal_recovered *log, unsigned i)
{
    struct starting *s = arg;
    struct found *f = found_of(s, log->groups[i].group);

    if (!f) {
        log_warn("log_of_unknown_group", "group=%u", log->groups[i].group);
        return;
    }
    f->in_log = true;
    f->log = log->groups[i];
    if (f->broken)
        return;
    if (f->log.quarantined) {
        f->broken = f->log.reason;
        return;
    }
    if (memcmp(f->install_id, f->log.install_id, WAL_INSTALL_ID_BYTES)) {
        /* Switched, and not RESET yet; anything else is a restored file. */
        if (f->record.applied_index > f->log.reset_index)
            f->finish_install = true;
        else
            f->broken = "its store is older than its log";
        return;
    }
    if (f->log.first > f->record.applied_index + 1 ||
        f->log.last < f->record.applied_index) {
        f->broken = "its log does not reach its store";
        return;
    }
    take_entries(log, f);
}

/* ---- together ---- */

static void add_replica(struct loop *l, struct found *f, bool again)
{
    struct replica_restore r = {
        .group = f->group,
        .replica = f->replica,
        .broken = f->broken,
        .lost = f->lost,
        .record = f->record,
        .flushed = f->flushed,
        .slots = f->slots.bytes,
        .map = f->map.bytes,
        .kept = &f->kept,
    };
    struct members *m = &r.raft.snapshot.members;

    if (!r.broken && members_decode(f->record.members, m) != STATUS_OK)
        r.broken = "its member list is damaged";
    if (!r.broken) {
        r.raft.term = f->log.term;
        r.raft.vote = f->log.vote;
        r.raft.snapshot.index = f->record.applied_index;
        r.raft.snapshot.term = f->record.applied_term;
        r.raft.snapshot.members_index = f->record.change_index;
        r.raft.first_index =
            f->n_entries ? f->log.first : f->record.applied_index + 1;
        r.raft.entries = f->entries;
        r.raft.sizes = f->sizes;
        r.raft.n = f->n_entries;
    }
    log_info("replica_start",
             "group=%u replica=%" PRIu64 " term=%" PRIu64 " applied=%" PRIu64
             " log=%" PRIu64 "..%" PRIu64 " flushed=%" PRIu64 " broken=\"%s\"",
             f->group, f->replica, f->log.term, f->record.applied_index,
             f->log.first, f->log.last, f->flushed,
             r.broken ? r.broken : "");
    if (again)
        shard_replica_restart(l->shard, node_now(), &r, &l->fx);
    else
        shard_replica_add(l->prepared, node_now(), &r, &l->fx);
}

static void release_found(struct found *f)
{
    for (size_t i = 0; i < f->n_entries; i++)
        blob_unref(f->entries[i].payload);
    free(f->entries);
    free(f->sizes);
    store_value_release(&f->slots);
    store_value_release(&f->map);
    write_set_release(&f->kept);
    buf_release(&f->record_bytes);
    buf_release(&f->flushed_bytes);
}

/* Directories that no CURRENT names: of an install or a checkpoint that a stop
 * cut short. */
static void remove_leftovers(struct loop *l, uint32_t group)
{
    char dir[4300], path[4600], error[DATADIR_ERROR_SIZE];
    struct store *s = stores_find(l, group);
    struct dirent *e;
    DIR *d;

    stores_group_path(l->node, group, dir, sizeof dir);
    d = opendir(dir);
    if (!d || !s) {
        if (d)
            closedir(d);
        return;
    }
    while ((e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%.255s", dir, e->d_name);
        if ((strncmp(e->d_name, "store-", 6) &&
             strncmp(e->d_name, "send-", 5)) ||
            !strcmp(path, store_dir(s)))
            continue;
        if (store_destroy(path, error, sizeof error) != STATUS_OK)
            log_warn("leftover_stays", "path=%s error=\"%s\"", path, error);
    }
    closedir(d);
}

/* Every group may have up to a few files open at once; every client one. */
static enum status raise_files(unsigned groups, char *error)
{
    struct rlimit l;
    rlim_t need = 256 + (rlim_t)groups * 64;

    if (getrlimit(RLIMIT_NOFILE, &l))
        return STATUS_OK;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    if (l.rlim_max >= need)
        return STATUS_OK;
    snprintf(error, DATADIR_ERROR_SIZE,
             "the limit of open files is %lu, %u groups need %lu: raise it "
             "(ulimit -n, LimitNOFILE=)",
             (unsigned long)l.rlim_max, groups, (unsigned long)need);
    return STATUS_DENIED;
}

static void make_shard(struct loop *l)
{
    struct node *n = l->node;
    const struct cluster_map *map = n->dir.map;
    const struct map_node *self =
        map_node_of_directory(map, n->dir.directory);
    struct shard_options o = {
        .node = self->id,
        .shard = l->index,
        .shards = n->n_loops,
        .seed = node_now_us().us + l->index,
        .election = MS(n->o.election_ms),
        .self = *self,
    };

    if (getrandom(&o.seed, sizeof o.seed, 0) != sizeof o.seed)
        o.seed ^= node_wall_ms();
    snprintf(o.self.client_address, sizeof o.self.client_address, "%s",
             n->o.client_advertise);
    snprintf(o.self.peer_address, sizeof o.self.peer_address, "%s",
             n->o.peer_advertise);
    snprintf(o.self.redis_address, sizeof o.self.redis_address, "%s",
             n->o.redis_advertise);
    l->prepared = shard_new(&o, map);
}

static void collect(struct starting *s, const struct cluster_map *map,
                    uint32_t node)
{
    s->v = xcalloc(map->n_groups + 1, sizeof *s->v);
    for (unsigned i = 0; i < map->n_groups; i++) {
        const struct map_replica *r =
            map_replica_on(&map->groups[i], node);
        if (!r)
            continue;
        s->v[s->count].group = map->groups[i].id;
        s->v[s->count++].replica = r->id;
    }
}

static enum status finish_installs(struct starting *s)
{
    struct node *n = s->n;
    bool any = false;

    for (unsigned i = 0; i < s->count; i++) {
        struct found *f = &s->v[i];
        if (!f->finish_install)
            continue;
        wal_reset(n->journal.wal, f->group, f->record.applied_index,
                  f->record.applied_term, f->install_id, node_now_us());
        f->log.first = f->record.applied_index + 1;
        f->log.last = f->record.applied_index;
        any = true;
    }
    return any ? disk_settle(n, false) : STATUS_OK;
}

enum status start_replicas(struct node *n, char *error)
{
    const struct cluster_map *map = n->dir.map;
    const struct map_node *self =
        map_node_of_directory(map, n->dir.directory);
    struct starting s = {.n = n};
    bool lost_unnamed = false;
    enum status st;

    if (!self) {
        snprintf(error, DATADIR_ERROR_SIZE,
                 "data directory %s is not in its own cluster map",
                 n->dir.path);
        return STATUS_CORRUPT;
    }
    collect(&s, map, self->id);
    st = raise_files(s.count, error);
    if (st != STATUS_OK)
        goto out;
    for (unsigned i = 0; i < s.count; i++)
        read_store(loop_of(n, s.v[i].group), &s.v[i]);
    st = walfiles_open(n, each_group, &s, &lost_unnamed, error);
    if (st != STATUS_OK)
        goto out;
    for (unsigned i = 0; i < s.count; i++) {
        struct found *f = &s.v[i];
        if (!f->in_log && !f->broken) {
            f->broken = "its log is missing";
            f->lost = true;
        }
    }
    FAILPOINT_PASS(START_LOG_OPENED);
    st = finish_installs(&s);
    FAILPOINT_PASS(START_LEFTOVERS);
    for (unsigned i = 0; i < s.count && st == STATUS_OK; i++)
        remove_leftovers(loop_of(n, s.v[i].group), s.v[i].group);
    if (st != STATUS_OK) {
        snprintf(error, DATADIR_ERROR_SIZE, "cannot write the log in %s: %s",
                 n->dir.path, status_text(st));
        goto out;
    }
    n->id = self->id;
    for (unsigned i = 0; i < n->n_loops; i++)
        make_shard(&n->loops[i]);
    for (unsigned i = 0; i < s.count; i++)
        add_replica(loop_of(n, s.v[i].group), &s.v[i], false);
out:
    for (unsigned i = 0; i < s.count; i++)
        release_found(&s.v[i]);
    free(s.v);
    return st;
}

/* ---- again, while the node runs ---- */

void start_again(struct loop *l, const struct log_copy *log)
{
    const struct cluster_map *map = shard_map(l->shard);
    const struct map_group *g = map_group_find(map, log->group);
    const struct map_replica *m = g ? map_replica_on(g, l->node->id) : NULL;
    struct found f = {.group = log->group, .replica = m ? m->id : 0};

    if (!m)
        return;
    read_records(l, &f);
    f.log = (struct wal_recovered_group){.group = log->group,
                                         .term = log->info.term,
                                         .vote = log->info.vote,
                                         .first = log->info.first,
                                         .last = log->info.last};
    if (!f.broken)
        f.broken = log->broken;
    if (!f.broken && (f.log.first > f.record.applied_index + 1 ||
                      f.log.last < f.record.applied_index))
        f.broken = "its log does not reach its store";
    f.entries = log->entries;
    f.sizes = log->sizes;
    f.n_entries = f.broken ? 0 : log->n;
    add_replica(l, &f, true);
    f.entries = NULL; /* the copy's */
    f.sizes = NULL;
    f.n_entries = 0;
    release_found(&f);
    loop_drain(l); /* no turn here: timers come after the sockets */
}

/* ---- making replicas (cluster init, step CREATE) ---- */

static void ignore_group(void *arg, const struct wal_recovered *log,
                         unsigned i)
{
    (void)arg;
    (void)log;
    (void)i;
}

static enum status create_one(struct node *n, const struct cluster_map *map,
                              const struct map_group *g, char *error)
{
    struct machine machine;
    struct write_set set = {0};
    struct members members = {0};
    struct buf encoded = {0};
    struct group_record record = {
        .applied_index = 1,
        .applied_term = 1,
        .change_index = 1,
        .format_level = COMMAND_LEVEL,
    };
    size_t size;
    enum status st;

    for (unsigned i = 0; i < g->n_replicas; i++)
        if (!members_add(&members, g->replicas[i].id, MEMBER_VOTER))
            return STATUS_INVALID;
    members_encode(&members, &encoded);
    record.members = buf_slice(&encoded);
    machine_init(&machine, g->id);
    machine_create(&machine, map, &set);
    size = group_record_bytes(&record);
    group_record_write(write_set_put_reserve(&set,
                                             layout_single_key(LAYOUT_GROUP),
                                             size),
                       &record);
    st = stores_create(n, g->id, &set, error);
    machine_release(&machine);
    write_set_release(&set);
    buf_release(&encoded);
    return st;
}

enum status start_create(struct node *n, const struct cluster_map *map,
                         char *error)
{
    static const uint8_t none[WAL_INSTALL_ID_BYTES];
    const struct map_node *self =
        map_node_of_directory(map, n->dir.directory);
    struct cluster_map *active = map_copy(map);
    enum status st = STATUS_OK;
    bool unnamed;

    /* The meta group begins with the map as it will be: all replicas exist. */
    map_activate(active);
    for (unsigned i = 0; i < map->n_groups && st == STATUS_OK; i++)
        if (map_replica_on(&map->groups[i], self->id))
            st = create_one(n, active, &map->groups[i], error);
    map_free(active);
    if (st == STATUS_OK && FAILPOINT(CREATE_STORES_MADE))
        st = STATUS_IO_ERROR;
    if (st != STATUS_OK)
        return st;
    st = walfiles_open(n, ignore_group, NULL, &unnamed, error);
    if (st != STATUS_OK)
        return st;
    for (unsigned i = 0; i < map->n_groups; i++) {
        uint32_t group = map->groups[i].id;
        struct wal_group_info info;
        if (!map_replica_on(&map->groups[i], self->id) ||
            wal_group(n->journal.wal, group, &info))
            continue; /* made by an earlier, interrupted try */
        wal_reset(n->journal.wal, group, 1, 1, none, node_now_us());
        wal_vote(n->journal.wal, group, 1, 0, node_now_us());
    }
    st = disk_settle(n, false);
    if (st == STATUS_OK && FAILPOINT(CREATE_LOG_WRITTEN))
        st = STATUS_IO_ERROR;
    if (st != STATUS_OK)
        snprintf(error, DATADIR_ERROR_SIZE, "cannot write the log: %s",
                 status_text(st));
    /* start_replicas() opens it again, like any start. */
    journal_release(&n->journal);
    return st;
}
