/* ask.c - see ask.h. */
#include "tests/unit/node/shell/ask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

void ask_open(struct ask *a, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    *a = (struct ask){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    arena_init(&a->arena, NULL, 0, ARENA_STATUS_MAX);
    if (connect(a->fd, (struct sockaddr *)&to, sizeof to))
        fail_msg("port %u: %s", port, strerror(errno));
}

void ask_close(struct ask *a)
{
    close(a->fd);
    buf_release(&a->in);
    arena_release(&a->arena);
}

void ask_send_bytes(struct ask *a, struct slice bytes)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t n = send(a->fd, bytes.data + done, bytes.size - done,
                         MSG_NOSIGNAL);
        if (n < 0)
            return; /* it was closed: receiving will say so */
        done += (size_t)n;
    }
}

void ask_send(struct ask *a, uint8_t kind, uint16_t type, uint64_t id,
              struct slice payload)
{
    struct frame_header h = {.id = id, .type = type, .kind = kind,
                             .remaining = MS(30000)};
    struct buf b = {0};

    frame_encode(buf_grow(&b, FRAME_HEADER_SIZE), &h, &payload, 1);
    buf_append(&b, payload.data, payload.size);
    ask_send_bytes(a, buf_slice(&b));
    buf_release(&b);
}

int ask_receive_within(struct ask *a, int ms)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    size_t size;
    ssize_t n;

    buf_consume(&a->in, a->taken);
    a->taken = 0;
    for (;;) {
        enum frame_result r =
            frame_parse(buf_slice(&a->in), FRAME_PAYLOAD_MAX, &a->h,
                        &a->payload, &size);
        if (r == FRAME_OK) {
            a->taken = size;
            return 1;
        }
        assert_int_equal(r, FRAME_INCOMPLETE);
        if (poll(&p, 1, ms) == 0)
            return -1;
        n = recv(a->fd, buf_reserve(&a->in, 65536), 65536, 0);
        if (n <= 0)
            return 0;
        a->in.size += (size_t)n;
    }
}

bool ask_receive(struct ask *a)
{
    int got = ask_receive_within(a, WAIT_MS);

    if (got < 0)
        fail_msg("no reply");
    return got > 0;
}

void ask_one(struct ask *a, uint16_t type, struct buf *q, uint16_t want)
{
    ask_send(a, FRAME_REQUEST, type, ++a->id, buf_slice(q));
    buf_release(q);
    if (!ask_receive(a))
        fail_msg("closed instead of a reply to %s", message_name(type));
    assert_int_equal(a->h.id, a->id);
    assert_int_equal(a->h.kind, FRAME_REPLY);
    if (a->h.type != want)
        fail_msg("%s instead of %s", message_name(a->h.type),
                 message_name(want));
}

enum status ask_set_bytes(struct ask *a, struct slice key, struct slice value)
{
    struct set_request q = {.key = key, .value = value};
    struct write_reply r;
    struct buf b = {0};

    set_request_encode(&q, &b);
    ask_one(a, MESSAGE_SET, &b, MESSAGE_WRITE_REPLY);
    assert_int_equal(write_reply_decode(a->payload, &r), STATUS_OK);
    return r.status;
}

enum status ask_set(struct ask *a, const char *key, const char *value)
{
    return ask_set_bytes(a, slice_str(key), slice_str(value));
}

void ask_must_set(struct ask *a, const char *key, const char *value)
{
    unsigned tries = 0;
    enum status st;

    while ((st = ask_set(a, key, value)) != STATUS_OK &&
           status_retry(st) != RETRY_NO && ++tries < WAIT_MS / 10)
        poll(NULL, 0, 10); /* no leader yet, or another one meanwhile */
    if (st != STATUS_OK)
        fail_msg("set %s: %s", key, status_name(st));
}

enum status ask_delete(struct ask *a, const char *key)
{
    struct delete_request q = {.key = slice_str(key)};
    struct write_reply r;
    struct buf b = {0};

    delete_request_encode(&q, &b);
    ask_one(a, MESSAGE_DELETE, &b, MESSAGE_WRITE_REPLY);
    assert_int_equal(write_reply_decode(a->payload, &r), STATUS_OK);
    return r.status;
}

void ask_get(struct ask *a, const char *key, const char *value)
{
    struct get_request q = {.key = slice_str(key)};
    struct get_reply r;
    struct buf b;
    unsigned tries = 0;

    do {
        if (tries)
            poll(NULL, 0, 10); /* no leader yet */
        b = (struct buf){0};
        get_request_encode(&q, &b);
        ask_one(a, MESSAGE_GET, &b, MESSAGE_GET_REPLY);
        assert_int_equal(get_reply_decode(a->payload, &r), STATUS_OK);
    } while (status_retry(r.status) == RETRY_SAFE && ++tries < WAIT_MS / 10);
    if (r.status != (value ? STATUS_OK : STATUS_NOT_FOUND))
        fail_msg("get %s: %s %.*s", key, status_name(r.status),
                 (int)r.detail.size, (const char *)r.detail.data);
    if (value)
        assert_true(slice_equal(r.value, slice_str(value)));
}

struct node_status ask_status(struct ask *a)
{
    struct status_reply r;
    struct buf none = {0};

    ask_one(a, MESSAGE_STATUS, &none, MESSAGE_STATUS_REPLY);
    assert_int_equal(status_reply_decode(a->payload, &a->arena, &r),
                     STATUS_OK);
    assert_int_equal(r.status, STATUS_OK);
    assert_true(r.has_node);
    return r.node;
}

struct map_reply ask_map(struct ask *a, uint64_t epoch_known)
{
    struct map_request q = {.epoch_known = epoch_known};
    struct map_reply r;
    struct buf b = {0};

    map_request_encode(&q, &b);
    ask_one(a, MESSAGE_MAP, &b, MESSAGE_MAP_REPLY);
    assert_int_equal(map_reply_decode(a->payload, &a->arena, &r), STATUS_OK);
    return r;
}

static void encode_init(enum init_step step, const struct cluster_map *map,
                        struct buf *out)
{
    struct buf bytes = {0};
    struct init_request q = {.step = step};

    map_encode(map, &bytes);
    q.map = buf_slice(&bytes);
    init_request_encode(&q, out);
    buf_release(&bytes);
}

struct init_reply ask_init(struct ask *a, enum init_step step,
                           const struct cluster_map *map)
{
    struct init_reply r;
    struct buf b = {0};

    encode_init(step, map, &b);
    ask_one(a, MESSAGE_INIT, &b, MESSAGE_INIT_REPLY);
    assert_int_equal(init_reply_decode(a->payload, &r), STATUS_OK);
    return r;
}

void ask_init_send(struct ask *a, enum init_step step,
                   const struct cluster_map *map)
{
    struct buf b = {0};

    encode_init(step, map, &b);
    ask_send(a, FRAME_REQUEST, MESSAGE_INIT, ++a->id, buf_slice(&b));
    buf_release(&b);
}

struct cluster_map *ask_initial_map(struct ask *a, uint8_t cluster,
                                    unsigned data_groups)
{
    struct node_status s = ask_status(a);
    struct map_node node = {.id = 1};
    struct map_plan plan = {.nodes = &node, .n_nodes = 1, .replicas = 1,
                            .data_groups = data_groups};
    struct cluster_map *map;

    memset(plan.cluster, cluster, ID_BYTES);
    memcpy(node.directory, s.directory.data, ID_BYTES);
    memcpy(node.client_address, s.client_address.data,
           s.client_address.size);
    memcpy(node.peer_address, s.peer_address.data, s.peer_address.size);
    assert_int_equal(map_initial(&plan, &map, NULL), STATUS_OK);
    return map;
}

void ask_init_all(struct ask *a, const struct cluster_map *map)
{
    for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++) {
        struct init_reply r = ask_init(a, (enum init_step)step, map);
        if (r.status != STATUS_OK)
            fail_msg("step %d: %s: %.*s", step, status_name(r.status),
                     (int)r.detail.size, (const char *)r.detail.data);
    }
}
