/* cmd_scan.c - the commands scan and count. */
#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"
#include "client/cli/range_options.h"

enum { KEY_LIMIT = 300, KEY_LIMIT_BYTES, KEY_KEYS, KEY_CURSOR, KEY_SHOW };

struct scan_args {
    struct range_options range;
    uint64_t limit, limit_bytes;
    bool reverse, keys, show_cursor;
    const char *cursor;
};

static const struct argp_option scan_options[] = {
    {"limit", KEY_LIMIT, "N", 0, "At most so many keys", 0},
    {"limit-bytes", KEY_LIMIT_BYTES, "SIZE", 0,
     "End with the entry that makes it so many bytes of keys and values, as "
     "64K, 20M", 0},
    {"reverse", 'r', NULL, 0, "From the last key to the first", 0},
    {"keys", KEY_KEYS, NULL, 0, "Only the keys, no values", 0},
    {"cursor", KEY_CURSOR, "TEXT", 0,
     "Go on where another scan of the same keys ended", 0},
    {"show-cursor", KEY_SHOW, NULL, 0,
     "At the end tell on standard error where it ended", 0},
    {0},
};

static const struct argp_child children[] = {
    {&range_argp, 0, "Which keys:", 5},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

static error_t take_keys(int key, char *arg, struct argp_state *state,
                         struct range_options *range)
{
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = range;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one prefix or pattern, please");
        if (range->prefix || range->match)
            argp_error(state, "'%s', or --prefix or --match, not both", arg);
        range_take(range, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t scan_take(int key, char *arg, struct argp_state *state)
{
    struct scan_args *a = state->input;

    switch (key) {
    case KEY_LIMIT:
        if (!parse_u64(arg, &a->limit) || !a->limit)
            argp_error(state, "--limit is a number above 0, not '%s'", arg);
        return 0;
    case KEY_LIMIT_BYTES:
        if (!parse_size(arg, &a->limit_bytes) || !a->limit_bytes)
            argp_error(state, "--limit-bytes is a size such as 20M, not '%s'",
                       arg);
        return 0;
    case 'r':
        a->reverse = true;
        return 0;
    case KEY_KEYS:
        a->keys = true;
        return 0;
    case KEY_CURSOR:
        a->cursor = arg;
        return 0;
    case KEY_SHOW:
        a->show_cursor = true;
        return 0;
    default:
        return take_keys(key, arg, state, &a->range);
    }
}

static const struct argp scan_argp = {
    scan_options, scan_take, "[PREFIX|PATTERN]",
    "Print KEY TAB VALUE for all keys in their order, or for those that begin "
    "with PREFIX, or match PATTERN (an argument with * ? or [ in it). Tabs, "
    "line ends and bytes that are no text are escaped unless -o raw; -o json "
    "writes one object per line.\v"
    "Keys come page by page: each page is linearizable, all together are not "
    "one moment. If it cannot go on, or is interrupted by Ctrl-C, it tells on "
    "standard error the cursor with which another scan goes on.",
    children, NULL, NULL};

static void entry_print(struct cli *cli, const struct coat_entry *e, bool keys)
{
    struct slice key = slice_of(e->key.data, e->key.size);
    struct slice value = slice_of(e->value.data, e->value.size);
    json_t *j;

    if (cli->output == OUTPUT_JSON) {
        j = json_object();
        json_set_bytes(j, "key", key);
        if (keys)
            json_object_set_new(j, "size",
                                json_integer((json_int_t)e->value_size));
        else
            json_set_bytes(j, "value", value);
        json_object_set_new(j, "version", json_u64(e->version));
        if (e->deadline)
            json_object_set_new(j, "deadline_ms", json_u64(e->deadline));
        json_print_line(j, cli->out);
        return;
    }
    text_print(cli, key);
    if (!keys) {
        fputc('\t', cli->out);
        text_print(cli, value);
    }
    fputc('\n', cli->out);
}

static void cursor_show(struct cli *cli, const struct coat_scan *scan)
{
    char *cursor = coat_scan_cursor(scan);

    fprintf(cli->err, "cursor: %s\n", cursor);
    free(cursor);
}

static volatile sig_atomic_t stopped;

static void on_signal(int signal UNUSED)
{
    stopped = 1;
}

/* Until there are no more (NOT_FOUND), or something ends it. `*n`: how many. */
static enum coat_status entries_print(struct cli *cli, struct coat_scan *scan,
                                      bool keys, uint64_t *n)
{
    /* RESTART: what is being written is written, as the cursor is behind it. A
     * reader who takes nothing is left by a second Ctrl-C. */
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    struct sigaction before;
    struct coat_entry entry;
    enum coat_status rv = COAT_OK;

    stopped = 0;
    *n = 0;
    sigaction(SIGINT, &action, &before);
    for (; !stopped && !ferror(cli->out) &&
           !(rv = coat_scan_next(scan, &entry)); ++*n)
        entry_print(cli, &entry, keys);
    sigaction(SIGINT, &before, NULL);
    return rv;
}

int cmd_scan(struct cli *cli, int argc, char **argv)
{
    struct scan_args a = {0};
    struct coat_scan_options o;
    struct coat_scan *scan;
    uint64_t n;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &scan_argp, argc, argv, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    o = range_scan(&a.range);
    o.flags = (a.reverse ? COAT_REVERSE : 0u) | (a.keys ? COAT_KEYS_ONLY : 0u);
    o.limit = a.limit;
    o.limit_bytes = a.limit_bytes;
    o.cursor = a.cursor;
    rv = coat_scan_open(k.session, &o, &scan);
    if (!rv) {
        rv = entries_print(cli, scan, a.keys, &n);
        if (a.show_cursor || stopped || (n && rv && rv != COAT_NOT_FOUND))
            cursor_show(cli, scan);
        coat_scan_close(scan);
        if (rv == COAT_NOT_FOUND)
            rv = COAT_OK; /* there are no more */
    }
    if (rv)
        code = cli_fail(cli, "scan", rv, coat_session_detail(k.session));
    keys_close(&k);
    return code;
}

/* ---- count ---- */

static error_t count_take(int key, char *arg, struct argp_state *state)
{
    return take_keys(key, arg, state, state->input);
}

static const struct argp count_argp = {
    NULL, count_take, "[PREFIX|PATTERN]",
    "Print how many keys there are, or how many begin with PREFIX, or match "
    "PATTERN (an argument with * ? or [ in it). They are counted where they "
    "are.",
    children, NULL, NULL};

int cmd_count(struct cli *cli, int argc, char **argv)
{
    struct range_options range = {0};
    struct coat_scan_options o;
    struct keys k;
    uint64_t count = 0;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &count_argp, argc, argv, &range) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    o = range_scan(&range);
    rv = coat_count_wait(k.session, &o, &count);
    if (rv) {
        code = cli_fail(cli, "count", rv, coat_session_detail(k.session));
    } else if (cli->output == OUTPUT_JSON) {
        json_t *j = json_object();
        json_object_set_new(j, "count", json_u64(count));
        json_print(j, cli->out);
    } else {
        fprintf(cli->out, "%" PRIu64 "\n", count);
    }
    keys_close(&k);
    return code;
}
