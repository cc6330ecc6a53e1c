/* watchers.c - many watches of one process, on disjoint prefixes.
 *
 *   watchers ENDPOINTS COUNT [BASE]
 *
 * Watch number i is of the keys that begin with BASE (default "key:000000") and
 * i as three digits: of 1,000 watches every key of `coatcheck bench --keys
 * 1000000` is in exactly one. Writes "ready" when all of them watch all groups;
 * on SIGTERM how many events came, and ends. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "client/coatcheck.h"
#include "client/coatcheck_stream.h"

enum { WATCHES_MAX = 1000 };

struct watchers {
    uv_loop_t loop;
    uv_signal_t on_term;
    struct coat_client *client;
    struct coat_watch *watches[WATCHES_MAX];
    unsigned n, ready;
    unsigned long long events;
};

static void on_event(const struct coat_event *e, void *user)
{
    struct watchers *w = user;

    if (e->kind == COAT_EVENT_READY && ++w->ready == w->n) {
        printf("ready\n");
        fflush(stdout);
    }
    w->events += e->kind <= COAT_EVENT_EXPIRE;
}

static void on_end(enum coat_status status, const char *detail, void *user)
{
    (void)user;
    fprintf(stderr, "a watch ended: %s %s\n", coat_status_name(status),
            detail);
    exit(1);
}

static void on_close(void *user)
{
    struct watchers *w = user;

    uv_close((uv_handle_t *)&w->on_term, NULL);
}

static void on_term(uv_signal_t *s, int number)
{
    struct watchers *w = s->data;

    (void)number;
    printf("%llu\n", w->events);
    for (unsigned i = 0; i < w->n; i++)
        coat_watch_stop(w->watches[i]);
    coat_client_close(w->client, on_close, w);
}

static void watch(struct watchers *w, unsigned number, const char *base)
{
    struct coat_watch_options o = COAT_WATCH_OPTIONS;
    char prefix[64];
    enum coat_status rv;

    snprintf(prefix, sizeof prefix, "%s%03u", base, number);
    o.prefix = COAT_STR(prefix);
    rv = coat_watch_start(w->client, &o, on_event, on_end, w,
                          &w->watches[number]);
    if (rv) {
        fprintf(stderr, "cannot watch: %s\n", coat_status_name(rv));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static struct watchers w;
    struct coat_options options = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    w.n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (!w.n || w.n > WATCHES_MAX) {
        fprintf(stderr, "usage: watchers ENDPOINTS 1..%d [BASE]\n",
                WATCHES_MAX);
        return 2;
    }
    options.endpoints = argv[1];
    if (uv_loop_init(&w.loop) || uv_signal_init(&w.loop, &w.on_term))
        return 1;
    w.on_term.data = &w;
    uv_signal_start(&w.on_term, on_term, SIGTERM);
    w.client = coat_client_new(&w.loop, &options, error, sizeof error);
    if (!w.client) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (unsigned i = 0; i < w.n; i++)
        watch(&w, i, argc > 3 ? argv[3] : "key:000000");
    uv_run(&w.loop, UV_RUN_DEFAULT);
    return 0;
}
