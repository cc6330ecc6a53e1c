/* status.c - what a node says of itself.
 *
 * Each shard is asked for its replicas, by letter; the main loop adds what is
 * the node's. When all have answered the reply leaves from the loop that was
 * asked. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/shell/post.h"
#include "proto/codec.h"
#include "rpc/types.h"

enum {
    NOTES_MAX = 16,
    NOTE_SIZE = 160,
    ASKED_BYTES_MAX = 16 << 20, /* for the clients of one loop */
};

struct part {
    struct replica_status *replicas;
    unsigned n;
    char notes[NOTES_MAX][NOTE_SIZE];
    unsigned n_notes;
    uint64_t requests;
    bool active;
};

/* The round goes from loop to loop and back to the one that was asked. */
struct status_post {
    struct post post;
    struct loop *asked;
    unsigned next;         /* the loop to ask */
    uint64_t conn, id;
    /* the node's, from the main loop */
    enum init_state init;
    bool stopping;
    uint64_t map_epoch, wal_bytes, wal_syncs;
    uint32_t peers[NODE_COUNT_MAX];
    unsigned n_peers;
    char notes[3][NOTE_SIZE];
    unsigned n_notes;
    struct part parts[]; /* one per loop */
};

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

static void add_replicas(struct loop *l, struct part *p)
{
    unsigned max = shard_map(l->shard)->n_groups;

    p->active = true;
    p->requests = shard_requests(l->shard);
    p->replicas = xcalloc(max + 1, sizeof *p->replicas);
    p->n = shard_replicas(l->shard, p->replicas, max);
    for (unsigned i = 0; i < p->n; i++) {
        struct replica_status *r = &p->replicas[i];
        struct store *store = stores_find(l, r->group);
        const char *why = shard_replica_reason(l->shard, r->group);
        struct store_stats stats;
        if (store) {
            store_stats(store, &stats);
            r->store_bytes = stats.table_bytes + stats.memtable_bytes;
            r->keys_estimate = stats.keys_estimate;
        }
        if (why && p->n_notes < NOTES_MAX)
            snprintf(p->notes[p->n_notes++], NOTE_SIZE, "group %u is %.*s: %s",
                     r->group, (int)r->role.size,
                     (const char *)r->role.data, why);
    }
}

static void add_node(struct loop *main, struct status_post *x)
{
    struct node *n = main->node;

    x->init = n->dir.init;
    x->stopping = n->stopping;
    x->map_epoch = n->dir.map ? n->dir.map->epoch : 0;
    x->wal_syncs = disk_syncs(n->disk);
    if (n->journal.wal)
        x->wal_bytes = wal_bytes(n->journal.wal);
    if (main->shard)
        x->n_peers = shard_peers_up(main->shard, x->peers, NODE_COUNT_MAX);
    if (n->disk_low)
        snprintf(x->notes[x->n_notes++], NOTE_SIZE,
                 "the disk is nearly full: sets are refused");
    if (main->shard && shard_clock_note(main->shard))
        snprintf(x->notes[x->n_notes++], NOTE_SIZE, "%s",
                 shard_clock_note(main->shard));
    if (relief_damage(n))
        snprintf(x->notes[x->n_notes++], NOTE_SIZE, "%s", relief_damage(n));
}

static int by_group(const void *x, const void *y)
{
    const struct replica_status *a = x, *b = y;

    return a->group < b->group ? -1 : a->group > b->group;
}

static void encode(struct loop *l, struct status_post *x, struct buf *out)
{
    const struct node *n = l->node;
    struct status_reply m = {.status = STATUS_OK, .has_node = true};
    struct node_status *s = &m.node;
    struct slice notes[NOTES_MAX * LOOPS_MAX + 3];
    struct replica_status *all;
    unsigned total = 0;

    for (unsigned i = 0; i < n->n_loops; i++)
        total += x->parts[i].n;
    all = xcalloc(total + 1, sizeof *all);
    for (unsigned i = 0; i < x->n_notes; i++)
        notes[s->n_notes++] = slice_str(x->notes[i]);
    for (unsigned i = 0; i < n->n_loops; i++) {
        const struct part *p = &x->parts[i];
        if (p->n)
            memcpy(all + s->n_replicas, p->replicas, p->n * sizeof *all);
        s->n_replicas += p->n;
        s->requests += p->requests;
        for (unsigned k = 0; k < p->n_notes; k++)
            notes[s->n_notes++] = slice_str(p->notes[k]);
    }
    qsort(all, total, sizeof *all, by_group);
    s->node = n->id;
    s->directory = slice_of(n->dir.directory, ID_BYTES);
    if (x->init != INIT_STATE_BLANK)
        s->cluster = slice_of(n->dir.cluster, ID_BYTES);
    s->version = slice_str(COAT_VERSION);
    s->uptime_ms = node_now().ms - n->started_ms;
    s->boot_count = n->dir.boot_count;
    s->client_address = slice_str(n->o.client_advertise);
    s->peer_address = slice_str(n->o.peer_advertise);
    s->map_epoch = x->map_epoch;
    s->replicas = all;
    s->wal_bytes = x->wal_bytes;
    s->wal_syncs = x->wal_syncs;
    s->resident_bytes = resident_bytes();
    s->peers_up = x->peers;
    s->n_peers_up = x->n_peers;
    s->state = slice_str(x->stopping ? "stopping" : init_state_name(x->init));
    s->notes = notes;
    status_reply_encode(&m, out);
    free(all);
}

static void finish(struct loop *l, struct status_post *x)
{
    struct buf out = {0};

    l->statuses--;
    encode(l, x, &out);
    native_send(l, x->conn, x->id, MESSAGE_STATUS_REPLY, buf_slice(&out));
    buf_release(&out);
    for (unsigned i = 0; i < l->node->n_loops; i++)
        free(x->parts[i].replicas);
    free(x);
}

static void run_ask(struct loop *to, struct post *p)
{
    struct status_post *x = CONTAINER_OF(p, struct status_post, post);

    if (x->next == to->node->n_loops) {
        finish(to, x);
        return;
    }
    if (to->shard)
        add_replicas(to, &x->parts[to->index]);
    if (to->index == 0)
        add_node(to, x);
    x->next++;
    post_to(to,
            x->next == to->node->n_loops ? x->asked
                                         : &to->node->loops[x->next],
            p);
}

void status_ask(struct loop *l, uint64_t conn, uint64_t id)
{
    struct status_post *x;
    size_t size = sizeof *x + l->node->n_loops * sizeof x->parts[0];

    if (l->statuses >= ASKED_BYTES_MAX / size) {
        admin_error(l, conn, id, STATUS_BUSY, "too many ask for the status");
        return;
    }
    l->statuses++;
    x = xcalloc(1, size);
    x->post.bytes = size;
    x->post.run = run_ask;
    x->asked = l;
    x->conn = conn;
    x->id = id;
    post_to(l, &l->node->loops[0], &x->post);
}
