/* node.c - the process: its loops started, its directory opened, its end. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#ifdef COAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "node/shell/post.h"
#include "node/shell/failpoint.h"
#include "proto/base/log.h"

enum { TICK_MS = 100 };

/* ---- the map ---- */

struct map_post {
    struct post post;
    struct cluster_map *map;
};

static void run_map(struct loop *to, struct post *p)
{
    struct map_post *m = CONTAINER_OF(p, struct map_post, post);
    struct event e = {.type = EVENT_MAP, .now = node_now()};

    e.map.map = m->map;
    loop_step(to, &e);
    map_free(m->map);
    free(m);
}

void node_save_map(struct node *n, const struct cluster_map *map)
{
    if (!n->dir.map || map->epoch <= n->dir.map->epoch)
        return;
    /* The file is for cold starts; the truth is in the meta group. */
    if (datadir_save_map(&n->dir, map) != STATUS_OK) {
        log_error("map_not_saved", "epoch=%" PRIu64, map->epoch);
        map_free(n->dir.map);
        n->dir.map = map_copy(map);
    }
    for (unsigned i = 0; i < n->n_loops; i++) {
        struct map_post *p = xcalloc(1, sizeof *p);
        p->post.run = run_map;
        p->map = map_copy(map);
        post_to(&n->loops[0], &n->loops[i], &p->post);
    }
    links_follow_map(n);
}

/* ---- ticks of the main loop ---- */

/* Free space, in bytes, where the data is. */
static uint64_t disk_free(const struct node *n)
{
    struct statvfs v;

    if (statvfs(n->dir.path, &v))
        return UINT64_MAX;
    return (uint64_t)v.f_bavail * v.f_frsize;
}

static void on_tick(uv_timer_t *t)
{
    struct node *n = t->data;
    struct loop *main = &n->loops[0];
    struct event e = {.type = EVENT_DISK, .now = node_now()};

    links_tick(n);
    if (!n->journal.wal)
        return;
    if (main->ticks % 10 == 1)
        n->disk_low = disk_free(n) < n->o.disk_reserve_bytes;
    /* A new node's first write waits for its first segment to be made. */
    if (disk_syncs(n->disk))
        e.disk.write_age =
            MS(wal_oldest_age(n->journal.wal, node_now_us()) / 1000);
    e.disk.nearly_full = n->disk_low || !wal_accepts_entries(n->journal.wal);
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_post_event(main, &n->loops[i], &e);
    relief_tick(n);
}

/* ---- stopping ---- */

static void run_quit(struct loop *to, struct post *p)
{
    free(p);
    uv_stop(to->uv);
}

void node_loop_stopped(struct node *n)
{
    if (++n->stopped_loops == n->n_loops && n->stopping)
        uv_stop(n->loops[0].uv);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct node *n = s->data;
    struct event e = {.type = EVENT_STOP, .now = node_now()};

    if (n->stopping) {
        log_warn("node_stop_again", "signal=%d", number);
        uv_stop(n->loops[0].uv);
        return;
    }
    log_info("node_stopping", "signal=%d", number);
    n->stopping = true;
#ifdef COAT_SYSTEMD
    sd_notify(0, "STOPPING=1");
#endif
    if (!n->loops[0].shard) {
        uv_stop(n->loops[0].uv);
        return;
    }
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_post_event(&n->loops[0], &n->loops[i], &e);
}

/* ---- the other loops' threads ---- */

static void loop_thread(void *arg)
{
    struct loop *l = arg;

    if (l->prepared)
        loop_begin(l);
    uv_run(l->uv, UV_RUN_DEFAULT);
    loop_quiesce(l);
    loop_release(l);
}

static void join_loops(struct node *n)
{
    for (unsigned i = 1; i < n->n_loops; i++) {
        struct post *p = xcalloc(1, sizeof *p);
        p->run = run_quit;
        post_to(&n->loops[0], &n->loops[i], p);
    }
    for (unsigned i = 1; i < n->n_loops; i++)
        uv_thread_join(&n->loops[i].thread);
}

/* ---- the process ---- */

static bool listen_all(struct node *n)
{
    char error[LISTENER_ERROR_SIZE];
    bool ok = links_listen(n, error);

    for (unsigned i = 0; ok && i < n->n_loops; i++)
        ok = doors_listen(&n->loops[i], error);
    if (!ok)
        fprintf(stderr, "coatcheckd: %s\n", error);
    return ok;
}

static void start_main_handles(struct node *n, uv_timer_t *tick)
{
    uv_loop_t *uv = n->loops[0].uv;

    uv_timer_init(uv, tick);
    tick->data = n;
    uv_timer_start(tick, on_tick, TICK_MS, TICK_MS);
    uv_signal_init(uv, &n->sigterm);
    n->sigterm.data = n;
    uv_signal_start(&n->sigterm, on_signal, SIGTERM);
    uv_signal_init(uv, &n->sigint);
    n->sigint.data = n;
    uv_signal_start(&n->sigint, on_signal, SIGINT);
}

static void announce(struct node *n)
{
    log_info("node_ready",
             "client=%s peer=%s node=%u state=%s boot=%" PRIu64
             " threads=%u fsync_us=%.0f",
             n->o.client_advertise, n->o.peer_advertise, n->id,
             init_state_name(n->dir.init), n->dir.boot_count, n->n_loops,
             n->dir.fsync_us);
#ifdef COAT_SYSTEMD
    sd_notify(0, "READY=1");
#endif
}

static void make_loops(struct node *n)
{
    struct store_env_options o = {.cache_bytes = n->o.cache_bytes};
    struct conn_options peers = conn_options_default();

    if (FAILPOINT_SCALE > 1)
        o.group_flush_bytes = (16u << 20) / FAILPOINT_SCALE;
    n->env = store_env_new(&o);
    n->n_loops = n->o.threads ? n->o.threads : 1;
    n->loops = xcalloc(n->n_loops, sizeof *n->loops);
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_init(&n->loops[i], n, i);
    peers.pending_max = 64u << 20;
    peers.gate_reads = false; /* both ends ask */
    n->peer_conns = conn_set_new(n->loops[0].uv, peers);
    n->links = links_new(n);
    n->disk = disk_new(n);
}

/* Everything is left in order: replicas have handed over. */
static void shut_down(struct node *n)
{
    n->hurry = true;
    links_stop(n);
    join_loops(n);
    if (n->journal.wal && disk_settle(n, false) != STATUS_OK)
        node_die("log_not_synced", "at stop");
    FAILPOINT_PASS(STOP_LOG_SETTLED);
    loop_quiesce(&n->loops[0]);
    disk_stop(n);
    loop_release(&n->loops[0]);
    relief_stop(n);
    log_info("node_stopped", "node=%u", n->id);
    datadir_close(&n->dir);
}

int node_run(const struct node_options *o)
{
    struct node *n = xcalloc(1, sizeof *n);
    uv_timer_t tick;
    char error[DATADIR_ERROR_SIZE];

    n->o = *o;
    n->started_ms = node_now().ms;
    if (datadir_open(&n->dir, o->data, o->unsafe_disk, error) != STATUS_OK)
        goto refuse;
    make_loops(n);
    start_main_handles(n, &tick);
    if (n->dir.init == INIT_STATE_ACTIVE &&
        start_replicas(n, error) != STATUS_OK)
        goto refuse;
    if (!listen_all(n))
        return 1;
    for (unsigned i = 1; i < n->n_loops; i++)
        if (uv_thread_create(&n->loops[i].thread, loop_thread, &n->loops[i]))
            node_die("thread", "cannot start");
    if (n->loops[0].prepared)
        loop_begin(&n->loops[0]);
    links_follow_map(n);
    announce(n);
    uv_run(n->loops[0].uv, UV_RUN_DEFAULT);
    shut_down(n);
    return 0;
refuse:
    fprintf(stderr, "coatcheckd: %s\n", error);
    return 1;
}
