/* fail.c - see fail.h. */
#include "tests/sim/fail.h"

#include <stdio.h>
#include <stdlib.h>

static sim_fail_fn *on_fail;

void sim_on_fail(sim_fail_fn *fn)
{
    on_fail = fn;
}

void sim_fail(const char *text)
{
    if (on_fail)
        on_fail(text);
    fprintf(stderr, "%s\n", text);
    fflush(NULL);
    abort();
}
