/* cmd_help.c - the commands help and completion: texts made of what each
 * command says of itself with --help, so that there is one text only. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "proto/base/bytes.h"

bool cli_help(const char *command, struct buf *out)
{
    int pipes[2], status;
    pid_t pid;
    ssize_t n;

    fflush(NULL);
    if (pipe(pipes))
        return false;
    pid = fork();
    if (!pid) {
        struct cli cli = {.out = stdout, .err = stderr};
        char program[] = "coatcheck", help[] = "--help";
        char *argv[4] = {program, NULL, NULL, NULL};
        int argc = 1;
        if (command)
            argv[argc++] = (char *)(size_t)command;
        argv[argc++] = help;
        dup2(pipes[1], STDOUT_FILENO);
        setenv("ARGP_HELP_FMT", "rmargin=79", 1);
        _exit(cli_main(&cli, argc, argv)); /* --help exits by itself */
    }
    close(pipes[1]);
    while (pid > 0 && ((n = read(pipes[0], buf_reserve(out, 4096), 4096)) > 0 ||
                       (n < 0 && errno == EINTR)))
        out->size += n > 0 ? (size_t)n : 0;
    close(pipes[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           !WEXITSTATUS(status);
}

/* ---- the manual page ---- */

static void roff_text(FILE *f, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool begins = !i || text.data[i - 1] == '\n';
        uint8_t c = text.data[i];
        if (begins && (c == '.' || c == '\''))
            fputs("\\&", f);
        if (c == '\\')
            fputs("\\e", f);
        else if (c == '-')
            fputs("\\-", f);
        else
            fputc(c, f);
    }
}

static bool roff_section(FILE *f, const char *command)
{
    struct buf text = {0};
    bool ok = cli_help(command, &text);

    if (command)
        fprintf(f, ".SS %s\n", command);
    fputs(".nf\n", f);
    roff_text(f, buf_slice(&text));
    fputs(".fi\n", f);
    buf_release(&text);
    return ok;
}

static bool print_man(FILE *f)
{
    bool ok;

    fprintf(f, ".TH COATCHECK 1 \"\" \"coatcheck %s\" \"User Commands\"\n"
               ".SH NAME\ncoatcheck \\- talk to a Coatcheck cluster\n"
               ".SH SYNOPSIS\n.B coatcheck\n"
               "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n"
               ".SH DESCRIPTION\n",
            coat_version());
    ok = roff_section(f, NULL);
    fputs(".SH COMMANDS\n", f);
    for (unsigned i = 0; cli_command_name(i); i++)
        ok = roff_section(f, cli_command_name(i)) && ok;
    fputs(".SH FILES\n.TP\n~/.coatcheck_history\nthe shell's history, or "
          "$COATCHECK_HISTORY\n.SH ENVIRONMENT\n.TP\nCOATCHECK_ENDPOINTS\n"
          "nodes to begin with, if \\-e is not given\n", f);
    return ok;
}

struct help_args {
    const char *command;
    bool man;
};

static const struct argp_option help_options[] = {
    {"man", 'm', NULL, 0, "Write the manual page, in roff", 0},
    {0},
};

static error_t help_take(int key, char *arg, struct argp_state *state)
{
    struct help_args *a = state->input;

    switch (key) {
    case 'm':
        a->man = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num)
            argp_error(state, "one command, please");
        a->command = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        help_options, help_take, "[COMMAND]",
        "Tell what COMMAND does, or which commands there are.", NULL, NULL,
        NULL};
    struct help_args a = {0};
    struct buf text = {0};
    bool ok;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    if (a.man)
        return print_man(cli->out) ? EXIT_DONE
                                   : cli_error(cli, EXIT_REFUSED,
                                               "help: no text could be had");
    ok = cli_help(a.command, &text);
    if (text.size)
        fwrite(text.data, 1, text.size, cli->out);
    buf_release(&text);
    return ok ? EXIT_DONE : EXIT_USAGE;
}

/* ---- completion: @ stands for the commands ---- */

static const char bash_script[] =
    "# bash completion of coatcheck; made by `coatcheck completion bash`.\n"
    "_coatcheck()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} word command= skip=\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        if [ \"$skip\" ]; then skip=; continue; fi\n"
    "        case $word in\n"
    "        -[eko]) skip=1 ;;\n"
    "        --endpoints | --keyspace | --output | --timeout) skip=1 ;;\n"
    "        -*) ;;\n"
    "        *) command=$word; break ;;\n"
    "        esac\n"
    "    done\n"
    "    case ${COMP_WORDS[COMP_CWORD-1]}:$cur in\n"
    "    -o:* | --output:*) set -- -W 'table json raw' ;;\n"
    "    *:-*) set -- -W \"$(coatcheck $command --help 2>/dev/null |\n"
    "        grep -oE -- '--[a-z][a-z-]+' | sort -u)\" ;;\n"
    "    *) if [ \"$command\" ]; then set -- -f; else set -- -W '@'; fi ;;\n"
    "    esac\n"
    "    COMPREPLY=($(compgen \"$@\" -- \"$cur\"))\n"
    "}\n"
    "complete -F _coatcheck coatcheck\n";

static const char zsh_script[] =
    "#compdef coatcheck\n"
    "# zsh completion of coatcheck; made by `coatcheck completion zsh`.\n"
    "_coatcheck() {\n"
    "    local word command= skip=\n"
    "    for word in ${words[2,CURRENT-1]}; do\n"
    "        if [[ -n $skip ]]; then skip=; continue; fi\n"
    "        case $word in\n"
    "        -[eko]|--endpoints|--keyspace|--output|--timeout) skip=1 ;;\n"
    "        -*) ;;\n"
    "        *) command=$word; break ;;\n"
    "        esac\n"
    "    done\n"
    "    if [[ ${words[CURRENT-1]} == (-o|--output) ]]; then\n"
    "        compadd -- table json raw\n"
    "    elif [[ $PREFIX == -* ]]; then\n"
    "        compadd -- ${(f)\"$(coatcheck $command --help 2>/dev/null |\n"
    "            grep -oE -- '--[a-z][a-z-]+' | sort -u)\"}\n"
    "    elif [[ -n $command ]]; then\n"
    "        _files\n"
    "    else\n"
    "        compadd -- @\n"
    "    fi\n"
    "}\n"
    "if [[ ${funcstack[1]} == _coatcheck ]]; then\n"
    "    _coatcheck \"$@\"\n"
    "else\n"
    "    compdef _coatcheck coatcheck\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of coatcheck; made by `coatcheck completion fish`.\n"
    "function __coatcheck_command\n"
    "    set -l skip\n"
    "    set -l words (commandline -opc)\n"
    "    set -e words[1]\n"
    "    for word in $words\n"
    "        if test -n \"$skip\"\n"
    "            set skip\n"
    "            continue\n"
    "        end\n"
    "        switch $word\n"
    "            case -e -k -o --endpoints --keyspace --output --timeout\n"
    "                set skip 1\n"
    "            case '-*'\n"
    "            case '*'\n"
    "                echo $word\n"
    "                return 0\n"
    "        end\n"
    "    end\n"
    "    return 1\n"
    "end\n"
    "function __coatcheck_options\n"
    "    coatcheck (__coatcheck_command) --help 2>/dev/null |\n"
    "        string match -ar -- '--[a-z][a-z-]+' | sort -u\n"
    "end\n"
    "complete -c coatcheck -n 'not __coatcheck_command' -f -a '@'\n"
    "complete -c coatcheck -f -a '(__coatcheck_options)' \\\n"
    "    -n 'string match -q -- \"-*\" (commandline -ct)'\n"
    "complete -c coatcheck -s e -l endpoints -x\n"
    "complete -c coatcheck -s k -l keyspace -x\n"
    "complete -c coatcheck -s o -l output -x -a 'table json raw'\n"
    "complete -c coatcheck -l timeout -x\n";

/* The script with the commands' names in the place of @. */
static void print_script(FILE *f, const char *script)
{
    for (const char *at = script; *at; at++) {
        if (*at != '@' || at[-1] == '$' || at[-1] == '[') {
            fputc(*at, f);
            continue;
        }
        for (unsigned i = 0; cli_command_name(i); i++)
            fprintf(f, "%s%s", i ? " " : "", cli_command_name(i));
    }
}

static error_t completion_take(int key, char *arg, struct argp_state *state)
{
    const char **script = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        *script = !strcmp(arg, "bash")  ? bash_script
                  : !strcmp(arg, "zsh") ? zsh_script
                  : !strcmp(arg, "fish") ? fish_script
                                         : NULL;
        if (!*script)
            argp_error(state, "bash, zsh or fish, not '%s'", arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "for which shell: bash, zsh or fish?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_completion(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        NULL, completion_take, "bash|zsh|fish",
        "Write a completion script for that shell: source it, or put it where "
        "the shell looks (for bash: eval \"$(coatcheck completion bash)\").",
        NULL, NULL, NULL};
    const char *script = NULL;

    if (cli_parse(cli, &argp, argc, argv, &script) || !script)
        return EXIT_USAGE;
    print_script(cli->out, script);
    return EXIT_DONE;
}
