/* test_batch.c - many keys: every one is told once, the end comes last. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/client/fixture.h"

enum { N = 300 };

struct seen {
    bool done;
    unsigned told[N], n;
    enum coat_status status[N];
    char value[N][16];
};

static void on_each(size_t place, const struct coat_reply *r, void *user)
{
    struct seen *s = user;

    assert_false(s->done);
    s->told[place]++;
    s->n++;
    s->status[place] = r->status;
    snprintf(s->value[place], sizeof s->value[place], "%.*s",
             (int)r->value.size,
             r->value.size ? (const char *)r->value.data : "");
}

static void on_done(void *user)
{
    struct seen *s = user;

    assert_false(s->done);
    s->done = true;
}

static void words_make(char text[N][16], struct coat_bytes *out,
                       const char *format)
{
    for (unsigned i = 0; i < N; i++) {
        snprintf(text[i], 16, format, i);
        out[i] = COAT_STR(text[i]);
    }
}

/* Broken: a result would be another key's, or be told twice. */
static void every_key_has_its_own_result(void **state)
{
    static char texts[2][N][16];
    static struct seen s;
    struct fixture *t = begin_once(3);
    struct coat_bytes keys[N], values[N];
    size_t submitted;

    (void)state;
    words_make(texts[0], keys, "key%u");
    words_make(texts[1], values, "v%u");
    s = (struct seen){0};
    assert_int_equal(coat_mset(t->c, keys, values, N - 1, NULL, NULL, on_each,
                               on_done, &s, &submitted),
                     COAT_OK);
    assert_int_equal(submitted, N - 1);
    run_until(&t->loop, &s.done);
    assert_int_equal(s.n, N - 1);
    s = (struct seen){0};
    assert_int_equal(coat_mget(t->c, keys, N, NULL, on_each, on_done, &s,
                               NULL),
                     COAT_OK);
    run_until(&t->loop, &s.done);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(s.told[i], 1);
        assert_int_equal(s.status[i],
                         i == N - 1 ? COAT_NOT_FOUND : COAT_OK);
        if (i < N - 1)
            assert_string_equal(s.value[i], texts[1][i]);
    }
    s = (struct seen){0};
    assert_int_equal(coat_mdelete(t->c, keys, N, NULL, on_each, on_done, &s,
                                  NULL),
                     COAT_OK);
    run_until(&t->loop, &s.done);
    assert_int_equal(s.status[0], COAT_OK);
    assert_int_equal(s.status[N - 1], COAT_NOT_FOUND);
    stop(t);
}

/* Broken: whoever asks for nothing, or for something wrong, would wait for
 * ever; or be told before the call has returned. */
static void a_batch_that_ends_early_ends(void **state)
{
    static struct seen s;
    struct fixture *t = begin_once(1);
    struct coat_bytes keys[3] = {COAT_STR("a"), COAT_STR(""), COAT_STR("c")};
    size_t submitted;

    (void)state;
    s = (struct seen){0};
    assert_int_equal(coat_mget(t->c, keys, 0, NULL, on_each, on_done, &s,
                               &submitted),
                     COAT_OK);
    assert_false(s.done);
    run_until(&t->loop, &s.done);
    s = (struct seen){0};
    assert_int_equal(coat_mget(t->c, keys, 3, NULL, on_each, on_done, &s,
                               &submitted),
                     COAT_KEY_EMPTY);
    assert_int_equal(submitted, 1);
    run_until(&t->loop, &s.done);
    assert_int_equal(s.n, 1);
    stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_has_its_own_result),
        cmocka_unit_test(a_batch_that_ends_early_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
