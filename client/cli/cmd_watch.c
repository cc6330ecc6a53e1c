/* cmd_watch.c - the command watch: one line per change until it is stopped. */
#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"
#include "client/cli/range_options.h"

enum { KEY_PREFIX = 300, KEY_FROM, KEY_TO, KEY_TAG, KEY_CURSOR, KEY_AFTER,
       KEY_PREVIOUS };
enum { LOOK_UP_MS = 200 };

struct watch_args {
    const char *key, *prefix, *from, *to, *tag, *cursor;
    bool previous;
    uint64_t count, after;
};

static const struct argp_option options[] = {
    {"prefix", KEY_PREFIX, "PREFIX", 0, "Keys that begin so", 0},
    {"from", KEY_FROM, "KEY", 0, "This key and those behind it", 0},
    {"to", KEY_TO, "KEY", 0, "Keys before this one", 0},
    {"tag", KEY_TAG, "KEY", 0, "Only in the group of this key, as {cart7}", 0},
    {"cursor", KEY_CURSOR, "TEXT", 0, "Go on where another watch ended", 0},
    {"after", KEY_AFTER, "VERSION", 0, "What changed behind this version, as "
     "get -o json or an event tells it; of a KEY or with --tag", 0},
    {"previous", KEY_PREVIOUS, NULL, 0, "Tell what was there before, too", 0},
    {"count", 'n', "N", 0, "End after so many events", 0},
    {0},
};

/* The first * ? or [ that is not escaped; the end, if there is none. */
static const char *wildcard(const char *at)
{
    for (; *at && !strchr("*?[", *at); at++)
        if (*at == '\\' && at[1])
            at++;
    return at;
}

/* As in a scan \* stands for the * itself where there are * ? or [; but of
 * patterns only PREFIX* can be watched. */
static void take_key(struct watch_args *a, char *arg,
                     const struct argp_state *state)
{
    const char *wild = wildcard(arg);
    bool prefix = *wild, escapes = strpbrk(arg, "*?[");
    char *to = arg;

    if (!*arg)
        argp_error(state, "the key is empty; '*' is all keys");
    if (prefix && strcmp(wild, "*") != 0)
        argp_error(state, "'%s': only a KEY or PREFIX* can be watched, no "
                          "other pattern; \\%c is the %c itself",
                   arg, *wild, *wild);
    for (const char *at = arg; at < wild; at++) {
        if (escapes && *at == '\\' && at + 1 < wild)
            at++;
        *to++ = *at;
    }
    *to = 0;
    if (prefix)
        a->prefix = arg;
    else
        a->key = arg;
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct watch_args *a = state->input;

    range_refuse_empty(options, "'*'", key, arg, state);
    switch (key) {
    case KEY_PREFIX:
        a->prefix = arg;
        return 0;
    case KEY_FROM:
        a->from = arg;
        return 0;
    case KEY_TO:
        a->to = arg;
        return 0;
    case KEY_TAG:
        a->tag = arg;
        return 0;
    case KEY_CURSOR:
        a->cursor = arg;
        return 0;
    case KEY_AFTER:
        if (!parse_u64(arg, &a->after) || !a->after)
            argp_error(state, "--after is a version, not '%s'", arg);
        return 0;
    case KEY_PREVIOUS:
        a->previous = true;
        return 0;
    case 'n':
        if (!parse_u64(arg, &a->count) || !a->count)
            argp_error(state, "--count is a number above 0, not '%s'", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one key, or a prefix with * behind it, please");
        if (a->prefix)
            argp_error(state, "'%s' or --prefix, not both", arg);
        take_key(a, arg, state);
        return 0;
    case ARGP_KEY_END:
        if ((a->key && (a->prefix || a->from || a->to)) ||
            (a->prefix && (a->from || a->to)))
            argp_error(state, "a key, a prefix or a range, not several");
        if (a->after && a->cursor)
            argp_error(state, "--after or --cursor, not both");
        if (a->after && !a->key && !a->tag)
            argp_error(state, "versions count in one group: --after needs a "
                              "KEY or --tag");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "[KEY|PREFIX*]",
    "Print each change of KEY, of the keys that begin with PREFIX, or of all "
    "keys, from now on: EVENT TAB KEY TAB VERSION TAB VALUE, where EVENT is "
    "put, delete or expire. \\* stands for the * of a key itself. With "
    "--previous the value before stands behind, "
    "unless there was none; \\... if it is larger than 1 MiB. "
    "-o json writes one object per line.\v"
    "When it ends, also by Ctrl-C, it tells on standard error the cursor with "
    "which another watch goes on. Changes of one group come in their order; "
    "none is left out: if they are too old, it ends instead, and says so.",
    cli_common, NULL, NULL};

static volatile sig_atomic_t stopped;

static void on_signal(int signal UNUSED)
{
    stopped = 1;
}

static const char *name_of(enum coat_event_kind kind)
{
    return kind == COAT_EVENT_PUT      ? "put"
           : kind == COAT_EVENT_DELETE ? "delete"
                                       : "expire";
}

static void event_json(struct cli *cli, const struct coat_event *e)
{
    json_t *j = json_object();

    json_object_set_new(j, "event", json_string(name_of(e->kind)));
    json_set_bytes(j, "key", slice_of(e->key.data, e->key.size));
    json_object_set_new(j, "version", json_u64(e->version));
    json_object_set_new(j, "group", json_integer(e->group));
    if (e->kind == COAT_EVENT_PUT)
        json_set_bytes(j, "value", slice_of(e->value.data, e->value.size));
    if (e->before == COAT_BEFORE_VALUE)
        json_set_bytes(j, "previous",
                       slice_of(e->previous.data, e->previous.size));
    else if (e->before == COAT_BEFORE_NOTHING)
        json_object_set_new(j, "previous", json_null());
    else if (e->before == COAT_BEFORE_LARGE)
        json_object_set_new(j, "previous_too_large", json_true());
    json_print_line(j, cli->out);
}

static void event_print(struct cli *cli, const struct coat_event *e)
{
    if (cli->output == OUTPUT_JSON) {
        event_json(cli, e);
    } else {
        fprintf(cli->out, "%s\t", name_of(e->kind));
        text_print(cli, slice_of(e->key.data, e->key.size));
        fprintf(cli->out, "\t%" PRIu64 "\t", e->version);
        text_print(cli, slice_of(e->value.data, e->value.size));
        if (e->before == COAT_BEFORE_VALUE) {
            fputc('\t', cli->out);
            text_print(cli, slice_of(e->previous.data, e->previous.size));
        } else if (e->before == COAT_BEFORE_LARGE) {
            fputs("\t\\...", cli->out);
        }
        fputc('\n', cli->out);
    }
    fflush(cli->out);
}

static struct coat_bytes bytes_of(const char *text)
{
    return text ? COAT_STR(text) : COAT_BYTES(NULL, 0);
}

static struct coat_watch_options watch_options(const struct watch_args *a)
{
    struct coat_watch_options o = COAT_WATCH_OPTIONS;

    o.key = bytes_of(a->key);
    o.prefix = bytes_of(a->prefix);
    o.begin = bytes_of(a->from);
    o.end = bytes_of(a->to);
    o.tag = bytes_of(a->tag);
    o.flags = a->previous ? COAT_WATCH_PREVIOUS : 0;
    o.cursor = a->cursor;
    o.after = a->after;
    return o;
}

static enum coat_status follow(struct cli *cli, struct coat_watch *watch,
                               uint64_t count)
{
    uint64_t told = 0;
    struct coat_event event;
    enum coat_status rv;

    while (!stopped && !ferror(cli->out) && (!count || told < count)) {
        rv = coat_watch_next(watch, LOOK_UP_MS, &event);
        if (rv == COAT_TIMEOUT)
            continue;
        if (rv)
            return rv;
        event_print(cli, &event);
        told++;
    }
    return COAT_OK;
}

static void cursor_show(struct cli *cli, const struct coat_watch *watch)
{
    char *cursor = coat_watch_cursor(watch);

    fprintf(cli->err, "cursor: %s\n", cursor);
    free(cursor);
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
    struct watch_args a = {0};
    /* RESTART: an event that is being written is written, as the cursor is
     * behind it. A reader who takes nothing is left by a second Ctrl-C. */
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    struct sigaction int_before, term_before;
    struct coat_watch_options o;
    struct coat_watch *watch;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &argp, argc, argv, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    stopped = 0; /* a shell may run many */
    sigaction(SIGINT, &action, &int_before);
    sigaction(SIGTERM, &action, &term_before);
    o = watch_options(&a);
    rv = coat_watch_open(k.session, &o, &watch);
    if (!rv) {
        rv = follow(cli, watch, a.count);
        cursor_show(cli, watch);
        coat_watch_close(watch);
    }
    if (rv)
        code = cli_fail(cli, "watch", rv, coat_session_detail(k.session));
    sigaction(SIGINT, &int_before, NULL);
    sigaction(SIGTERM, &term_before, NULL);
    keys_close(&k);
    return code;
}
