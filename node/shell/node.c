/* node.c - the loop: events in, effects out, one turn after the other. */
#include "node/shell/node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#ifdef COAT_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "proto/base/log.h"

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

instant node_now(void)
{
    return (instant){clock_ns(CLOCK_MONOTONIC) / 1000000u};
}

wal_instant node_now_us(void)
{
    return (wal_instant){clock_ns(CLOCK_MONOTONIC) / 1000u};
}

uint64_t node_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000000u;
}

void node_die(const char *what, const char *detail)
{
    log_error("node_dies", "what=%s detail=\"%s\"", what, detail);
    fflush(stderr);
    _exit(1);
}

/* ---- effects ---- */

static void save_map(struct node *n, const struct effect *e)
{
    struct event done = {.type = EVENT_MAP, .now = node_now()};

    if (datadir_save_map(&n->dir, e->map_save.map) != STATUS_OK)
        node_die("map_not_saved", "the cluster map cannot be written");
    if (e->map_save.give)
        map_free(e->map_save.map);
    done.map.map = n->dir.map;
    node_step(n, &done);
    links_follow_map(n);
}

static void stop_now(struct node *n)
{
    if (n->stopping)
        uv_stop(n->loop);
}

static void carry_out(struct node *n, const struct effect *e)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
    case EFFECT_PERSIST_TRUNCATE:
    case EFFECT_PERSIST_ENTRIES:
    case EFFECT_RELEASE:
        journal_persist(&n->journal, e, node_now_us());
        break;
    case EFFECT_SEND:
        links_send(n, e->send.node, e->send.channel, e->send.items);
        break;
    case EFFECT_FETCH:
        stores_fetch(n, e);
        break;
    case EFFECT_APPLY:
        stores_apply(n, e);
        break;
    case EFFECT_READ:
        stores_read(n, e);
        break;
    case EFFECT_REPLY:
        native_reply(n, e);
        break;
    case EFFECT_FLUSH:
        stores_flush(n, e);
        break;
    case EFFECT_LOG_READ:
        disk_log_read(n, e);
        break;
    case EFFECT_CHECKPOINT:
        checkpoints_make(n, e);
        break;
    case EFFECT_CHECKPOINT_DROP:
        checkpoints_drop(n, e);
        break;
    case EFFECT_SERVE_CHUNK:
        checkpoints_serve(n, e);
        break;
    case EFFECT_INSTALL_BEGIN:
    case EFFECT_INSTALL_CHUNK:
    case EFFECT_INSTALL_COMMIT:
        checkpoints_install(n, e);
        break;
    case EFFECT_MAP_SAVE:
        save_map(n, e);
        break;
    case EFFECT_RESTART:
        stores_restart_wanted(n, e->group);
        break;
    case EFFECT_STOPPED:
        stop_now(n);
        break;
    }
}

void node_step(struct node *n, const struct event *e)
{
    if (!n->shard)
        return;
    shard_step(n->shard, e, &n->fx);
    if (n->draining)
        return; /* the loop below, further up the stack, goes on with them */
    n->draining = true;
    for (unsigned i = 0; i < n->fx.n; i++) {
        struct effect one = n->fx.v[i]; /* the vector may move */
        carry_out(n, &one);
    }
    n->fx.n = 0;
    n->draining = false;
    for (unsigned i = 0; i < n->n_pins; i++)
        store_value_release(&n->pins[i]);
    n->n_pins = 0;
}

/* ---- the turn ---- */

static void on_idle(uv_idle_t *i)
{
    (void)i;
}

static void on_timer(uv_timer_t *t)
{
    struct node *n = t->data;

    /* Not here: sockets first (L22). The turn follows the poll, which must not
     * wait now. */
    uv_idle_start(&n->idle, on_idle);
}

static void arm(struct node *n)
{
    instant now = node_now();
    instant wake = n->shard ? shard_wake_at(n->shard) : INSTANT_NEVER;
    wal_instant log = n->journal.wal ? wal_wake_at(n->journal.wal)
                                     : WAL_NEVER;
    uint64_t ms;

    if (log.us != WAL_NEVER.us)
        wake = instant_min(wake, (instant){(log.us + 999) / 1000});
    if (wake.ms == UINT64_MAX) {
        uv_timer_stop(&n->timer);
        return;
    }
    ms = instant_since(wake, now).ms;
    uv_update_time(n->loop);
    uv_timer_start(&n->timer, on_timer, ms, 0);
}

static void turn(uv_check_t *c)
{
    struct node *n = c->data;
    struct event e = {.type = EVENT_TURN, .now = node_now(),
                      .wall_ms = node_wall_ms()};

    uv_idle_stop(&n->idle);
    node_step(n, &e);
    conn_set_flush(n->peer_conns); /* followers write while we do */
    conn_set_flush(n->conns);
    if (disk_pump(n)) {       /* what waited for it can go now */
        e.now = node_now();
        node_step(n, &e);
    }
    conn_set_flush(n->peer_conns);
    conn_set_flush(n->conns);
    arm(n);
}

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
    struct event e = {.type = EVENT_DISK, .now = node_now()};

    n->ticks++;
    if (n->journal.wal) {
        uint64_t age = wal_oldest_age(n->journal.wal, node_now_us());
        if (n->ticks % 10 == 1)
            n->disk_low = disk_free(n) < n->o.disk_reserve_bytes;
        e.disk.write_age = MS(age / 1000);
        e.disk.nearly_full =
            n->disk_low || !wal_accepts_entries(n->journal.wal);
        node_step(n, &e);
        stores_tick(n);
        relief_tick(n);
    }
    links_tick(n);
}

/* ---- start and stop ---- */

static void on_signal(uv_signal_t *s, int number)
{
    struct node *n = s->data;
    struct event e = {.type = EVENT_STOP, .now = node_now()};

    if (n->stopping) {
        log_warn("node_stop_again", "signal=%d", number);
        uv_stop(n->loop);
        return;
    }
    log_info("node_stopping", "signal=%d", number);
    n->stopping = true;
#ifdef COAT_SYSTEMD
    sd_notify(0, "STOPPING=1");
#endif
    if (!n->shard)
        uv_stop(n->loop);
    node_step(n, &e);
}

static bool listen_all(struct node *n)
{
    char error[LISTENER_ERROR_SIZE];

    if (native_listen(n, error) && links_listen(n, error))
        return true;
    fprintf(stderr, "coatcheckd: %s\n", error);
    return false;
}

static void start_handles(struct node *n)
{
    uv_check_init(n->loop, &n->check);
    n->check.data = n;
    uv_check_start(&n->check, turn);
    uv_timer_init(n->loop, &n->timer);
    n->timer.data = n;
    uv_idle_init(n->loop, &n->idle);
    n->idle.data = n;
    uv_timer_init(n->loop, &n->tick);
    n->tick.data = n;
    uv_timer_start(&n->tick, on_tick, 100, 100);
    uv_signal_init(n->loop, &n->sigterm);
    n->sigterm.data = n;
    uv_signal_start(&n->sigterm, on_signal, SIGTERM);
    uv_signal_init(n->loop, &n->sigint);
    n->sigint.data = n;
    uv_signal_start(&n->sigint, on_signal, SIGINT);
}

static void announce(struct node *n)
{
    log_info("node_ready",
             "client=%s peer=%s node=%u state=%s boot=%" PRIu64
             " fsync_us=%.0f",
             n->o.client_advertise, n->o.peer_advertise, n->id,
             init_state_name(n->dir.init), n->dir.boot_count,
             n->dir.fsync_us);
#ifdef COAT_SYSTEMD
    sd_notify(0, "READY=1");
#endif
}

/* Everything is left in order: replicas have handed over. */
static void shut_down(struct node *n)
{
    native_stop(n);
    links_stop(n);
    if (n->journal.wal && disk_settle(n) != STATUS_OK)
        node_die("log_not_synced", "at stop");
    disk_stop(n);
    stores_close(n);
    relief_stop(n);
    shard_free(n->shard);
    n->shard = NULL;
    log_info("node_stopped", "node=%u", n->id);
    datadir_close(&n->dir);
}

int node_run(const struct node_options *o)
{
    struct node *n = xcalloc(1, sizeof *n);
    struct conn_options peer_options = conn_options_default();
    char error[DATADIR_ERROR_SIZE];

    n->o = *o;
    n->loop = uv_default_loop();
    n->started_ms = node_now().ms;
    if (datadir_open(&n->dir, o->data, o->unsafe_disk, error) != STATUS_OK)
        goto refuse;
    n->conns = conn_set_new(n->loop, conn_options_default());
    peer_options.pending_max = 64u << 20;
    peer_options.gate_reads = false; /* both ends ask */
    n->peer_conns = conn_set_new(n->loop, peer_options);
    n->native = native_new(n);
    n->links = links_new(n);
    n->disk = disk_new(n);
    n->stores = stores_new(n);
    n->checkpoints = checkpoints_new(n);
    start_handles(n);
    if (n->dir.init == INIT_STATE_ACTIVE &&
        start_replicas(n, error) != STATUS_OK)
        goto refuse;
    if (!listen_all(n))
        return 1;
    links_follow_map(n);
    announce(n);
    uv_run(n->loop, UV_RUN_DEFAULT);
    shut_down(n);
    return n->exit_code;
refuse:
    fprintf(stderr, "coatcheckd: %s\n", error);
    return 1;
}
