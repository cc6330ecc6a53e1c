/* write_options.h - the options that writes share: conditions and deadlines. */
#ifndef CLIENT_CLI_WRITE_OPTIONS_H
#define CLIENT_CLI_WRITE_OPTIONS_H

#include <argp.h>

#include "client/coatcheck.h"

/* A child parser each; its input is a struct coat_write, which the parent's
 * parser sets in child_inputs at ARGP_KEY_INIT. What was given is checked, also
 * against each other. */
extern const struct argp write_conditions; /* --if-... */
extern const struct argp write_deadlines;  /* --ttl, --deadline */
extern const struct argp write_previous;   /* --previous */

/* Tables for a command's parser: the conditions (child 0), with or without the
 * deadlines (child 1), and the common options. */
extern const struct argp_child write_children[];
extern const struct argp_child set_children[];

#endif
