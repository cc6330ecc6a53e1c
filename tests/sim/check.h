/* check.h - the clients' history for the checkers that ignore what the system
 * says about itself (tests/check). */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/check/history.h"
#include "tests/sim/history.h"

/* NULL, or what cannot be; valid until the next call. After history_check(). */
const char *check_again(const struct history *h);

#endif
