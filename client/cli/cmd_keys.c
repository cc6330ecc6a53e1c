/* cmd_keys.c - the commands set, get and del. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/keys.h"
#include "client/cli/range_options.h"
#include "client/cli/write_options.h"

/* ---- set ---- */

struct set_args {
    const char *key, *value, *file;
    struct coat_write with;
};

enum { KEY_KEEP_TTL = 300 };

static const struct argp_option set_options[] = {
    {"file", 'f', "PATH", 0, "The value is this file's content", 0},
    {"keep-ttl", KEY_KEEP_TTL, NULL, 0, "Keep the deadline the key has", 0},
    {0},
};

static const struct argp_child children_of_set[] = {
    {&write_previous, 0, NULL, 0},
    {&write_conditions, 0, "Conditions:", 5},
    {&write_deadlines, 0, "Expiry:", 6},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

static error_t set_take(int key, char *arg, struct argp_state *state)
{
    struct set_args *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &a->with;
        state->child_inputs[2] = &a->with;
        return 0;
    case 'f':
        a->file = arg;
        return 0;
    case KEY_KEEP_TTL:
        a->with.flags |= COAT_KEEP_TTL;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            a->key = arg;
        else if (state->arg_num == 1)
            a->value = arg;
        else
            argp_error(state, "one key and one value, please");
        return 0;
    case ARGP_KEY_END:
        if (!a->key)
            argp_error(state, "which key?");
        if (!a->value == !a->file)
            argp_error(state, "the value is an argument, - or a --file");
        if (a->with.flags & COAT_KEEP_TTL && (a->with.ttl || a->with.deadline))
            argp_error(state, "--keep-ttl contradicts --ttl and --deadline");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp set_argp = {
    set_options, set_take, "KEY VALUE|-",
    "Write VALUE, or what comes on standard input, under KEY. (Before a VALUE "
    "that begins with - but is no number put --.)", children_of_set,
    NULL, NULL};

/* What a write answered; with --previous the old value. */
static void write_print(struct keys *k, struct slice key,
                        const struct coat_reply *r, const char *done)
{
    struct slice value = slice_of(r->value.data, r->value.size);
    json_t *j;

    if (k->cli->output == OUTPUT_JSON) {
        j = key_object(key, r->status, r->version);
        if (r->has_value)
            json_set_bytes(j, "previous", value);
        json_print(j, k->cli->out);
    } else if (r->has_value) {
        keys_print_value(k->cli, value);
    } else if (k->cli->output == OUTPUT_TABLE && r->status == COAT_OK) {
        fprintf(k->cli->out, "%s\n", done);
    }
}

int cmd_set(struct cli *cli, int argc, char **argv)
{
    struct set_args a = {0};
    struct keys k = {0};
    struct buf value = {0};
    const struct coat_reply *reply;
    enum coat_status rv;
    int code = EXIT_USAGE;

    if (cli_parse(cli, &set_argp, argc, argv, &a))
        return EXIT_USAGE;
    code = keys_read_value(cli, a.value, a.file, &value);
    if (code || !keys_open(&k, cli)) {
        buf_release(&value);
        return code ? code : EXIT_USAGE;
    }
    rv = coat_set_with(coat_session_client(k.session), COAT_STR(a.key),
                       COAT_BYTES(value.data, value.size), &a.with, NULL,
                       coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    if (rv == COAT_OK || reply->has_value)
        write_print(&k, slice_str(a.key), reply, "ok");
    if (rv)
        code = keys_fail(&k, "set", slice_str(a.key), rv);
    keys_close(&k);
    buf_release(&value);
    return code;
}

/* ---- get ---- */

struct get_args {
    const char *key, *file;
    bool stale;
};

static const struct argp_option get_options[] = {
    {"file", 'f', "PATH", 0, "Write the value into this file", 0},
    {"stale", 's', NULL, 0,
     "Read from any replica; cheaper, maybe a little old", 0},
    {0},
};

static error_t get_take(int key, char *arg, struct argp_state *state)
{
    struct get_args *a = state->input;

    switch (key) {
    case 'f':
        a->file = arg;
        return 0;
    case 's':
        a->stale = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one key, please");
        a->key = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which key?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp get_argp = {
    get_options, get_take, "KEY",
    "Print KEY's value, byte by byte; on a terminal with a newline behind it "
    "unless -o raw.", cli_common, NULL,
    NULL};

static void get_print(struct cli *cli, const char *key,
                      const struct coat_reply *reply)
{
    struct slice value = slice_of(reply->value.data, reply->value.size);
    json_t *j;

    if (cli->output != OUTPUT_JSON) {
        keys_print_value(cli, value);
        return;
    }
    j = key_object(slice_str(key), COAT_OK, reply->version);
    json_set_bytes(j, "value", value);
    if (reply->deadline)
        json_set_expiry(j, reply);
    json_print(j, cli->out);
}

static bool write_all(const char *path, struct slice value,
                      const struct stat *like)
{
    FILE *f = fopen(path, "wb");
    bool ok;

    if (!f)
        return false;
    ok = !like || !fchmod(fileno(f), like->st_mode & 07777);
    ok = ok && (!value.size ||
                fwrite(value.data, 1, value.size, f) == value.size);
    return !fclose(f) && ok;
}

static bool file_replace(const char *path, struct slice value,
                         const struct stat *like)
{
    struct buf other = {0};
    bool ok;
    int error;

    buf_append(&other, path, strlen(path));
    buf_append(&other, ".new", sizeof ".new");
    ok = write_all((char *)other.data, value, like);
    if (ok)
        ok = !rename((char *)other.data, path);
    if (!ok) {
        error = errno;
        (void)unlink((char *)other.data);
        errno = error;
    }
    buf_release(&other);
    return ok;
}

/* A file becomes the value as a whole or not at all, and keeps its mode. What
 * is no file (a pipe, /dev/stdout) is written to, never replaced. */
static bool value_write(const char *path, struct slice value)
{
    struct stat st;
    char *target;
    bool ok;

    if (stat(path, &st))
        return file_replace(path, value, NULL);
    if (!S_ISREG(st.st_mode))
        return write_all(path, value, NULL);
    target = realpath(path, NULL); /* links stay links */
    ok = target && file_replace(target, value, &st);
    free(target);
    return ok;
}

int cmd_get(struct cli *cli, int argc, char **argv)
{
    struct get_args a = {0};
    struct coat_call how = {0};
    const struct coat_reply *reply;
    struct slice bytes;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &get_argp, argc, argv, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    how.consistency = a.stale ? COAT_STALE : COAT_DEFAULT;
    rv = coat_get(coat_session_client(k.session), COAT_STR(a.key), &how,
                  coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    bytes = slice_of(reply->value.data, reply->value.size);
    if (rv)
        code = keys_fail(&k, "get", slice_str(a.key), rv);
    else if (a.file)
        code = value_write(a.file, bytes)
                   ? EXIT_DONE
                   : cli_error(cli, EXIT_REFUSED, "get: cannot write %s: %s",
                               a.file, strerror(errno));
    else
        get_print(cli, a.key, reply);
    keys_close(&k);
    return code;
}

/* ---- del ---- */

enum { KEY_DRY_RUN = 310 };

static const struct argp_option del_options[] = {
    {"dry-run", KEY_DRY_RUN, NULL, 0,
     "Only count what --prefix, --match, --from and --to would delete", 0},
    {0},
};

static const struct argp_child del_children[] = {
    {&write_previous, 0, NULL, 0},
    {&write_conditions, 0, "Conditions, for single keys:", 5},
    {&range_argp, 0, "Or all keys of a range:", 6},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

struct del_args {
    char **keys;
    size_t n;
    struct coat_write with;
    struct range_options range;
    bool dry_run;
};

static error_t del_take(int key, char *arg UNUSED, struct argp_state *state)
{
    struct del_args *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &a->with;
        state->child_inputs[2] = &a->range;
        return 0;
    case KEY_DRY_RUN:
        a->dry_run = true;
        return 0;
    case ARGP_KEY_ARGS:
        a->keys = state->argv + state->next;
        a->n = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (!a->n && !range_given(&a->range))
            argp_error(state, "which keys?");
        if (a->n && (range_given(&a->range) || a->dry_run))
            argp_error(state, "keys or a range, not both");
        if (!a->n && a->with.flags)
            argp_error(state, "conditions are for single keys");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp del_argp = {
    del_options, del_take, "[KEY...]",
    "Delete each KEY; exits with 1 if one of them was not there. With a "
    "condition, one by one. Or delete all keys of a prefix, pattern or range: "
    "key by key, not at one moment.", del_children, NULL, NULL};

static int delete_range(struct keys *k, const struct del_args *a)
{
    struct coat_scan_options o = range_scan(&a->range);
    struct cli *cli = k->cli;
    uint64_t count = 0;
    enum coat_status rv =
        coat_delete_range_wait(k->session, &o, a->dry_run, &count);

    if (cli->output == OUTPUT_JSON) {
        json_t *j = json_object();
        json_object_set_new(j, a->dry_run ? "would_delete" : "deleted",
                            json_u64(count));
        json_print(j, cli->out);
    } else if (cli->output == OUTPUT_TABLE) {
        fprintf(cli->out, "%" PRIu64 " %s\n", count,
                a->dry_run ? "would be deleted" : "deleted");
    }
    return rv ? cli_fail(cli, "del", rv, coat_session_detail(k->session))
              : EXIT_DONE;
}

/* What became of one key. */
struct deleted {
    enum coat_status status;
    uint64_t version;
    struct buf detail, previous;
    bool has_previous;
};

static void on_deleted(size_t place, const struct coat_reply *r, void *user)
{
    struct deleted *d = (struct deleted *)user + place;

    d->status = r->status;
    d->version = r->version;
    d->has_previous = r->has_value;
    buf_append(&d->detail, r->detail, strlen(r->detail) + 1);
    if (r->value.size)
        buf_append(&d->previous, r->value.data, r->value.size);
}

/* One after the other, each with the conditions. */
static void delete_each(struct keys *k, const struct del_args *a,
                        struct deleted *d)
{
    const struct coat_reply *r;

    for (size_t i = 0; i < a->n; i++) {
        enum coat_status rv = coat_delete_with(
            coat_session_client(k->session), COAT_STR(a->keys[i]), &a->with,
            NULL, coat_session_reply, k->session);
        (void)keys_wait(k, rv, &r);
        on_deleted(i, r, d);
    }
}

/* All at once; in pieces, so that the library is never asked too much. */
static void delete_all(struct keys *k, const struct del_args *a,
                       struct deleted *d)
{
    enum { AT_ONCE = 1024 };
    struct coat_bytes keys[AT_ONCE];
    enum coat_status statuses[AT_ONCE];

    for (size_t from = 0; from < a->n; from += AT_ONCE) {
        size_t n = MIN_OF(a->n - from, (size_t)AT_ONCE);
        for (size_t i = 0; i < n; i++)
            keys[i] = COAT_STR(a->keys[from + i]);
        (void)coat_mdelete_wait(k->session, keys, n, NULL, statuses);
        for (size_t i = 0; i < n; i++)
            d[from + i].status = statuses[i];
    }
}

static void deleted_json(struct cli *cli, const char *key,
                         const struct deleted *d)
{
    json_t *j = key_object(slice_str(key), d->status, d->version);

    if (d->has_previous)
        json_set_bytes(j, "previous", buf_slice(&d->previous));
    json_print_line(j, cli->out);
}

/* One line on stderr for each that was not deleted; the worst exit code. */
static int deleted_print(struct keys *k, const struct del_args *a,
                         struct deleted *d)
{
    struct cli *cli = k->cli;
    unsigned deleted = 0;
    int code = EXIT_DONE;

    for (size_t i = 0; i < a->n; i++) {
        char what[128];
        deleted += d[i].status == COAT_OK;
        if (cli->output == OUTPUT_JSON)
            deleted_json(cli, a->keys[i], &d[i]);
        else if (d[i].has_previous)
            keys_print_value(cli, buf_slice(&d[i].previous));
        if (!d[i].status)
            continue;
        snprintf(what, sizeof what, "del %.100s", a->keys[i]);
        code = worse(code, cli_fail(cli, what, d[i].status,
                                    d[i].detail.size
                                        ? (const char *)d[i].detail.data
                                        : ""));
    }
    if (cli->output == OUTPUT_TABLE && !(a->with.flags & COAT_PREVIOUS))
        fprintf(cli->out, "%u deleted\n", deleted);
    return code;
}

int cmd_del(struct cli *cli, int argc, char **argv)
{
    struct del_args a = {0};
    struct deleted *d;
    struct keys k;
    int code;

    if (cli_parse(cli, &del_argp, argc, argv, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    if (!a.n) {
        code = delete_range(&k, &a);
        keys_close(&k);
        return code;
    }
    d = xcalloc(a.n, sizeof *d);
    if (a.with.flags)
        delete_each(&k, &a, d);
    else
        delete_all(&k, &a, d);
    code = deleted_print(&k, &a, d);
    for (size_t i = 0; i < a.n; i++) {
        buf_release(&d[i].detail);
        buf_release(&d[i].previous);
    }
    free(d);
    keys_close(&k);
    return code;
}
