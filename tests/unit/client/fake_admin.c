/* fake_admin.c - STATUS and INIT of the fake nodes, and their thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fake_cluster.h"

void fake_status(struct fake_node *n, struct conn *c,
                 const struct frame_header *h)
{
    struct fake_cluster *f = n->cluster;
    const struct map_node *self = map_node_find(f->map, n->id);
    struct replica_status replicas[64] = {0};
    struct status_reply m = {.has_node = true};
    struct buf b = {0};

    m.node.node = n->not_initialised ? 0 : n->id;
    m.node.directory = slice_of(self->directory, ID_BYTES);
    if (!n->not_initialised || n->accepted.size)
        m.node.cluster = slice_of(f->map->cluster, ID_BYTES);
    m.node.version = slice_str("9.9");
    m.node.client_address = slice_str(self->client_address);
    m.node.peer_address = slice_str(self->peer_address);
    m.node.state = slice_str(n->not_initialised ? "blank" : "serving");
    m.node.uptime_ms = 90061000;
    m.node.replicas = replicas;
    for (unsigned i = 0; !n->not_initialised && i < f->map->n_groups; i++) {
        const struct map_group *g = &f->map->groups[i];
        const struct map_replica *p = map_replica_on(g, n->id);
        bool leads = f->leaders[i] == n->id;
        if (!p)
            continue;
        replicas[m.node.n_replicas++] = (struct replica_status){
            .group = g->id, .replica = p->id, .term = 3,
            .role = slice_str(leads ? "leader" : "follower"),
            .leader = f->leaders[i], .last_index = 12, .commit_index = 11,
            .applied_index = 10, .lag_known = leads && !n->hears_nobody,
            .lag_max = 2};
    }
    status_reply_encode(&m, &b);
    fake_send(c, h, MESSAGE_STATUS_REPLY, &b);
    buf_release(&b);
}

/* As a node does it: the accepted map decides until it is activated, then only
 * the cluster's id. */
void fake_init(struct fake_node *n, struct conn *c,
               const struct frame_header *h, struct slice payload)
{
    struct init_request q;
    struct init_reply m = {.status = STATUS_OK};
    struct buf b = {0};

    assert_int_equal(init_request_decode(payload, &q), STATUS_OK);
    assert_true(n->n_steps < ARRAY_LEN(n->steps));
    n->steps[n->n_steps++] = (int)q.step;
    if (!n->accepted.size && q.step == INIT_ACCEPT)
        buf_append(&n->accepted, q.map.data, q.map.size);
    if (!slice_equal(buf_slice(&n->accepted), q.map)) {
        m.status = STATUS_WRONG_CLUSTER;
        m.map = buf_slice(&n->accepted);
    } else if (q.step == INIT_CREATE && n->init_fails) {
        m.status = STATUS_IO_ERROR;
        m.detail = slice_str("the disk is broken");
    } else if (q.step == INIT_ACTIVATE) {
        struct cluster_map *map;
        assert_int_equal(map_decode(q.map, &map), STATUS_OK);
        n->active = true;
        n->not_initialised = false;
        if (n->id == n->cluster->n_nodes) { /* all serve the new map */
            map_free(n->cluster->map);
            map_activate(map);
            n->cluster->map = map;
            for (unsigned g = 0; g < map->n_groups; g++)
                n->cluster->leaders[g] = map->groups[g].replicas[0].node;
        } else {
            map_free(map);
        }
    }
    init_reply_encode(&m, &b);
    fake_send(c, h, MESSAGE_INIT_REPLY, &b);
    buf_release(&b);
}

/* ---- thread ---- */

static void on_stop(uv_async_t *async)
{
    struct fake_cluster *f = async->data;

    if (f->pausing)
        uv_stop(f->loop);
    else
        fake_cluster_close(f);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run(void *arg)
{
    struct fake_cluster *f = arg;

    while (uv_run(f->loop, UV_RUN_DEFAULT) && !f->pausing)
        ;
    return NULL;
}

void fake_thread_start(struct fake_cluster *f)
{
    f->pausing = false;
    f->stop.data = f;
    assert_int_equal(uv_async_init(f->loop, &f->stop, on_stop), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_thread_stop(struct fake_cluster *f)
{
    if (f->pausing)
        fake_thread_start(f);
    uv_async_send(&f->stop);
    pthread_join(f->thread, NULL);
}

void fake_thread_pause(struct fake_cluster *f)
{
    f->pausing = true;
    uv_async_send(&f->stop);
    pthread_join(f->thread, NULL);
}
