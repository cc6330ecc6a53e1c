/* main.c - the simulator as a program; tests/sim/run builds and starts it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/attempt.h"
#include "tests/sim/planted.h"
#include "tests/sim/shrink.h"

static const char usage[] =
    "usage: run [--hours H | --seeds N] [--seed S] [--shrink] ...\n"
    "\n"
    "Simulates whole clusters, one trial per seed, until all are done or one\n"
    "fails; a failure prints the command that does the same again.\n"
    "\n"
    "  --hours H        as many seeds as H simulated hours take\n"
    "  --seeds N        N seeds; without --hours and --seeds: one\n"
    "  --seed S         the first seed; without it: by the clock\n"
    "  --shrink         make a failing trial smaller: faults, then nodes,\n"
    "                   groups, clients, operations\n"
    "  --keep-going     after a failure go on with the next seed\n"
    "  --jobs N         so many seeds at once, default 1\n"
    "  --verbose        tell what happens (of one seed)\n"
    "  --hashes         print each seed's event hash\n"
    "  --large          5 nodes, 8 groups, always\n"
    "  --tally FILE     append a line per 100 seeds and per failure\n"
    "  --pause-file F   wait while F exists\n"
    "  --plant NAME     with this bug (only in the planted build)\n"
    "\n"
    "What a failing trial needs to be smaller (from --shrink):\n"
    "  --skip LIST      faults left out, as 3,7,12-15\n"
    "  --nodes N --groups N --rounds N --clients N --callers N\n"
    "  --without ROW    nobody asks for this row of the data API (rows.h)\n"
    "  --operations N   only so many requests of plain clients\n";

enum {
    OPT_HOURS = 256, OPT_SEEDS, OPT_SEED, OPT_SHRINK, OPT_KEEP, OPT_VERBOSE,
    OPT_HASHES, OPT_LARGE, OPT_TALLY, OPT_PAUSE, OPT_SKIP, OPT_NODES,
    OPT_GROUPS, OPT_JOBS, OPT_ROUNDS, OPT_CLIENTS, OPT_CALLERS, OPT_OPERATIONS,
    OPT_WITHOUT, OPT_PLANT, OPT_HELP,
};

static const struct option options[] = {
    {"hours", required_argument, NULL, OPT_HOURS},
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"shrink", no_argument, NULL, OPT_SHRINK},
    {"keep-going", no_argument, NULL, OPT_KEEP},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"hashes", no_argument, NULL, OPT_HASHES},
    {"large", no_argument, NULL, OPT_LARGE},
    {"tally", required_argument, NULL, OPT_TALLY},
    {"pause-file", required_argument, NULL, OPT_PAUSE},
    {"skip", required_argument, NULL, OPT_SKIP},
    {"nodes", required_argument, NULL, OPT_NODES},
    {"groups", required_argument, NULL, OPT_GROUPS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"clients", required_argument, NULL, OPT_CLIENTS},
    {"callers", required_argument, NULL, OPT_CALLERS},
    {"operations", required_argument, NULL, OPT_OPERATIONS},
    {"without", required_argument, NULL, OPT_WITHOUT},
    {"plant", required_argument, NULL, OPT_PLANT},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

struct run {
    double hours;
    uint64_t seeds, seed;
    unsigned jobs;
    bool shrink, keep_going, hashes, large;
    const char *tally, *pause_file;
    struct attempt_options attempt;
    struct smaller smaller;

    /* under way, oldest first at head; the next seed to start */
    struct attempt_running flight[ATTEMPTS_MAX];
    unsigned head, n_flight;
    uint64_t next;
    /* so far */
    uint64_t done, failed;
    uint64_t ms, answered, steps;
    uint64_t faults[FAULT_KINDS];
    uint64_t rows[ROW_KINDS], retries, repeated;
    double began;
};

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void bad_usage(const char *what)
{
    fprintf(stderr, "run: %s (see --help)\n", what);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-')
        bad_usage("not a number");
    return n;
}

static double hours_of(const char *text)
{
    char *end;
    double h = strtod(text, &end);

    if (end == text || *end || !(h > 0))
        bad_usage("not a number of hours");
    return h;
}

static void without(struct smaller *s, const char *name)
{
    for (unsigned i = 0; i < ROW_KINDS; i++) {
        if (strcmp(row_names[i], name))
            continue;
        s->without |= 1u << i;
        return;
    }
    bad_usage("--without wants a row of rows.h");
}

static void take(struct run *r, int option)
{
    struct smaller *s = &r->smaller;

    switch (option) {
    case OPT_HOURS: r->hours = hours_of(optarg); break;
    case OPT_SEEDS: r->seeds = number(optarg); break;
    case OPT_SEED: r->seed = number(optarg); break;
    case OPT_SHRINK: r->shrink = true; break;
    case OPT_KEEP: r->keep_going = true; break;
    case OPT_JOBS: r->jobs = (unsigned)number(optarg); break;
    case OPT_VERBOSE: r->attempt.verbose = true; break;
    case OPT_HASHES: r->hashes = true; break;
    case OPT_LARGE: r->large = true; break;
    case OPT_TALLY: r->tally = optarg; break;
    case OPT_PAUSE: r->pause_file = optarg; break;
    case OPT_SKIP:
        if (!smaller_skip(s, optarg))
            bad_usage("--skip wants a list like 3,7,12-15");
        break;
    case OPT_NODES: s->nodes = (unsigned)number(optarg); break;
    case OPT_GROUPS: s->groups = (unsigned)number(optarg); break;
    case OPT_ROUNDS: s->rounds = (unsigned)number(optarg); break;
    case OPT_CLIENTS: s->clients = (unsigned)number(optarg); break;
    case OPT_CALLERS: s->callers = (unsigned)number(optarg); break;
    case OPT_OPERATIONS: s->operations = number(optarg); break;
    case OPT_WITHOUT: without(s, optarg); break;
    case OPT_PLANT:
        if (!planted_set(optarg))
            bad_usage("no such bug to plant in this build");
        break;
    case OPT_HELP: fputs(usage, stdout); exit(0);
    default: bad_usage("unknown option");
    }
    if (s->nodes > CLUSTER_NODES_MAX || s->groups >= CLUSTER_GROUPS_MAX)
        bad_usage("at most 5 nodes and 8 groups");
    if (r->jobs < 1 || r->jobs > ATTEMPTS_MAX)
        bad_usage("--jobs wants 1 to 64");
}

static void print_tally(const struct run *r, FILE *out)
{
    double hours = (double)r->ms / 3600e3;
    double took = now_seconds() - r->began;
    uint64_t faults = 0;

    for (unsigned i = 0; i < FAULT_KINDS; i++)
        faults += r->faults[i];
    fprintf(out,
            "seeds %" PRIu64 ", failed %" PRIu64 ", %.2f simulated hours, "
            "%.0f times real time per process, %.0f requests and %.2f faults "
            "per simulated second;",
            r->done, r->failed, hours, (double)r->ms / 1e3 / took / r->jobs,
            (double)r->answered * 1e3 / (double)(r->ms + 1),
            (double)faults * 1e3 / (double)(r->ms + 1));
    for (unsigned i = 0; i < FAULT_KINDS; i++)
        fprintf(out, " %s %" PRIu64, fault_names[i], r->faults[i]);
    fputc(';', out);
    for (unsigned i = 0; i < ROW_KINDS; i++)
        fprintf(out, " %s %" PRIu64, row_names[i], r->rows[i]);
    fprintf(out, ", writes sent again %" PRIu64 ", answered again %" PRIu64,
            r->retries, r->repeated);
    fputc('\n', out);
}

static void append_tally(const struct run *r, const char *text)
{
    FILE *f = r->tally ? fopen(r->tally, "a") : NULL;

    if (!f)
        return;
    if (text)
        fprintf(f, "FAILED %s\n", text);
    print_tally(r, f);
    fclose(f);
}

static void add(struct run *r, const struct attempt *a)
{
    r->done++;
    r->failed += a->failed;
    r->ms += a->ms;
    r->answered += a->answered + a->refused + a->unknown;
    r->steps += a->steps;
    r->retries += a->retries;
    r->repeated += a->repeated;
    for (unsigned i = 0; i < ROW_KINDS; i++) {
        r->rows[i] += a->rows[i];
        r->answered += i == ROW_watches ? 0 : a->rows[i];
    }
    for (unsigned i = 0; i < FAULT_KINDS; i++)
        r->faults[i] += a->faults[i];
}

static struct course course_for(const struct run *r, uint64_t seed)
{
    struct course x = r->large ? course_large(seed) : course_of(seed);

    smaller_apply(&r->smaller, &x);
    return x;
}

static void on_failure(struct run *r, uint64_t seed, const struct attempt *a)
{
    struct course x = course_for(r, seed);
    const char *large = r->large ? " --large" : "";
    char again[2048];

    smaller_command(&r->smaller, seed, again, sizeof again);
    printf("FAILED: %s\nagain:  tests/sim/run%s%s\n", a->text, large, again);
    append_tally(r, a->text);
    if (r->shrink) {
        shrink(&x, &r->smaller, &r->attempt);
        smaller_command(&r->smaller, seed, again, sizeof again);
        printf("smaller: tests/sim/run%s%s\n", large, again);
    }
    fflush(stdout);
}

static bool enough(const struct run *r)
{
    if (r->hours > 0)
        return (double)r->ms >= r->hours * 3600e3;
    return r->done + r->n_flight >= (r->seeds ? r->seeds : 1);
}

static void start_some(struct run *r)
{
    while (r->n_flight < r->jobs && !enough(r)) {
        struct course x = course_for(r, r->next++);
        while (r->pause_file && !access(r->pause_file, F_OK))
            sleep(1);
        r->flight[(r->head + r->n_flight++) % ATTEMPTS_MAX] =
            attempt_start(&x, &r->attempt);
    }
}

/* In the order of seeds, whichever is ready first: the same output always. */
static bool end_one(struct run *r)
{
    struct attempt_running *at = &r->flight[r->head];
    struct attempt a = attempt_end(at);

    r->head = (r->head + 1) % ATTEMPTS_MAX;
    r->n_flight--;
    add(r, &a);
    if (r->hashes)
        printf("seed %" PRIu64 " hash %016" PRIx64 "\n", at->seed, a.hash);
    if (a.failed)
        on_failure(r, at->seed, &a);
    else if (r->done % 100 == 0)
        append_tally(r, NULL);
    return !a.failed || r->keep_going;
}

int main(int argc, char **argv)
{
    struct run r = {.seed = (uint64_t)time(NULL) * 1000003u, .jobs = 1};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take(&r, option);
    if (optind < argc)
        bad_usage("unknown argument");
    r.began = now_seconds();
    r.next = r.seed;
    for (start_some(&r); r.n_flight && end_one(&r);)
        start_some(&r);
    for (; r.n_flight; r.n_flight--)
        attempt_drop(&r.flight[r.head++ % ATTEMPTS_MAX]);
    print_tally(&r, stdout);
    append_tally(&r, NULL);
    smaller_release(&r.smaller);
    return r.failed ? 1 : 0;
}
