/* model.h - one key as a state machine: what each kind of operation does.
 *
 * The only place that knows the kinds' meaning; checkers search, they do not
 * interpret. Pure. */
#ifndef TESTS_CHECK_MODEL_H
#define TESTS_CHECK_MODEL_H

#include <stdbool.h>

#include "tests/check/history.h"

/* May `op` take effect when the key holds `state`, given what its caller was
 * told? If so, `*next` is what the key holds behind it. */
bool check_model_step(const struct check_operation *op, uint64_t state,
                      uint64_t *next);

/* May it change a key at all? */
bool check_model_writes(const struct check_operation *op);

#endif
