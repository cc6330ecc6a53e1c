/* cmd_change.c - the commands incr, append, expire, persist and ttl. */
#include <argp.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"
#include "client/cli/write_options.h"

struct change_args {
    const char *words[2], *file;
    unsigned n;
    struct coat_write with;
};

/* KEY and at most one more word. */
static error_t take_words(int key, char *arg, struct argp_state *state,
                          struct change_args *a, unsigned least,
                          const char *usage)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (a->n == ARRAY_LEN(a->words))
            argp_error(state, "%s, please", usage);
        a->words[a->n++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->n < least)
            argp_error(state, "%s, please", usage);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- incr ---- */

/* A number of either kind? */
static bool is_delta(const char *text)
{
    int64_t whole;
    double real;

    return parse_i64(text, &whole) ||
           (strpbrk(text, ".eE") && parse_double(text, &real));
}

static error_t incr_take(int key, char *arg, struct argp_state *state)
{
    struct change_args *a = state->input;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &a->with;
        return 0;
    }
    if (key == ARGP_KEY_END && a->n > 1 && !is_delta(a->words[1]))
        argp_error(state, "DELTA is a whole number of 64 bits, or one with a "
                          "point or exponent; not '%s'", a->words[1]);
    return take_words(key, arg, state, a, 1, "a key and an amount");
}

static const struct argp incr_argp = {
    NULL, incr_take, "KEY [DELTA]",
    "Add DELTA (default: 1) to the number under KEY and print the new one; a "
    "missing key counts as 0. With a point or an exponent in DELTA in floating "
    "point, else in 64 bits.", write_children,
    NULL, NULL};

static enum coat_status incr_submit(struct keys *k, const char *key,
                                    const char *delta,
                                    const struct coat_write *with)
{
    struct coat_client *c = coat_session_client(k->session);
    int64_t whole;
    double real;

    if (parse_i64(delta, &whole))
        return coat_incr(c, COAT_STR(key), whole, with, NULL,
                         coat_session_reply, k->session);
    (void)parse_double(delta, &real);
    return coat_incr_float(c, COAT_STR(key), real, with, NULL,
                           coat_session_reply, k->session);
}

/* A result that is a text: the new number. */
static void print_text(struct keys *k, struct slice key,
                       const struct coat_reply *r)
{
    struct slice value = slice_of(r->value.data, r->value.size);
    json_t *j;

    if (k->cli->output != OUTPUT_JSON) {
        fwrite(value.data, 1, value.size, k->cli->out);
        fputc('\n', k->cli->out);
        return;
    }
    j = key_object(key, r->status, r->version);
    json_set_bytes(j, "value", value);
    json_print(j, k->cli->out);
}

int cmd_incr(struct cli *cli, int argc, char **argv)
{
    struct change_args a = {0};
    const struct coat_reply *reply;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &incr_argp, argc, argv, &a) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    rv = incr_submit(&k, a.words[0], a.n > 1 ? a.words[1] : "1", &a.with);
    rv = keys_wait(&k, rv, &reply);
    if (rv)
        code = keys_fail(&k, "incr", slice_str(a.words[0]), rv);
    else
        print_text(&k, slice_str(a.words[0]), reply);
    keys_close(&k);
    return code;
}

/* ---- append ---- */

static error_t append_take(int key, char *arg, struct argp_state *state)
{
    struct change_args *a = state->input;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &a->with;
        return 0;
    }
    if (key == 'f') {
        a->file = arg;
        return 0;
    }
    if (key == ARGP_KEY_END && a->n == 2 && a->file)
        argp_error(state, "the value is an argument, - or a --file");
    return take_words(key, arg, state, a, a->file ? 1 : 2,
                      "a key and a value");
}

static const struct argp_option append_options[] = {
    {"file", 'f', "PATH", 0, "The value is this file's content", 0},
    {0},
};

static const struct argp append_argp = {
    append_options, append_take, "KEY VALUE|-",
    "Put VALUE, or what comes on standard input, behind what KEY holds and "
    "print the new length in bytes.",
    write_children, NULL, NULL};

int cmd_append(struct cli *cli, int argc, char **argv)
{
    struct change_args a = {0};
    struct buf value = {0};
    const struct coat_reply *reply;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &append_argp, argc, argv, &a))
        return EXIT_USAGE;
    code = keys_read_value(cli, a.words[1], a.file, &value);
    if (code || !keys_open(&k, cli)) {
        buf_release(&value);
        return code ? code : EXIT_USAGE;
    }
    rv = coat_append(coat_session_client(k.session), COAT_STR(a.words[0]),
                     COAT_BYTES(value.data, value.size), &a.with, NULL,
                     coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    if (rv) {
        code = keys_fail(&k, "append", slice_str(a.words[0]), rv);
    } else if (cli->output == OUTPUT_JSON) {
        json_t *j = key_object(slice_str(a.words[0]), rv, reply->version);
        json_object_set_new(j, "size", json_integer(reply->number));
        json_print(j, cli->out);
    } else {
        fprintf(cli->out, "%" PRId64 "\n", reply->number);
    }
    keys_close(&k);
    buf_release(&value);
    return code;
}

/* ---- expire, persist ---- */

enum { KEY_NX = 600, KEY_XX, KEY_GT, KEY_LT };

static const struct argp_option expire_options[] = {
    {"nx", KEY_NX, NULL, 0, "Only if it has no deadline yet", 0},
    {"xx", KEY_XX, NULL, 0, "Only if it has one", 0},
    {"gt", KEY_GT, NULL, 0, "Only for a later one (none is the latest)", 0},
    {"lt", KEY_LT, NULL, 0, "Only for an earlier one", 0},
    {0},
};

static error_t expire_take(int key, char *arg, struct argp_state *state)
{
    struct change_args *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &a->with;
        return 0;
    case KEY_NX:
        a->with.flags |= COAT_EXPIRE_NX;
        return 0;
    case KEY_XX:
        a->with.flags |= COAT_EXPIRE_XX;
        return 0;
    case KEY_GT:
        a->with.flags |= COAT_EXPIRE_GT;
        return 0;
    case KEY_LT:
        a->with.flags |= COAT_EXPIRE_LT;
        return 0;
    case ARGP_KEY_END:
        if (a->n == 2 && !parse_duration(a->words[1], &a->with.ttl))
            argp_error(state, "TIME is such as 1500 or 90s, not '%s'",
                       a->words[1]);
        if (!a->with.ttl && !a->with.deadline)
            argp_error(state, "when: a TIME, or a --deadline");
        if (a->with.ttl && a->with.deadline)
            argp_error(state, "a TIME or a --deadline, not both");
        return take_words(key, arg, state, a, 1, "a key and a time");
    default:
        return take_words(key, arg, state, a, 1, "a key and a time");
    }
}

static const struct argp expire_argp = {
    expire_options, expire_take, "KEY [TIME]",
    "Let KEY expire after TIME (1500 or 1500ms, 90s, 30m, 12h, 7d).",
    set_children, NULL, NULL};

static error_t persist_take(int key, char *arg, struct argp_state *state)
{
    struct change_args *a = state->input;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &a->with;
        return 0;
    }
    if (key == ARGP_KEY_END && a->n > 1)
        argp_error(state, "one key, please");
    return take_words(key, arg, state, a, 1, "one key");
}

static const struct argp persist_argp = {NULL, persist_take, "KEY",
                                         "Let KEY never expire.",
                                         write_children, NULL, NULL};

static int expire_run(struct cli *cli, const char *verb,
                      const struct change_args *a)
{
    const char *key = a->words[0];
    const struct coat_reply *reply;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (!keys_open(&k, cli))
        return EXIT_USAGE;
    rv = coat_expire(coat_session_client(k.session), COAT_STR(key), &a->with,
                     NULL, coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    if (rv)
        code = keys_fail(&k, verb, slice_str(key), rv);
    else if (cli->output == OUTPUT_JSON)
        json_print(key_object(slice_str(key), rv, reply->version), cli->out);
    else if (cli->output == OUTPUT_TABLE)
        fprintf(cli->out, "ok\n");
    keys_close(&k);
    return code;
}

int cmd_expire(struct cli *cli, int argc, char **argv)
{
    struct change_args a = {0};

    if (cli_parse(cli, &expire_argp, argc, argv, &a))
        return EXIT_USAGE;
    return expire_run(cli, "expire", &a);
}

int cmd_persist(struct cli *cli, int argc, char **argv)
{
    struct change_args a = {.with = {.flags = COAT_PERSIST}};

    if (cli_parse(cli, &persist_argp, argc, argv, &a))
        return EXIT_USAGE;
    return expire_run(cli, "persist", &a);
}

/* ---- ttl ---- */

static error_t ttl_take(int key, char *arg, struct argp_state *state)
{
    struct change_args *a = state->input;

    if (key == ARGP_KEY_END && a->n > 1)
        argp_error(state, "one key, please");
    return take_words(key, arg, state, a, 1, "one key");
}

static const struct argp ttl_argp = {
    NULL, ttl_take, "KEY",
    "Print how many milliseconds KEY has left, or \"never\" if it does not "
    "expire.", cli_common, NULL, NULL};

static void ttl_print(struct cli *cli, const char *key,
                      const struct coat_reply *r)
{
    json_t *j;

    if (cli->output != OUTPUT_JSON && !r->deadline) {
        fprintf(cli->out, "never\n");
    } else if (cli->output != OUTPUT_JSON) {
        fprintf(cli->out, "%" PRIu64 "\n", keys_ttl(r));
    } else {
        j = key_object(slice_str(key), r->status, r->version);
        json_object_set_new(j, "size", json_integer(r->number));
        json_set_expiry(j, r);
        json_print(j, cli->out);
    }
}

int cmd_ttl(struct cli *cli, int argc, char **argv)
{
    struct change_args a = {0};
    const struct coat_reply *reply;
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &ttl_argp, argc, argv, &a) || !keys_open(&k, cli))
        return EXIT_USAGE;
    rv = coat_look(coat_session_client(k.session), COAT_STR(a.words[0]), NULL,
                   coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    if (rv)
        code = keys_fail(&k, "ttl", slice_str(a.words[0]), rv);
    else
        ttl_print(cli, a.words[0], reply);
    keys_close(&k);
    return code;
}
