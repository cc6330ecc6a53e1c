/* unit_row.h - a planted bug that no simulated cluster can show, as something
 * else hides it there: a unit test has to fail of it. */
#ifndef TESTS_SIM_UNIT_ROW_H
#define TESTS_SIM_UNIT_ROW_H

#include <stdbool.h>

enum unit_row {
    UNIT_ROW_FOUND,     /* fails with the bug, passes without */
    UNIT_ROW_NOT_FOUND, /* passes with it; or there is no such test */
    UNIT_ROW_WRONG,     /* fails without it, too; or cannot be run */
};

/* Run `test` of `program` (unit_with_plant.c is linked into it) with the bug
 * `plant`, and without. `beside` is a path in the same directory. */
enum unit_row unit_row_run(const char *beside, const char *program,
                           const char *test, const char *plant);

#endif
