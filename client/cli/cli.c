/* cli.c - exit codes, error lines, and the options before the command. */
#include "client/cli/cli.h"

#include <argp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/operands.h"
#include "client/cli/report.h"

static const struct command commands[] = {
    {"set", "write a value", cmd_set},
    {"get", "read a value", cmd_get},
    {"del", "delete keys", cmd_del},
    {"mget", "read many keys", cmd_mget},
    {"mset", "write many keys", cmd_mset},
    {"incr", "add to a number", cmd_incr},
    {"append", "put bytes behind a value", cmd_append},
    {"expire", "let a key expire", cmd_expire},
    {"persist", "let a key never expire", cmd_persist},
    {"ttl", "how long a key has left", cmd_ttl},
    {"scan", "keys in order, by prefix, pattern or range", cmd_scan},
    {"count", "how many keys there are", cmd_count},
    {"watch", "changes as they happen", cmd_watch},
    {"load", "JSON lines into the cluster", cmd_load},
    {"dump", "keys as JSON lines", cmd_dump},
    {"txn", "compare, then or else, atomically", cmd_txn},
    {"lock", "take a lock, maybe for a command", cmd_lock},
    {"unlock", "release a lock", cmd_unlock},
    {"keyspace", "create, alter, drop and list keyspaces", cmd_keyspace},
    {"status", "nodes, groups and leaders as they are", cmd_status},
    {"map", "the cluster map: who keeps what", cmd_map},
    {"cluster", "cluster init: make a cluster of blank nodes", cmd_cluster},
    {"bench", "measure throughput and latency", cmd_bench},
    {"shell", "many commands, one per line", cmd_shell},
    {"help", "what a command does", cmd_help},
    {"completion", "completion for bash, zsh or fish", cmd_completion},
};

const char *cli_command_name(unsigned i)
{
    return i < ARRAY_LEN(commands) ? commands[i].name : NULL;
}

enum exit_code exit_code_of(enum coat_status status)
{
    switch (status) {
    case COAT_OK:
        return EXIT_DONE;
    case COAT_NOT_FOUND:
    case COAT_NOT_MET:
        return EXIT_NOT_FOUND;
    case COAT_INVALID:
    case COAT_KEY_EMPTY:
    case COAT_KEY_TOO_LARGE:
    case COAT_VALUE_TOO_LARGE:
    case COAT_NO_KEYSPACE:
        return EXIT_USAGE;
    case COAT_NOT_LEADER:
    case COAT_MOVED:
    case COAT_UNAVAILABLE:
    case COAT_TIMEOUT:
    case COAT_CANCELLED:
    case COAT_NOT_INITIALISED:
    case COAT_QUARANTINED:
    case COAT_CLOSED:
    case COAT_CONNECTION:
        return EXIT_UNAVAILABLE;
    case COAT_UNKNOWN:
    case COAT_IO_ERROR:
    case COAT_INTERNAL:
        return EXIT_UNKNOWN;
    default:
        return coat_status_retry(status) == COAT_RETRY_UNSAFE ? EXIT_UNKNOWN
                                                              : EXIT_REFUSED;
    }
}

/* What whoever reads the error can do. */
static const char *advice(enum coat_status status)
{
    static const char look[] =
        "it may have been done: read it back before repeating";
    static const char reach[] =
        "check -e and `coatcheck status`, or allow more --timeout";
    static const char later[] =
        "nothing was done: see `coatcheck status`, then try again";
    static const char less[] = "nothing was done: try again with less at once";
    static const char sizes[] =
        "keys have 1 to 65535 bytes, values up to 16 MiB";
    static const char *const texts[] = {
        [COAT_UNKNOWN] = look,
        [COAT_IO_ERROR] = look,
        [COAT_INTERNAL] = look,
        [COAT_EXPIRED] = look,
        [COAT_STALE_REQUEST] = look,
        [COAT_TIMEOUT] = reach,
        [COAT_UNAVAILABLE] = reach,
        [COAT_CONNECTION] = reach,
        [COAT_NOT_LEADER] = later,
        [COAT_MOVED] = later,
        [COAT_QUARANTINED] = later,
        [COAT_CLOSED] = later,
        [COAT_BUSY] = less,
        [COAT_STALLED] = less,
        [COAT_KEY_EMPTY] = sizes,
        [COAT_KEY_TOO_LARGE] = sizes,
        [COAT_VALUE_TOO_LARGE] = sizes,
        [COAT_NOT_INITIALISED] = "see `coatcheck cluster init --help`",
        [COAT_NO_KEYSPACE] = "check -k and `coatcheck keyspace list`",
        [COAT_DISK_FULL] = "nothing was done: delete keys or add disk space",
        [COAT_NOT_A_NUMBER] =
            "nothing was changed: `coatcheck get` shows what is there; with a "
            "point in DELTA (1.0) fractions are numbers, too",
        [COAT_OVERFLOW] = "nothing was changed: whole numbers have 64 bits, "
                          "others stay finite",
        [COAT_WRONG_TYPE] = "nothing was changed: delete it, or use another "
                            "key",
        [COAT_CROSS_GROUP] = "nothing was done: give all keys one hash tag, "
                             "as {cart7}a {cart7}b",
        [COAT_TOO_LARGE] = "nothing was done: make several of it",
        [COAT_QUOTA] = "nothing was written: delete keys, or raise the limit "
                       "with `coatcheck keyspace alter`",
        [COAT_EXISTS] = "see `coatcheck keyspace list`; alter changes it",
        [COAT_BAD_CURSOR] = "a cursor goes on with the options it was told "
                            "for; or begin anew without --cursor",
        [COAT_COMPACTED] = "scan everything anew, then watch without --cursor",
        [COAT_FENCED] = "nothing was done: the lock has another holder; take "
                        "it again for a new token",
    };

    return (size_t)status < ARRAY_LEN(texts) && texts[status] ? texts[status]
                                                              : "";
}

int cli_fail(struct cli *cli, const char *what, enum coat_status status,
             const char *detail)
{
    const char *hint = advice(status);
    const char *text = coat_status_text(status);
    bool says_it = !strncmp(detail, text, strlen(text));
    bool more = detail[0] && !says_it;

    if (cli->output == OUTPUT_JSON) {
        json_t *j = json_object();
        json_set_bytes(j, "error", slice_str(what));
        json_object_set_new(j, "status",
                            json_string(coat_status_name(status)));
        json_set_bytes(j, "text", slice_str(says_it ? detail : text));
        if (more)
            json_set_bytes(j, "detail", slice_str(detail));
        if (hint[0])
            json_object_set_new(j, "advice", json_string(hint));
        json_print_line(j, cli->err);
    } else {
        fprintf(cli->err, "coatcheck: %s: %s%s%s%s%s%s\n", what,
                says_it ? detail : text, more ? " (" : "", more ? detail : "",
                more ? ")" : "", hint[0] ? "; " : "", hint);
    }
    return exit_code_of(status);
}

int cli_error(struct cli *cli, enum exit_code code, const char *fmt, ...)
{
    va_list ap;

    fprintf(cli->err, "coatcheck: ");
    va_start(ap, fmt);
    vfprintf(cli->err, fmt, ap);
    va_end(ap);
    fputc('\n', cli->err);
    return (int)code;
}

bool cli_endpoints(struct cli *cli, struct address *out, unsigned *n)
{
    char error[ADDRESS_ERROR_SIZE];

    if (address_parse_list(slice_str(cli->endpoints), 7410, out,
                           CLI_NODES_MAX, n, error)) {
        (void)cli_error(cli, EXIT_USAGE, "-e: %s", error);
        return false;
    }
    return true;
}

struct coat_options cli_options(const struct cli *cli)
{
    struct coat_options o = COAT_OPTIONS;

    o.endpoints = cli->endpoints;
    o.keyspace = cli->keyspace;
    o.timeout = cli->timeout;
    return o;
}

/* ---- common options, before or behind the command ---- */

const char *argp_program_version = "coatcheck " COAT_VERSION;

enum { KEY_TIMEOUT = 256 };

static const struct argp_option options[] = {
    {"endpoints", 'e', "HOST:PORT,...", 0,
     "Nodes to begin with (default: $COATCHECK_ENDPOINTS, else "
     "127.0.0.1:7410)", 0},
    {"keyspace", 'k', "NAME", 0, "Keyspace (default: default)", 0},
    {"output", 'o', "table|json|raw", 0, "How results are written", 0},
    {"timeout", KEY_TIMEOUT, "MS", 0, "For each request (default: 5000)", 0},
    {0},
};

struct parse {
    struct cli *cli;
    const struct command *command;
    int at; /* argv's index of the command */
};

static error_t take_output(struct cli *cli, const char *arg,
                           struct argp_state *state)
{
    if (!strcmp(arg, "table"))
        cli->output = OUTPUT_TABLE;
    else if (!strcmp(arg, "json"))
        cli->output = OUTPUT_JSON;
    else if (!strcmp(arg, "raw"))
        cli->output = OUTPUT_RAW;
    else
        argp_error(state, "-o is table, json or raw, not '%s'", arg);
    return 0;
}

static error_t take_timeout(struct cli *cli, const char *arg,
                            struct argp_state *state)
{
    char *end;
    unsigned long ms = strtoul(arg, &end, 10);

    if (*end || end == arg || arg[0] == '-' || !ms || ms > COAT_TIMEOUT_MAX)
        argp_error(state, "--timeout is 1 to %d milliseconds, not '%s'",
                   (int)COAT_TIMEOUT_MAX, arg);
    cli->timeout = (unsigned)ms;
    return 0;
}

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static error_t take_common(struct cli *cli, int key, char *arg,
                           struct argp_state *state)
{
    switch (key) {
    case 'e':
        cli->endpoints = arg;
        return 0;
    case 'k':
        /* An empty variable of a script: not the default one's keys. */
        if (!*arg)
            argp_error(state, "-k is empty (leave it out for 'default')");
        cli->keyspace = arg;
        return 0;
    case 'o':
        return take_output(cli, arg, state);
    case KEY_TIMEOUT:
        return take_timeout(cli, arg, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The same options behind the command. argp gives a child parser no input of
 * ours without help from each command's own parser, so this is the one place
 * that is reached by name: set by cli_main() for its duration. */
static struct cli *behind_command;

static error_t take_behind(int key, char *arg, struct argp_state *state)
{
    return take_common(behind_command, key, arg, state);
}

const struct argp cli_common_argp = {.options = options,
                                     .parser = take_behind};

const struct argp_child cli_common[] = {
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

/* argp's own --help has no letter but '?'. */
static const struct argp_option help_options[] = {
    {NULL, 'h', NULL, 0, "As --help", -1},
    {0},
};

static error_t take_help(int key, char *arg UNUSED, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

error_t cli_parse_in(const struct argp *argp, int argc, char **argv,
                     unsigned flags, void *input)
{
    const struct argp_child inner[] = {{argp, 0, NULL, 0}, {0}};
    const struct argp whole = {.options = help_options,
                               .parser = take_help,
                               .children = inner};

    return argp_parse(&whole, argc, argv, flags, NULL, input);
}

error_t cli_parse(struct cli *cli, const struct argp *argp, int argc,
                  char **argv, void *input)
{
    bool negative = false;

    for (int i = 1; i < argc; i++)
        negative = negative || operand_is_negative(argv[i]);
    if (negative) {
        free(cli->sorted);
        cli->sorted = xcalloc((size_t)argc + 2, sizeof *cli->sorted);
        argc = operands_last(argp, argc, argv, cli->sorted);
        argv = cli->sorted;
    }
    return cli_parse_in(argp, argc, argv, 0, input);
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct parse *p = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        p->command = command_named(arg);
        if (!p->command)
            argp_error(state, "there is no command '%s'", arg);
        p->at = state->next - 1;
        state->next = state->argc; /* the rest belongs to the command */
        return 0;
    case ARGP_KEY_NO_ARGS:
        p->command = command_named("shell");
        if (!p->cli->in_is_terminal)
            argp_error(state, "which command?");
        return 0;
    default:
        return take_common(p->cli, key, arg, state);
    }
}

/* The list of commands, behind the options in --help. */
static char *help_filter(int key, const char *text, void *input UNUSED)
{
    char *list;
    size_t size;
    FILE *f;

    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(size_t)text;
    f = open_memstream(&list, &size);
    if (!f)
        return (char *)(size_t)text;
    fprintf(f, "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(f, "\nExit codes: 0 done, 1 not found or condition not met, "
               "2 usage,\n3 unavailable or timed out, 4 refused, 5 outcome "
               "unknown.\n"
               "`coatcheck COMMAND --help` tells more; so does docs/CLI.md.");
    fclose(f);
    return list;
}

static const struct argp argp = {
    .options = options,
    .parser = take,
    .args_doc = "COMMAND [ARGUMENTS...]",
    .doc = "Talk to a Coatcheck cluster.\v ",
    .help_filter = help_filter,
};

int cli_main(struct cli *cli, int argc, char **argv)
{
    const char *endpoints = getenv("COATCHECK_ENDPOINTS");
    struct parse p = {.cli = cli};
    char name[64];
    int code;

    cli->endpoints = endpoints && *endpoints ? endpoints : "127.0.0.1:7410";
    cli->timeout = 5000;
    argp_err_exit_status = EXIT_USAGE;
    if (cli_parse_in(&argp, argc, argv, ARGP_IN_ORDER, &p) || !p.command)
        return EXIT_USAGE;
    snprintf(name, sizeof name, "coatcheck %s", p.command->name);
    behind_command = cli;
    if (!p.at) { /* no command: the shell */
        char *alone[] = {name, NULL};
        return p.command->run(cli, 1, alone);
    }
    argv[p.at] = name;
    code = p.command->run(cli, argc - p.at, argv + p.at);
    free(cli->sorted);
    cli->sorted = NULL;
    return code;
}
