/* record.c - real clients that write down what they asked and were told.
 *
 *   recorder --history FILE [--endpoint host:port,...] [--keys K]
 *            [--concurrency C] [--process P] [--timeout MS] [--value-size B]
 *            [--think MS] [--at-most-once]
 *
 * C clients, numbered from P on, each with one request at a time on one of K
 * keys, and MS milliseconds before the next, until SIGTERM. FILE gets a line
 * per request in the format of tests/check/text.h, for coat_check: places are
 * versions, times nanoseconds of CLOCK_MONOTONIC, so that the files of several
 * recorders are one history. Every written value is another one; there are
 * conditional sets and sets that tell what was there before, too, and counters
 * on keys of their own (from K on). What certainly was not executed is left
 * out. A client that gets no answer starts again under a new number, as a
 * process that gave up would.
 *
 * Uses nothing but the public library: what is proved here, a client can rely
 * on. */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "client/coatcheck.h"

enum { VALUE_SIZE_MAX = 1 << 16, CLIENTS_MAX = 1024, KEY_SIZE = 32,
       KEYS_MAX = 100000, COUNTERS = 2 };
enum { PAUSE_MS = 10 }; /* after a refusal */

enum kind { GET, SET, DELETE, ADD, CAS, SWAP };

/* What stands for "nothing" and "anything" where a value is expected. */
static const uint64_t ABSENT = 0, PRESENT = UINT64_MAX;

struct options {
    const char *endpoint, *history;
    unsigned keys, concurrency, process, timeout, value_size, think;
    bool at_most_once;
};

struct client {
    struct recorder *r;
    uv_timer_t pause;
    enum kind kind;
    unsigned key, process;
    uint64_t value, expect, called;
};

struct recorder {
    struct options o;
    uv_loop_t loop;
    uv_signal_t on_term;
    struct coat_client *library;
    struct client *clients;
    FILE *history;
    uint64_t random, values;
    unsigned running, processes;
    uint64_t done, unknown, refused;
    bool stopping;
    uint64_t seen[KEYS_MAX]; /* a value that the key had some time */
    char value[VALUE_SIZE_MAX + 1], other[VALUE_SIZE_MAX + 1];
};

static unsigned below(struct recorder *r, unsigned bound)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((r->random >> 33) % bound);
}

/* ---- ending ---- */

static void on_close(void *user)
{
    struct recorder *r = user;

    for (unsigned i = 0; i < r->o.concurrency; i++)
        uv_close((uv_handle_t *)&r->clients[i].pause, NULL);
    uv_close((uv_handle_t *)&r->on_term, NULL);
}

static void one_less(struct recorder *r)
{
    if (--r->running)
        return;
    coat_client_close(r->library, on_close, r);
    r->library = NULL;
}

static void stop(uv_signal_t *s, int number)
{
    struct recorder *r = s->data;

    (void)number;
    r->stopping = true;
}

/* ---- writing down ---- */

static void write_seen(const struct client *c, const struct coat_reply *reply)
{
    FILE *f = c->r->history;
    const char *text = reply->value.data;
    size_t n = 0;

    if (c->kind != GET && c->kind != ADD && c->kind != SWAP)
        return;
    while (n < reply->value.size && text[n] != ' ')
        n++;
    if (c->kind == ADD)
        fprintf(f, " seen=%" PRId64, reply->number);
    else if (!reply->has_value)
        fprintf(f, " seen=absent");
    else
        fprintf(f, " seen=%.*s", (int)n, text);
}

static void write_down(const struct client *c, const char *outcome,
                       const struct coat_reply *reply)
{
    static const char *const kinds[] = {"get", "set", "delete",
                                        "add", "cas", "swap"};
    struct recorder *r = c->r;
    bool ended = strcmp(outcome, "unknown") != 0;

    fprintf(r->history, "%s %u %u %" PRIu64, kinds[c->kind], c->key,
            c->process, c->called);
    if (ended)
        fprintf(r->history, " %" PRIu64 " %s", uv_hrtime(), outcome);
    else
        fprintf(r->history, " - %s", outcome);
    if (c->kind != GET && c->kind != DELETE)
        fprintf(r->history, " value=%" PRIu64, c->value);
    if (c->kind == CAS && c->expect == ABSENT)
        fprintf(r->history, " expect=absent");
    else if (c->kind == CAS && c->expect == PRESENT)
        fprintf(r->history, " expect=present");
    else if (c->kind == CAS)
        fprintf(r->history, " expect=%" PRIu64, c->expect);
    if (ended)
        write_seen(c, reply);
    if (ended && reply->status == COAT_OK && reply->version)
        fprintf(r->history, " at=0/%" PRIu64 "/%s", reply->version,
                c->kind == GET ? "last" : "0");
    fputc('\n', r->history);
    if (ferror(r->history))
        errx(1, "cannot write %s", r->o.history);
}

/* ---- asking ---- */

static void ask(struct client *c);

static void after_pause(uv_timer_t *timer)
{
    ask(timer->data);
}

/* A number and a space, then padding; a counter is a number alone. */
static void check_value(const struct client *c, const struct coat_bytes *got)
{
    if (c->key >= c->r->o.keys)
        return;
    if (got->size != c->r->o.value_size || !memchr(got->data, ' ', got->size))
        errx(1, "key %u holds %zu bytes that nobody here wrote", c->key,
             got->size);
}

static void answered(const struct coat_reply *reply, void *user)
{
    struct client *c = user;
    struct recorder *r = c->r;
    unsigned pause = r->o.think;

    if (reply->status == COAT_OK || reply->status == COAT_NOT_FOUND ||
        reply->status == COAT_NOT_MET) {
        if (c->kind == GET && reply->status == COAT_OK)
            check_value(c, &reply->value);
        if (c->kind != DELETE && c->key < r->o.keys &&
            reply->status == COAT_OK)
            r->seen[c->key] = c->kind == GET
                                  ? strtoull(reply->value.data, NULL, 10)
                                  : c->value;
        write_down(c, reply->status == COAT_NOT_MET ||
                              (c->kind == DELETE &&
                               reply->status == COAT_NOT_FOUND)
                          ? "no" : "yes", reply);
        r->done++;
    } else if (coat_status_retry(reply->status) == COAT_RETRY_UNSAFE) {
        if (c->kind != GET)
            write_down(c, "unknown", reply);
        c->process = r->o.process + r->processes++;
        r->unknown++;
        pause += PAUSE_MS;
    } else if (coat_status_retry(reply->status) == COAT_RETRY_SAFE) {
        r->refused++;
        pause += PAUSE_MS;
    } else {
        errx(1, "key %u: %s %s", c->key, coat_status_text(reply->status),
             reply->detail);
    }
    if (r->stopping)
        one_less(r);
    else
        uv_timer_start(&c->pause, after_pause, pause, 0);
}

static struct coat_bytes value_text(const struct recorder *r, uint64_t value,
                                    char *out)
{
    int n = snprintf(out, VALUE_SIZE_MAX, "%" PRIu64 " ", value);

    memset(out + n, 'v', r->o.value_size - (size_t)n);
    return COAT_BYTES(out, r->o.value_size);
}

/* If absent, if present, if it is still what somebody saw. */
static enum coat_status conditional(struct client *c, struct coat_bytes key,
                                    struct coat_bytes value,
                                    const struct coat_call *how)
{
    struct recorder *r = c->r;
    struct coat_write with = {.flags = COAT_IF_VALUE};

    c->expect = below(r, 4) ? r->seen[c->key] : PRESENT;
    if (c->expect == ABSENT)
        with.flags = COAT_IF_ABSENT;
    else if (c->expect == PRESENT)
        with.flags = COAT_IF_PRESENT;
    else
        with.if_value = value_text(r, c->expect, r->other);
    return coat_set_with(r->library, key, value, &with, how, answered, c);
}

static enum coat_status submit(struct client *c, struct coat_bytes key,
                               const struct coat_call *how)
{
    const struct coat_write previous = {.flags = COAT_PREVIOUS};
    struct recorder *r = c->r;
    struct coat_bytes value;

    if (c->kind == GET)
        return coat_get(r->library, key, how, answered, c);
    if (c->kind == DELETE)
        return coat_delete(r->library, key, how, answered, c);
    if (c->kind == ADD) {
        c->value = 1 + below(r, 2);
        return coat_incr(r->library, key, (int64_t)c->value, NULL, how,
                         answered, c);
    }
    c->value = ((uint64_t)r->o.process << 32) + ++r->values;
    value = value_text(r, c->value, r->value);
    if (c->kind == SET)
        return coat_set(r->library, key, value, how, answered, c);
    if (c->kind == CAS)
        return conditional(c, key, value, how);
    return coat_set_with(r->library, key, value, &previous, how, answered, c);
}

static void ask(struct client *c)
{
    struct recorder *r = c->r;
    struct coat_call how = {.timeout = r->o.timeout};
    char name[KEY_SIZE];
    enum coat_status rv;
    unsigned what = below(r, 100);

    if (r->stopping) {
        one_less(r);
        return;
    }
    if (what < 15) {
        c->key = r->o.keys + below(r, COUNTERS);
        c->kind = what < 5 ? GET : ADD;
    } else {
        c->key = below(r, r->o.keys);
        c->kind = what < 50   ? GET
                  : what < 75 ? SET
                  : what < 83 ? DELETE
                  : what < 93 ? CAS
                              : SWAP;
    }
    snprintf(name, sizeof name, "recorded-%u", c->key);
    c->called = uv_hrtime();
    rv = submit(c, COAT_STR(name), &how);
    if (rv)
        errx(1, "cannot ask: %s", coat_status_text(rv));
}

/* ---- main ---- */

static unsigned number(const char *option, const char *text, unsigned long min,
                       unsigned long max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end || !*text || n < min || n > max)
        errx(1, "--%s takes %lu to %lu, not '%s'", option, min, max, text);
    return (unsigned)n;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option list[] = {
        {"endpoint", 1, 0, 'e'},    {"history", 1, 0, 'h'},
        {"keys", 1, 0, 'k'},        {"concurrency", 1, 0, 'c'},
        {"process", 1, 0, 'p'},     {"timeout", 1, 0, 't'},
        {"value-size", 1, 0, 'v'},  {"think", 1, 0, 'T'},
        {"at-most-once", 0, 0, '1'}, {0}};
    int c, i = 0;

    *o = (struct options){.keys = 20, .concurrency = 8, .timeout = 2000,
                          .value_size = 100, .think = 5};
    while ((c = getopt_long(argc, argv, "", list, &i)) != -1) {
        const char *name = list[i].name;
        switch (c) {
        case 'e': o->endpoint = optarg; break;
        case 'h': o->history = optarg; break;
        case 'k': o->keys = number(name, optarg, 1, KEYS_MAX); break;
        case 'c': o->concurrency = number(name, optarg, 1, CLIENTS_MAX); break;
        case 'p': o->process = number(name, optarg, 0, 1000000); break;
        case '1': o->at_most_once = true; break;
        case 'T': o->think = number(name, optarg, 0, 60000); break;
        case 't': o->timeout = number(name, optarg, 1, 600000); break;
        case 'v':
            o->value_size = number(name, optarg, 24, VALUE_SIZE_MAX);
            break;
        default: exit(2);
        }
    }
    if (!o->history)
        errx(1, "--history FILE is needed");
}

static void begin(struct recorder *r)
{
    r->clients = calloc(r->o.concurrency, sizeof *r->clients);
    if (!r->clients)
        errx(1, "out of memory");
    r->running = r->o.concurrency;
    for (unsigned i = 0; i < r->o.concurrency; i++) {
        struct client *c = &r->clients[i];
        *c = (struct client){.r = r,
                             .process = r->o.process + r->processes++};
        uv_timer_init(&r->loop, &c->pause);
        c->pause.data = c;
        ask(c);
    }
}

int main(int argc, char **argv)
{
    static struct recorder r;
    struct coat_options options = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    parse(&r.o, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    r.random = uv_hrtime();
    r.history = fopen(r.o.history, "w");
    if (!r.history)
        errx(1, "cannot open %s", r.o.history);
    fputs("places version\n", r.history);
    if (uv_loop_init(&r.loop) || uv_signal_init(&r.loop, &r.on_term))
        errx(1, "cannot make an event loop");
    r.on_term.data = &r;
    uv_signal_start(&r.on_term, stop, SIGTERM);
    options.endpoints = r.o.endpoint;
    options.at_most_once = r.o.at_most_once;
    r.library = coat_client_new(&r.loop, &options, error, sizeof error);
    if (!r.library)
        errx(1, "%s", error);
    begin(&r);
    uv_run(&r.loop, UV_RUN_DEFAULT);
    if (fclose(r.history))
        errx(1, "cannot write %s", r.o.history);
    printf("recorded %" PRIu64 " requests, %" PRIu64 " of unknown outcome, %"
           PRIu64 " refused\n", r.done, r.unknown, r.refused);
    return 0;
}
