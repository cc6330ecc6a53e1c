/* cmd_dump.c - the command dump: keys as JSON lines, in key order.
 *
 * For --resume a file beside the dump remembers a cursor and how many bytes of
 * the dump belong to it; what was written behind them is cut off. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/beside.h"
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
    long long size;     /* of the file there */
    uint64_t count, began_at;
    struct progress progress;
};

static void state_save(struct dump *d, const struct coat_scan *scan)
{
    char *cursor;

    if (d->out == d->cli->out || fflush(d->out))
        return;
    cursor = coat_scan_cursor(scan);
    beside_write(d->args->path, "dumped", "%lld %" PRIu64 " %s\n",
                 (long long)ftello(d->out), d->began_at + d->count,
                 cursor ? cursor : "");
    free(cursor);
}

static int misfit(const struct dump *d)
{
    return cli_error(d->cli, EXIT_USAGE,
                     "dump: %s.dumped does not fit %s, or was of other keys: "
                     "delete it to begin anew", d->args->path, d->args->path);
}

/* Where an earlier dump ended: the cursor there, and the file's size. */
static int state_load(struct dump *d)
{
    FILE *f = beside_open(d->args->path, "dumped");
    struct stat st;
    int n;

    if (!f && errno == ENOENT)
        return EXIT_DONE; /* nothing yet: from the beginning */
    n = f ? fscanf(f, "%lld %" SCNu64 " %ms", &d->size, &d->began_at,
                   &d->cursor)
          : 0;
    if (f)
        fclose(f);
    return n == 3 && d->size >= 0 && !stat(d->args->path, &st) &&
                   d->size <= st.st_size
               ? EXIT_DONE
               : misfit(d);
}

static int file_open(struct dump *d)
{
    if (!strcmp(d->args->path, "-")) {
        d->out = d->cli->out;
        return EXIT_DONE;
    }
    if (d->cursor) {
        d->out = fopen(d->args->path, "r+");
        if (!d->out || ftruncate(fileno(d->out), (off_t)d->size) ||
            fseeko(d->out, (off_t)d->size, SEEK_SET))
            return misfit(d);
        return EXIT_DONE;
    }
    d->out = fopen(d->args->path, "w");
    if (!d->out)
        return cli_error(d->cli, EXIT_USAGE, "dump: cannot write %s: %s",
                         d->args->path, strerror(errno));
    /* Of another dump: --resume shall not go on there. */
    beside_drop(d->args->path, "dumped");
    return EXIT_DONE;
}

/* `rv` and `e`: what the scan gave first. */
static enum coat_status entries_write(struct dump *d, struct coat_scan *scan,
                                      enum coat_status rv, struct coat_entry e)
{
    for (; !rv && !ferror(d->out); rv = coat_scan_next(scan, &e)) {
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
    struct coat_scan *scan = NULL;
    struct coat_entry first;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (!keys_open(&k, d->cli))
        return EXIT_USAGE;
    o.cursor = d->cursor;
    rv = coat_scan_open(k.session, &o, &scan);
    if (!rv)
        rv = coat_scan_next(scan, &first);
    /* Until here the file is as it was: another dump may be in it, and the
     * cluster not there. */
    if (!rv || rv == COAT_NOT_FOUND)
        code = file_open(d);
    if (!code && d->out) {
        progress_begin(&d->progress, d->cli->err, d->cli->err_is_terminal,
                       "keys");
        rv = entries_write(d, scan, rv, first);
        progress_end(&d->progress, d->count);
        /* What standard output lost is told at the end of the program. */
        if (d->out != d->cli->out && (fflush(d->out) || ferror(d->out)))
            code = cli_error(d->cli, EXIT_REFUSED, "dump: cannot write %s: %s",
                             d->args->path, strerror(errno));
    }
    coat_scan_close(scan);
    if (!code && rv == COAT_BAD_CURSOR)
        code = misfit(d);
    else if (!code && rv && rv != COAT_NOT_FOUND)
        code = cli_fail(d->cli, "dump", rv, coat_session_detail(k.session));
    if (!code && d->out != d->cli->out)
        beside_drop(d->args->path, "dumped");
    keys_close(&k);
    return code;
}

int cmd_dump(struct cli *cli, int argc, char **argv)
{
    struct dump_args a = {0};
    struct dump d = {.cli = cli, .args = &a};
    int code;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    code = a.resume ? state_load(&d) : EXIT_DONE;
    if (!code)
        code = dump_run(&d);
    if (d.out && d.out != cli->out && fclose(d.out) && !code)
        code = cli_error(cli, EXIT_REFUSED, "dump: cannot write %s: %s",
                         a.path, strerror(errno));
    free(d.cursor);
    return code;
}
