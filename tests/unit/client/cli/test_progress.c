/* test_progress.c - the line that tells how far something is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/progress.h"

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Broken: a log file would be full of bars; or a person would see none. */
static void only_whom_it_is_for_sees_a_bar(void **state)
{
    (void)state;
    for (int shown = 0; shown < 2; shown++) {
        struct progress p;
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        uint64_t began = now_ms();
        bool soon;
        progress_begin(&p, f, shown, "keys");
        progress_at(&p, 50, 1, 2);
        progress_at(&p, 51, 1, 2); /* too soon: not told */
        soon = now_ms() - began < PROGRESS_EVERY_MS; /* unless held up */
        progress_end(&p, 100);
        fclose(f);
        assert_true(!strstr(text, "[###############               ]  50% 50 "
                                  "keys") == !shown);
        assert_true(!soon || !strstr(text, "51 keys"));
        assert_non_null(strstr(text, "100 keys in "));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whom_it_is_for_sees_a_bar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
