/* coat_check.c - is a recorded history linearizable?
 *
 *   coat_check [--checks witness|time|all] [--configurations N] FILE...
 *
 * The format of the files is told in text.h; several files are one history
 * ("-" is standard input). Ends with 0 if it is linearizable, 1 if not or not
 * decided (one line says why), 2 if a file cannot be read. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check/text.h"

PRINTF(1, 2)
__attribute__((noreturn)) static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("coat_check: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

static void load(const char *name, struct check_history *h)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    char error[CHECK_ERROR_MAX], *line = NULL;
    size_t capacity = 0, number = 0;
    ssize_t n;

    if (!f)
        die("%s: %s", name, strerror(errno));
    while ((n = getline(&line, &capacity, f)) >= 0) {
        number++;
        if (n && line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (check_text_parse(line, h, error))
            die("%s:%zu: %s", name, number, error);
    }
    if (ferror(f))
        die("%s: %s", name, strerror(errno));
    free(line);
    if (f != stdin)
        fclose(f);
}

static void parse(int argc, char **argv, struct check_limits *limits)
{
    static const struct option list[] = {{"checks", 1, 0, 'c'},
                                         {"configurations", 1, 0, 'n'},
                                         {0}};
    char *end;
    int c;

    while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (c == 'c' && strcmp(optarg, "witness") == 0) {
            limits->checks = CHECK_BY_WITNESS;
        } else if (c == 'c' && strcmp(optarg, "time") == 0) {
            limits->checks = CHECK_BY_TIME;
        } else if (c == 'c' && strcmp(optarg, "all") == 0) {
            limits->checks = 0;
        } else if (c == 'c') {
            die("--checks takes witness, time or all, not '%s'", optarg);
        } else if (c == 'n') {
            limits->configurations_max = strtoull(optarg, &end, 10);
            if (*end || !limits->configurations_max)
                die("--configurations takes a number, not '%s'", optarg);
        } else {
            exit(2);
        }
    }
    if (optind == argc)
        die("name a file (see the head of tests/check/coat_check.c)");
}

int main(int argc, char **argv)
{
    struct check_limits limits = {0};
    struct check_history h = {0};
    struct check_report report;
    enum check_verdict verdict;

    parse(argc, argv, &limits);
    for (int i = optind; i < argc; i++)
        load(argv[i], &h);
    verdict = check_history_verify(&h, &limits, &report);
    if (verdict)
        printf("%s: key %u: %s\n",
               verdict == CHECK_VIOLATION ? "NOT linearizable" : "UNDECIDED",
               report.key, report.text);
    else
        printf("linearizable: %zu operations, %zu keys (%zu as registers, %zu "
               "searched, at most %zu configurations)\n",
               h.n, report.keys, report.by_registers, report.by_wing_gong,
               report.configurations);
    check_history_release(&h);
    return verdict ? 1 : 0;
}
