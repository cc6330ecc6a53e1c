/* fixture.h - a client and fake nodes on one loop, for the tests of client/. */
#ifndef TESTS_UNIT_CLIENT_FIXTURE_H
#define TESTS_UNIT_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/client/fake_cluster.h"

struct fixture {
    uv_loop_t loop;
    struct fake_cluster f;
    struct coat_client *c;
};

static inline void start(struct fixture *t, unsigned nodes,
                         struct coat_options o)
{
    char error[COAT_ERROR_MAX];

    assert_int_equal(uv_loop_init(&t->loop), 0);
    fake_cluster_init(&t->f, &t->loop, nodes, 8);
    o.endpoints = o.endpoints ? o.endpoints : t->f.endpoints;
    o.seed = 1;
    t->c = coat_client_new(&t->loop, &o, error, sizeof error);
    assert_non_null(t->c);
}

static inline void mark(void *done)
{
    *(bool *)done = true;
}

static inline void stop(struct fixture *t)
{
    bool closed = false;

    if (t->c) {
        coat_client_close(t->c, mark, &closed);
        run_until(&t->loop, &closed);
    }
    fake_cluster_close(&t->f);
    while (uv_run(&t->loop, UV_RUN_DEFAULT))
        ;
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t);
}

/* Writes carry ids: what the library does unless told otherwise. */
static inline struct fixture *begin_once(unsigned nodes)
{
    struct fixture *t = calloc(1, sizeof *t);

    start(t, nodes, (struct coat_options)COAT_OPTIONS);
    return t;
}

/* They carry none. */
static inline struct fixture *begin_with(unsigned nodes, struct coat_options o)
{
    struct fixture *t = calloc(1, sizeof *t);

    o.at_most_once = 1;
    start(t, nodes, o);
    return t;
}

static inline struct fixture *begin(unsigned nodes)
{
    return begin_with(nodes, (struct coat_options)COAT_OPTIONS);
}

static inline void set_start(struct fixture *t, const char *key,
                             const char *value, struct answer *a)
{
    *a = (struct answer){0};
    assert_int_equal(coat_set(t->c, COAT_STR(key), COAT_STR(value), NULL,
                              answer_take, a),
                     COAT_OK);
    assert_false(a->done);
}

static inline struct answer set(struct fixture *t, const char *key,
                                const char *value)
{
    struct answer a;

    set_start(t, key, value, &a);
    run_until(&t->loop, &a.done);
    return a;
}

static inline struct answer get_how(struct fixture *t, const char *key,
                                    const struct coat_call *how)
{
    struct answer a = {0};

    assert_int_equal(coat_get(t->c, COAT_STR(key), how, answer_take, &a),
                     COAT_OK);
    assert_false(a.done);
    run_until(&t->loop, &a.done);
    return a;
}

static inline struct answer get(struct fixture *t, const char *key)
{
    return get_how(t, key, NULL);
}

#endif
