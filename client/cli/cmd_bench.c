/* cmd_bench.c - the command bench: its options and its report. */
#include <argp.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"
#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "proto/limits.h"

enum { KEY_VALUE = 300, KEY_KEYS, KEY_CONSISTENCY, KEY_LOAD, KEY_SEED,
       KEY_READS, KEY_THREADS, KEY_AT_MOST_ONCE };

static const struct argp_option options[] = {
    {"op", 't', "get|set|mixed|incr|setif|txn", 0,
     "What to do (default: set); setif sets keys that are there, txn does the "
     "same as a transaction", 0},
    {"at-most-once", KEY_AT_MOST_ONCE, NULL, 0,
     "Writes without ids: not repeated when their outcome is unknown", 0},
    {"clients", 'c', "N", 0, "Independent users (default: 50)", 0},
    {"pipeline", 'P', "N", 0, "Requests each has under way (default: 1)", 0},
    {"connections", 'C', "N", 0,
     "Connections to each node that they share (default: one per client)", 0},
    {"value-size", KEY_VALUE, "BYTES", 0, "Size of values (default: 128)", 0},
    {"keys", KEY_KEYS, "N", 0, "Different keys (default: 1000000)", 0},
    {"duration", 'd', "SECONDS", 0,
     "How long (default: 10; 0 with --load: only load)", 0},
    {"consistency", KEY_CONSISTENCY, "linearizable|stale", 0,
     "Of reads (default: linearizable)", 0},
    {"reads", KEY_READS, "PERCENT", 0, "Share of gets in mixed (default: 90)",
     0},
    {"rate", 'r', "N", 0,
     "Requests per second in all (default: as fast as they are answered). "
     "Latency then counts from the intended time, so that a stall is felt by "
     "everything that should have been sent meanwhile (no coordinated "
     "omission)", 0},
    {"load", KEY_LOAD, NULL, 0, "First write every key once", 0},
    {"threads", KEY_THREADS, "N", 0, "Loops, each in a thread (default: 1)",
     0},
    {"seed", KEY_SEED, "N", 0, "Of keys and their order (default: 1)", 0},
    {0},
};

struct bench_args {
    struct cli *cli;
    struct bench_plan plan;
    bool load, at_most_once;
};

static double number(const char *arg, double min, double max, const char *name,
                     struct argp_state *state)
{
    char *end;
    double v = strtod(arg, &end);

    if (*end || end == arg || !(v >= min && v <= max))
        argp_error(state, "--%s is %.10g to %.10g, not '%s'", name, min, max,
                   arg);
    return v;
}

static unsigned whole(const char *arg, double min, double max,
                      const char *name, struct argp_state *state)
{
    double v = number(arg, min, max, name, state);

    if (v != floor(v))
        argp_error(state, "--%s is a whole number, not '%s'", name, arg);
    return (unsigned)v;
}

static unsigned one_of(const char *arg, const char *const *names, unsigned n,
                       const char *option, struct argp_state *state)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(arg, names[i]))
            return i;
    argp_error(state, "--%s knows no '%s'", option, arg);
    return 0;
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    static const char *const ops[] = {"get",  "set",   "mixed",
                                      "incr", "setif", "txn"};
    static const char *const kinds[] = {"linearizable", "stale"};
    struct bench_args *a = state->input;
    struct bench_plan *p = &a->plan;

    switch (key) {
    case 't':
        p->op = (enum bench_op)one_of(arg, ops, ARRAY_LEN(ops), "op", state);
        return 0;
    case 'c':
        p->clients = whole(arg, 1, 100000, "clients", state);
        return 0;
    case 'P':
        p->pipeline = whole(arg, 1, 10000, "pipeline", state);
        return 0;
    case 'C':
        p->connections = whole(arg, 1, 100000, "connections", state);
        return 0;
    case KEY_VALUE:
        p->value_size = whole(arg, 0, VALUE_BYTES_MAX, "value-size", state);
        return 0;
    case KEY_KEYS:
        p->keys = (uint64_t)number(arg, 1, 999999999999.0, "keys", state);
        return 0;
    case 'd':
        p->seconds = number(arg, 0, 1e7, "duration", state);
        return 0;
    case KEY_CONSISTENCY:
        p->stale = one_of(arg, kinds, 2, "consistency", state);
        return 0;
    case KEY_READS:
        p->reads_percent = whole(arg, 0, 100, "reads", state);
        return 0;
    case 'r':
        p->rate = number(arg, 0.001, 1e8, "rate", state);
        return 0;
    case KEY_LOAD:
        a->load = true;
        return 0;
    case KEY_AT_MOST_ONCE:
        a->at_most_once = true;
        return 0;
    case KEY_THREADS:
        p->threads = whole(arg, 1, 256, "threads", state);
        return 0;
    case KEY_SEED:
        p->seed = strtoull(arg, NULL, 10);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s'?", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "",
    "Load the cluster and measure it: throughput, and how long requests take "
    "from being sent to being answered. It reads and writes keys named "
    "key:000000000000 and so on; -k puts them into a keyspace of their own.\v"
    "Without --rate every client waits for answers before it asks again, so a "
    "stall of the cluster stalls the load, too, and is counted only once per "
    "client: use --rate for latencies that users would see.",
    cli_common, NULL,
    NULL};

/* ---- reports ---- */

static double us(uint64_t ns)
{
    return (double)ns / 1000;
}

static void on_second(const struct bench_result *r, double since, void *user)
{
    struct cli *cli = user;

    fprintf(cli->err,
            "%5.0f s %10" PRIu64 " ops/s  p50 %.3f ms  p99 %.3f ms  max %.1f "
            "ms  errors %" PRIu64 "\n",
            since, r->operations,
            us(histogram_percentile(&r->latency, 50)) / 1000,
            us(histogram_percentile(&r->latency, 99)) / 1000,
            us(r->latency.max) / 1000, bench_errors(r));
}

static const double percentiles[] = {50, 90, 99, 99.9, 99.99};
static const char *const percentile_names[] = {"p50", "p90", "p99", "p99.9",
                                               "p99.99"};

static json_t *errors_json(const struct bench_result *r)
{
    json_t *j = json_object();

    for (unsigned i = 0; i < BENCH_STATUSES; i++)
        if (r->errors[i])
            json_object_set_new(j, coat_status_name((enum coat_status)i),
                                json_integer((json_int_t)r->errors[i]));
    return j;
}

static json_t *result_json(const struct bench_result *r, double seconds)
{
    json_t *j = json_object(), *latency = json_object();

    json_object_set_new(j, "seconds", json_real(seconds));
    json_object_set_new(j, "operations",
                        json_integer((json_int_t)r->operations));
    json_object_set_new(j, "ops_per_second",
                        json_real((double)r->operations / seconds));
    for (unsigned i = 0; i < ARRAY_LEN(percentiles); i++)
        json_object_set_new(
            latency, percentile_names[i],
            json_real(us(histogram_percentile(&r->latency, percentiles[i]))));
    json_object_set_new(latency, "max", json_real(us(r->latency.max)));
    json_object_set_new(latency, "mean",
                        json_real(us(histogram_mean(&r->latency))));
    json_object_set_new(j, "latency_us", latency);
    json_object_set_new(j, "misses", json_integer((json_int_t)r->misses));
    json_object_set_new(j, "errors",
                        json_integer((json_int_t)bench_errors(r)));
    json_object_set_new(j, "errors_by_status", errors_json(r));
    return j;
}

static json_t *plan_json(const struct bench_plan *p)
{
    static const char *const ops[] = {"get",  "set",   "mixed",
                                      "incr", "setif", "txn"};
    json_t *j = json_object();

    json_object_set_new(j, "op", json_string(ops[p->op]));
    json_object_set_new(j, "clients", json_integer(p->clients));
    json_object_set_new(j, "pipeline", json_integer(p->pipeline));
    json_object_set_new(j, "connections", json_integer(p->connections));
    json_object_set_new(j, "threads", json_integer(p->threads));
    json_object_set_new(j, "keys", json_integer((json_int_t)p->keys));
    json_object_set_new(j, "value_size",
                        json_integer((json_int_t)p->value_size));
    json_object_set_new(j, "rate", json_real(p->rate));
    json_object_set_new(j, "consistency",
                        json_string(p->stale ? "stale" : "linearizable"));
    json_object_set_new(j, "seed", json_u64(p->seed));
    return j;
}

static void print_text(struct cli *cli, const char *what,
                       const struct bench_result *r, double seconds)
{
    fprintf(cli->out, "%s: %" PRIu64 " operations in %.2f s: %.0f per second\n",
            what, r->operations, seconds, (double)r->operations / seconds);
    fprintf(cli->out, "latency ms:");
    for (unsigned i = 0; i < ARRAY_LEN(percentiles); i++)
        fprintf(cli->out, "  %s %.3f", percentile_names[i],
                us(histogram_percentile(&r->latency, percentiles[i])) / 1000);
    fprintf(cli->out, "  max %.3f\n", us(r->latency.max) / 1000);
    if (r->misses)
        fprintf(cli->out, "not found: %" PRIu64 "\n", r->misses);
    for (unsigned i = 0; i < BENCH_STATUSES; i++)
        if (r->errors[i])
            fprintf(cli->out, "errors: %" PRIu64 " %s\n", r->errors[i],
                    coat_status_text((enum coat_status)i));
}

/* ---- the command ---- */

static bool run(struct bench_args *a, const struct bench_plan *plan,
                const char *what, json_t *json)
{
    struct cli *cli = a->cli;
    struct bench_result *r = xcalloc(1, sizeof *r);
    char error[COAT_ERROR_MAX];
    double seconds;
    bool ok = bench_run(plan, on_second, cli, r, &seconds, error);

    if (!ok) {
        (void)cli_error(cli, EXIT_USAGE, "bench: %s", error);
    } else if (cli->output == OUTPUT_JSON) {
        json_t *j = result_json(r, seconds);
        if (!strcmp(what, "load"))
            json_object_set_new(json, "load", j);
        else
            json_object_update(json, j);
        if (strcmp(what, "load") != 0)
            json_decref(j);
    } else {
        print_text(cli, what, r, seconds);
    }
    /* Whoever loads nothing, or gets no answer at all, has not measured. */
    if (ok && !r->operations && plan->seconds > 0) {
        (void)cli_error(cli, EXIT_UNAVAILABLE, "bench: nothing succeeded: see "
                                               "`coatcheck status`");
        ok = false;
    }
    free(r);
    return ok;
}

static void settle(struct bench_args *a)
{
    struct bench_plan *p = &a->plan;

    p->options = cli_options(a->cli);
    p->options.at_most_once = a->at_most_once;
    p->threads = MIN_OF(p->threads, p->clients);
    if (!p->connections)
        p->connections = p->clients;
    p->connections = MIN_OF(p->connections, 1024 * p->threads);
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
    struct bench_args a = {
        .cli = cli,
        .plan = {.op = BENCH_SET, .clients = 50, .pipeline = 1, .threads = 1,
                 .reads_percent = 90, .keys = 1000000, .value_size = 128,
                 .seconds = 10, .seed = 1},
    };
    json_t *json;
    bool ok = true;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    settle(&a);
    json = plan_json(&a.plan);
    if (a.load) {
        struct bench_plan load = a.plan;
        /* A few deep pipelines write fastest. */
        load.load = true;
        load.clients = MAX_OF(a.plan.threads, 16u);
        load.pipeline = 64;
        load.connections = load.clients;
        load.seconds = 1; /* not used, but for whether it was to do anything */
        ok = run(&a, &load, "load", json);
    }
    if (ok && a.plan.seconds > 0)
        ok = run(&a, &a.plan, "bench", json);
    if (ok && cli->output == OUTPUT_JSON)
        json_print(json_incref(json), cli->out);
    json_decref(json);
    return ok ? EXIT_DONE : EXIT_UNAVAILABLE;
}
