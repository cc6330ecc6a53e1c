/* cmd_load.c - the command load: JSON lines into the cluster, many at once.
 *
 * Lines are written in any order, so what is remembered for --resume is the
 * first line that is not known to be written. Loading a line twice is
 * harmless. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "client/cli/beside.h"
#include "client/cli/cli.h"
#include "client/cli/jsonl.h"
#include "client/cli/parse.h"
#include "client/cli/progress.h"

enum { WINDOW_DEFAULT = 2048, WINDOW_MAX = 65536, SAVE_EVERY = 20000 };
enum { KEY_WINDOW = 300, KEY_RESUME };

struct load_args {
    const char *path;
    bool resume;
    uint64_t window;
};

static const struct argp_option options[] = {
    {"resume", KEY_RESUME, NULL, 0,
     "Go on where an earlier load of this file ended (FILE.loaded says where)",
     0},
    {"window", KEY_WINDOW, "N", 0, "Writes under way at once (default: 2048)",
     0},
    {0},
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct load_args *a = state->input;

    switch (key) {
    case KEY_RESUME:
        a->resume = true;
        return 0;
    case KEY_WINDOW:
        if (!parse_u64(arg, &a->window) || !a->window ||
            a->window > WINDOW_MAX)
            argp_error(state, "--window is 1 to %d, not '%s'", WINDOW_MAX,
                       arg);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one file, please");
        a->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->path)
            argp_error(state, "which file?");
        if (a->resume && !strcmp(a->path, "-"))
            argp_error(state, "standard input cannot be resumed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "FILE|-",
    "Write the keys of a file of JSON lines, as dump makes them: "
    "{\"key\":\"k\",\"value\":\"v\"}, with key_base64 and value_base64 for "
    "bytes that are no text, and deadline_ms or ttl_ms if the key expires.\v"
    "Stops at the first line that cannot be written, and says which; all lines "
    "before it were written. With --resume it goes on there.",
    cli_common, NULL, NULL};

struct load {
    struct cli *cli;
    const struct load_args *args;
    uv_loop_t loop;
    struct coat_client *client;
    FILE *in;
    uint64_t size;          /* of the file; 0: unknown */
    uint64_t offset;        /* read so far */
    uint64_t line;          /* read so far */
    uint64_t first_open;    /* lines before it are written */
    struct slot {
        struct load *load;
        uint64_t line, end; /* `end`: offset behind it */
        bool done;
    } *ring;                /* by line mod window */
    uint64_t open_offset;   /* offset where first_open begins */
    uint64_t saved;         /* first_open when it was remembered */
    uint64_t failed_line;
    enum coat_status failed;
    char detail[COAT_ERROR_MAX];
    struct progress progress;
};

/* ---- what is remembered ---- */

static void state_save(struct load *l)
{
    if (l->in == stdin)
        return;
    beside_write(l->args->path, "loaded",
                 "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", l->first_open,
                 l->open_offset, l->size);
    l->saved = l->first_open;
}

static void state_drop(const struct load *l)
{
    if (l->in != stdin)
        beside_drop(l->args->path, "loaded");
}

static int state_load(struct load *l)
{
    FILE *f = beside_open(l->args->path, "loaded");
    uint64_t lines, offset, size;
    int n;

    if (!f && errno == ENOENT)
        return EXIT_DONE; /* nothing yet: from the beginning */
    n = f ? fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &lines, &offset,
                   &size)
          : 0;
    if (f)
        fclose(f);
    if (n != 3 || offset > l->size || size > l->size ||
        fseeko(l->in, (off_t)offset, SEEK_SET))
        return cli_error(l->cli, EXIT_USAGE,
                         "load: %s.loaded does not fit %s: delete it to begin "
                         "anew", l->args->path, l->args->path);
    l->line = l->first_open = l->saved = lines;
    l->offset = l->open_offset = offset;
    return EXIT_DONE;
}

/* ---- lines ---- */

static void on_written(const struct coat_reply *r, void *user)
{
    struct slot *s = user;
    struct load *l = s->load;

    s->done = r->status == COAT_OK;
    if (!s->done && (!l->failed || s->line < l->failed_line)) {
        l->failed = r->status;
        l->failed_line = s->line;
        snprintf(l->detail, sizeof l->detail, "%s", r->detail);
    }
    while (l->first_open < l->line) {
        struct slot *first = &l->ring[l->first_open % l->args->window];
        if (!first->done)
            break;
        l->open_offset = first->end;
        l->first_open++;
    }
}

static int line_write(struct load *l, struct slice line)
{
    static struct jsonl j;
    struct slot *s = &l->ring[l->line % l->args->window];
    const char *why = jsonl_read(line, &j);
    struct coat_write with = {.deadline = j.deadline, .ttl = j.ttl};
    enum coat_status rv;

    if (why)
        return cli_error(l->cli, EXIT_USAGE, "load: line %" PRIu64 ": %s",
                         l->line + 1, why);
    *s = (struct slot){l, l->line, l->offset, false};
    rv = coat_set_with(l->client, COAT_BYTES(j.key.data, j.key.size),
                       COAT_BYTES(j.value.data, j.value.size), &with, NULL,
                       on_written, s);
    if (!rv) {
        l->line++;
        return EXIT_DONE;
    }
    if (rv == COAT_BUSY && l->first_open < l->line) {
        uv_run(&l->loop, UV_RUN_ONCE); /* too many bytes under way */
        return line_write(l, line);
    }
    l->failed = rv;
    l->failed_line = l->line;
    return EXIT_DONE;
}

static void drain(struct load *l)
{
    while (coat_outstanding(l->client))
        uv_run(&l->loop, UV_RUN_ONCE);
}

static int lines_write(struct load *l)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int code = EXIT_DONE;

    while (!code && !l->failed && (n = getline(&line, &cap, l->in)) > 0) {
        l->offset += (uint64_t)n;
        while (l->line - l->first_open >= l->args->window && !l->failed)
            uv_run(&l->loop, UV_RUN_ONCE);
        if (l->failed)
            break;
        code = line_write(l, slice_of(line, (size_t)n));
        if (l->line % 256 == 0) /* replies come while lines are read */
            uv_run(&l->loop, UV_RUN_NOWAIT);
        progress_at(&l->progress, l->first_open, l->open_offset, l->size);
        if (l->first_open - l->saved >= SAVE_EVERY)
            state_save(l);
    }
    if (!code && ferror(l->in))
        code = cli_error(l->cli, EXIT_USAGE, "load: cannot read %s: %s",
                         l->args->path, strerror(errno));
    drain(l);
    free(line);
    return code;
}

/* ---- the whole ---- */

static int file_open(struct load *l)
{
    struct stat st;

    if (!strcmp(l->args->path, "-")) {
        l->in = stdin;
        return EXIT_DONE;
    }
    l->in = fopen(l->args->path, "r");
    if (!l->in || fstat(fileno(l->in), &st))
        return cli_error(l->cli, EXIT_USAGE, "load: cannot open %s: %s",
                         l->args->path, strerror(errno));
    l->size = (uint64_t)st.st_size;
    if (l->args->resume)
        return state_load(l);
    state_drop(l); /* of another load: --resume shall not go on there */
    return EXIT_DONE;
}

static int client_open(struct load *l)
{
    struct coat_options o = cli_options(l->cli);
    char error[COAT_ERROR_MAX];

    if (uv_loop_init(&l->loop))
        abort(); /* libuv knows no failure here but want of memory */
    o.requests_max = (unsigned)l->args->window;
    l->client = coat_client_new(&l->loop, &o, error, sizeof error);
    return l->client ? EXIT_DONE
                     : cli_error(l->cli, EXIT_USAGE, "load: %s", error);
}

static void load_close(struct load *l)
{
    if (l->client) {
        coat_client_close(l->client, NULL, NULL);
        while (uv_run(&l->loop, UV_RUN_DEFAULT))
            ;
        (void)uv_loop_close(&l->loop);
    }
    if (l->in && l->in != stdin)
        fclose(l->in);
    free(l->ring);
}

static int finish(struct load *l, int code)
{
    char what[64];

    progress_end(&l->progress, l->first_open);
    if (!code && !l->failed) {
        state_drop(l);
        return EXIT_DONE;
    }
    state_save(l);
    if (l->failed) {
        snprintf(what, sizeof what, "load: line %" PRIu64,
                 l->failed_line + 1);
        code = cli_fail(l->cli, what, l->failed, l->detail);
    }
    return code;
}

int cmd_load(struct cli *cli, int argc, char **argv)
{
    struct load_args a = {.window = WINDOW_DEFAULT};
    struct load l = {.cli = cli, .args = &a};
    int code;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    l.ring = xcalloc(a.window, sizeof *l.ring);
    code = file_open(&l);
    if (!code)
        code = client_open(&l);
    if (!code) {
        progress_begin(&l.progress, cli->err, cli->err_is_terminal, "keys");
        code = finish(&l, lines_write(&l));
    }
    load_close(&l);
    return code;
}
