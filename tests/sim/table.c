/* table.c - are the planted bugs found? (proto/base/planted.h)
 *
 *   sim_table FILE                each bug on the seed that FILE names for it,
 *                                 and the next few
 *   sim_table FILE --fresh SEED   each on up to 500 seeds from SEED on
 *
 * FILE has a line NAME SEED per bug, or NAME PROGRAM TEST if only a unit test
 * can show it (unit_row.h); # begins a comment. --only NAME takes one bug,
 * --max N tries fewer seeds, --jobs N runs so many at once. Ends with 1 if a
 * bug was not found, or if a seed that finds one fails without it too. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/attempt.h"
#include "tests/sim/planted.h"
#include "tests/sim/unit_row.h"

/* A change of the core moves what happens in a seed a little. */
enum { KNOWN_TRIES = 25, ROWS_MAX = 128, ROW_NAME_MAX = 64 };

/* SEARCHING -> CHECKING (the seed that fails, without the bug) -> FOUND or
 * WRONG; or NOT_FOUND. */
enum row_state { SEARCHING, CHECKING, FOUND, WRONG, NOT_FOUND };

struct row {
    char name[ROW_NAME_MAX];
    char program[ROW_NAME_MAX], test[ROW_NAME_MAX]; /* of a unit test; or "" */
    uint64_t first, found;                          /* seeds */
    unsigned started, ended, max, running;
    enum row_state state;
    char text[700]; /* how it was found */
};

struct flight {
    struct attempt_running a;
    struct row *row;
};

struct asked {
    const char *self, *file, *only;
    uint64_t fresh;
    bool is_fresh;
    unsigned max, jobs;
};

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

static struct asked parse(int argc, char **argv)
{
    struct asked a = {.self = argv[0], .max = 500, .jobs = 1};

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--fresh") && i + 1 < argc) {
            a.is_fresh = true;
            a.fresh = number(argv[++i]);
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            a.only = argv[++i];
        } else if (!strcmp(argv[i], "--max") && i + 1 < argc) {
            a.max = (unsigned)number(argv[++i]);
        } else if (!strcmp(argv[i], "--jobs") && i + 1 < argc) {
            a.jobs = (unsigned)number(argv[++i]);
        } else if (!a.file) {
            a.file = argv[i];
        } else {
            a.file = NULL;
            break;
        }
    }
    if (!a.file || a.jobs < 1 || a.jobs > ATTEMPTS_MAX) {
        fprintf(stderr, "usage: sim_table FILE [--fresh SEED] [--max N] "
                        "[--only NAME] [--jobs N, at most 64]\n");
        exit(2);
    }
    return a;
}

static unsigned read_rows(const struct asked *a, struct row *rows)
{
    FILE *f = fopen(a->file, "r");
    char line[256];
    unsigned n = 0;

    if (!f) {
        fprintf(stderr, "sim_table: %s: %s\n", a->file, strerror(errno));
        exit(2);
    }
    while (n < ROWS_MAX && fgets(line, sizeof line, f)) {
        struct row *r = &rows[n];
        *r = (struct row){.max = a->is_fresh ? a->max : KNOWN_TRIES};
        if (*line == '#' ||
            (sscanf(line, "%63s %" SCNu64, r->name, &r->first) != 2 &&
             sscanf(line, "%63s %63s %63s", r->name, r->program, r->test) !=
                 3) ||
            (a->only && strcmp(a->only, r->name)))
            continue;
        if (a->is_fresh)
            r->first = a->fresh;
        n++;
    }
    fclose(f);
    return n;
}

/* ---- one attempt ---- */

static void start(struct flight *f, struct row *r)
{
    static const struct attempt_options options = {.quiet = true,
                                                   .seconds = 60};
    bool checking = r->state == CHECKING;
    struct course x =
        course_of(checking ? r->found : r->first + r->started++);

    if (!planted_set(checking ? "" : r->name)) {
        fprintf(stderr, "sim_table: no bug %s in this build\n", r->name);
        exit(2);
    }
    r->running++;
    f->row = r;
    f->a = attempt_start(&x, &options);
}

static void say(const struct row *r)
{
    if (r->state == NOT_FOUND)
        printf("%-24s NOT FOUND\n", r->name);
    else
        printf("%-24s %s seed %" PRIu64 " (%u. tried): %.150s\n", r->name,
               r->state == FOUND ? "found," : "FAILS WITHOUT IT, TOO,",
               r->found, (unsigned)(r->found - r->first) + 1, r->text);
    fflush(stdout);
}

static void end(const struct flight *f)
{
    struct row *r = f->row;
    struct attempt a = attempt_end(&f->a);

    r->running--;
    if (r->state == CHECKING && r->running == 0) {
        r->state = a.failed ? WRONG : FOUND;
        say(r);
        return;
    }
    r->ended++;
    if (a.failed && (!r->text[0] || f->a.seed < r->found)) {
        r->found = f->a.seed;
        snprintf(r->text, sizeof r->text, "%s", a.text);
    }
    /* All that were started count, so that the order of ends does not. */
    if (r->running)
        return;
    if (r->text[0])
        r->state = CHECKING;
    else if (r->ended == r->max)
        r->state = NOT_FOUND;
    if (r->state == NOT_FOUND)
        say(r);
}

static void run_unit(const struct asked *a, struct row *r)
{
    static const struct {
        enum row_state state;
        const char *text;
    } ends[] = {
        [UNIT_ROW_FOUND] = {FOUND, "found,"},
        [UNIT_ROW_NOT_FOUND] = {NOT_FOUND, "NOT FOUND,"},
        [UNIT_ROW_WRONG] = {WRONG, "FAILS WITHOUT IT, TOO,"},
    };
    enum unit_row end = unit_row_run(a->self, r->program, r->test, r->name);

    r->state = ends[end].state;
    printf("%-24s %s %s: %s\n", r->name, ends[end].text, r->program, r->test);
}

/* May another attempt for it be started? On fresh seeds most are found after
 * a few; on known ones, with the first. */
static bool wants_one(const struct row *r, const struct asked *a)
{
    if (r->state == CHECKING)
        return r->running == 0;
    return r->state == SEARCHING && !r->text[0] && r->started < r->max &&
           r->running < (a->is_fresh ? a->jobs : 1);
}

static void run(const struct asked *a, struct row *rows, unsigned n_rows)
{
    struct flight flight[ATTEMPTS_MAX];
    const struct attempt_running *of[ATTEMPTS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < n_rows; i++)
        if (rows[i].program[0])
            run_unit(a, &rows[i]);
    for (;;) {
        for (unsigned i = 0; i < n_rows && n < a->jobs; i++)
            while (n < a->jobs && wants_one(&rows[i], a))
                start(&flight[n++], &rows[i]);
        if (!n)
            return;
        for (unsigned i = 0; i < n; i++)
            of[i] = &flight[i].a;
        unsigned first = attempt_first(of, n);
        end(&flight[first]);
        flight[first] = flight[--n];
    }
}

int main(int argc, char **argv)
{
    static struct row rows[ROWS_MAX];
    struct asked a = parse(argc, argv);
    unsigned n = read_rows(&a, rows), found = 0;

    run(&a, rows, n);
    for (unsigned i = 0; i < n; i++)
        found += rows[i].state == FOUND;
    printf("%u planted bugs found, %u not found\n", found, n - found);
    return found != n || !n;
}
