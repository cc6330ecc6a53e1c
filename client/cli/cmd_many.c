/* cmd_many.c - the commands mget and mset: many keys at once, not atomic. */
#include <argp.h>
#include <stdlib.h>

#include "client/cli/keys.h"
#include "client/cli/write_options.h"

enum { AT_ONCE = 1024 }; /* so that the library is never asked too much */

struct many_args {
    char **words;
    size_t n;
    struct coat_write with;
};

static error_t take(int key, struct many_args *a, struct argp_state *state,
                    const char *nothing)
{
    switch (key) {
    case ARGP_KEY_ARGS:
        a->words = state->argv + state->next;
        a->n = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "%s", nothing);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- mget ---- */

static error_t mget_take(int key, char *arg UNUSED, struct argp_state *state)
{
    return take(key, state->input, state, "which keys?");
}

static const struct argp mget_argp = {
    NULL, mget_take, "KEY...",
    "Print KEY TAB VALUE for each key that is there, in the order given; exits "
    "with 1 if one was not. The keys are read in parallel, not at one moment.",
    cli_common, NULL, NULL};

static void mget_print(struct cli *cli, const char *key,
                       const struct coat_value *v, enum coat_status status)
{
    struct slice value = slice_of(v->data, v->size);
    json_t *j;

    if (cli->output == OUTPUT_JSON) {
        j = key_object(slice_str(key), status, v->version);
        if (!status)
            json_set_bytes(j, "value", value);
        json_print_line(j, cli->out);
    } else if (!status) {
        text_print(cli, slice_str(key));
        fputc('\t', cli->out);
        text_print(cli, value);
        fputc('\n', cli->out);
    }
}

static int mget_some(struct keys *k, char **words, size_t n)
{
    static struct coat_bytes keys[AT_ONCE];
    static struct coat_value values[AT_ONCE];
    enum coat_status statuses[AT_ONCE];
    int code = EXIT_DONE;

    for (size_t i = 0; i < n; i++)
        keys[i] = COAT_STR(words[i]);
    (void)coat_mget_wait(k->session, keys, n, NULL, values, statuses);
    for (size_t i = 0; i < n; i++) {
        mget_print(k->cli, words[i], &values[i], statuses[i]);
        if (statuses[i])
            code = worse(code, keys_fail(k, "mget", slice_str(words[i]),
                                         statuses[i]));
        coat_value_release(&values[i]);
    }
    return code;
}

int cmd_mget(struct cli *cli, int argc, char **argv)
{
    struct many_args a = {0};
    struct keys k;
    int code = EXIT_DONE;

    if (cli_parse(cli, &mget_argp, argc, argv, &a) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    for (size_t i = 0; i < a.n; i += AT_ONCE)
        code = worse(code, mget_some(&k, a.words + i,
                                     MIN_OF(a.n - i, (size_t)AT_ONCE)));
    keys_close(&k);
    return code;
}

/* ---- mset ---- */

static error_t mset_take(int key, char *arg UNUSED, struct argp_state *state)
{
    struct many_args *a = state->input;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->child_inputs[1] = &a->with;
        return 0;
    }
    if (key == ARGP_KEY_END && a->n % 2)
        argp_error(state, "a value is missing: KEY VALUE KEY VALUE ...");
    return take(key, a, state, "which keys and values?");
}

static const struct argp mset_argp = {
    NULL, mset_take, "KEY VALUE [KEY VALUE]...",
    "Write each VALUE under its KEY, in parallel: not atomic, each key has its "
    "own outcome (coatcheck txn is atomic, within a group).", set_children,
    NULL, NULL};

static int mset_some(struct keys *k, const struct many_args *a, size_t from,
                     size_t n, size_t *done)
{
    static struct coat_bytes keys[AT_ONCE], values[AT_ONCE];
    enum coat_status statuses[AT_ONCE];
    int code = EXIT_DONE;

    for (size_t i = 0; i < n; i++) {
        keys[i] = COAT_STR(a->words[2 * (from + i)]);
        values[i] = COAT_STR(a->words[2 * (from + i) + 1]);
    }
    (void)coat_mset_wait(k->session, keys, values, n, &a->with, NULL,
                         statuses);
    for (size_t i = 0; i < n; i++) {
        struct slice key = slice_of(keys[i].data, keys[i].size);
        *done += !statuses[i];
        if (k->cli->output == OUTPUT_JSON)
            json_print_line(key_object(key, statuses[i], 0), k->cli->out);
        if (statuses[i])
            code = worse(code, keys_fail(k, "mset", key, statuses[i]));
    }
    return code;
}

int cmd_mset(struct cli *cli, int argc, char **argv)
{
    struct many_args a = {0};
    struct keys k;
    size_t done = 0;
    int code = EXIT_DONE;

    if (cli_parse(cli, &mset_argp, argc, argv, &a) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    for (size_t i = 0; i < a.n / 2; i += AT_ONCE)
        code = worse(code, mset_some(&k, &a, i,
                                     MIN_OF(a.n / 2 - i, (size_t)AT_ONCE),
                                     &done));
    if (cli->output == OUTPUT_TABLE)
        fprintf(cli->out, "%zu written\n", done);
    keys_close(&k);
    return code;
}
