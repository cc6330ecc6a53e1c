/* test_heap.c - libraft allocates through us, and never gets NULL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <raft.h>

#include "proto/base/bytes.h"
#include "raft/heap.h"

/* Broken: an error path of libraft would free what was never set. */
static void what_libraft_asks_for_it_gets(void **state)
{
    char *p = raft_malloc(10), *q = raft_calloc(3, 5);
    void *aligned = raft_aligned_alloc(4096, 8192);
    (void)state;

    assert_int_equal(heap_live(), 3);

    assert_true(heap_installed());
    assert_non_null(p);
    memcpy(p, "123456789", 10);
    p = raft_realloc(p, 5000);
    assert_string_equal(p, "123456789");
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(q[i], 0);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    raft_free(p);
    raft_free(q);
    raft_free(NULL);
    raft_aligned_free(4096, aligned);
    assert_int_equal(heap_live(), 0);
    p = raft_realloc(NULL, 10);
    assert_int_equal(heap_live(), 1);
    raft_free(p);
    assert_int_equal(heap_live(), 0);
}

/* Does it end the process at once? By abort(), under sanitizers their way. */
static bool ends_badly(void (*f)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        f();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* More than any machine has; not known at compile time. */
static volatile size_t huge = SIZE_MAX / 4;

static void ask_for_too_much(void)
{
    (void)!raft_malloc(huge);
}

static void ask_for_too_much_aligned(void)
{
    (void)!raft_aligned_alloc(4096, huge / 4096 * 4096);
}

/* Broken: want of memory would come back as an error that nobody handles. */
static void without_memory_the_process_ends(void **state)
{
    (void)state;
    assert_true(ends_badly(ask_for_too_much));
    assert_true(ends_badly(ask_for_too_much_aligned));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libraft_asks_for_it_gets),
        cmocka_unit_test(without_memory_the_process_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
