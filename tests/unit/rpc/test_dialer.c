/* test_dialer.c - one outgoing connection: up, down, again. */
#include "tests/unit/rpc/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/dialer.h"
#include "rpc/tcp.h"
#include "tests/unit/rpc/own_port.h"

/* A dialer, and a listener it may reach. */
struct wire {
    uv_loop_t loop;
    struct conn_set *set; /* the dialer's */
    struct listener *l;
    struct stream *accepted; /* the last one; nobody reads it */
    unsigned accepts;
    struct dialer *d;
    unsigned ups, downs, fails, frames;
    enum status why;
    char detail[400];
    bool stop_on_up; /* free the dialer in on_up */
};

static void on_up(struct dialer *d, struct conn *c)
{
    struct wire *w = dialer_user(d);

    assert_int_equal(w->ups, w->downs); /* they alternate */
    assert_ptr_equal(dialer_conn(d), c);
    w->ups++;
    if (w->stop_on_up) {
        dialer_free(d);
        w->d = NULL;
    }
}

static void on_frame(struct dialer *d, const struct frame_header *header,
                     struct slice payload)
{
    struct wire *w = dialer_user(d);

    assert_true(header->id == 3);
    assert_true(slice_equal(payload, slice_str("hi")));
    w->frames++;
}

static void on_down(struct dialer *d, enum status why, const char *detail)
{
    struct wire *w = dialer_user(d);

    assert_null(dialer_conn(d));
    w->downs++;
    assert_int_equal(w->ups, w->downs);
    w->why = why;
    snprintf(w->detail, sizeof w->detail, "%s", detail);
}

static void on_failed(struct dialer *d, enum status why, const char *detail)
{
    struct wire *w = dialer_user(d);

    assert_int_equal(dialer_state(d), DIALER_WAITING);
    w->fails++;
    w->why = why;
    snprintf(w->detail, sizeof w->detail, "%s", detail);
}

static const struct dialer_events events = {
    .on_up = on_up,
    .on_frame = on_frame,
    .on_down = on_down,
    .on_failed = on_failed,
};

static void on_accept(struct listener *l, struct stream *s, void *user)
{
    struct wire *w = user;

    (void)l;
    s->events = NULL;
    w->accepted = s;
    w->accepts++;
}

static struct listener *listen_at(struct wire *w, uint16_t port)
{
    struct listener_options lo = {
        .address = {.host = "127.0.0.1", .port = port}, .conns_max = 1000};
    char error[LISTENER_ERROR_SIZE];
    struct listener *l = listener_new(&w->loop, &lo, on_accept, w, error);

    assert_non_null(l);
    return l;
}

static void wire_open(struct wire *w, const char *host)
{
    struct dialer_options o;
    struct address a = {0};

    memset(w, 0, sizeof *w);
    rules_begin();
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->set = conn_set_new(&w->loop, conn_options_default());
    w->l = listen_at(w, own_port());
    snprintf(a.host, sizeof a.host, "%s", host);
    a.port = listener_address(w->l)->port;
    o = dialer_options_default(&a, 1);
    o.backoff_min = MS(1);
    o.backoff_max = MS(4);
    w->d = dialer_new(w->set, &o, &events, w);
    assert_int_equal(dialer_state(w->d), DIALER_STOPPED);
}

static void hang_up(struct wire *w)
{
    w->accepted->ops->close(w->accepted);
    w->accepted = NULL;
}

static void wire_close(struct wire *w)
{
    dialer_free(w->d);
    conn_set_free(w->set);
    listener_free(w->l);
    if (w->accepted)
        hang_up(w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    rules_end();
}

#define WIRE_UNTIL(w, condition)                                               \
    do {                                                                       \
        while (!(condition))                                                   \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                   \
    } while (0)

/* Both ends: `n` times up here and accepted there. */
static void until_up(struct wire *w, unsigned n)
{
    WIRE_UNTIL(w, w->ups == n && w->accepts == n);
}

static void it_connects_and_carries_frames(void **state)
{
    struct buf f = {0};
    struct wire w;
    size_t taken = 0;

    (void)state;
    wire_open(&w, "127.0.0.1");
    dialer_start(w.d);
    assert_int_equal(w.ups, 0); /* never from inside the call */
    dialer_start(w.d);          /* repeating is harmless */
    until_up(&w, 1);
    assert_int_equal(dialer_state(w.d), DIALER_UP);
    put_frame(&f, FRAME_REPLY, MESSAGE_GET_REPLY, 3, slice_str("hi"));
    assert_int_equal(
        w.accepted->ops->try_write(w.accepted, buf_slice(&f), &taken),
        STATUS_OK);
    WIRE_UNTIL(&w, w.frames == 1);
    buf_release(&f);
    wire_close(&w);
}

static void a_lost_connection_comes_back(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    dialer_start(w.d);
    for (unsigned i = 1; i <= 5; i++) {
        until_up(&w, i);
        hang_up(&w);
        WIRE_UNTIL(&w, w.downs == i);
        assert_int_equal(w.why, STATUS_CLOSED);
    }
    until_up(&w, 6);
    assert_int_equal(w.fails, 0);
    wire_close(&w);
}

/* Who accepts and hangs up at once (a full node, another cluster) must not be
 * dialled without pause; only an answer shows that it is well again. */
static void pauses_grow_until_a_frame_arrives(void **state)
{
    struct buf f = {0};
    struct wire w;
    size_t taken = 0;

    (void)state;
    wire_open(&w, "127.0.0.1");
    dialer_start(w.d);
    until_up(&w, 1);
    assert_int_equal(dialer_pause(w.d).ms, 1);
    hang_up(&w);
    until_up(&w, 2);
    assert_int_equal(dialer_pause(w.d).ms, 2);
    hang_up(&w);
    until_up(&w, 3);
    assert_int_equal(dialer_pause(w.d).ms, 4);
    hang_up(&w);
    until_up(&w, 4);
    assert_int_equal(dialer_pause(w.d).ms, 4);
    put_frame(&f, FRAME_REPLY, MESSAGE_GET_REPLY, 3, slice_str("hi"));
    assert_int_equal(
        w.accepted->ops->try_write(w.accepted, buf_slice(&f), &taken),
        STATUS_OK);
    WIRE_UNTIL(&w, w.frames == 1);
    assert_int_equal(dialer_pause(w.d).ms, 1);
    buf_release(&f);
    wire_close(&w);
}

/* Nobody there: said with the address, tried again, found when it comes. */
static void it_goes_on_trying_until_somebody_listens(void **state)
{
    char expected[100];
    uint16_t port;
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    port = listener_address(w.l)->port;
    listener_free(w.l);
    w.l = NULL;
    dialer_start(w.d);
    assert_int_equal(w.fails, 0);
    WIRE_UNTIL(&w, w.fails >= 3);
    assert_int_equal(w.why, STATUS_CONNECTION);
    snprintf(expected, sizeof expected,
             "cannot connect to 127.0.0.1:%u: connection refused", port);
    assert_string_equal(w.detail, expected);
    w.l = listen_at(&w, port);
    until_up(&w, 1);
    assert_int_equal(w.downs, 0);
    wire_close(&w);
}

/* The listener has 127.0.0.1 only: where the name gives ::1 first, the second
 * address has to be tried. */
static void a_name_is_looked_up_without_blocking(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, "localhost");
    dialer_start(w.d);
    uv_run(&w.loop, UV_RUN_NOWAIT);
    assert_int_not_equal(dialer_state(w.d), DIALER_STOPPED);
    until_up(&w, 1);
    assert_int_equal(w.fails, 0);
    wire_close(&w);
}

static void a_name_that_is_none_fails_and_is_tried_again(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, NO_SUCH_HOST);
    dialer_start(w.d);
    WIRE_UNTIL(&w, w.fails == 2);
    assert_non_null(strstr(w.detail, "cannot connect to " NO_SUCH_HOST ":"));
    wire_close(&w);
}

static void wait_on(uv_work_t *work)
{
    uv_sem_wait(work->data);
}

/* The name's lookup answers when the dialer is gone. */
static void freeing_during_a_lookup_is_clean(void **state)
{
    uv_work_t work[64];
    uv_sem_t go;
    struct wire w;

    (void)state;
    wire_open(&w, "localhost");
    /* All threads of the pool are busy, so the lookup cannot be over yet. */
    assert_int_equal(uv_sem_init(&go, 0), 0);
    for (unsigned i = 0; i < ARRAY_LEN(work); i++) {
        work[i].data = &go;
        assert_int_equal(uv_queue_work(&w.loop, &work[i], wait_on, NULL), 0);
    }
    dialer_start(w.d);
    while (dialer_state(w.d) != DIALER_RESOLVING)
        uv_run(&w.loop, UV_RUN_NOWAIT);
    dialer_free(w.d);
    w.d = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(work); i++)
        uv_sem_post(&go);
    wire_close(&w);
    uv_sem_destroy(&go);
    assert_int_equal(w.ups, 0);
    assert_int_equal(w.fails, 0);
}

/* Stopping and starting at once: the old connection's end must be told before
 * the new one's beginning, or the owner fails the new one's requests. */
static void stop_and_start_keep_their_order(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    dialer_start(w.d);
    until_up(&w, 1);
    dialer_stop(w.d);
    assert_int_equal(dialer_state(w.d), DIALER_STOPPED);
    assert_int_equal(w.downs, 0);
    assert_null(dialer_conn(w.d));
    hang_up(&w);
    dialer_start(w.d);
    until_up(&w, 2);
    assert_int_equal(w.downs, 1);
    assert_int_equal(w.why, STATUS_CANCELLED);
    assert_int_equal(w.fails, 0);
    wire_close(&w);
}

static void a_stopped_dialer_stays_stopped(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    dialer_stop(w.d);
    dialer_start(w.d);
    dialer_stop(w.d);
    listener_free(w.l);
    w.l = NULL;
    uv_run(&w.loop, UV_RUN_DEFAULT); /* nothing keeps the loop */
    assert_int_equal(w.ups, 0);
    assert_string_equal(dialer_state_name(dialer_state(w.d)), "stopped");
    wire_close(&w);
}

/* A host was renumbered: the connection moves without a restart. */
static void moving_connects_to_the_new_address(void **state)
{
    struct listener *other;
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    other = listen_at(&w, own_port());
    dialer_move(w.d, listener_address(w.l)); /* stopped: only remembered */
    assert_int_equal(dialer_state(w.d), DIALER_STOPPED);
    dialer_start(w.d);
    until_up(&w, 1);
    hang_up(&w);
    dialer_move(w.d, listener_address(other));
    until_up(&w, 2);
    assert_int_equal(listener_count(other), 1);
    assert_int_equal(w.downs, 1);
    assert_true(address_equal(dialer_address(w.d), listener_address(other)));
    listener_free(other);
    wire_close(&w);
}

static void freeing_inside_on_up_is_clean(void **state)
{
    struct wire w;

    (void)state;
    wire_open(&w, "127.0.0.1");
    w.stop_on_up = true;
    dialer_start(w.d);
    until_up(&w, 1);
    wire_close(&w);
    assert_int_equal(w.downs, 0); /* no callback after free */
}

/* A socket that never accepts, with its queue full: the system drops further
 * attempts in silence, like a firewall. */
static int deaf_socket(uint16_t *port, int *fillers, unsigned n)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    for (unsigned i = 0; i < n; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fillers[i], (struct sockaddr *)&at, sizeof at))
            assert_int_equal(errno, EINPROGRESS);
    }
    return fd;
}

static void no_answer_ends_a_try(void **state)
{
    struct dialer_options o;
    struct address a = {.host = "127.0.0.1"};
    struct wire w;
    int fillers[4];
    int deaf;

    (void)state;
    wire_open(&w, "127.0.0.1");
    deaf = deaf_socket(&a.port, fillers, 4);
    o = dialer_options_default(&a, 1);
    o.connect_timeout = MS(5);
    dialer_free(w.d);
    w.d = dialer_new(w.set, &o, &events, &w);
    dialer_start(w.d);
    WIRE_UNTIL(&w, w.fails == 1);
    assert_non_null(strstr(w.detail, ": no answer in time"));
    assert_int_equal(w.ups, 0);
    close(deaf);
    for (unsigned i = 0; i < 4; i++)
        close(fillers[i]);
    wire_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_connects_and_carries_frames),
        cmocka_unit_test(a_lost_connection_comes_back),
        cmocka_unit_test(pauses_grow_until_a_frame_arrives),
        cmocka_unit_test(it_goes_on_trying_until_somebody_listens),
        cmocka_unit_test(a_name_is_looked_up_without_blocking),
        cmocka_unit_test(a_name_that_is_none_fails_and_is_tried_again),
        cmocka_unit_test(freeing_during_a_lookup_is_clean),
        cmocka_unit_test(stop_and_start_keep_their_order),
        cmocka_unit_test(a_stopped_dialer_stays_stopped),
        cmocka_unit_test(moving_connects_to_the_new_address),
        cmocka_unit_test(freeing_inside_on_up_is_clean),
        cmocka_unit_test(no_answer_ends_a_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
