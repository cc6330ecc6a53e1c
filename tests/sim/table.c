/* table.c - are the planted bugs found? (proto/base/planted.h)
 *
 *   sim_table FILE                each bug on the seed that FILE names for it,
 *                                 and the next few
 *   sim_table FILE --fresh SEED   each on up to 500 seeds from SEED on
 *
 * FILE has a line NAME SEED per bug; # begins a comment. --only NAME takes one
 * bug, --max N tries fewer seeds. Ends with 1 if a bug was not found, or if a
 * seed fails without any bug. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/attempt.h"
#include "tests/sim/planted.h"

/* A change of the core moves what happens in a seed a little. */
enum { KNOWN_TRIES = 25 };

static const struct attempt_options options = {.quiet = true, .seconds = 60};

static bool fails(const char *name, uint64_t seed, char *text, size_t size)
{
    struct course x = course_of(seed);
    struct attempt a;

    if (!planted_set(name)) {
        fprintf(stderr, "sim_table: no bug %s in this build\n", name);
        exit(2);
    }
    a = attempt_run(&x, &options);
    snprintf(text, size, "%s", a.text);
    return a.failed;
}

/* Gives how many seeds it took; 0: not found. */
static unsigned search(const char *name, uint64_t seed, unsigned max,
                       char *text, size_t size)
{
    for (unsigned i = 0; i < max; i++)
        if (fails(name, seed + i, text, size))
            return i + 1;
    return 0;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    if (end == text || *end) {
        fprintf(stderr, "sim_table: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

struct asked {
    const char *file, *only;
    uint64_t fresh;
    bool is_fresh;
    unsigned max;
};

static struct asked parse(int argc, char **argv)
{
    struct asked a = {.max = 500};

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--fresh") && i + 1 < argc) {
            a.is_fresh = true;
            a.fresh = number(argv[++i]);
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            a.only = argv[++i];
        } else if (!strcmp(argv[i], "--max") && i + 1 < argc) {
            a.max = (unsigned)number(argv[++i]);
        } else if (!a.file) {
            a.file = argv[i];
        } else {
            a.file = NULL;
            break;
        }
    }
    if (!a.file) {
        fprintf(stderr, "usage: sim_table FILE [--fresh SEED] [--max N] "
                        "[--only NAME]\n");
        exit(2);
    }
    return a;
}

/* One bug; true when it was found. */
static bool row(const struct asked *a, const char *name, uint64_t seed)
{
    char text[700] = "";
    unsigned took = search(name, a->is_fresh ? a->fresh : seed,
                           a->is_fresh ? a->max : KNOWN_TRIES, text,
                           sizeof text);

    if (took)
        printf("%-24s found, seed %" PRIu64 " (%u. tried): %.100s\n", name,
               (a->is_fresh ? a->fresh : seed) + took - 1, took, text);
    else
        printf("%-24s NOT FOUND\n", name);
    fflush(stdout);
    return took > 0;
}

int main(int argc, char **argv)
{
    struct asked a = parse(argc, argv);
    FILE *f = fopen(a.file, "r");
    unsigned found = 0, missed = 0, wrong = 0;
    char line[256], name[64], text[700];
    uint64_t seed;

    if (!f) {
        fprintf(stderr, "sim_table: %s: %s\n", a.file, strerror(errno));
        return 2;
    }
    while (fgets(line, sizeof line, f)) {
        if (*line == '#' || sscanf(line, "%63s %" SCNu64, name, &seed) != 2 ||
            (a.only && strcmp(a.only, name)))
            continue;
        if (row(&a, name, seed))
            found++;
        else
            missed++;
        /* It was the bug, not the seed. */
        if (!a.is_fresh && fails("", seed, text, sizeof text)) {
            printf("seed %" PRIu64 " fails without a bug: %s\n", seed, text);
            wrong++;
        }
    }
    fclose(f);
    printf("%u planted bugs found, %u not found\n", found, missed);
    return missed || wrong || !found;
}
