/* cmd_lock.c - the commands lock and unlock.
 *
 * With a command behind it `lock` holds the lock while that runs: it keeps it
 * alive, and ends the command if it cannot. The command never outlives it: who
 * ends `lock` ends both. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"

enum { KEY_TTL = 300, KEY_WAIT, KEY_OWNER, TTL_DEFAULT = 30000 };

struct lock_args {
    const char *name, *owner;
    uint64_t ttl, wait;
    char **command;
};

static const struct argp_option options[] = {
    {"ttl", KEY_TTL, "TIME", 0,
     "It frees itself after this time, unless kept (default: 30s)", 0},
    {"wait", KEY_WAIT, "TIME", 0,
     "Wait so long while somebody else has it (default: not at all)", 0},
    {"owner", KEY_OWNER, "TEXT", 0,
     "What others see as its holder (default: host and process)", 0},
    {0},
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct lock_args *a = state->input;

    switch (key) {
    case KEY_TTL:
        if (!parse_duration(arg, &a->ttl) || a->ttl < 10)
            argp_error(state, "--ttl is a time of at least 10ms, not '%s'",
                       arg);
        return 0;
    case KEY_WAIT:
        if (strcmp(arg, "0") != 0 && !parse_duration(arg, &a->wait))
            argp_error(state, "--wait is a time such as 500 or 10s, not '%s'",
                       arg);
        return 0;
    case KEY_OWNER:
        a->owner = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (a->name) { /* the command begins */
            a->command = state->argv + state->next - 1;
            state->next = state->argc;
            return 0;
        }
        a->name = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which lock?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "NAME [COMMAND [ARGUMENT...]]",
    "Take the lock NAME and print its fencing token; exits with 1 if somebody "
    "else has it. With a COMMAND the lock is held, and kept, while that runs "
    "(the token is in $COATCHECK_TOKEN), then released; the exit code is the "
    "command's.\v"
    "A lock is a key with a deadline: `get NAME` shows its holder. Present the "
    "token with each write that the lock protects: `set KEY VALUE --if-fence "
    "TOKEN`.",
    cli_common, NULL, NULL};

static void default_owner(char *text, size_t size)
{
    char host[64] = "";

    (void)gethostname(host, sizeof host - 1);
    snprintf(text, size, "%s:%ld", host, (long)getpid());
}

static void print_token(struct cli *cli, const char *name, uint64_t token)
{
    json_t *j;

    if (cli->output != OUTPUT_JSON) {
        fprintf(cli->out, "%" PRIu64 "\n", token);
        return;
    }
    j = json_object();
    json_set_bytes(j, "lock", slice_str(name));
    json_object_set_new(j, "token", json_u64(token));
    json_print(j, cli->out);
}

/* A condition on the lock's key did not hold: say what that means. */
static int not_met(struct cli *cli, const char *verb, const char *name,
                   const char *meaning, uint64_t token)
{
    char what[128], detail[128];

    snprintf(what, sizeof what, "%s %.100s", verb, name);
    snprintf(detail, sizeof detail, "%s %" PRIu64, meaning, token);
    return cli_fail(cli, what, COAT_NOT_MET, detail);
}

/* ---- holding it for a command ---- */

/* What we were asked to end with; the command is told, and waited for. (Ctrl-C
 * reaches it by itself.) */
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    if (number != SIGINT)
        asked = number;
}

enum { SIGNALS = 3 };
static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

static void signals_catch(struct sigaction *before)
{
    struct sigaction action = {.sa_handler = on_signal};

    asked = 0;
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
}

static void signals_restore(const struct sigaction *before)
{
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
}

static pid_t start(char **command, uint64_t token)
{
    pid_t pid, parent = getpid();
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, token);
    fflush(NULL);
    pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(128 + SIGTERM);
    setenv("COATCHECK_TOKEN", text, 1);
    execvp(command[0], command);
    fprintf(stderr, "coatcheck: lock: cannot run %s: %s\n", command[0],
            strerror(errno));
    _exit(127);
}

/* Wait for the child or a while. True: it has ended. */
static bool wait_child(pid_t pid, uint64_t ms, int *status)
{
    struct timespec pause = {0, 20000000};

    for (uint64_t waited = 0; waited < ms; waited += 20) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        if (asked)
            kill(pid, asked);
        asked = 0;
        nanosleep(&pause, NULL);
    }
    return false;
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Keep the lock. False: it is not ours any more, or may not be: since `*kept`,
 * when the last request that kept it was sent, its time has nearly passed. */
static bool keep(struct keys *k, const struct lock_args *a, uint64_t token,
                 uint64_t *kept)
{
    uint64_t sent = now_ms();
    enum coat_status rv =
        coat_lock_keep(k->session, COAT_STR(a->name), token, a->ttl);

    if (rv == COAT_OK)
        *kept = sent;
    return rv != COAT_NOT_MET && now_ms() - *kept < a->ttl - a->ttl / 10;
}

static int hold(struct keys *k, const struct lock_args *a, uint64_t token)
{
    struct sigaction before[SIGNALS];
    uint64_t kept = now_ms();
    int status = 0, code = EXIT_DONE;
    pid_t pid;

    /* Taking it may have taken long: from here on the time is known. */
    if (!keep(k, a, token, &kept))
        return cli_error(k->cli, EXIT_NOT_FOUND,
                         "lock %s: it was lost at once; allow more --ttl",
                         a->name);
    signals_catch(before);
    pid = start(a->command, token);
    if (pid < 0)
        code = cli_error(k->cli, EXIT_REFUSED, "lock: cannot fork: %s",
                         strerror(errno));
    while (!code && !wait_child(pid, a->ttl / 4, &status)) {
        if (keep(k, a, token, &kept))
            continue;
        kill(pid, SIGTERM);
        code = cli_error(k->cli, EXIT_NOT_FOUND,
                         "lock %s: it was lost; the command is ended",
                         a->name);
        if (!wait_child(pid, 5000, &status)) {
            kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
        }
    }
    signals_restore(before);
    if (code)
        return code;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cmd_lock(struct cli *cli, int argc, char **argv)
{
    struct lock_args a = {.ttl = TTL_DEFAULT};
    char owner[96];
    struct keys k;
    uint64_t token = 0;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse_in(&argp, argc, argv, ARGP_IN_ORDER, &a) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    default_owner(owner, sizeof owner);
    rv = coat_lock_wait(k.session, COAT_STR(a.name),
                        COAT_STR(a.owner ? a.owner : owner), a.ttl, a.wait,
                        &token);
    if (rv == COAT_NOT_MET) {
        code = not_met(cli, "lock", a.name,
                       "somebody else has it; get tells who, --wait waits; "
                       "their token is", token);
    } else if (rv) {
        code = keys_fail(&k, "lock", slice_str(a.name), rv);
    } else if (a.command) {
        code = hold(&k, &a, token);
        (void)coat_unlock(k.session, COAT_STR(a.name), token);
    } else {
        print_token(cli, a.name, token);
    }
    keys_close(&k);
    return code;
}

/* ---- unlock ---- */

struct unlock_args {
    const char *name;
    uint64_t token;
};

static error_t unlock_take(int key, char *arg, struct argp_state *state)
{
    struct unlock_args *a = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            a->name = arg;
        else if (state->arg_num > 1 || !parse_u64(arg, &a->token))
            argp_error(state, "a lock and its token, please");
        return 0;
    case ARGP_KEY_END:
        if (!a->token)
            argp_error(state, "a lock and its token, please");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp unlock_argp = {
    NULL, unlock_take, "NAME TOKEN",
    "Release the lock NAME; exits with 1 if it is not held with that token any "
    "more.", cli_common, NULL, NULL};

int cmd_unlock(struct cli *cli, int argc, char **argv)
{
    struct unlock_args a = {0};
    struct keys k;
    enum coat_status rv;
    int code = EXIT_DONE;

    if (cli_parse(cli, &unlock_argp, argc, argv, &a) ||
        !keys_open(&k, cli))
        return EXIT_USAGE;
    rv = coat_unlock(k.session, COAT_STR(a.name), a.token);
    if (rv == COAT_NOT_MET)
        code = not_met(cli, "unlock", a.name,
                       "it is not held any more with token", a.token);
    else if (rv)
        code = keys_fail(&k, "unlock", slice_str(a.name), rv);
    else if (cli->output == OUTPUT_JSON)
        print_token(cli, a.name, a.token);
    else if (cli->output == OUTPUT_TABLE)
        fprintf(cli->out, "ok\n");
    keys_close(&k);
    return code;
}
