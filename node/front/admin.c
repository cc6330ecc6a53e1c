/* admin.c - the map and cluster init, answered by the node itself.
 *
 * Any loop answers for the map; the steps of cluster init change the data
 * directory, so they are carried out on the main loop. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/shell/post.h"
#include "proto/base/log.h"
#include "proto/codec.h"
#include "rpc/types.h"

void admin_error(struct loop *l, uint64_t conn, uint64_t id, enum status why,
                 const char *detail)
{
    struct error_reply m = {.status = why, .detail = slice_str(detail)};
    struct buf out = {0};

    error_reply_encode(&m, &out);
    native_send(l, conn, id, MESSAGE_ERROR, buf_slice(&out));
    buf_release(&out);
}

void admin_map(struct loop *l, uint64_t conn, uint64_t id,
               struct slice payload)
{
    const struct cluster_map *map = l->shard ? shard_map(l->shard) : NULL;
    struct group_leader *leaders = NULL;
    struct map_request q;
    struct map_reply m = {.status = STATUS_OK};
    struct buf bytes = {0}, out = {0};

    if (map_request_decode(payload, &q) != STATUS_OK) {
        admin_error(l, conn, id, STATUS_BAD_MESSAGE, "not a map request");
        return;
    }
    m.clock_ms = l->shard ? shard_clock(l->shard) : node_wall_ms();
    if (map) {
        leaders = xcalloc(map->n_groups + 1, sizeof *leaders);
        for (unsigned i = 0; i < map->n_groups; i++)
            leaders[i] = (struct group_leader){
                map->groups[i].id,
                shard_leader_node(l->shard, map->groups[i].id)};
        m.leaders = leaders;
        m.n_leaders = map->n_groups;
        if (map->epoch != q.epoch_known)
            map_encode(map, &bytes);
        m.map = buf_slice(&bytes);
    } else {
        m.status = STATUS_NOT_INITIALISED;
    }
    map_reply_encode(&m, &out);
    native_send(l, conn, id, MESSAGE_MAP_REPLY, buf_slice(&out));
    buf_release(&bytes);
    buf_release(&out);
    free(leaders);
}

/* ---- cluster init ---- */

/* A request on its way to the main loop, its answer on the way back. */
struct init_post {
    struct post post;
    struct loop *from;
    uint64_t conn, id;
    struct buf bytes;
};

static void run_answer(struct loop *to, struct post *p)
{
    struct init_post *x = CONTAINER_OF(p, struct init_post, post);

    native_send(to, x->conn, x->id, MESSAGE_INIT_REPLY, buf_slice(&x->bytes));
    buf_release(&x->bytes);
    free(x);
}

static void init_answer(struct init_post *x, enum status st,
                        const char *detail, const struct cluster_map *map)
{
    struct buf bytes = {0};
    struct init_reply m = {.status = st, .detail = slice_str(detail)};

    if (map)
        map_encode(map, &bytes);
    m.map = buf_slice(&bytes);
    buf_clear(&x->bytes);
    init_reply_encode(&m, &x->bytes);
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

static void run_begin(struct loop *to, struct post *p)
{
    free(p);
    loop_begin(to);
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
    /* From here on the node is what a start finds: let it say so. */
    if (start_replicas(n, error) != STATUS_OK)
        node_die("start_replicas", error);
    for (unsigned i = 0; i < n->n_loops; i++) {
        struct post *p = xcalloc(1, sizeof *p);
        p->run = run_begin;
        post_to(&n->loops[0], &n->loops[i], p);
    }
    links_follow_map(n);
    return STATUS_OK;
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

static void take_step(struct node *n, struct init_post *x)
{
    struct cluster_map *map = NULL;
    struct init_request q;
    char error[DATADIR_ERROR_SIZE] = "";
    enum status st = init_request_decode(buf_slice(&x->bytes), &q);

    if (st == STATUS_OK)
        st = map_decode(q.map, &map);
    if (st != STATUS_OK) {
        init_answer(x, st, "the initial map cannot be read", NULL);
        return;
    }
    if (!map_node_of_directory(map, n->dir.directory)) {
        init_answer(x, STATUS_WRONG_NODE,
                    "this node's data directory is not in that map", NULL);
    } else if (n->dir.init != INIT_STATE_BLANK &&
               (memcmp(map->cluster, n->dir.cluster, ID_BYTES) ||
                (n->dir.init != INIT_STATE_ACTIVE &&
                 !same_map(map, n->dir.map)))) {
        init_answer(x, STATUS_WRONG_CLUSTER,
                    "this node has accepted another cluster's map",
                    n->dir.map);
    } else {
        if (n->dir.init == INIT_STATE_BLANK)
            st = q.step == INIT_ACCEPT ? accept_map(n, map, error)
                                       : STATUS_NOT_INITIALISED;
        else
            st = init_step(n, q.step, error);
        log_info("cluster_init", "step=%d status=%s state=%s", (int)q.step,
                 status_name(st), init_state_name(n->dir.init));
        init_answer(x, st, error, NULL);
    }
    map_free(map);
}

static void run_step(struct loop *to, struct post *p)
{
    struct init_post *x = CONTAINER_OF(p, struct init_post, post);

    take_step(to->node, x);
    p->run = run_answer;
    post_to(to, x->from, p);
}

void admin_init(struct loop *l, uint64_t conn, uint64_t id,
                struct slice payload)
{
    struct init_post *x = xcalloc(1, sizeof *x);

    x->post.run = run_step;
    x->from = l;
    x->conn = conn;
    x->id = id;
    buf_append(&x->bytes, payload.data, payload.size);
    post_to(l, &l->node->loops[0], &x->post);
}
