/* planted.h - the planted bugs by name, in a build that has them. */
#ifndef TESTS_SIM_PLANTED_H
#define TESTS_SIM_PLANTED_H

#include <stdbool.h>

/* Switch the bug of this name on; false when there is none of that name, or
 * this build has none. "" switches off. */
bool planted_set(const char *name);
/* Name and description of bug `i`, from 0; false behind the last. */
bool planted_at(unsigned i, const char **name, const char **text);

#endif
