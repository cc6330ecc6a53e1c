/* admin.c - map, status and cluster init, answered by the node itself. */
#include "node/shell/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "proto/codec.h"
#include "rpc/types.h"

enum { STATUS_REPLICAS_MAX = GROUP_COUNT_MAX + 1, NOTES_MAX = 32 };

static struct buf *begin(struct conn *c, uint64_t id, uint16_t type)
{
    struct frame_header h = {.id = id, .kind = FRAME_REPLY, .type = type};
    struct buf *out = conn_begin(c, &h, CONN_CONTROL);

    if (!out && !conn_closing(c))
        conn_close(c, STATUS_BUSY, "replies are not being read");
    return out;
}

static void end(struct conn *c)
{
    if (conn_end(c) != STATUS_OK)
        conn_close(c, STATUS_INTERNAL, "a reply is too large");
}

void admin_error(struct conn *c, uint64_t id, enum status why,
                 const char *detail)
{
    struct buf *out = begin(c, id, MESSAGE_ERROR);
    struct error_reply m = {.status = why, .detail = slice_str(detail)};

    if (!out)
        return;
    error_reply_encode(&m, out);
    end(c);
}

/* The map as the node knows it now; NULL before init. */
static const struct cluster_map *map_now(const struct node *n)
{
    return n->shard ? shard_map(n->shard) : n->dir.map;
}

void admin_map(struct node *n, struct conn *c, uint64_t id,
               struct slice payload)
{
    const struct cluster_map *map = n->shard ? shard_map(n->shard) : NULL;
    struct group_leader *leaders = NULL;
    struct map_request q;
    struct map_reply m = {.status = STATUS_OK};
    struct buf bytes = {0};
    struct buf *out;

    if (map_request_decode(payload, &q) != STATUS_OK) {
        admin_error(c, id, STATUS_BAD_MESSAGE, "not a map request");
        return;
    }
    if (map) {
        leaders = xcalloc(map->n_groups + 1, sizeof *leaders);
        for (unsigned i = 0; i < map->n_groups; i++)
            leaders[i] = (struct group_leader){
                map->groups[i].id,
                shard_leader_node(n->shard, map->groups[i].id)};
        m.leaders = leaders;
        m.n_leaders = map->n_groups;
        if (map->epoch != q.epoch_known)
            map_encode(map, &bytes);
        m.map = buf_slice(&bytes);
    } else {
        m.status = STATUS_NOT_INITIALISED;
    }
    out = begin(c, id, MESSAGE_MAP_REPLY);
    if (out) {
        map_reply_encode(&m, out);
        end(c);
    }
    buf_release(&bytes);
    free(leaders);
}

/* ---- status ---- */

static uint64_t resident_bytes(void)
{
    unsigned long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned notes_of(const struct node *n, struct slice *notes,
                         char text[][160])
{
    struct replica_status *r = xcalloc(STATUS_REPLICAS_MAX, sizeof *r);
    unsigned count = 0;
    unsigned replicas = shard_replicas(n->shard, r, STATUS_REPLICAS_MAX);

    if (n->disk_low)
        notes[count++] = slice_str("the disk is nearly full: sets are refused");
    if (relief_damage(n))
        notes[count++] = slice_str(relief_damage(n));
    for (unsigned i = 0; i < replicas && count < NOTES_MAX; i++) {
        const char *why = shard_replica_reason(n->shard, r[i].group);
        if (!why)
            continue;
        snprintf(text[count], 160, "group %u is %.*s: %s", r[i].group,
                 (int)r[i].role.size, (const char *)r[i].role.data, why);
        notes[count] = slice_str(text[count]);
        count++;
    }
    free(r);
    return count;
}

static void add_store_sizes(const struct node *n, struct replica_status *r,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct store *s = stores_find(n, r[i].group);
        struct store_stats stats;
        if (!s)
            continue;
        store_stats(s, &stats);
        r[i].store_bytes = stats.table_bytes + stats.memtable_bytes;
        r[i].keys_estimate = stats.keys_estimate;
    }
}

static void fill_status(struct node *n, struct node_status *m,
                        struct replica_status *replicas, uint32_t *peers,
                        struct slice *notes, char text[][160])
{
    m->node = n->id;
    m->directory = slice_of(n->dir.directory, ID_BYTES);
    if (n->dir.init != INIT_STATE_BLANK)
        m->cluster = slice_of(n->dir.cluster, ID_BYTES);
    m->version = slice_str(COAT_VERSION);
    m->uptime_ms = node_now().ms - n->started_ms;
    m->boot_count = n->dir.boot_count;
    m->client_address = slice_str(n->o.client_advertise);
    m->peer_address = slice_str(n->o.peer_advertise);
    m->map_epoch = map_now(n) ? map_now(n)->epoch : 0;
    m->resident_bytes = resident_bytes();
    m->wal_syncs = disk_syncs(n->disk);
    m->state = slice_str(n->stopping ? "stopping"
                                     : init_state_name(n->dir.init));
    if (!n->shard)
        return;
    m->wal_bytes = wal_bytes(n->journal.wal);
    m->requests = shard_requests(n->shard);
    m->n_replicas =
        shard_replicas(n->shard, replicas, STATUS_REPLICAS_MAX);
    add_store_sizes(n, replicas, m->n_replicas);
    m->replicas = replicas;
    m->n_peers_up = shard_peers_up(n->shard, peers, NODE_COUNT_MAX);
    m->peers_up = peers;
    m->n_notes = notes_of(n, notes, text);
    m->notes = notes;
}

void admin_status(struct node *n, struct conn *c, uint64_t id,
                  struct slice payload)
{
    struct replica_status *replicas =
        xcalloc(STATUS_REPLICAS_MAX, sizeof *replicas);
    uint32_t peers[NODE_COUNT_MAX];
    struct slice notes[NOTES_MAX];
    char text[NOTES_MAX][160];
    struct status_reply m = {.status = STATUS_OK, .has_node = true};
    struct buf *out;

    (void)payload; /* the request is empty */
    fill_status(n, &m.node, replicas, peers, notes, text);
    out = begin(c, id, MESSAGE_STATUS_REPLY);
    if (out) {
        status_reply_encode(&m, out);
        end(c);
    }
    free(replicas);
}

/* ---- cluster init ---- */

static void init_answer(struct conn *c, uint64_t id, enum status st,
                        const char *detail, const struct cluster_map *map)
{
    struct buf bytes = {0};
    struct buf *out = begin(c, id, MESSAGE_INIT_REPLY);
    struct init_reply m = {.status = st, .detail = slice_str(detail)};

    if (map)
        map_encode(map, &bytes);
    m.map = buf_slice(&bytes);
    if (out) {
        init_reply_encode(&m, out);
        end(c);
    }
    buf_release(&bytes);
}

static bool same_map(const struct cluster_map *a, const struct cluster_map *b)
{
    struct buf x = {0}, y = {0};
    bool same;

    map_encode(a, &x);
    map_encode(b, &y);
    same = slice_equal(buf_slice(&x), buf_slice(&y));
    buf_release(&x);
    buf_release(&y);
    return same;
}

static enum status accept_map(struct node *n, const struct cluster_map *map,
                              char *error)
{
    enum status st;

    memcpy(n->dir.cluster, map->cluster, ID_BYTES);
    st = datadir_save_map(&n->dir, map);
    if (st == STATUS_OK)
        st = datadir_save_init(&n->dir, INIT_STATE_ACCEPTED);
    if (st != STATUS_OK)
        snprintf(error, DATADIR_ERROR_SIZE, "cannot keep the map: %s",
                 status_text(st));
    return st;
}

/* Count the replicas as ACTIVE, durably, before any of them speaks. */
static enum status activate(struct node *n, char *error)
{
    struct cluster_map *map = map_copy(n->dir.map);
    enum status st;

    map_activate(map);
    st = datadir_save_map(&n->dir, map);
    map_free(map);
    if (st == STATUS_OK)
        st = datadir_save_init(&n->dir, INIT_STATE_ACTIVE);
    if (st != STATUS_OK) {
        snprintf(error, DATADIR_ERROR_SIZE, "cannot keep the map: %s",
                 status_text(st));
        return st;
    }
    st = start_replicas(n, error);
    if (st == STATUS_OK)
        links_follow_map(n);
    return st;
}

static enum status init_step(struct node *n, enum init_step step,
                             char *error)
{
    enum status st;

    if (step == INIT_ACCEPT || n->dir.init == INIT_STATE_ACTIVE)
        return STATUS_OK; /* done earlier */
    if (step == INIT_CREATE && n->dir.init == INIT_STATE_ACCEPTED) {
        st = start_create(n, n->dir.map, error);
        if (st == STATUS_OK)
            st = datadir_save_init(&n->dir, INIT_STATE_CREATED);
        return st;
    }
    if (step == INIT_ACTIVATE && n->dir.init == INIT_STATE_CREATED)
        return activate(n, error);
    if (step == INIT_CREATE)
        return STATUS_OK;
    snprintf(error, DATADIR_ERROR_SIZE, "the steps come in order: this node "
             "is only %s", init_state_name(n->dir.init));
    return STATUS_INVALID;
}

void admin_init(struct node *n, struct conn *c, uint64_t id,
                struct slice payload)
{
    struct cluster_map *map = NULL;
    struct init_request q;
    char error[DATADIR_ERROR_SIZE] = "";
    enum status st = init_request_decode(payload, &q);

    if (st == STATUS_OK)
        st = map_decode(q.map, &map);
    if (st != STATUS_OK) {
        init_answer(c, id, st, "the initial map cannot be read", NULL);
        return;
    }
    if (!map_node_of_directory(map, n->dir.directory)) {
        init_answer(c, id, STATUS_WRONG_NODE,
                    "this node's data directory is not in that map", NULL);
        goto out;
    }
    if (n->dir.init != INIT_STATE_BLANK &&
        (memcmp(map->cluster, n->dir.cluster, ID_BYTES) ||
         (n->dir.init != INIT_STATE_ACTIVE && !same_map(map, n->dir.map)))) {
        init_answer(c, id, STATUS_WRONG_CLUSTER,
                    "this node has accepted another cluster's map",
                    n->dir.map);
        goto out;
    }
    if (n->dir.init == INIT_STATE_BLANK)
        st = q.step == INIT_ACCEPT ? accept_map(n, map, error)
                                   : STATUS_NOT_INITIALISED;
    else
        st = init_step(n, q.step, error);
    log_info("cluster_init", "step=%d status=%s state=%s", (int)q.step,
             status_name(st), init_state_name(n->dir.init));
    init_answer(c, id, st, error, NULL);
out:
    map_free(map);
}
