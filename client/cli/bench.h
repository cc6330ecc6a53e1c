/* bench.h - the load that `coatcheck bench` makes.
 *
 * A run has `clients` independent users; each keeps `pipeline` requests under
 * way on its own lane. They are spread over `threads` loops. With a rate the
 * requests have intended times, whether or not earlier ones have ended, and
 * latency counts from there: a stalled server cannot hide by slowing the load
 * down ("coordinated omission"; Gil Tene, "How NOT to Measure Latency").
 * Nothing is allocated per request. */
#ifndef CLIENT_CLI_BENCH_H
#define CLIENT_CLI_BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "client/cli/histogram.h"
#include "client/coatcheck.h"
#include "proto/base/rng.h"

enum bench_op {
    BENCH_GET,
    BENCH_SET,
    BENCH_MIXED,
    BENCH_INCR,  /* of keys of their own: "num:..." */
    BENCH_SETIF, /* a set, if the key is there */
    BENCH_TXN,   /* if the key is there, set it, else set it */
};
enum { BENCH_STATUSES = 64, BENCH_KEY_MAX = 32 };

struct bench_plan {
    enum bench_op op;
    unsigned clients, pipeline, connections, threads;
    unsigned reads_percent; /* of mixed */
    uint64_t keys;
    uint64_t value_size;
    double seconds;
    double rate; /* requests per second in all, 0: as fast as they go */
    bool stale;
    bool load; /* this run writes every key once, in a random order */
    uint64_t seed;
    struct coat_options options;
};

/* What came out; of a second or of a run. */
struct bench_result {
    struct histogram latency; /* ns */
    uint64_t operations;      /* ended OK or NOT_FOUND */
    uint64_t misses;          /* gets that found nothing */
    uint64_t errors[BENCH_STATUSES]; /* by status; the last is "others" */
};

/* Called about every second with what that second gave, from the thread that
 * called bench_run. */
typedef void bench_on_second(const struct bench_result *second, double since,
                             void *user);

/* Run it. `*total` is what the run gave, `*seconds` how long it took. False:
 * it could not begin; `error` (COAT_ERROR_MAX bytes) says why. */
bool bench_run(const struct bench_plan *plan, bench_on_second *on_second,
               void *user, struct bench_result *total, double *seconds,
               char *error);

uint64_t bench_errors(const struct bench_result *r);
void bench_result_merge(struct bench_result *to,
                        const struct bench_result *from);

/* The `i`th of `n` numbers below `n` in a random order without repetition; a
 * seed gives an order. n is above 0. */
uint64_t bench_shuffled(uint64_t i, uint64_t n, uint64_t seed);
/* Key number `number` into text[BENCH_KEY_MAX]; gives its length. */
size_t bench_key(uint64_t number, char *text);

#endif
