/* test_listener.c - binding, accepting, refusing. */
#include "tests/unit/rpc/bench.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct ear {
    uv_loop_t loop;
    struct listener *l;
    struct stream *streams[20];
    unsigned accepted;
    char error[LISTENER_ERROR_SIZE];
};

static void on_accept(struct listener *l, struct stream *s, void *user)
{
    struct ear *e = user;

    (void)l;
    s->events = NULL;
    e->streams[e->accepted++] = s;
}

static struct listener *listen_at(struct ear *e, const char *host,
                                  uint16_t port, enum listener_share share,
                                  unsigned max)
{
    struct listener_options o = {.address = {.port = port},
                                 .share = share,
                                 .conns_max = max,
                                 .refusal = slice_str("too many\r\n")};

    snprintf(o.address.host, sizeof o.address.host, "%s", host);
    return listener_new(&e->loop, &o, on_accept, e, e->error);
}

static void ear_open(struct ear *e)
{
    memset(e, 0, sizeof *e);
    rules_begin();
    assert_int_equal(uv_loop_init(&e->loop), 0);
}

static void ear_close(struct ear *e)
{
    listener_free(e->l);
    for (unsigned i = 0; i < e->accepted; i++)
        e->streams[i]->ops->close(e->streams[i]);
    uv_run(&e->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&e->loop), 0);
    rules_end();
}

static void accept_until(struct ear *e, unsigned n)
{
    while (e->accepted < n)
        uv_run(&e->loop, UV_RUN_ONCE);
}

static void port_zero_takes_a_free_one_and_tells_it(void **state)
{
    struct ear e;
    int fd;

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_ALONE, 5);
    assert_non_null(e.l);
    assert_true(listener_address(e.l)->port > 0);
    fd = raw_connect(listener_address(e.l)->port);
    accept_until(&e, 1);
    assert_int_equal(listener_count(e.l), 1);
    close(fd);
    ear_close(&e);
}

/* The commonest mistake of an operator: which of the ports is it? */
static void a_port_in_use_is_named(void **state)
{
    char expected[100];
    struct ear e;
    uint16_t port;

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_ALONE, 5);
    port = listener_address(e.l)->port;
    assert_null(listen_at(&e, "127.0.0.1", port, LISTENER_ALONE, 5));
    snprintf(expected, sizeof expected, "port in use: 127.0.0.1:%u", port);
    assert_string_equal(e.error, expected);
    ear_close(&e);
}

static void an_address_of_another_machine_is_named(void **state)
{
    struct ear e;

    (void)state;
    ear_open(&e);
    assert_null(listen_at(&e, "192.0.2.1", 7410, LISTENER_ALONE, 5));
    assert_string_equal(e.error,
                        "not an address of this machine: 192.0.2.1:7410");
    ear_close(&e);
}

static void a_name_is_resolved(void **state)
{
    struct ear e;

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "localhost", 0, LISTENER_ALONE, 5);
    assert_non_null(e.l);
    assert_string_equal(listener_address(e.l)->host, "localhost");
    ear_close(&e);
}

static void a_name_that_is_none_is_named(void **state)
{
    struct ear e;

    (void)state;
    ear_open(&e);
    assert_null(listen_at(&e, NO_SUCH_HOST, 7410, LISTENER_ALONE, 5));
    assert_non_null(strstr(e.error, ": " NO_SUCH_HOST ":7410"));
    ear_close(&e);
}

/* One too many hears why, instead of a line that goes dead, and also when it
 * has sent something already (a reset would drop the answer). */
static void one_too_many_is_told_and_closed(void **state)
{
    struct ear e;
    char text[32];
    int fds[3];

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_ALONE, 2);
    for (unsigned i = 0; i < 3; i++)
        fds[i] = raw_connect(listener_address(e.l)->port);
    raw_send(fds[2], slice_str("an impatient request"));
    while (!listener_refused(e.l))
        uv_run(&e.loop, UV_RUN_ONCE);
    assert_int_equal(e.accepted, 2);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&e.loop, UV_RUN_NOWAIT);
    assert_int_equal(recv(fds[2], text, sizeof text, MSG_WAITALL), 10);
    assert_memory_equal(text, "too many\r\n", 10);
    /* One leaves: the next finds a place. */
    listener_left(e.l);
    assert_int_equal(listener_count(e.l), 1);
    close(fds[2]);
    fds[2] = raw_connect(listener_address(e.l)->port);
    accept_until(&e, 3);
    assert_int_equal(listener_refused(e.l), 1);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    ear_close(&e);
}

static void count_tcp(uv_handle_t *handle, void *n)
{
    *(unsigned *)n += handle->type == UV_TCP;
}

static unsigned sockets(struct ear *e)
{
    unsigned n = 0;

    uv_walk(&e->loop, count_tcp, &n);
    return n;
}

/* Those who do hang up must not wait for others to push them out. */
static void the_refused_are_gone_when_they_hang_up(void **state)
{
    struct ear e;
    int fd;

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_ALONE, 0);
    fd = raw_connect(listener_address(e.l)->port);
    raw_send(fd, slice_str("many words, which nobody reads"));
    while (!listener_refused(e.l))
        uv_run(&e.loop, UV_RUN_ONCE);
    assert_int_equal(sockets(&e), 2); /* with the listener's own */
    close(fd);
    while (sockets(&e) > 1)
        uv_run(&e.loop, UV_RUN_ONCE);
    ear_close(&e);
}

/* Whoever is refused and does not hang up must not hold descriptors without
 * bound: the oldest are closed to make room. */
static void those_who_stay_after_a_refusal_are_bounded(void **state)
{
    enum { MANY = 50 };
    struct ear e;
    int fds[MANY];
    unsigned ended = 0;
    char text[32];

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_ALONE, 0);
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = raw_connect(listener_address(e.l)->port);
    while (listener_refused(e.l) < MANY)
        uv_run(&e.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&e.loop, UV_RUN_NOWAIT);
    /* A closed peer resets what is sent to it; an open one swallows it. */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(recv(fds[i], text, 10, MSG_WAITALL), 10);
        raw_send(fds[i], slice_str("x"));
        ended += send(fds[i], "x", 1, MSG_NOSIGNAL) < 0;
    }
    assert_int_equal(ended, MANY - 32);
    ear_close(&e);
    for (unsigned i = 0; i < MANY; i++)
        close(fds[i]);
}

/* Loops of one process share a port ... */
static void loops_of_one_process_share_a_port(void **state)
{
    struct listener *second;
    struct ear e;
    int fds[16];

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_FIRST, 20);
    assert_non_null(e.l);
    second = listen_at(&e, "127.0.0.1", listener_address(e.l)->port,
                       LISTENER_NEXT, 20);
    assert_non_null(second);
    for (unsigned i = 0; i < 16; i++)
        fds[i] = raw_connect(listener_address(e.l)->port);
    accept_until(&e, 16);
    assert_int_equal(listener_count(e.l) + listener_count(second), 16);
    for (unsigned i = 0; i < 16; i++)
        close(fds[i]);
    listener_free(second);
    ear_close(&e);
}

/* ... two processes must not: half of the clients would reach the wrong one,
 * without any error. */
static void sharing_does_not_hide_another_process(void **state)
{
    struct ear e;

    (void)state;
    ear_open(&e);
    e.l = listen_at(&e, "127.0.0.1", 0, LISTENER_FIRST, 5);
    assert_null(listen_at(&e, "127.0.0.1", listener_address(e.l)->port,
                          LISTENER_FIRST, 5));
    assert_memory_equal(e.error, "port in use: 127.0.0.1:", 23);
    ear_close(&e);
    listener_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_zero_takes_a_free_one_and_tells_it),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(an_address_of_another_machine_is_named),
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(a_name_that_is_none_is_named),
        cmocka_unit_test(one_too_many_is_told_and_closed),
        cmocka_unit_test(the_refused_are_gone_when_they_hang_up),
        cmocka_unit_test(those_who_stay_after_a_refusal_are_bounded),
        cmocka_unit_test(loops_of_one_process_share_a_port),
        cmocka_unit_test(sharing_does_not_hide_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
