/* ledger.c - a bank and some counters, to be run while things break.
 *
 *   ledger [--endpoint HOST:PORT,...] [--accounts A] [--concurrency C]
 *          [--timeout MS] [--log FILE]
 *
 * C clients until SIGTERM, each with one request at a time:
 *
 *   a transfer  moves money between two accounts in one transaction; half of
 *               them read the accounts first and are done only if both are as
 *               they were, the others add and subtract. Each also adds one to
 *               the number of transfers
 *   an audit    reads all accounts and that number in one transaction: the sum
 *               never changes, and the number lies between the transfers that
 *               had ended when it was asked and those that were begun when it
 *               was answered
 *   a count     adds one to a counter of another group; what it becomes is
 *               always more than before
 *
 * All keys of the bank share a hash tag. At the end each number is read back
 * and has to be exactly what was acknowledged; writes of unknown outcome may
 * count or not, and are told. FILE gets a line of figures now and then.
 *
 * Exits with 1 and says what was wrong as soon as anything is. Uses nothing but
 * the public library. */
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

enum { ACCOUNTS_MAX = 100, CLIENTS_MAX = 256, COUNTERS = 6, OPENING = 1000 };
enum { KEY_SIZE = 32, PAUSE_MS = 10, LOG_EVERY_MS = 50 };

enum kind { LOOK, EXCHANGE, ADD, AUDIT, COUNT };

struct client {
    struct ledger *l;
    uv_timer_t pause;
    enum kind kind;
    unsigned from, to, counter;
    int64_t amount, from_has, to_has;
    uint64_t ended_before; /* transfers, when the audit was asked */
    int64_t seen[COUNTERS];
};

struct ledger {
    uv_loop_t loop;
    uv_signal_t on_term;
    uv_timer_t log_timer;
    struct coat_client *library;
    struct client clients[CLIENTS_MAX];
    const char *endpoint, *log_path;
    FILE *log;
    unsigned accounts, concurrency, timeout, running;
    uint64_t random;
    uint64_t begun, transfers, unknown_transfers; /* of transfers */
    uint64_t counts, unknown_counts;
    uint64_t audits, conflicts, retried;
    bool stopping;
};

static unsigned below(struct ledger *l, unsigned bound)
{
    l->random = l->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((l->random >> 33) % bound);
}

static struct coat_bytes account(unsigned i, char *name)
{
    snprintf(name, KEY_SIZE, "{bank}%u", i);
    return COAT_STR(name);
}

static struct coat_bytes counter(unsigned i, char *name)
{
    snprintf(name, KEY_SIZE, "counter%u", i);
    return COAT_STR(name);
}

static const char done_key[] = "{bank}transfers";

static int64_t number_of(struct coat_bytes value)
{
    char text[32], *end;
    int64_t n;

    if (!value.size || value.size >= sizeof text)
        errx(1, "a number of %zu bytes", value.size);
    memcpy(text, value.data, value.size);
    text[value.size] = 0;
    n = strtoll(text, &end, 10);
    if (*end)
        errx(1, "'%s' is not a number", text);
    return n;
}

static struct coat_call call_of(const struct ledger *l)
{
    return (struct coat_call){.timeout = l->timeout};
}

static void submitted(enum coat_status rv)
{
    if (rv)
        errx(1, "cannot ask: %s", coat_status_text(rv));
}

/* ---- what came back ---- */

static void ask(struct client *c);

static void after_pause(uv_timer_t *timer)
{
    ask(timer->data);
}

static void ask_again(struct client *c, unsigned pause)
{
    uv_timer_start(&c->pause, after_pause, pause, 0);
}

/* What is there to do after any reply but a good one. */
static void refused(struct client *c, const struct coat_reply *r)
{
    struct ledger *l = c->l;

    switch (coat_status_retry(r->status)) {
    case COAT_RETRY_UNSAFE:
        l->unknown_transfers += c->kind == EXCHANGE || c->kind == ADD;
        l->unknown_counts += c->kind == COUNT;
        break;
    case COAT_RETRY_SAFE:
        break;
    default:
        errx(1, "%s %s", coat_status_text(r->status), r->detail);
    }
    if (c->kind == LOOK || c->kind == EXCHANGE)
        c->kind = AUDIT; /* look anew, some time */
    ask_again(c, PAUSE_MS);
}

/* The sum of the accounts in a transaction's results, and the number of
 * transfers, which stands behind them. */
static void check_books(const struct ledger *l, struct coat_bytes results,
                        uint64_t ended_before, uint64_t begun)
{
    static struct coat_reply out[ACCOUNTS_MAX + 1];
    int n = coat_transaction_results(results, NULL, out, l->accounts + 1);
    int64_t sum = 0, done;

    if (n != (int)l->accounts + 1)
        errx(1, "an audit has %d results", n);
    for (unsigned i = 0; i < l->accounts; i++)
        sum += number_of(out[i].value);
    if (sum != (int64_t)l->accounts * OPENING)
        errx(1, "the accounts hold %" PRId64 ", not %" PRId64, sum,
             (int64_t)l->accounts * OPENING);
    done = number_of(out[l->accounts].value);
    if ((uint64_t)done < ended_before || (uint64_t)done > begun)
        errx(1,
             "%" PRId64 " transfers are told, %" PRIu64 " had ended, %" PRIu64
             " were begun",
             done, ended_before, begun);
}

static void on_audit(const struct coat_reply *r, void *user)
{
    struct client *c = user;

    if (r->status) {
        refused(c, r);
        return;
    }
    check_books(c->l, r->value, c->ended_before, c->l->begun);
    c->l->audits++;
    ask_again(c, 0);
}

static void on_transfer(const struct coat_reply *r, void *user)
{
    struct client *c = user;
    int first = 0;

    c->l->retried += r->attempts > 1;
    if (r->status) {
        refused(c, r);
        return;
    }
    if (coat_transaction_results(r->value, &first, NULL, 0) < 0)
        errx(1, "a transfer has no results");
    if (first || c->kind == ADD)
        c->l->transfers++;
    else
        c->l->conflicts++;
    ask_again(c, 0);
}

static void on_count(const struct coat_reply *r, void *user)
{
    struct client *c = user;
    int64_t *seen = &c->seen[c->counter];

    c->l->retried += r->attempts > 1;
    if (r->status) {
        refused(c, r);
        return;
    }
    if (r->number <= *seen)
        errx(1, "counter %u went from %" PRId64 " to %" PRId64, c->counter,
             *seen, r->number);
    *seen = r->number;
    c->l->counts++;
    ask_again(c, 0);
}

/* ---- asking ---- */

static void audit_submit(struct ledger *l, coat_on_reply *on_reply, void *user)
{
    struct coat_transaction *t = coat_transaction_new();
    struct coat_call how = call_of(l);
    char name[KEY_SIZE];

    for (unsigned i = 0; i < l->accounts; i++)
        coat_transaction_get(t, account(i, name));
    coat_transaction_get(t, COAT_STR(done_key));
    submitted(coat_transact(l->library, t, &how, on_reply, user));
    coat_transaction_free(t);
}

/* Add and subtract, whatever is there. */
static void add_submit(struct client *c)
{
    struct coat_transaction *t = coat_transaction_new();
    struct coat_call how = call_of(c->l);
    char name[KEY_SIZE];

    c->l->begun++;
    coat_transaction_incr(t, account(c->from, name), -c->amount, NULL);
    coat_transaction_incr(t, account(c->to, name), c->amount, NULL);
    coat_transaction_incr(t, COAT_STR(done_key), 1, NULL);
    submitted(coat_transact(c->l->library, t, &how, on_transfer, c));
    coat_transaction_free(t);
}

static struct coat_bytes digits(int64_t n, char *text)
{
    snprintf(text, KEY_SIZE, "%" PRId64, n);
    return COAT_STR(text);
}

/* Only if both accounts are as they were seen. */
static void exchange_submit(struct client *c)
{
    struct coat_transaction *t = coat_transaction_new();
    struct coat_call how = call_of(c->l);
    char from[KEY_SIZE], to[KEY_SIZE], text[KEY_SIZE];

    c->kind = EXCHANGE;
    c->l->begun++;
    account(c->from, from);
    account(c->to, to);
    coat_transaction_if_value(t, COAT_STR(from), COAT_EQUAL,
                              digits(c->from_has, text));
    coat_transaction_if_value(t, COAT_STR(to), COAT_EQUAL,
                              digits(c->to_has, text));
    coat_transaction_set(t, COAT_STR(from),
                         digits(c->from_has - c->amount, text), NULL);
    coat_transaction_set(t, COAT_STR(to), digits(c->to_has + c->amount, text),
                         NULL);
    coat_transaction_incr(t, COAT_STR(done_key), 1, NULL);
    coat_transaction_else(t);
    coat_transaction_get(t, COAT_STR(from));
    submitted(coat_transact(c->l->library, t, &how, on_transfer, c));
    coat_transaction_free(t);
}

static void on_look(const struct coat_reply *r, void *user)
{
    struct client *c = user;
    struct coat_reply out[2];

    if (r->status) {
        refused(c, r);
        return;
    }
    if (coat_transaction_results(r->value, NULL, out, 2) != 2)
        errx(1, "a look at two accounts has not two results");
    c->from_has = number_of(out[0].value);
    c->to_has = number_of(out[1].value);
    exchange_submit(c);
}

static void look_submit(struct client *c)
{
    struct coat_transaction *t = coat_transaction_new();
    struct coat_call how = call_of(c->l);
    char name[KEY_SIZE];

    coat_transaction_get(t, account(c->from, name));
    coat_transaction_get(t, account(c->to, name));
    submitted(coat_transact(c->l->library, t, &how, on_look, c));
    coat_transaction_free(t);
}

static void count_submit(struct client *c)
{
    struct coat_call how = call_of(c->l);
    char name[KEY_SIZE];

    c->counter = below(c->l, COUNTERS);
    submitted(coat_incr(c->l->library, counter(c->counter, name), 1, NULL,
                        &how, on_count, c));
}

static void end(struct ledger *l);

static void ask(struct client *c)
{
    static const enum kind kinds[] = {LOOK, LOOK, ADD, ADD, AUDIT, AUDIT,
                                      COUNT, COUNT, COUNT, COUNT};
    struct ledger *l = c->l;

    if (l->stopping) {
        if (!--l->running)
            end(l);
        return;
    }
    c->kind = kinds[below(l, sizeof kinds / sizeof *kinds)];
    c->from = below(l, l->accounts);
    c->to = (c->from + 1 + below(l, l->accounts - 1)) % l->accounts;
    c->amount = 1 + below(l, 9);
    c->ended_before = l->transfers;
    if (c->kind == LOOK)
        look_submit(c);
    else if (c->kind == ADD)
        add_submit(c);
    else if (c->kind == AUDIT)
        audit_submit(l, on_audit, c);
    else
        count_submit(c);
}

/* ---- the beginning ---- */

static void on_opened(const struct coat_reply *r, void *user)
{
    struct ledger *l = user;

    if (r->status)
        errx(1, "opening the accounts: %s %s", coat_status_text(r->status),
             r->detail);
    for (unsigned i = 0; i < l->concurrency; i++)
        ask(&l->clients[i]);
}

static void open_accounts(struct ledger *l)
{
    struct coat_transaction *t = coat_transaction_new();
    struct coat_call how = call_of(l);
    char name[KEY_SIZE], text[KEY_SIZE];

    for (unsigned i = 0; i < l->accounts; i++)
        coat_transaction_set(t, account(i, name), digits(OPENING, text), NULL);
    coat_transaction_set(t, COAT_STR(done_key), COAT_STR("0"), NULL);
    submitted(coat_transact(l->library, t, &how, on_opened, l));
    coat_transaction_free(t);
}

/* ---- the end ---- */

static void on_close(void *user)
{
    struct ledger *l = user;

    for (unsigned i = 0; i < l->concurrency; i++)
        uv_close((uv_handle_t *)&l->clients[i].pause, NULL);
    uv_close((uv_handle_t *)&l->on_term, NULL);
    uv_close((uv_handle_t *)&l->log_timer, NULL);
}

struct last {
    struct ledger *l;
    unsigned open;
    int64_t sum;
} last;

static void on_last_counter(size_t place, const struct coat_reply *r,
                            void *user)
{
    struct last *end = user;

    (void)place;
    if (r->status == COAT_OK)
        end->sum += number_of(r->value);
    else if (r->status != COAT_NOT_FOUND)
        errx(1, "reading a counter: %s", coat_status_text(r->status));
}

static void on_last_counters(void *user)
{
    struct last *end = user;
    const struct ledger *l = end->l;

    if ((uint64_t)end->sum < l->counts ||
        (uint64_t)end->sum > l->counts + l->unknown_counts)
        errx(1,
             "%" PRIu64 " counts (and %" PRIu64
             " unknown), the sum is %" PRId64,
             l->counts, l->unknown_counts, end->sum);
    coat_client_close(l->library, on_close, end->l);
}

static void on_last_audit(const struct coat_reply *r, void *user)
{
    struct last *end = user;
    struct ledger *l = end->l;
    static char names[COUNTERS][KEY_SIZE];
    struct coat_bytes keys[COUNTERS];
    struct coat_call how = call_of(l);

    if (r->status)
        errx(1, "the last audit: %s %s", coat_status_text(r->status),
             r->detail);
    check_books(l, r->value, l->transfers,
                l->transfers + l->unknown_transfers);
    for (unsigned i = 0; i < COUNTERS; i++)
        keys[i] = counter(i, names[i]);
    submitted(coat_mget(l->library, keys, COUNTERS, &how, on_last_counter,
                        on_last_counters, end, NULL));
}

static void end(struct ledger *l)
{
    last = (struct last){.l = l};
    audit_submit(l, on_last_audit, &last);
}

/* ---- main ---- */

static void on_term(uv_signal_t *s, int number)
{
    struct ledger *l = s->data;

    (void)number;
    l->stopping = true;
}

static void figures(const struct ledger *l, FILE *f)
{
    fprintf(f, "transfers=%" PRIu64 " audits=%" PRIu64 " counts=%" PRIu64
               " conflicts=%" PRIu64 " retried=%" PRIu64 " unknown=%" PRIu64
               "\n",
            l->transfers, l->audits, l->counts, l->conflicts, l->retried,
            l->unknown_transfers + l->unknown_counts);
    fflush(f);
}

static void on_log(uv_timer_t *timer)
{
    const struct ledger *l = timer->data;

    rewind(l->log);
    figures(l, l->log);
}

static unsigned number(const char *option, const char *text, unsigned long min,
                       unsigned long max)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);

    if (*rest || !*text || n < min || n > max)
        errx(1, "--%s takes %lu to %lu, not '%s'", option, min, max, text);
    return (unsigned)n;
}

static void parse(struct ledger *l, int argc, char **argv)
{
    static const struct option list[] = {
        {"endpoint", 1, 0, 'e'},    {"accounts", 1, 0, 'a'},
        {"concurrency", 1, 0, 'c'}, {"timeout", 1, 0, 't'},
        {"log", 1, 0, 'l'},         {0}};
    int c, i = 0;

    while ((c = getopt_long(argc, argv, "", list, &i)) != -1) {
        const char *name = list[i].name;
        switch (c) {
        case 'e': l->endpoint = optarg; break;
        case 'l': l->log_path = optarg; break;
        case 'a': l->accounts = number(name, optarg, 2, ACCOUNTS_MAX); break;
        case 'c': l->concurrency = number(name, optarg, 1, CLIENTS_MAX); break;
        case 't': l->timeout = number(name, optarg, 1, 600000); break;
        default: exit(2);
        }
    }
}

static void begin(struct ledger *l)
{
    struct coat_options options = COAT_OPTIONS;
    char error[COAT_ERROR_MAX];

    if (uv_loop_init(&l->loop) || uv_signal_init(&l->loop, &l->on_term) ||
        uv_timer_init(&l->loop, &l->log_timer))
        errx(1, "cannot make an event loop");
    l->on_term.data = l->log_timer.data = l;
    l->running = l->concurrency;
    for (unsigned i = 0; i < l->concurrency; i++) {
        l->clients[i].l = l;
        l->clients[i].pause.data = &l->clients[i];
        uv_timer_init(&l->loop, &l->clients[i].pause);
    }
    uv_signal_start(&l->on_term, on_term, SIGTERM);
    if (l->log)
        uv_timer_start(&l->log_timer, on_log, LOG_EVERY_MS, LOG_EVERY_MS);
    options.endpoints = l->endpoint;
    options.attempts_max = 100000; /* replies are lost all the time */
    l->library = coat_client_new(&l->loop, &options, error, sizeof error);
    if (!l->library)
        errx(1, "%s", error);
    open_accounts(l);
}

int main(int argc, char **argv)
{
    static struct ledger l = {.accounts = 12, .concurrency = 16,
                              .timeout = 60000};

    parse(&l, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    l.random = uv_hrtime();
    if (l.log_path && !(l.log = fopen(l.log_path, "w")))
        errx(1, "cannot open %s", l.log_path);
    begin(&l);
    uv_run(&l.loop, UV_RUN_DEFAULT);
    figures(&l, stdout);
    return 0;
}
