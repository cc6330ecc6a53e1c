/* cmd_dump.c - the command dump: keys as JSON lines, in key order.
 *
 * For --resume a file beside the dump remembers a cursor and how many bytes of
 * the dump belong to it; what was written behind them is cut off. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/jsonl.h"
#include "client/cli/keys.h"
#include "client/cli/progress.h"
#include "client/cli/range_options.h"

enum { KEY_RESUME = 300, SAVE_EVERY = 50000 };

struct dump_args {
    struct range_options range;
    const char *path;
    bool resume;
};

static const struct argp_option options[] = {
    {"resume", KEY_RESUME, NULL, 0,
     "Go on where an earlier dump of the same keys to this file ended "
     "(FILE.dumped says where)", 0},
    {0},
};

static const struct argp_child children[] = {
    {&range_argp, 0, "Which keys:", 5},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct dump_args *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->range;
        return 0;
    case KEY_RESUME:
        a->resume = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one file, please");
        a->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->path)
            argp_error(state, "to which file? (- for standard output)");
        if (a->resume && !strcmp(a->path, "-"))
            argp_error(state, "standard output cannot be resumed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "FILE|-",
    "Write all keys, or some, as JSON lines that load reads: "
    "{\"key\":\"k\",\"value\":\"v\"}, in key order; with deadline_ms if the "
    "key expires.\v"
    "A dump is not one moment: each page of keys is linearizable, see "
    "coatcheck scan --help.",
    children, NULL, NULL};

struct dump {
    struct cli *cli;
    const struct dump_args *args;
    FILE *out;
    char *cursor;       /* where it begins; NULL: at the first key */
    uint64_t count, began_at;
    struct progress progress;
};

static void state_path(const struct dump *d, char *path, size_t size)
{
    snprintf(path, size, "%s.dumped", d->args->path);
}

static void state_save(struct dump *d, const struct coat_scan *scan)
{
    char path[4096], other[4200], *cursor;
    FILE *f;

    if (d->out == d->cli->out || fflush(d->out))
        return;
    cursor = coat_scan_cursor(scan);
    state_path(d, path, sizeof path);
    snprintf(other, sizeof other, "%s.new", path);
    f = fopen(other, "w");
    if (f) {
        fprintf(f, "%lld %" PRIu64 " %s\n", (long long)ftello(d->out),
                d->began_at + d->count, cursor ? cursor : "");
        if (!fclose(f))
            (void)rename(other, path);
    }
    free(cursor);
}

/* Open the file where an earlier dump ended. */
static int resume(struct dump *d)
{
    char path[4096];
    long long size = -1;
    FILE *f;
    int n;

    state_path(d, path, sizeof path);
    f = fopen(path, "r");
    if (!f && errno == ENOENT)
        return EXIT_DONE; /* nothing yet: from the beginning */
    n = f ? fscanf(f, "%lld %" SCNu64 " %ms", &size, &d->began_at, &d->cursor)
          : 0;
    if (f)
        fclose(f);
    d->out = n == 3 && size >= 0 ? fopen(d->args->path, "r+") : NULL;
    if (!d->out || fseeko(d->out, 0, SEEK_END) || ftello(d->out) < size ||
        ftruncate(fileno(d->out), (off_t)size) ||
        fseeko(d->out, (off_t)size, SEEK_SET))
        return cli_error(d->cli, EXIT_USAGE,
                         "dump: %s does not fit %s: delete it to begin anew",
                         path, d->args->path);
    return EXIT_DONE;
}

static int file_open(struct dump *d)
{
    int code = EXIT_DONE;

    if (!strcmp(d->args->path, "-")) {
        d->out = d->cli->out;
        return EXIT_DONE;
    }
    if (d->args->resume)
        code = resume(d);
    if (code || d->out)
        return code;
    d->out = fopen(d->args->path, "w");
    return d->out ? EXIT_DONE
                  : cli_error(d->cli, EXIT_USAGE, "dump: cannot write %s: %s",
                              d->args->path, strerror(errno));
}

static enum coat_status entries_write(struct dump *d, struct coat_scan *scan)
{
    struct coat_entry e;
    enum coat_status rv;

    while (!(rv = coat_scan_next(scan, &e)) && !ferror(d->out)) {
        jsonl_write(d->out, slice_of(e.key.data, e.key.size),
                    slice_of(e.value.data, e.value.size), e.deadline);
        d->count++;
        if (d->count % SAVE_EVERY == 0)
            state_save(d, scan);
        progress_at(&d->progress, d->count, 0, 0);
    }
    if (rv != COAT_NOT_FOUND)
        state_save(d, scan);
    return rv;
}

static int dump_run(struct dump *d)
{
    struct coat_scan_options o = range_scan(&d->args->range);
    struct coat_scan *scan;
    struct keys k;
    enum coat_status rv;
    char path[4096];
    int code = EXIT_DONE;

    if (!keys_open(&k, d->cli))
        return EXIT_USAGE;
    o.cursor = d->cursor;
    rv = coat_scan_open(k.session, &o, &scan);
    if (!rv) {
        rv = entries_write(d, scan);
        coat_scan_close(scan);
    }
    progress_end(&d->progress, d->count);
    if (fflush(d->out) || ferror(d->out))
        code = cli_error(d->cli, EXIT_REFUSED, "dump: cannot write %s: %s",
                         d->args->path, strerror(errno));
    else if (rv != COAT_NOT_FOUND)
        code = cli_fail(d->cli, "dump", rv, coat_session_detail(k.session));
    state_path(d, path, sizeof path);
    if (!code && d->out != d->cli->out)
        (void)unlink(path);
    keys_close(&k);
    return code;
}

int cmd_dump(struct cli *cli, int argc, char **argv)
{
    struct dump_args a = {0};
    struct dump d = {.cli = cli, .args = &a};
    int code;

    if (argp_parse(&argp, argc, argv, 0, NULL, &a))
        return EXIT_USAGE;
    code = file_open(&d);
    if (!code) {
        progress_begin(&d.progress, cli->err, cli->err_is_terminal, "keys");
        code = dump_run(&d);
    }
    if (d.out && d.out != cli->out && fclose(d.out) && !code)
        code = cli_error(cli, EXIT_REFUSED, "dump: cannot write %s: %s",
                         a.path, strerror(errno));
    free(d.cursor);
    return code;
}
