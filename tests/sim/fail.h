/* fail.h - the end of a simulation that found something wrong. */
#ifndef TESTS_SIM_FAIL_H
#define TESTS_SIM_FAIL_H

/* Called with one line of text; does not return. NULL: print it and abort. */
typedef void sim_fail_fn(const char *text);
void sim_on_fail(sim_fail_fn *fn);
_Noreturn void sim_fail(const char *text);

#endif
