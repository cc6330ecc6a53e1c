/* unit_with_plant.c - linked into a unit test, lets the environment say which
 * planted bug is on and which test is run (unit_row.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/planted.h"

static void begin(void) __attribute__((constructor));

static void begin(void)
{
    const char *plant = getenv("COAT_PLANTED");
    const char *test = getenv("COAT_PLANTED_TEST");

    if (!planted_set(plant ? plant : ""))
        abort();
    cmocka_set_test_filter(test);
}
