/* progress.h - a line on a terminal that tells how far something is. */
#ifndef CLIENT_CLI_PROGRESS_H
#define CLIENT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PROGRESS_EVERY_MS = 100 };

struct progress {
    FILE *out;
    bool shown;           /* only on a terminal, or when told to */
    const char *what;     /* "keys" */
    uint64_t began, last; /* ms, monotonic */
};

void progress_begin(struct progress *p, FILE *out, bool shown,
                    const char *what);
/* `count` are done; `part` of `whole` says how far that is (whole 0: nobody
 * knows). Writes at most once in PROGRESS_EVERY_MS. */
void progress_at(struct progress *p, uint64_t count, uint64_t part,
                 uint64_t whole);
/* The last state stays, on a line of its own. */
void progress_end(struct progress *p, uint64_t count);

#endif
