/* main.c - the program `coatcheck`. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

/* Who was started with a standard stream closed would get its number for a
 * socket. In its place stands a file of which the wrong direction is open, so
 * that using it fails as it would have. */
static void streams_reserve(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Has the reader of this pipe gone away? */
static bool nobody_reads(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

/* What is written must have arrived: an earlier write that failed leaves no
 * trace but ferror(). A reader that went away early (`| head -1`) is no error
 * of ours: we end silently, as filters do. */
static int finish(struct cli *cli, int code)
{
    bool gone = nobody_reads(STDOUT_FILENO);
    bool lost = ferror(stdout) != 0;

    errno = 0;
    if (fclose(stdout))
        lost = true;
    if (code || !lost)
        return code;
    if (gone) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return cli_error(cli, EXIT_REFUSED, "cannot write the output%s%s",
                     errno ? ": " : "", errno ? strerror(errno) : "");
}

int main(int argc, char **argv)
{
    struct cli cli = {.out = stdout, .err = stderr};

    streams_reserve();
    signal(SIGPIPE, SIG_IGN); /* a lost connection is a status */
    cli.out_is_terminal = isatty(STDOUT_FILENO);
    cli.err_is_terminal = isatty(STDERR_FILENO);
    cli.in_is_terminal = isatty(STDIN_FILENO);
    return finish(&cli, cli_main(&cli, argc, argv));
}
