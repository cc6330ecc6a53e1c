/* shell.c - the interactive shell: a line is a command, without "coatcheck".
 *
 * Each line runs in a process of its own, like any command, so that Ctrl-C ends
 * a command and not the shell, and no command can leave something behind in the
 * next one. */
#include <editline/readline.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/words.h"

enum { HISTORY_LINES = 1000 };

struct shell {
    struct cli *cli;
    struct words words;
    char keyspace[80]; /* of `use`; "" as the options said */
    bool person;       /* a terminal, with a prompt */
    int code;          /* of the last command */
};

/* ---- one line ---- */

/* argp wants what main() got; it changes no byte of it. */
static char *arg(const char *text)
{
    return (char *)(size_t)text;
}

static void run_child(struct shell *sh)
{
    struct cli cli = {.out = stdout, .err = stderr,
                      .out_is_terminal = sh->cli->out_is_terminal,
                      .err_is_terminal = sh->cli->err_is_terminal};
    char *argv[WORDS_MAX + 12], timeout[24];
    static const char *const outputs[] = {"table", "json", "raw"};
    int n = 0;

    signal(SIGINT, SIG_DFL);
    snprintf(timeout, sizeof timeout, "%u", sh->cli->timeout);
    argv[n++] = arg("coatcheck");
    argv[n++] = arg("-e");
    argv[n++] = arg(sh->cli->endpoints);
    argv[n++] = arg("-o");
    argv[n++] = arg(outputs[sh->cli->output]);
    argv[n++] = arg("--timeout");
    argv[n++] = timeout;
    if (sh->keyspace[0]) {
        argv[n++] = arg("-k");
        argv[n++] = sh->keyspace;
    }
    for (unsigned i = 0; i < sh->words.n; i++)
        argv[n++] = word_text(&sh->words, i);
    argv[n] = NULL;
    n = cli_main(&cli, n, argv);
    fflush(stdout);
    _exit(n);
}

static void run(struct shell *sh)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        sh->code = cli_error(sh->cli, EXIT_REFUSED, "cannot fork: %s",
                             strerror(errno));
        return;
    }
    if (!pid)
        run_child(sh);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sh->code = WIFEXITED(status) ? WEXITSTATUS(status)
                                 : 128 + WTERMSIG(status);
}

/* A command takes its arguments as main() does: up to a NUL. */
static const char *line_split(struct words *w, const char *line)
{
    const char *why = words_split(w, slice_str(line));

    for (unsigned i = 0; !why && i < w->n; i++)
        if (memchr(word(w, i).data, 0, word(w, i).size))
            why = "no argument holds a NUL: a value with one comes from a "
                  "--file, such keys by load";
    return why;
}

/* False: the shell is to end. */
static bool line_run(struct shell *sh, const char *line)
{
    const char *why = line_split(&sh->words, line);
    const struct words *w = &sh->words;

    if (why) {
        sh->code = cli_error(sh->cli, EXIT_USAGE, "%s", why);
        return true;
    }
    if (!w->n || word_text(w, 0)[0] == '#')
        return true;
    if (word_is(w, 0, "exit") || word_is(w, 0, "quit"))
        return false;
    if (word_is(w, 0, "use") && w->n <= 2 &&
        (w->n == 1 || word(w, 1).size < sizeof sh->keyspace)) {
        snprintf(sh->keyspace, sizeof sh->keyspace, "%s",
                 w->n == 2 ? word_text(w, 1) : "");
        return true;
    }
    if (word_is(w, 0, "shell")) {
        sh->code = cli_error(sh->cli, EXIT_USAGE, "this is the shell");
        return true;
    }
    run(sh);
    return true;
}

/* ---- history and completion ---- */

static void history_path(char *path, size_t size)
{
    const char *file = getenv("COATCHECK_HISTORY"), *home = getenv("HOME");

    if (file)
        snprintf(path, size, "%s", file);
    else
        snprintf(path, size, "%s/.coatcheck_history", home ? home : "");
    if (!file && !home)
        path[0] = 0;
}

/* Values may be secrets: only we read it. */
static void history_save(const char *path)
{
    int fd;

    if (!path[0])
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    if (fd >= 0)
        write_history(path);
}

static char *complete_command(const char *text, int state)
{
    static unsigned at;
    const char *name;

    if (!state)
        at = 0;
    while ((name = cli_command_name(at++)))
        if (!strncmp(name, text, strlen(text)))
            return strdup(name);
    return NULL;
}

/* The options of the line's command are those that its --help names. */
static struct {
    struct buf help;
    size_t at;
} options;

static void options_of_line(void)
{
    size_t n = strcspn(rl_line_buffer, " \t");
    const char *name;

    buf_clear(&options.help);
    options.at = 0;
    for (unsigned i = 0; (name = cli_command_name(i)); i++)
        if (strlen(name) == n && !memcmp(name, rl_line_buffer, n) &&
            !cli_help(name, &options.help))
            buf_clear(&options.help);
    buf_append(&options.help, "", 1);
}

/* Not those that are mentioned in the text beside. */
static bool begins_line(const char *help, const char *at)
{
    enum { COLUMN = 6 }; /* where argp puts long options */

    return at - help >= COLUMN &&
           (at - help == COLUMN || at[-COLUMN - 1] == '\n');
}

static char *complete_option(const char *text, int state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    const char *help, *at;

    if (!state)
        options_of_line();
    help = (const char *)options.help.data;
    while ((at = strstr(help + options.at, "--"))) {
        size_t n = strspn(at, letters);
        options.at = (size_t)(at - help) + n;
        if (begins_line(help, at) && strlen(text) <= n &&
            !strncmp(at, text, strlen(text)))
            return strndup(at, n);
    }
    return NULL;
}

/* The first word is a command; others are known only if they are options. */
static char **complete(const char *text, int start, int end UNUSED)
{
    rl_attempted_completion_over = 1;
    if (!start)
        return rl_completion_matches(text, complete_command);
    return text[0] == '-' ? rl_completion_matches(text, complete_option)
                          : NULL;
}

static void prompt_format(const struct shell *sh, char *text, size_t size)
{
    snprintf(text, size, "coatcheck%s%s> ", sh->keyspace[0] ? " " : "",
             sh->keyspace);
}

static bool interrupted;

static int on_interrupt(int count UNUSED, int key UNUSED)
{
    interrupted = true;
    rl_done = 1;
    return 0;
}

/* The editor's settings are as new for each line. */
static int no_interrupt_signal(void)
{
    (void)rl_parse_and_bind("setty -d -intr intr=");
    return 0;
}

/* While a line is edited, an interrupt is a key in its place among others: of
 * a signal that comes when the editor is between two keys it takes no notice.
 */
static void take_interrupt_as_key(void)
{
    enum { CONTROL_C = 3 };

    rl_add_defun("coatcheck-interrupt", on_interrupt, CONTROL_C);
    rl_pre_input_hook = no_interrupt_signal;
}

static void talk(struct shell *sh)
{
    char path[4096], prompt[128], *line;

    rl_readline_name = "coatcheck";
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(HISTORY_LINES);
    history_path(path, sizeof path);
    if (path[0])
        (void)read_history(path);
    take_interrupt_as_key();
    for (bool go_on = true; go_on;) {
        prompt_format(sh, prompt, sizeof prompt);
        interrupted = false;
        line = readline(prompt);
        if (interrupted) { /* drops the line, not the shell */
            free(line);
            fputc('\n', sh->cli->out);
            continue;
        }
        if (!line) {
            fputc('\n', sh->cli->out);
            break;
        }
        if (line[strspn(line, " \t")])
            add_history(line);
        go_on = line_run(sh, line);
        free(line);
    }
    history_save(path);
    buf_release(&options.help);
}

static void read_lines(struct shell *sh, FILE *in)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, in)) >= 0)
        if (!line_run(sh, line))
            break;
    free(line);
}

int cmd_shell(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        NULL, NULL, "",
        "Read commands from standard input, one per line, without "
        "\"coatcheck\"; on a terminal with history and completion. Words with "
        "blanks stand in quotes. Besides all commands: use [KEYSPACE], exit. "
        "The exit code is the last command's.",
        cli_common, NULL, NULL};
    struct shell sh = {.cli = cli};
    void (*before)(int);

    if (cli_parse(cli, &argp, argc, argv, NULL))
        return EXIT_USAGE;
    if (cli->keyspace)
        snprintf(sh.keyspace, sizeof sh.keyspace, "%s", cli->keyspace);
    sh.person = isatty(STDIN_FILENO) && cli->out_is_terminal;
    before = signal(SIGINT, SIG_IGN);
    if (sh.person)
        talk(&sh);
    else
        read_lines(&sh, stdin);
    signal(SIGINT, before);
    words_release(&sh.words);
    return sh.code;
}
