/* cli.h - what the commands of `coatcheck` share.
 *
 * A command gets its own arguments (argv[0] is "coatcheck NAME") and the
 * common options, which may stand before or behind its name, and gives the exit
 * code. */
#ifndef CLIENT_CLI_CLI_H
#define CLIENT_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/coatcheck.h"
#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "rpc/address.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOT_FOUND = 1,   /* not found, or a condition was not met */
    EXIT_USAGE = 2,
    EXIT_UNAVAILABLE = 3, /* nobody there, no leader, out of time */
    EXIT_REFUSED = 4,     /* a limit, a permission, another cluster */
    EXIT_UNKNOWN = 5,     /* it may have been executed */
};

struct cli;

/* The common options as children of a command's own argp: -e, -k, -o and
 * --timeout behind the command. */
extern const struct argp cli_common_argp;
#define CLI_COMMON_TITLE "Common options, before or behind the command:"
extern const struct argp_child cli_common[]; /* only these */

/* argp_parse(), but that -h is --help. `flags` are argp's. */
MUST_CHECK error_t cli_parse_in(const struct argp *argp, int argc, char **argv,
                                unsigned flags, void *input);

/* That of a command's own arguments, but that a negative number is an
 * operand (operands.h). What it stores may point into arguments of cli's. */
MUST_CHECK error_t cli_parse(struct cli *cli, const struct argp *argp,
                             int argc, char **argv, void *input);

/* The exit code that a request's status becomes. */
enum exit_code exit_code_of(enum coat_status status);

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_RAW };

enum { CLI_NODES_MAX = 64 };

struct cli {
    const char *endpoints;
    const char *keyspace; /* NULL: default */
    enum output output;
    unsigned timeout;     /* ms */
    FILE *out;            /* results; stdout */
    FILE *err;            /* one line per error; stderr */
    bool out_is_terminal, err_is_terminal, in_is_terminal;
    char **sorted; /* the arguments as cli_parse() has put them, or NULL */
};

struct command {
    const char *name;
    const char *summary;
    int (*run)(struct cli *cli, int argc, char **argv);
};

int cmd_set(struct cli *cli, int argc, char **argv);
int cmd_get(struct cli *cli, int argc, char **argv);
int cmd_del(struct cli *cli, int argc, char **argv);
int cmd_mget(struct cli *cli, int argc, char **argv);
int cmd_mset(struct cli *cli, int argc, char **argv);
int cmd_incr(struct cli *cli, int argc, char **argv);
int cmd_append(struct cli *cli, int argc, char **argv);
int cmd_expire(struct cli *cli, int argc, char **argv);
int cmd_persist(struct cli *cli, int argc, char **argv);
int cmd_ttl(struct cli *cli, int argc, char **argv);
int cmd_scan(struct cli *cli, int argc, char **argv);
int cmd_count(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_load(struct cli *cli, int argc, char **argv);
int cmd_dump(struct cli *cli, int argc, char **argv);
int cmd_txn(struct cli *cli, int argc, char **argv);
int cmd_lock(struct cli *cli, int argc, char **argv);
int cmd_unlock(struct cli *cli, int argc, char **argv);
int cmd_keyspace(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_map(struct cli *cli, int argc, char **argv);
int cmd_cluster(struct cli *cli, int argc, char **argv);
int cmd_bench(struct cli *cli, int argc, char **argv);
int cmd_shell(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);
int cmd_completion(struct cli *cli, int argc, char **argv);

/* The name of command `i`, NULL behind the last one. */
const char *cli_command_name(unsigned i);

/* What `coatcheck [COMMAND] --help` prints, into `out`; NULL: of all. False: it
 * could not be had. */
MUST_CHECK bool cli_help(const char *command, struct buf *out);

/* `coatcheck` with these arguments; gives the exit code. `cli` has out, err
 * and what is a terminal set; the rest is filled in. */
int cli_main(struct cli *cli, int argc, char **argv);

/* Options for the library, from the command line's. */
struct coat_options cli_options(const struct cli *cli);

/* "coatcheck: WHAT: TEXT (DETAIL); ADVICE" on one line, with -o json as an
 * object that has the status' name too; and the exit code for the status.
 * Detail may be "". */
int cli_fail(struct cli *cli, const char *what, enum coat_status status,
             const char *detail);
/* The same for errors without a status. */
int cli_error(struct cli *cli, enum exit_code code, const char *fmt, ...)
    PRINTF(3, 4);

/* The endpoints as addresses; false after saying what is wrong with them. */
MUST_CHECK bool cli_endpoints(struct cli *cli, struct address *out,
                              unsigned *n);

#endif
