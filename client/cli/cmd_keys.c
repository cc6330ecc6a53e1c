/* cmd_keys.c - the commands set, get and del. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "client/session.h"
#include "proto/limits.h"

/* ---- what the three share ---- */

struct keys {
    struct cli *cli;
    struct coat_session *session;
};

static bool keys_open(struct keys *k, struct cli *cli)
{
    struct coat_options o = cli_options(cli);
    char error[COAT_ERROR_MAX];

    k->cli = cli;
    k->session = session_new(&o, error, sizeof error);
    if (!k->session)
        (void)cli_error(cli, EXIT_USAGE, "%s", error);
    return k->session != NULL;
}

static int keys_fail(struct keys *k, const char *verb, const char *key,
                     enum coat_status status)
{
    char what[128];

    snprintf(what, sizeof what, "%s %.100s", verb, key);
    return cli_fail(k->cli, what, status, coat_session_detail(k->session));
}

/* {"key": ..., "status": "OK"}, with a version if there is one. */
static json_t *key_object(const char *key, enum coat_status status,
                          uint64_t version)
{
    json_t *j = json_object();

    json_set_bytes(j, "key", slice_str(key));
    json_object_set_new(j, "status", json_string(coat_status_name(status)));
    if (version)
        json_object_set_new(j, "version", json_u64(version));
    return j;
}

/* ---- set ---- */

struct set_args {
    const char *key, *value, *file;
};

static const struct argp_option set_options[] = {
    {"file", 'f', "PATH", 0, "The value is this file's content", 0},
    {0},
};

static error_t set_take(int key, char *arg, struct argp_state *state)
{
    struct set_args *a = state->input;

    switch (key) {
    case 'f':
        a->file = arg;
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
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp set_argp = {
    set_options, set_take, "KEY VALUE|-",
    "Write VALUE, or what comes on standard input, under KEY.", cli_common,
    NULL, NULL};

/* All of a stream; one byte above the limit is enough to refuse it. */
static bool read_all(FILE *f, struct buf *b)
{
    size_t n;

    do {
        n = fread(buf_reserve(b, 65536), 1, 65536, f);
        b->size += n;
    } while (n && b->size <= VALUE_BYTES_MAX);
    return !ferror(f);
}

static int read_value(struct cli *cli, const struct set_args *a, struct buf *b)
{
    FILE *f;
    bool read;

    if (!a->file && strcmp(a->value, "-") != 0) {
        buf_append(b, a->value, strlen(a->value));
        return 0;
    }
    f = a->file ? fopen(a->file, "rb") : stdin;
    if (!f)
        return cli_error(cli, EXIT_USAGE, "cannot open %s: %s", a->file,
                         strerror(errno));
    read = read_all(f, b);
    if (f != stdin)
        fclose(f);
    if (!read)
        return cli_error(cli, EXIT_USAGE, "cannot read %s: %s",
                         a->file ? a->file : "standard input",
                         strerror(errno));
    return 0;
}

int cmd_set(struct cli *cli, int argc, char **argv)
{
    struct set_args a = {0};
    struct keys k = {0};
    struct buf value = {0};
    enum coat_status rv;
    uint64_t version = 0;
    int code = EXIT_USAGE;

    if (argp_parse(&set_argp, argc, argv, 0, NULL, &a))
        return EXIT_USAGE;
    code = read_value(cli, &a, &value);
    if (code || !keys_open(&k, cli)) {
        buf_release(&value);
        return code ? code : EXIT_USAGE;
    }
    rv = coat_set_wait(k.session, COAT_STR(a.key),
                       COAT_BYTES(value.data, value.size), NULL, &version);
    if (rv)
        code = keys_fail(&k, "set", a.key, rv);
    else if (cli->output == OUTPUT_JSON)
        json_print(key_object(a.key, rv, version), cli->out);
    else if (cli->output == OUTPUT_TABLE)
        fprintf(cli->out, "ok\n");
    coat_disconnect(k.session);
    buf_release(&value);
    return code;
}

/* ---- get ---- */

struct get_args {
    const char *key;
    bool stale;
};

static const struct argp_option get_options[] = {
    {"stale", 's', NULL, 0,
     "Read from any replica; cheaper, maybe a little old", 0},
    {0},
};

static error_t get_take(int key, char *arg, struct argp_state *state)
{
    struct get_args *a = state->input;

    switch (key) {
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
                      const struct coat_value *value)
{
    json_t *j;

    if (cli->output == OUTPUT_JSON) {
        j = key_object(key, COAT_OK, value->version);
        json_set_bytes(j, "value", slice_of(value->data, value->size));
        json_print(j, cli->out);
        return;
    }
    if (value->size)
        fwrite(value->data, 1, value->size, cli->out);
    if (cli->output == OUTPUT_TABLE && cli->out_is_terminal)
        fputc('\n', cli->out);
}

int cmd_get(struct cli *cli, int argc, char **argv)
{
    struct get_args a = {0};
    struct coat_call how = {0};
    struct coat_value value = {0};
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (argp_parse(&get_argp, argc, argv, 0, NULL, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    how.consistency = a.stale ? COAT_STALE : COAT_DEFAULT;
    rv = coat_get_wait(k.session, COAT_STR(a.key), &how, &value);
    if (rv)
        code = keys_fail(&k, "get", a.key, rv);
    else
        get_print(cli, a.key, &value);
    coat_value_release(&value);
    coat_disconnect(k.session);
    return code;
}

/* ---- del ---- */

struct del_args {
    char **keys;
    int n;
};

static error_t del_take(int key, char *arg UNUSED, struct argp_state *state)
{
    struct del_args *a = state->input;

    switch (key) {
    case ARGP_KEY_ARGS:
        a->keys = state->argv + state->next;
        a->n = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which keys?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp del_argp = {
    NULL, del_take, "KEY...",
    "Delete each KEY; exits with 1 if one of them was not there.", cli_common,
    NULL, NULL};

int cmd_del(struct cli *cli, int argc, char **argv)
{
    struct del_args a = {0};
    struct keys k;
    json_t *list;
    unsigned deleted = 0;
    int code = EXIT_DONE;

    if (argp_parse(&del_argp, argc, argv, 0, NULL, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    list = json_array();
    for (int i = 0; i < a.n; i++) {
        uint64_t version;
        enum coat_status rv =
            coat_delete_wait(k.session, COAT_STR(a.keys[i]), NULL, &version);
        deleted += rv == COAT_OK;
        json_array_append_new(list, key_object(a.keys[i], rv, version));
        if (rv) {
            int worse = keys_fail(&k, "del", a.keys[i], rv);
            code = MAX_OF(code, worse);
        }
    }
    if (cli->output == OUTPUT_JSON)
        json_print(json_incref(list), cli->out);
    else if (cli->output == OUTPUT_TABLE)
        fprintf(cli->out, "%u deleted\n", deleted);
    json_decref(list);
    coat_disconnect(k.session);
    return code;
}
