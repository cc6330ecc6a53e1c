/* example.c - a coat check with a counter: the whole library in one page.
 *
 *     cc example.c -o example $(pkg-config --cflags --libs coatcheck)
 *     ./example 127.0.0.1:7410
 *
 * First the blocking functions, then the same asynchronously. */
#include <signal.h>
#include <stdio.h>
#include <uv.h>

#include <coatcheck.h>

/* ---- blocking ---- */

static int blocking(const struct coat_options *options)
{
    char error[COAT_ERROR_MAX];
    struct coat_session *s = coat_connect(options, error, sizeof error);
    struct coat_value value = {0};
    enum coat_status rv;
    uint64_t version;

    if (!s) {
        fprintf(stderr, "cannot connect: %s\n", error);
        return 1;
    }
    rv = coat_set_wait(s, COAT_STR("ticket 7"), COAT_STR("blue coat"), NULL,
                       &version);
    if (rv == COAT_UNKNOWN) {
        /* It may have happened: setting the same again does no harm. */
        rv = coat_set_wait(s, COAT_STR("ticket 7"), COAT_STR("blue coat"),
                           NULL, &version);
    }
    if (!rv)
        rv = coat_get_wait(s, COAT_STR("ticket 7"), NULL, &value);
    if (rv)
        fprintf(stderr, "%s: %s\n", coat_status_text(rv),
                coat_session_detail(s));
    else
        printf("ticket 7: %.*s\n", (int)value.size, (const char *)value.data);
    coat_value_release(&value);
    coat_disconnect(s);
    return rv != COAT_OK;
}

/* ---- asynchronous: a hundred writes under way at once ---- */

enum { TICKETS = 100 };

struct counter {
    struct coat_client *client;
    unsigned ended, failed;
};

static void on_set(const struct coat_reply *reply, void *user)
{
    struct counter *counter = user;

    counter->ended++;
    if (reply->status != COAT_OK) {
        counter->failed++;
        fprintf(stderr, "%s: %s\n", coat_status_text(reply->status),
                reply->detail);
    }
    if (counter->ended == TICKETS)
        coat_client_close(counter->client, NULL, NULL);
}

static int asynchronous(const struct coat_options *options)
{
    char error[COAT_ERROR_MAX], key[32];
    struct counter counter = {0};
    uv_loop_t loop;

    if (uv_loop_init(&loop))
        return 1;
    counter.client = coat_client_new(&loop, options, error, sizeof error);
    if (!counter.client) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (unsigned i = 0; i < TICKETS; i++) {
        snprintf(key, sizeof key, "ticket %u", i);
        /* Keys and values are copied; the answer comes from the loop. */
        if (coat_set(counter.client, COAT_STR(key), COAT_STR("a coat"), NULL,
                     on_set, &counter))
            return 1;
    }
    uv_run(&loop, UV_RUN_DEFAULT); /* until the client is closed */
    uv_loop_close(&loop);
    printf("%u of %u coats kept\n", TICKETS - counter.failed, TICKETS);
    return counter.failed != 0;
}

int main(int argc, char **argv)
{
    struct coat_options options = COAT_OPTIONS;

    signal(SIGPIPE, SIG_IGN); /* a lost connection is a status, not a signal */
    if (argc > 1)
        options.endpoints = argv[1];
    return blocking(&options) || asynchronous(&options);
}
