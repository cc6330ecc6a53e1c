/* fake_cluster.c - see fake_cluster.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/slot.h"
#include "tests/unit/client/fake_cluster.h"
#include "tests/unit/rpc/own_port.h"

/* ---- answering ---- */

void fake_send(struct conn *c, const struct frame_header *to, uint16_t type,
               const struct buf *payload)
{
    struct frame_header header = {.id = to->id, .type = type,
                                  .kind = FRAME_REPLY};
    struct slice s = buf_slice(payload);

    assert_int_equal(conn_send(c, &header, &s, 1, CONN_NORMAL), STATUS_OK);
}

static void answer(struct conn *c, const struct frame_header *to,
                   enum status status, uint64_t version, struct hint hint)
{
    struct buf b = {0};

    if (to->type == MESSAGE_SCAN) {
        fake_scan_answer(c, to, status, hint);
        return;
    }
    if (to->type == MESSAGE_OPERATE) {
        fake_operate_answer(c, to, (struct slice){0}, status, hint);
    } else if (to->type == MESSAGE_GET) {
        struct get_reply m = {.status = status, .hint = hint};
        get_reply_encode(&m, &b);
        fake_send(c, to, MESSAGE_GET_REPLY, &b);
    } else {
        struct write_reply m = {status, version, hint, {NULL, 0}};
        write_reply_encode(&m, &b);
        fake_send(c, to, MESSAGE_WRITE_REPLY, &b);
    }
    buf_release(&b);
}

const struct fake_write *fake_present(const struct fake_cluster *f,
                                      const char *key)
{
    for (unsigned i = f->n_log; i-- > 0;)
        if (!strcmp(f->log[i].key, key))
            return f->log[i].is_delete ? NULL : &f->log[i];
    return NULL;
}

const char *fake_value(const struct fake_cluster *f, const char *key)
{
    const struct fake_write *w = fake_present(f, key);

    return w ? w->value : NULL;
}

static void copy(char *to, struct slice s)
{
    assert_true(s.size < 64);
    if (s.size)
        memcpy(to, s.data, s.size);
    to[s.size] = 0;
}

static struct slice key_of(const struct frame_header *h, struct slice payload,
                           struct slice *value)
{
    struct get_request get;
    struct set_request set;
    struct delete_request del;
    struct operate_request operate;

    *value = slice_of(NULL, 0);
    if (h->type == MESSAGE_OPERATE) {
        assert_int_equal(operate_request_decode(payload, &operate, NULL),
                         STATUS_OK);
        return operate.operation.key;
    }
    if (h->type == MESSAGE_GET) {
        assert_int_equal(get_request_decode(payload, &get), STATUS_OK);
        return get.key;
    }
    if (h->type == MESSAGE_SET) {
        assert_int_equal(set_request_decode(payload, &set), STATUS_OK);
        *value = set.value;
        return set.key;
    }
    assert_int_equal(h->type, MESSAGE_DELETE);
    assert_int_equal(delete_request_decode(payload, &del), STATUS_OK);
    return del.key;
}

struct hint fake_hint(const struct fake_cluster *f, unsigned group)
{
    const struct map_node *n = map_node_find(f->map, f->leaders[group]);

    return (struct hint){
        .group = f->map->groups[group].id,
        .node = f->leaders[group],
        .address = slice_str(n ? n->client_address : ""),
        .epoch = f->map->epoch,
    };
}

static void answer_get(const struct fake_cluster *f, struct conn *c,
                       const struct frame_header *to, const char *key,
                       struct hint hint)
{
    const struct fake_write *w = fake_present(f, key);
    struct get_reply m = {.status = w ? STATUS_OK : STATUS_NOT_FOUND,
                          .version = f->n_log, .hint = hint};
    struct buf b = {0};

    if (w) {
        m.value = slice_str(w->value);
        m.expire_at = w->deadline;
        m.clock = FAKE_CLOCK;
    }
    get_reply_encode(&m, &b);
    fake_send(c, to, MESSAGE_GET_REPLY, &b);
    buf_release(&b);
}

static void execute(struct fake_node *n, struct conn *c,
                    const struct frame_header *h, const char *key,
                    struct slice value, struct hint hint)
{
    struct fake_cluster *f = n->cluster;

    if (h->type == MESSAGE_GET) {
        answer_get(f, c, h, key, hint);
        return;
    }
    if (h->type == MESSAGE_DELETE && !fake_present(f, key)) {
        answer(c, h, STATUS_NOT_FOUND, 0, hint);
        return;
    }
    assert_true(f->n_log < FAKE_LOG_MAX);
    f->log[f->n_log] = (struct fake_write){
        .node = n->id, .is_delete = h->type == MESSAGE_DELETE};
    strcpy(f->log[f->n_log].key, key);
    copy(f->log[f->n_log++].value, value);
    answer(c, h, STATUS_OK, f->n_log, hint);
}

static void serve(struct fake_node *n, struct conn *c,
                  const struct frame_header *h, struct slice payload)
{
    struct fake_cluster *f = n->cluster;
    char key[64];
    struct slice value;
    struct operate_request operate;
    struct hint hint = {0};
    unsigned group;

    if (h->type == MESSAGE_SCAN) {
        fake_scan(n, c, h, payload);
        return;
    }
    copy(key, key_of(h, payload, &value));
    group = fake_group(f, key);
    if (n->mode == FAKE_FORWARD || f->leaders[group] == n->id) {
        if (n->mode == FAKE_FORWARD)
            hint = fake_hint(f, group);
        if (h->type != MESSAGE_OPERATE) {
            execute(n, c, h, key, value, hint);
            return;
        }
        assert_int_equal(operate_request_decode(payload, &operate, NULL),
                         STATUS_OK);
        fake_operate(n, c, h, &operate, hint);
    } else {
        answer(c, h, STATUS_NOT_LEADER, 0,
               n->hint_none ? (struct hint){0} : fake_hint(f, group));
    }
}

/* ---- requests ---- */

static void on_map(struct fake_node *n, struct conn *c,
                   const struct frame_header *h, struct slice payload)
{
    struct fake_cluster *f = n->cluster;
    struct group_leader leaders[64];
    struct map_request in;
    struct map_reply m = {.leaders = leaders};
    struct buf map = {0}, b = {0};

    n->map_requests++;
    if (n->map_silent || n->frozen)
        return;
    assert_int_equal(map_request_decode(payload, &in), STATUS_OK);
    if (n->not_initialised) {
        m.status = STATUS_NOT_INITIALISED;
    } else {
        for (unsigned i = 0; i < f->map->n_groups; i++)
            leaders[m.n_leaders++] = (struct group_leader){
                f->map->groups[i].id, f->leaders[i]};
        map_encode(f->map, &map);
        if (in.epoch_known != f->map->epoch)
            m.map = buf_slice(&map);
    }
    map_reply_encode(&m, &b);
    fake_send(c, h, MESSAGE_MAP_REPLY, &b);
    buf_release(&map);
    buf_release(&b);
}

static void on_request(struct fake_node *n, struct conn *c,
                       const struct frame_header *h, struct slice payload)
{
    struct fake_held *held;

    n->requests++;
    switch (n->mode) {
    case FAKE_SERVE:
    case FAKE_FORWARD:
        serve(n, c, h, payload);
        break;
    case FAKE_SILENT:
        break;
    case FAKE_DROP:
        conn_close(c, STATUS_CANCELLED, "told to");
        break;
    case FAKE_REFUSE:
        if (!n->refusals) {
            serve(n, c, h, payload);
            break;
        }
        n->refusals--;
        answer(c, h, n->refusal, 0, (struct hint){0});
        break;
    case FAKE_HOLD:
        assert_true(n->n_held < FAKE_LOG_MAX);
        held = &n->held[n->n_held++];
        *held = (struct fake_held){.conn = c, .header = *h};
        buf_append(&held->payload, payload.data, payload.size);
        break;
    case FAKE_GARBAGE: {
        struct buf b = {0};
        buf_append(&b, "\xff\xff", 2);
        fake_send(c, h, MESSAGE_GET_REPLY, &b);
        buf_release(&b);
        break;
    }
    }
}

static void on_frame(struct conn *c, const struct frame_header *h,
                     struct slice payload)
{
    struct fake_node *n = conn_user(c);

    if (h->type == MESSAGE_WATCH_CANCEL) {
        fake_watch_cancel(n, c, h->id);
        return;
    }
    assert_int_equal(h->kind, FRAME_REQUEST);
    if (h->type == MESSAGE_WATCH)
        fake_watch(n, c, h, payload);
    else if (h->type == MESSAGE_MAP)
        on_map(n, c, h, payload);
    else if (h->type == MESSAGE_STATUS)
        fake_status(n, c, h);
    else if (h->type == MESSAGE_INIT)
        fake_init(n, c, h, payload);
    else
        on_request(n, c, h, payload);
    fake_sync(n->cluster);
}

static void on_close(struct conn *c, enum status why UNUSED,
                     const char *detail UNUSED)
{
    struct fake_node *n = conn_user(c);

    fake_watch_cancel(n, c, 0);
    for (unsigned i = 0; i < FAKE_CONNS_MAX; i++)
        if (n->conns[i] == c)
            n->conns[i] = NULL;
    for (unsigned i = 0; i < n->n_held; i++)
        if (n->held[i].conn == c)
            n->held[i].conn = NULL;
    if (n->listener)
        listener_left(n->listener);
}

static const struct conn_events events = {.on_frame = on_frame,
                                          .on_close = on_close};

/* What a node says when it has too many connections. */
static void refuse_connection(struct conn *c)
{
    struct error_reply m = {.status = STATUS_BUSY};
    struct frame_header header = {.type = MESSAGE_ERROR, .kind = FRAME_REPLY};
    struct buf b = {0};
    struct slice s;

    error_reply_encode(&m, &b);
    s = buf_slice(&b);
    assert_int_equal(conn_send(c, &header, &s, 1, CONN_NORMAL), STATUS_OK);
    conn_finish(c, STATUS_BUSY, NULL);
    buf_release(&b);
}

static void on_accept(struct listener *l UNUSED, struct stream *stream,
                      void *user)
{
    struct fake_node *n = user;

    n->connections++;
    for (unsigned i = 0; i < FAKE_CONNS_MAX; i++) {
        if (n->conns[i])
            continue;
        n->conns[i] = conn_new(n->cluster->set, stream, &events, n);
        if (n->crowded) {
            n->crowded--;
            refuse_connection(n->conns[i]);
        }
        return;
    }
    fail_msg("too many connections for the test");
}

/* ---- life ---- */

void fake_cluster_init(struct fake_cluster *f, uv_loop_t *loop, unsigned nodes,
                       unsigned groups)
{
    struct map_node m[FAKE_NODES_MAX] = {0};
    struct map_plan plan = {.cluster = {0xcc}, .nodes = m, .n_nodes = nodes,
                            .data_groups = groups};
    struct listener_options o = {.conns_max = FAKE_CONNS_MAX};

    signal(SIGPIPE, SIG_IGN); /* as coatcheck.h demands of every program */
    memset(f, 0, sizeof *f);
    f->loop = loop;
    f->n_nodes = nodes;
    f->set = conn_set_new(loop, conn_options_default());
    conn_set_drive(f->set);
    strcpy(o.address.host, "127.0.0.1");
    for (unsigned i = 0; i < nodes; i++) {
        struct fake_node *n = &f->nodes[i];
        char error[LISTENER_ERROR_SIZE];
        n->cluster = f;
        n->id = i + 1;
        o.address.port = own_port();
        n->listener = listener_new(loop, &o, on_accept, n, error);
        assert_non_null(n->listener);
        m[i].id = n->id;
        m[i].directory[0] = (uint8_t)n->id;
        address_format(listener_address(n->listener), m[i].client_address);
        snprintf(m[i].peer_address, ADDRESS_MAX, "peer%u:1", i);
        snprintf(f->endpoints + strlen(f->endpoints), 300, "%s%s",
                 i ? "," : "", m[i].client_address);
    }
    assert_int_equal(map_initial(&plan, &f->map, NULL), STATUS_OK);
    map_activate(f->map);
    for (unsigned g = 0; g < f->map->n_groups; g++)
        f->leaders[g] = f->map->groups[g].replicas[0].node;
}

void fake_break(struct fake_node *n)
{
    for (unsigned i = 0; i < FAKE_CONNS_MAX; i++)
        if (n->conns[i])
            conn_close(n->conns[i], STATUS_CANCELLED, NULL);
}

void fake_stop(struct fake_node *n)
{
    fake_break(n);
    listener_free(n->listener);
    n->listener = NULL;
}

void fake_cluster_close(struct fake_cluster *f)
{
    for (unsigned i = 0; i < f->n_nodes; i++) {
        struct fake_node *n = &f->nodes[i];
        for (unsigned k = 0; k < n->n_held; k++)
            buf_release(&n->held[k].payload);
        n->n_held = 0;
        buf_release(&n->accepted);
        if (n->listener)
            fake_stop(n);
    }
    for (unsigned i = 0; i < f->n_results; i++)
        buf_release(&f->results[i].reply);
    conn_set_free(f->set);
    map_free(f->map);
}

unsigned fake_group(const struct fake_cluster *f, const char *key)
{
    uint32_t id = f->map->owner[slot_of(slice_str(key))];

    return (unsigned)(map_group_find(f->map, id) - f->map->groups);
}

struct fake_node *fake_leader(struct fake_cluster *f, const char *key)
{
    return &f->nodes[f->leaders[fake_group(f, key)] - 1];
}

void fake_lead(struct fake_cluster *f, const char *key, uint32_t node)
{
    f->leaders[fake_group(f, key)] = node;
}

struct fake_node *fake_other(struct fake_cluster *f, const char *key)
{
    return &f->nodes[f->leaders[fake_group(f, key)] % f->n_nodes];
}

void fake_release(struct fake_node *n, bool newest_first)
{
    for (unsigned k = 0; k < n->n_held; k++) {
        unsigned i = newest_first ? n->n_held - 1 - k : k;
        struct fake_held *h = &n->held[i];
        if (h->conn)
            serve(n, h->conn, &h->header, buf_slice(&h->payload));
        buf_release(&h->payload);
    }
    n->n_held = 0;
}

/* ---- answers ---- */

void answer_take(const struct coat_reply *reply, void *user)
{
    struct answer *a = user;

    a->done = true;
    a->times++;
    a->status = reply->status;
    a->size = reply->value.size;
    if (a->size && a->size < sizeof a->value)
        memcpy(a->value, reply->value.data, a->size);
    a->version = reply->version;
    snprintf(a->detail, sizeof a->detail, "%s", reply->detail);
    a->attempts = reply->attempts;
    a->has_value = reply->has_value;
    a->number = reply->number;
    a->deadline = reply->deadline;
}

void run_until(uv_loop_t *loop, const bool *done)
{
    while (!*done)
        uv_run(loop, UV_RUN_ONCE);
}
