/* beside.h - a small file beside a file of the user's, which remembers how far
 * load or dump came with it: FILE.loaded, FILE.dumped.
 *
 * A help, not a promise: what cannot be written is not remembered. */
#ifndef CLIENT_CLI_BESIDE_H
#define CLIENT_CLI_BESIDE_H

#include <stdio.h>

#include "proto/base/macros.h"

/* Replace it as a whole: a reader finds the old one or the new one. */
void beside_write(const char *file, const char *suffix, const char *fmt, ...)
    PRINTF(3, 4);
/* To be read and closed; NULL with errno: ENOENT if there is none. */
FILE *beside_open(const char *file, const char *suffix);
void beside_drop(const char *file, const char *suffix);

#endif
