/* main.c - the program `coatcheck`. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

int main(int argc, char **argv)
{
    struct cli cli = {.out = stdout, .err = stderr};
    int rv;

    signal(SIGPIPE, SIG_IGN); /* a lost connection is a status */
    cli.out_is_terminal = isatty(STDOUT_FILENO);
    cli.err_is_terminal = isatty(STDERR_FILENO);
    cli.in_is_terminal = isatty(STDIN_FILENO);
    rv = cli_main(&cli, argc, argv);
    if (fclose(stdout) && !rv)
        return cli_error(&cli, EXIT_REFUSED, "cannot write the output: %s",
                         strerror(errno));
    return rv;
}
