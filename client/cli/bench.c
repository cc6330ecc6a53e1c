/* bench.c - see bench.h. */
#include "client/cli/bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/bytes.h"

enum { SECOND_MS = 1000, BACKLOG_TICK_MS = 1, VALUE_POOL = 64 * 1024 };

struct worker;

/* One place for a request of one user. */
struct op {
    struct worker *worker;
    unsigned lane;
    bool is_get;
    uint64_t since; /* ns; with a rate the intended time */
    struct op *next_idle;
};

/* One loop with its share of the users. */
struct worker {
    const struct bench_plan *plan;
    pthread_t thread;
    unsigned index;
    uv_loop_t loop;
    struct coat_client *client;
    uv_timer_t timer, pacer;
    struct op *ops;
    unsigned n_ops, under_way;
    struct op *idle; /* with a rate */
    struct rng rng;
    char *values;      /* random bytes; a value is a window of them */
    uint64_t load_next, load_end; /* numbers of the shuffled order */
    uint64_t next_at, interval;   /* ns, with a rate */
    uint64_t end;      /* ns; after it nothing is begun */
    bool closing;
    char error[COAT_ERROR_MAX];
    pthread_mutex_t lock;         /* of `second` */
    struct bench_result second;   /* since it was last taken */
    atomic_bool ended;
};

/* ---- keys and values ---- */

size_t bench_key(uint64_t number, char *text)
{
    static const char digits[] = "0123456789";
    size_t at = 16;

    memcpy(text, "key:000000000000", 16);
    while (number) {
        assert(at > 4);
        text[--at] = digits[number % 10];
        number /= 10;
    }
    return 16;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps of a number without common factor visit everything once. */
uint64_t bench_shuffled(uint64_t i, uint64_t n, uint64_t seed)
{
    struct rng rng;
    uint64_t step, start;

    rng_init(&rng, seed);
    start = rng_below(&rng, n);
    step = 1 + rng_below(&rng, n);
    while (gcd(step, n) != 1)
        step++;
    return (uint64_t)(((unsigned __int128)i * step + start) % n);
}

/* ---- results ---- */

void bench_result_merge(struct bench_result *to,
                        const struct bench_result *from)
{
    histogram_merge(&to->latency, &from->latency);
    to->operations += from->operations;
    to->misses += from->misses;
    for (unsigned i = 0; i < BENCH_STATUSES; i++)
        to->errors[i] += from->errors[i];
}

uint64_t bench_errors(const struct bench_result *r)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < BENCH_STATUSES; i++)
        n += r->errors[i];
    return n;
}

static void count(struct worker *w, const struct op *op,
                  enum coat_status status)
{
    uint64_t took = uv_hrtime() - op->since;
    struct bench_result *r = &w->second;

    pthread_mutex_lock(&w->lock); /* hardly ever contended */
    if (status == COAT_OK || (status == COAT_NOT_FOUND && op->is_get)) {
        r->operations++;
        r->misses += status == COAT_NOT_FOUND;
        histogram_add(&r->latency, took);
    } else {
        r->errors[MIN_OF((unsigned)status, BENCH_STATUSES - 1u)]++;
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- requests ---- */

static void on_reply(const struct coat_reply *reply, void *user);

static void close_if_done(struct worker *w)
{
    if (w->under_way || w->closing)
        return;
    w->closing = true;
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->pacer, NULL);
    coat_client_close(w->client, NULL, NULL);
}

static bool is_over(struct worker *w)
{
    if (w->plan->load)
        return w->load_next == w->load_end;
    return uv_hrtime() >= w->end;
}

static uint64_t next_number(struct worker *w)
{
    const struct bench_plan *p = w->plan;

    if (!p->load)
        return rng_below(&w->rng, p->keys);
    return bench_shuffled(w->load_next++, p->keys, p->seed);
}

static bool choose_get(struct worker *w)
{
    const struct bench_plan *p = w->plan;

    if (p->load || (p->op != BENCH_GET && p->op != BENCH_MIXED))
        return false;
    return p->op == BENCH_GET ||
           rng_below(&w->rng, 100) < p->reads_percent;
}

static enum coat_status begin_txn(struct worker *w, struct coat_bytes key,
                                  struct coat_bytes value,
                                  const struct coat_call *how, struct op *op)
{
    struct coat_transaction *t = coat_transaction_new();
    enum coat_status rv;

    coat_transaction_if_version(t, key, COAT_GREATER, 0);
    coat_transaction_set(t, key, value, NULL);
    rv = coat_transact(w->client, t, how, on_reply, op);
    coat_transaction_free(t);
    return rv;
}

static enum coat_status begin_write(struct worker *w, struct coat_bytes key,
                                    const struct coat_call *how,
                                    struct op *op)
{
    static const struct coat_write present = {.flags = COAT_IF_PRESENT};
    const struct bench_plan *p = w->plan;
    struct coat_bytes value = {w->values + rng_below(&w->rng, VALUE_POOL),
                               p->value_size};

    switch (p->load ? BENCH_SET : p->op) {
    case BENCH_INCR:
        return coat_incr(w->client, key, 1, NULL, how, on_reply, op);
    case BENCH_SETIF:
        return coat_set_with(w->client, key, value, &present, how, on_reply,
                             op);
    case BENCH_TXN:
        return begin_txn(w, key, value, how, op);
    default:
        return coat_set(w->client, key, value, how, on_reply, op);
    }
}

/* Begin a request in the place `op`, whose `since` is set. */
static void begin(struct worker *w, struct op *op)
{
    const struct bench_plan *p = w->plan;
    struct coat_call how = {.lane = op->lane};
    char key[BENCH_KEY_MAX];
    struct coat_bytes k = {key, bench_key(next_number(w), key)};
    enum coat_status rv;

    op->is_get = choose_get(w);
    w->under_way++;
    if (op->is_get) {
        how.consistency = p->stale ? COAT_STALE : COAT_LINEARIZABLE;
        rv = coat_get(w->client, k, &how, on_reply, op);
    } else {
        if (p->op == BENCH_INCR && !p->load)
            memcpy(key, "num", 3);
        rv = begin_write(w, k, &how, op);
    }
    if (rv) { /* cannot be: limits fit the plan */
        fprintf(stderr, "coatcheck: bench: %s\n", coat_status_text(rv));
        abort();
    }
}

static void begin_now(struct worker *w, struct op *op)
{
    if (is_over(w))
        return;
    op->since = uv_hrtime();
    begin(w, op);
}

/* With a rate: begin what is due as far as places are free. What finds none
 * stays due, and its time counts. */
static void begin_due(struct worker *w)
{
    uint64_t now = uv_hrtime();

    while (w->idle && w->next_at <= now && w->next_at < w->end) {
        struct op *op = w->idle;
        w->idle = op->next_idle;
        op->since = w->next_at;
        w->next_at += w->interval;
        begin(w, op);
    }
}

static void on_reply(const struct coat_reply *reply, void *user)
{
    struct op *op = user;
    struct worker *w = op->worker;

    w->under_way--;
    count(w, op, reply->status);
    if (w->interval) {
        op->next_idle = w->idle;
        w->idle = op;
        begin_due(w);
    } else {
        begin_now(w, op);
    }
    if (!w->under_way && is_over(w))
        close_if_done(w);
}

static void on_end(uv_timer_t *timer)
{
    struct worker *w = timer->data;

    if (is_over(w))
        close_if_done(w);
}

static void on_pace(uv_timer_t *timer)
{
    begin_due(timer->data);
}

/* ---- a worker ---- */

static unsigned share(unsigned total, unsigned n, unsigned i)
{
    return total / n + (i < total % n);
}

static void share_load(struct worker *w)
{
    uint64_t keys = w->plan->keys, n = w->plan->threads;

    w->load_next = keys / n * w->index + MIN_OF((uint64_t)w->index, keys % n);
    w->load_end = w->load_next + keys / n + (w->index < keys % n);
}

static bool worker_init(struct worker *w, const struct bench_plan *p,
                        unsigned index, uint64_t start)
{
    unsigned clients = share(p->clients, p->threads, index);
    struct coat_options o = p->options;

    *w = (struct worker){.plan = p, .index = index};
    pthread_mutex_init(&w->lock, NULL);
    rng_init(&w->rng, p->seed + index * 7919 + 1);
    if (uv_loop_init(&w->loop))
        abort();
    w->n_ops = clients * p->pipeline;
    o.connections_per_node = MAX_OF(1u, share(p->connections, p->threads,
                                              index));
    o.requests_max = MAX_OF(w->n_ops, 1u);
    o.bytes_max = SIZE_MAX / 2;
    w->client = coat_client_new(&w->loop, &o, w->error, sizeof w->error);
    if (!w->client) {
        uv_loop_close(&w->loop);
        return false;
    }
    w->values = xmalloc(VALUE_POOL + p->value_size);
    for (uint64_t i = 0; i < VALUE_POOL + p->value_size; i++)
        w->values[i] = (char)('!' + rng_below(&w->rng, 94));
    w->ops = xcalloc(w->n_ops, sizeof *w->ops);
    for (unsigned i = 0; i < w->n_ops; i++)
        w->ops[i] = (struct op){.worker = w, .lane = 1 + i / p->pipeline};
    share_load(w);
    w->end = p->load ? UINT64_MAX : start + (uint64_t)(p->seconds * 1e9);
    if (p->rate > 0 && !p->load)
        w->interval = MAX_OF(1, (uint64_t)(1e9 * p->threads / p->rate));
    w->next_at = start + w->interval * index / p->threads;
    return true;
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    uint64_t now = uv_hrtime();

    uv_timer_init(&w->loop, &w->timer);
    uv_timer_init(&w->loop, &w->pacer);
    w->timer.data = w->pacer.data = w;
    /* Ends a worker that has nothing under way when its time is over. */
    uv_timer_start(&w->timer, on_end,
                   w->end > now ? MIN_OF((w->end - now) / 1000000 + 1,
                                         (uint64_t)1 << 40)
                                : 0,
                   100);
    for (unsigned i = 0; i < w->n_ops; i++) {
        if (w->interval) {
            w->ops[i].next_idle = w->idle;
            w->idle = &w->ops[i];
        } else {
            begin_now(w, &w->ops[i]);
        }
    }
    if (w->interval)
        uv_timer_start(&w->pacer, on_pace, 0, BACKLOG_TICK_MS);
    if (!w->under_way && is_over(w))
        close_if_done(w);
    while (uv_run(&w->loop, UV_RUN_DEFAULT))
        ;
    w->ended = true;
    return NULL;
}

static void worker_release(struct worker *w)
{
    if (uv_loop_close(&w->loop))
        abort();
    pthread_mutex_destroy(&w->lock);
    free(w->ops);
    free(w->values);
}

/* ---- the run ---- */

static void take_second(struct worker *workers, unsigned n,
                        struct bench_result *second)
{
    memset(second, 0, sizeof *second);
    for (unsigned i = 0; i < n; i++) {
        struct worker *w = &workers[i];
        pthread_mutex_lock(&w->lock);
        bench_result_merge(second, &w->second);
        memset(&w->second, 0, sizeof w->second);
        pthread_mutex_unlock(&w->lock);
    }
}

static bool all_ended(struct worker *workers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!workers[i].ended)
            return false;
    return true;
}

/* Until all have ended; reports each second. */
static void watch(struct worker *workers, const struct bench_plan *p,
                  uint64_t start, bench_on_second *on_second, void *user,
                  struct bench_result *total)
{
    struct bench_result *second = xmalloc(sizeof *second);
    uint64_t next = start;
    bool ended;

    do {
        next += (uint64_t)SECOND_MS * 1000000;
        while (!(ended = all_ended(workers, p->threads)) &&
               uv_hrtime() < next)
            uv_sleep(10);
        take_second(workers, p->threads, second);
        bench_result_merge(total, second);
        if (!ended && on_second)
            on_second(second, (double)(uv_hrtime() - start) / 1e9, user);
    } while (!ended);
    free(second);
}

bool bench_run(const struct bench_plan *p, bench_on_second *on_second,
               void *user, struct bench_result *total, double *seconds,
               char *error)
{
    struct worker *workers = xcalloc(p->threads, sizeof *workers);
    uint64_t start = uv_hrtime();
    unsigned n = 0;
    bool ok = true;

    assert(p->threads && p->clients >= p->threads && p->pipeline && p->keys);
    memset(total, 0, sizeof *total);
    for (; n < p->threads && ok; n++) {
        ok = worker_init(&workers[n], p, n, start);
        if (!ok) {
            snprintf(error, COAT_ERROR_MAX, "%s", workers[n].error);
            goto out;
        }
    }
    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]))
            abort();
    watch(workers, p, start, on_second, user, total);
    for (unsigned i = 0; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    *seconds = (double)(uv_hrtime() - start) / 1e9;
    for (unsigned i = 0; i < n; i++)
        worker_release(&workers[i]);
out:
    /* Refused options are the same for all: no worker was made. */
    free(workers);
    return ok;
}
