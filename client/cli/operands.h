/* operands.h - negative numbers among a command's arguments.
 *
 * getopt takes each argument that begins with - for options. No option of ours
 * is a digit, so -5 and -.5 are operands wherever they stand: a value, a
 * delta, a key. Pure. */
#ifndef CLIENT_CLI_OPERANDS_H
#define CLIENT_CLI_OPERANDS_H

#include <argp.h>
#include <stdbool.h>

/* "-5", "-.5", "-5 apples"; not "-", "-x", "--5". */
bool operand_is_negative(const char *arg);

/* Write argv's options (those that `argp` and its children know, with what
 * they take) into `out`, then --, then the operands, each in their order, and
 * a NULL; `out` has argc + 2 places. What looks like an option but is unknown
 * stands among the options, for its error. Borrows all until `out` is not used
 * any more. Gives how many it wrote, without the NULL. */
int operands_last(const struct argp *argp, int argc, char **argv, char **out);

#endif
