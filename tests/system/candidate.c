/* candidate.c - one of several who want to lead, and a careless one.
 *
 *   candidate HOST:PORT,... ELECTION KEY TTL_MS
 *
 * Campaigns until SIGTERM. As the leader it writes its token under KEY, again
 * and again, fenced by it; told that it does not lead any more it goes on all
 * the same, as a program that sleeps between looking and writing would, until
 * a write is refused. Says, a line each:
 *
 *   leads TOKEN   it was elected
 *   wrote TOKEN   the first write with this token was acknowledged
 *   deposed       it was told so
 *   fenced TOKEN  a write with this token was refused
 *
 * Uses nothing but the public library. */
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "client/coatcheck.h"

enum { PAUSE_MS = 10 };

struct candidate {
    uv_loop_t loop;
    uv_signal_t on_term;
    uv_timer_t pause;
    struct coat_client *client;
    struct coat_election *election;
    const char *key;
    uint64_t token;   /* to write with; 0: none */
    uint64_t writing; /* of the write under way; 0: there is none */
    uint64_t wrote;   /* the last one that was told */
    bool ending;
};

static void after_pause(uv_timer_t *timer);

static void on_written(const struct coat_reply *reply, void *user)
{
    struct candidate *c = user;
    uint64_t token = c->writing;

    c->writing = 0;
    if (reply->status == COAT_FENCED) {
        printf("fenced %" PRIu64 "\n", token);
        c->token = c->token == token ? 0 : c->token;
    } else if (reply->status == COAT_OK && token != c->wrote) {
        printf("wrote %" PRIu64 "\n", token);
        c->wrote = token;
    }
    if (!c->ending)
        uv_timer_start(&c->pause, after_pause, PAUSE_MS, 0);
}

static void write_on(struct candidate *c)
{
    struct coat_write with = {.flags = COAT_IF_FENCE, .fence = c->token};
    char text[24];

    if (!c->token || c->writing || c->ending)
        return;
    snprintf(text, sizeof text, "%" PRIu64, c->token);
    c->writing = c->token;
    if (coat_set_with(c->client, COAT_STR(c->key), COAT_STR(text), &with, NULL,
                      on_written, c))
        errx(1, "cannot write: %s", coat_client_refusal(c->client));
}

static void after_pause(uv_timer_t *timer)
{
    write_on(timer->data);
}

static void on_change(uint64_t token, void *user)
{
    struct candidate *c = user;

    if (!token) {
        printf("deposed\n");
        return;
    }
    printf("leads %" PRIu64 "\n", token);
    c->token = token;
    write_on(c);
}

static void on_ended(void *user)
{
    struct candidate *c = user;

    coat_client_close(c->client, NULL, NULL);
    uv_close((uv_handle_t *)&c->pause, NULL);
    uv_close((uv_handle_t *)&c->on_term, NULL);
}

static void on_term(uv_signal_t *signal, int number)
{
    struct candidate *c = signal->data;

    (void)number;
    if (!c->ending)
        coat_election_end(c->election, on_ended, c);
    c->ending = true;
}

int main(int argc, char **argv)
{
    char error[COAT_ERROR_MAX], owner[32];
    struct coat_options options = COAT_OPTIONS;
    struct candidate c = {0};

    if (argc != 5)
        errx(2, "usage: candidate HOST:PORT,... ELECTION KEY TTL_MS");
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    c.key = argv[3];
    options.endpoints = argv[1];
    if (uv_loop_init(&c.loop) || uv_signal_init(&c.loop, &c.on_term) ||
        uv_timer_init(&c.loop, &c.pause) ||
        uv_signal_start(&c.on_term, on_term, SIGTERM))
        errx(1, "no loop");
    c.on_term.data = c.pause.data = &c;
    c.client = coat_client_new(&c.loop, &options, error, sizeof error);
    if (!c.client)
        errx(1, "%s", error);
    snprintf(owner, sizeof owner, "candidate %ld", (long)uv_os_getpid());
    c.election = coat_election_new(c.client, COAT_STR(argv[2]),
                                   COAT_STR(owner), strtoull(argv[4], NULL, 10),
                                   on_change, &c);
    if (!c.election)
        errx(2, "no such election, or a ttl below 100");
    uv_run(&c.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&c.loop) ? 1 : 0;
}
