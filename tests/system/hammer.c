/* hammer.c - a load tool that remembers what was acknowledged.
 *
 *   hammer write  --journal FILE --keys N [--from I] [--concurrency C]
 *   hammer verify --journal FILE [--concurrency C] [--stale]
 *   hammer pulse  --journal FILE --rate R --seconds S KEY...
 *   all: [--endpoint host:port,...] [--value-size B] [--give-up S]
 *
 * write: keys number I to I+N-1, each written until it is acknowledged. A value
 * is derived from its key's number and the attempt, so that a value found later
 * tells which attempt it is. Safe failures are repeated as the same attempt, an
 * unknown outcome as the next one. Every acknowledgement is appended to the
 * journal as one record before more is sent; SIGTERM ends it early.
 *
 * verify: every key of the journal must be there with the value of the
 * acknowledged attempt, or of one whose outcome was unknown (it may have
 * taken effect late). Keys that never were acknowledged may be there or not.
 *
 * pulse: writes each KEY at a constant rate whether replies come or not, and
 * prints one line per ended write: key number, submit and end time in
 * nanoseconds of CLOCK_MONOTONIC, status name.
 *
 * Uses nothing but the public library: what it proves, a client can rely on. */
#include <assert.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "client/coatcheck.h"

enum {
    VALUE_SIZE_MAX = 1 << 20,
    ATTEMPTS_MAX = 32, /* as many as a record has bits for */
    FLUSH_RECORDS = 1024,
    NEVER = UINT32_MAX,
};

/* The journal is an array of these, in the machine's own byte order. */
struct record {
    uint64_t key;
    uint32_t attempt; /* the acknowledged one; NEVER: none */
    uint32_t unknown; /* bit n: attempt n ended unknown */
};

struct options {
    const char *mode, *endpoint, *journal;
    char **names; /* pulse: the keys */
    uint64_t keys, from, rate, seconds, give_up;
    unsigned n_names, concurrency, value_size;
    bool stale;
};

struct task {
    struct hammer *h;
    uint64_t key;
    uint64_t since; /* ns: when it was first submitted */
    uint32_t attempt, unknown;
};

struct hammer {
    struct options o;
    uv_loop_t loop;
    uv_prepare_t before_poll;
    uv_timer_t tick;
    uv_signal_t on_term;
    struct coat_client *client;
    struct task *tasks;
    struct record *records; /* verify: the journal, key by key */
    struct record batch[FLUSH_RECORDS];
    unsigned batched, running;
    size_t n_records, next;
    int journal;
    uint64_t started, done, unknowns, wrong, gap_max, last_ack, sent;
    bool stopping, closed;
    char value[VALUE_SIZE_MAX];
};

/* ---- keys and values ---- */

static struct coat_bytes key_text(uint64_t key, char out[32])
{
    int n = snprintf(out, 32, "hammer-%010" PRIu64, key);

    return COAT_BYTES(out, (size_t)n);
}

/* Readable in front, then noise that differs for each key and attempt. */
static struct coat_bytes value_of(uint64_t key, uint32_t attempt,
                                  unsigned size, char *out)
{
    uint64_t x = (key + 1) * 0x9e3779b97f4a7c15u + attempt;
    int head = snprintf(out, size + 1, "%" PRIu64 " attempt %" PRIu32 " ", key,
                        attempt);

    for (unsigned i = (unsigned)head; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out[i] = (char)x;
    }
    return COAT_BYTES(out, size);
}

/* ---- the journal ---- */

static void journal_flush(struct hammer *h)
{
    const char *p = (const char *)h->batch;
    size_t left = h->batched * sizeof h->batch[0];

    while (left) {
        ssize_t n = write(h->journal, p, left);
        if (n <= 0)
            errx(1, "cannot write the journal %s", h->o.journal);
        p += n;
        left -= (size_t)n;
    }
    h->batched = 0;
}

static void journal_add(struct hammer *h, const struct task *t, uint32_t acked)
{
    if (h->batched == FLUSH_RECORDS)
        journal_flush(h);
    h->batch[h->batched++] = (struct record){t->key, acked, t->unknown};
}

static void journal_load(struct hammer *h)
{
    FILE *f = fopen(h->o.journal, "rb");
    size_t capacity = 0;

    if (!f)
        errx(1, "cannot read the journal %s", h->o.journal);
    for (;;) {
        if (h->n_records == capacity) {
            capacity = capacity ? 2 * capacity : 4096;
            h->records = realloc(h->records, capacity * sizeof h->records[0]);
            if (!h->records)
                errx(1, "out of memory");
        }
        if (fread(&h->records[h->n_records], sizeof h->records[0], 1, f) != 1)
            break;
        h->n_records++;
    }
    fclose(f);
    if (!h->n_records)
        errx(1, "the journal %s is empty", h->o.journal);
}

/* ---- running ---- */

static void on_close(void *user)
{
    struct hammer *h = user;

    h->closed = true;
    uv_close((uv_handle_t *)&h->before_poll, NULL);
    uv_close((uv_handle_t *)&h->tick, NULL);
    uv_close((uv_handle_t *)&h->on_term, NULL);
}

static void finish_if_idle(struct hammer *h)
{
    if (h->running || !h->client)
        return;
    coat_client_close(h->client, on_close, h);
    h->client = NULL;
}

static void stop(uv_signal_t *s, int number)
{
    struct hammer *h = s->data;

    (void)number;
    h->stopping = true;
    finish_if_idle(h);
}

/* Before the loop waits: what was acknowledged reaches the file. */
static void before_poll(uv_prepare_t *p)
{
    journal_flush(p->data);
}

static void write_submit(struct task *t);

/* Give the task its next key, or end it. */
static void write_next(struct task *t)
{
    struct hammer *h = t->h;

    if (h->stopping || h->next == h->o.keys) {
        h->running--;
        finish_if_idle(h);
        return;
    }
    *t = (struct task){.h = h, .key = h->o.from + h->next++,
                       .since = uv_hrtime()};
    write_submit(t);
}

static void write_ended(const struct coat_reply *r, void *user)
{
    struct task *t = user;
    struct hammer *h = t->h;
    uint64_t now = uv_hrtime();

    if (r->status == COAT_OK) {
        journal_add(h, t, t->attempt);
        h->done++;
        if (now - h->last_ack > h->gap_max)
            h->gap_max = now - h->last_ack;
        h->last_ack = now;
        write_next(t);
        return;
    }
    if (coat_status_retry(r->status) == COAT_RETRY_NO)
        errx(1, "key %" PRIu64 ": %s %s", t->key, coat_status_text(r->status),
             r->detail);
    if (coat_status_retry(r->status) == COAT_RETRY_UNSAFE) {
        t->unknown |= 1u << t->attempt++;
        h->unknowns++;
    }
    if (h->stopping || t->attempt == ATTEMPTS_MAX) {
        journal_add(h, t, NEVER);
        write_next(t);
        return;
    }
    if (now - t->since > h->o.give_up * 1000000000u)
        errx(1, "key %" PRIu64 " was not acknowledged for %" PRIu64 " s: %s %s",
             t->key, h->o.give_up, coat_status_text(r->status), r->detail);
    write_submit(t);
}

static void write_submit(struct task *t)
{
    struct hammer *h = t->h;
    char key[32];
    enum coat_status rv =
        coat_set(h->client, key_text(t->key, key),
                 value_of(t->key, t->attempt, h->o.value_size, h->value), NULL,
                 write_ended, t);

    if (rv)
        errx(1, "key %" PRIu64 ": %s", t->key, coat_status_text(rv));
}

/* ---- verify ---- */

static void verify_submit(struct task *t);

static void complain(struct hammer *h, const struct record *r,
                     const char *what)
{
    if (h->wrong++ < 10)
        printf("key %" PRIu64 ": %s (acknowledged attempt %" PRId32
               ", unknown attempts 0x%" PRIx32 ")\n",
               r->key, what, (int32_t)r->attempt, r->unknown);
}

static void check_value(struct hammer *h, const struct record *r,
                        const struct coat_bytes *got)
{
    for (uint32_t a = 0; a < ATTEMPTS_MAX; a++) {
        if (a != r->attempt && !(r->unknown & 1u << a))
            continue;
        value_of(r->key, a, h->o.value_size, h->value);
        if (got->size == h->o.value_size &&
            memcmp(got->data, h->value, got->size) == 0)
            return;
    }
    complain(h, r, "another value");
}

static void verify_next(struct task *t)
{
    struct hammer *h = t->h;

    if (h->next == h->n_records || h->stopping) {
        h->running--;
        finish_if_idle(h);
        return;
    }
    t->key = h->next++;
    t->since = uv_hrtime();
    verify_submit(t);
}

static void verify_ended(const struct coat_reply *reply, void *user)
{
    struct task *t = user;
    struct hammer *h = t->h;
    const struct record *r = &h->records[t->key];

    if (reply->status == COAT_OK) {
        check_value(h, r, &reply->value);
    } else if (reply->status == COAT_NOT_FOUND) {
        if (r->attempt != NEVER)
            complain(h, r, "LOST");
    } else if (uv_hrtime() - t->since < h->o.give_up * 1000000000u &&
               coat_status_retry(reply->status) != COAT_RETRY_NO) {
        verify_submit(t);
        return;
    } else {
        errx(1, "key %" PRIu64 ": %s %s", r->key,
             coat_status_text(reply->status), reply->detail);
    }
    h->done++;
    verify_next(t);
}

static void verify_submit(struct task *t)
{
    struct hammer *h = t->h;
    struct coat_call how = {.consistency =
                                h->o.stale ? COAT_STALE : COAT_LINEARIZABLE};
    char key[32];
    enum coat_status rv =
        coat_get(h->client, key_text(h->records[t->key].key, key), &how,
                 verify_ended, t);

    if (rv)
        errx(1, "get: %s", coat_status_text(rv));
}

/* ---- pulse ---- */

static void pulse_ended(const struct coat_reply *r, void *user)
{
    struct task *t = user;
    struct hammer *h = t->h;

    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", t->key, t->since,
           uv_hrtime(), coat_status_name(r->status));
    free(t);
    h->running--;
    h->done++;
    if (h->stopping)
        finish_if_idle(h);
}

/* Submits what is due by now, so that a late timer does not lower the rate. */
static void pulse(uv_timer_t *timer)
{
    struct hammer *h = timer->data;
    uint64_t now = uv_hrtime(), due;

    if (h->stopping || now - h->started > h->o.seconds * 1000000000u) {
        h->stopping = true;
        uv_timer_stop(timer);
        finish_if_idle(h);
        return;
    }
    due = (now - h->started) / 1000 * h->o.rate / 1000000;
    for (; h->sent < due; h->sent++) {
        for (unsigned i = 0; i < h->o.n_names; i++) {
            struct task *t = malloc(sizeof *t);
            struct coat_bytes value =
                value_of(h->sent, i, h->o.value_size, h->value);
            if (!t)
                errx(1, "out of memory");
            *t = (struct task){.h = h, .key = i, .since = now};
            h->running++;
            if (coat_set(h->client, COAT_STR(h->o.names[i]), value, NULL,
                         pulse_ended, t))
                errx(1, "too many writes are outstanding");
        }
    }
}

/* ---- main ---- */

static uint64_t number(const char *option, const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*end || !*text || n > UINT32_MAX)
        errx(1, "--%s takes a number, not '%s'", option, text);
    return n;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option list[] = {
        {"endpoint", 1, 0, 'e'},   {"journal", 1, 0, 'j'},
        {"keys", 1, 0, 'k'},       {"from", 1, 0, 'f'},
        {"concurrency", 1, 0, 'c'}, {"value-size", 1, 0, 'v'},
        {"rate", 1, 0, 'r'},       {"seconds", 1, 0, 's'},
        {"give-up", 1, 0, 'g'},    {"stale", 0, 0, 'S'},
        {0}};
    int c, i = 0;

    *o = (struct options){.concurrency = 64, .value_size = 100, .rate = 100,
                          .seconds = 10, .give_up = 60};
    while ((c = getopt_long(argc, argv, "", list, &i)) != -1) {
        const char *name = list[i].name;
        switch (c) {
        case 'e': o->endpoint = optarg; break;
        case 'j': o->journal = optarg; break;
        case 'k': o->keys = number(name, optarg); break;
        case 'f': o->from = number(name, optarg); break;
        case 'c': o->concurrency = (unsigned)number(name, optarg); break;
        case 'v': o->value_size = (unsigned)number(name, optarg); break;
        case 'r': o->rate = number(name, optarg); break;
        case 's': o->seconds = number(name, optarg); break;
        case 'g': o->give_up = number(name, optarg); break;
        case 'S': o->stale = true; break;
        default: exit(2);
        }
    }
    o->mode = optind < argc ? argv[optind] : "";
    o->names = argv + optind + 1;
    o->n_names = optind < argc ? (unsigned)(argc - optind - 1) : 0;
    if (o->value_size < 40 || o->value_size >= VALUE_SIZE_MAX)
        errx(1, "--value-size takes 40 to %d", VALUE_SIZE_MAX - 1);
    if (!o->concurrency || o->concurrency > 4096)
        errx(1, "--concurrency takes 1 to 4096");
    if (strcmp(o->mode, "pulse") != 0 && !o->journal)
        errx(1, "--journal FILE is needed");
}

static void start(struct hammer *h)
{
    bool verify = strcmp(h->o.mode, "verify") == 0;

    h->started = h->last_ack = uv_hrtime();
    if (strcmp(h->o.mode, "pulse") == 0) {
        uv_timer_start(&h->tick, pulse, 1, 1);
        return;
    }
    h->tasks = calloc(h->o.concurrency, sizeof *h->tasks);
    if (!h->tasks)
        errx(1, "out of memory");
    h->running = h->o.concurrency;
    for (unsigned i = 0; i < h->o.concurrency; i++) {
        h->tasks[i].h = h;
        (verify ? verify_next : write_next)(&h->tasks[i]);
    }
}

static void report(const struct hammer *h)
{
    double s = (double)(uv_hrtime() - h->started) / 1e9;

    if (strcmp(h->o.mode, "write") == 0)
        printf("wrote %" PRIu64 " keys in %.1f s (%.0f/s), %" PRIu64
               " attempts ended unknown, longest pause %.0f ms\n",
               h->done, s, (double)h->done / s, h->unknowns,
               (double)h->gap_max / 1e6);
    else if (strcmp(h->o.mode, "verify") == 0)
        printf("read %" PRIu64 " keys in %.1f s (%.0f/s), %" PRIu64
               " wrong or lost\n",
               h->done, s, (double)h->done / s, h->wrong);
}

int main(int argc, char **argv)
{
    static struct hammer h;
    struct coat_options options = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    parse(&h.o, argc, argv);
    h.journal = -1;
    if (strcmp(h.o.mode, "verify") == 0) {
        journal_load(&h);
    } else if (strcmp(h.o.mode, "write") == 0) {
        h.journal = open(h.o.journal, O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (h.journal < 0)
            errx(1, "cannot open the journal %s", h.o.journal);
    } else if (strcmp(h.o.mode, "pulse") != 0) {
        errx(1, "use write, verify or pulse, not '%s'", h.o.mode);
    }
    if (uv_loop_init(&h.loop) || uv_prepare_init(&h.loop, &h.before_poll) ||
        uv_timer_init(&h.loop, &h.tick) || uv_signal_init(&h.loop, &h.on_term))
        errx(1, "cannot make an event loop");
    h.before_poll.data = h.tick.data = h.on_term.data = &h;
    uv_prepare_start(&h.before_poll, before_poll);
    uv_signal_start(&h.on_term, stop, SIGTERM);
    options.endpoints = h.o.endpoint ? h.o.endpoint
                                     : getenv("COATCHECK_ENDPOINTS");
    h.client = coat_client_new(&h.loop, &options, error, sizeof error);
    if (!h.client)
        errx(1, "%s", error);
    start(&h);
    uv_run(&h.loop, UV_RUN_DEFAULT);
    assert(h.closed && !h.running);
    journal_flush(&h);
    report(&h);
    return h.wrong ? 1 : 0;
}
