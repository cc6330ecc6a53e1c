/* test_example.c - the example of the library, as a program of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/client/cli/run_cli.h"

static struct run *run_example(struct nodes *t)
{
    return run_child(EXAMPLE, (const char *const[]){t->f.endpoints, NULL},
                     NULL, 0, -1);
}

/* Broken: the first program that a user copies would not work. */
static void the_example_keeps_its_coats(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = run_example(t);

    (void)state;
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "ticket 7: blue coat\n100 of 100 coats kept\n");
    fake_thread_pause(&t->f);
    assert_int_equal(t->f.n_log, 101);
    free(r);
    nodes_stop(t);
}

/* Broken: it would show how to ignore errors. */
static void the_example_says_why_it_cannot_connect(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct run *r;

    (void)state;
    t->f.nodes[0].not_initialised = true;
    fake_thread_start(&t->f);
    r = run_example(t);
    assert_int_equal(r->code, 1);
    assert_has(r->err, "cluster init");
    free(r);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_keeps_its_coats),
        cmocka_unit_test(the_example_says_why_it_cannot_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
