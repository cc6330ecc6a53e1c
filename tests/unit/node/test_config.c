/* test_config.c - settings: command line over file over defaults, and whatever
 * cannot be used is named. */
#include "tests/unit/node/shell/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/config.h"

enum { ARGS_MAX = 16 };

struct args {
    char *v[ARGS_MAX];
    int n;
};

static struct args args_of(va_list ap)
{
    struct args a = {.n = 0};
    char *word;

    a.v[a.n++] = (char *)(uintptr_t)"coatcheckd";
    while ((word = va_arg(ap, char *)) && a.n < ARGS_MAX - 1)
        a.v[a.n++] = word;
    return a;
}

/* These settings must be good. Words, NULL at the end. */
static struct config read_good(const char *dummy, ...)
    __attribute__((sentinel));
static struct config read_good(const char *dummy, ...)
{
    struct config c;
    struct args a;
    va_list ap;

    (void)dummy;
    va_start(ap, dummy);
    a = args_of(ap);
    va_end(ap);
    assert_int_equal(config_read(a.n, a.v, &c), 0);
    return c;
}

/* Read these settings in a child, for the parser of the command line ends the
 * process. Gives its exit code, and what it wrote to `stream`. */
static int read_in_child(struct args a, int stream, char *text, size_t size)
{
    struct config c;
    int ends[2], how;
    size_t done = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(ends[1], stream);
        _exit(config_read(a.n, a.v, &c));
    }
    close(ends[1]);
    while ((n = read(ends[0], text + done, size - 1 - done)) > 0)
        done += (size_t)n;
    text[done] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (!WIFEXITED(how))
        fail_msg("wait status %x, it wrote: %s", how, text);
    return WEXITSTATUS(how);
}

/* These must not: exit code 2, and stderr says each of the texts. */
static void read_bad(const char *says, const char *and_says, ...)
    __attribute__((sentinel));
static void read_bad(const char *says, const char *and_says, ...)
{
    char text[4096];
    struct args a;
    va_list ap;

    va_start(ap, and_says);
    a = args_of(ap);
    va_end(ap);
    assert_int_equal(read_in_child(a, STDERR_FILENO, text, sizeof text), 2);
    must_say(text, says);
    must_say(text, and_says);
}

/* A file in the test's directory with this content. */
static char *file_with(const char *dir, const char *text)
{
    char *path = (char *)(uintptr_t)path_of(dir, "settings.yaml");

    file_put(path, slice_str(text));
    return path;
}

static void must_be(const struct address *a, const char *text)
{
    char is[ADDRESS_MAX + 1];

    address_format(a, is);
    assert_string_equal(is, text);
}

/* Would break: -h would be a mistake, as of a program without help. */
static void help_is_asked_for_by_name_or_letter(void **state)
{
    static char name[] = "coatcheckd", option[] = "--help", letter[] = "-h";
    char by_name[8192], by_letter[8192];

    (void)state;
    assert_int_equal(read_in_child((struct args){{name, option}, 2},
                                   STDOUT_FILENO, by_name, sizeof by_name), 0);
    assert_int_equal(read_in_child((struct args){{name, letter}, 2},
                                   STDOUT_FILENO, by_letter, sizeof by_letter),
                     0);
    must_say(by_name, "--data=DIR");
    assert_string_equal(by_letter, by_name);
}

/* Would break: what the manual says of a daemon started with --data alone. */
static void defaults_are_those_of_the_help(void **state)
{
    struct config c = read_good("", "--data", *state, NULL);

    assert_string_equal(c.node.data, *state);
    must_be(&c.node.client_listen, "127.0.0.1:7410");
    must_be(&c.node.peer_listen, "127.0.0.1:7411");
    assert_string_equal(c.node.client_advertise, "127.0.0.1:7410");
    assert_string_equal(c.node.peer_advertise, "127.0.0.1:7411");
    assert_false(c.node.unsafe_disk);
    assert_false(c.check_only);
    assert_int_equal(c.log_level, LOG_LEVEL_INFO);
    assert_int_equal(c.node.disk_reserve_bytes, 256u << 20);
    /* 0: the node's own defaults */
    assert_int_equal(c.node.segment_bytes, 0);
    assert_int_equal(c.node.cache_bytes, 0);
    assert_int_equal(c.node.conns_max, 0);
    assert_int_equal(c.node.election_ms, 0);
}

/* Would break: a setting of the file without effect, or in another unit. */
static void file_sets_everything_it_names(void **state)
{
    char *file = file_with(*state, "# a comment\n"
                                   "data: /var/lib/x\n"
                                   "listen: 10.0.0.1:1\n"
                                   "peer-listen: '[::1]:2'\n"
                                   "redis-listen: 10.0.0.1:3\n"
                                   "http-listen: 10.0.0.1:4\n"
                                   "advertise-client: a.example:5\n"
                                   "advertise-peer: b.example:6\n"
                                   "log-level: warn\n"
                                   "unsafe-disk: true\n"
                                   "segment-mib: 128\n"
                                   "cache-mib: 5000\n"
                                   "connections-max: 77\n"
                                   "election-ms: 900\n"
                                   "disk-reserve-mib: 10\n"
                                   "threads: 3\n");
    struct config c = read_good("", "--config", file, NULL);

    assert_string_equal(c.node.data, "/var/lib/x");
    must_be(&c.node.client_listen, "10.0.0.1:1");
    must_be(&c.node.peer_listen, "[::1]:2");
    assert_string_equal(c.node.client_advertise, "a.example:5");
    assert_string_equal(c.node.peer_advertise, "b.example:6");
    assert_int_equal(c.log_level, LOG_LEVEL_WARN);
    assert_true(c.node.unsafe_disk);
    assert_int_equal(c.node.segment_bytes, 128u << 20);
    assert_int_equal(c.node.cache_bytes, (uint64_t)5000 << 20);
    assert_int_equal(c.node.conns_max, 77);
    assert_int_equal(c.node.election_ms, 900);
    assert_int_equal(c.node.disk_reserve_bytes, 10u << 20);
    assert_int_equal(c.node.threads, 3);
}

/* Would break: a trial on the command line that the file overrules. */
static void command_line_wins_over_the_file(void **state)
{
    char *file = file_with(*state, "data: /from/file\n"
                                   "listen: 10.0.0.1:1\n"
                                   "log-level: warn\n"
                                   "segment-mib: 128\n"
                                   "election-ms: 900\n");
    struct config c =
        read_good("", "--data", "/from/line", "-c", file, "--log-level",
                  "debug", "--segment-mib", "64", NULL);

    assert_string_equal(c.node.data, "/from/line");
    assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(c.node.segment_bytes, 64u << 20);
    must_be(&c.node.client_listen, "10.0.0.1:1"); /* the rest is the file's */
    assert_int_equal(c.node.election_ms, 900);
}

/* Would break: a packaged file in which all is still commented out. */
static void file_without_any_setting_is_good(void **state)
{
    static const char *const texts[] = {"", "\n", "# data: /x\n", "---\n"};

    for (unsigned i = 0; i < 3; i++) {
        struct config c = read_good("", "-c", file_with(*state, texts[i]),
                                    "--data", "/x", NULL);
        assert_string_equal(c.node.data, "/x");
    }
    read_bad("data directory is needed", "--data", "-c",
             file_with(*state, ""), NULL);
}

/* Would break: a misspelt setting would silently be the default. */
static void unknown_settings_are_named(void **state)
{
    read_bad("lisen", "settings.yaml", "-c",
             file_with(*state, "data: /x\nlisen: 10.0.0.1:1\n"), NULL);
    read_bad("--lisen", "unrecognized", "--data", "/x", "--lisen=a:1", NULL);
    read_bad("unexpected argument 'extra'", "", "--data", "/x", "extra",
             NULL);
    read_bad("data", "already", "-c",
             file_with(*state, "data: /x\ndata: /y\n"), NULL);
}

/* Would break: half of a file, or none of it, would be used. */
static void unreadable_files_are_named(void **state)
{
    read_bad("/no/such.yaml", "open", "-c", "/no/such.yaml", NULL);
    read_bad("settings.yaml", "cannot use", "-c",
             file_with(*state, "data: [a, b]\n"), NULL);
    read_bad("settings.yaml", "cannot use", "-c",
             file_with(*state, "data: 'open end\n"), NULL);
    read_bad("settings.yaml", "cannot use", "-c",
             file_with(*state, "- a\n- list\n"), NULL);
    read_bad("settings.yaml", "cannot use", "-c",
             file_with(*state, "data: \x01\xff\n"), NULL);
    read_bad("cannot use", "", "-c", *state, NULL); /* a folder */
}

/* Would break: a number that means something else than what was written: cut,
 * negative, or in another unit. */
static void numbers_out_of_range_are_named(void **state)
{
    static const struct {
        const char *name, *value, *range;
    } cases[] = {
        {"segment-mib", "31", "32..1024"},
        {"segment-mib", "1025", "32..1024"},
        {"election-ms", "199", "200..60000"},
        {"election-ms", "60001", "200..60000"},
        {"threads", "65", "1..64"},
    };
    static const char *const words[] = {"cache-mib", "connections-max",
                                        "disk-reserve-mib", "segment-mib",
                                        "election-ms", "threads"};
    static const char *const bad[] = {"", "-1", "1x", "x", "0x10", "1.5",
                                      "1000001", "4294967297",
                                      "18446744073709551617"};
    char text[100], option[100];

    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof text, "data: /x\n%s: %s\n", cases[i].name,
                 cases[i].value);
        snprintf(option, sizeof option, "--%s=%s", cases[i].name,
                 cases[i].value);
        read_bad(cases[i].name, cases[i].range, "-c",
                 file_with(*state, text), NULL);
        read_bad(cases[i].name, cases[i].range, "--data", "/x", option,
                 NULL);
    }
    for (unsigned w = 0; w < ARRAY_LEN(words); w++)
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
            snprintf(option, sizeof option, "--%s=%s", words[w], bad[i]);
            read_bad(words[w], bad[i], "--data", "/x", option, NULL);
            snprintf(text, sizeof text, "data: /x\n%s: %s\n", words[w],
                     bad[i]);
            read_bad(words[w], bad[i], "-c", file_with(*state, text), NULL);
        }
}

/* Would break: the limits themselves. */
static void numbers_at_their_limits_are_good(void **state)
{
    struct config c = read_good("", "--data", *state, "--segment-mib=1024",
                                "--election-ms=200", "--cache-mib=1000000",
                                "--connections-max=1", "--threads=64", NULL);

    assert_int_equal(c.node.segment_bytes, 1u << 30);
    assert_int_equal(c.node.election_ms, 200);
    assert_int_equal(c.node.cache_bytes, (uint64_t)1000000 << 20);
    assert_int_equal(c.node.conns_max, 1);
    assert_int_equal(c.node.threads, LOOPS_MAX);
    c = read_good("", "--data", *state, "--segment-mib=32",
                  "--election-ms=60000", NULL);
    assert_int_equal(c.node.segment_bytes, 32u << 20);
}

/* Would break: "unsafe-disk: off", or any misspelt word, would allow it. */
static void flags_are_true_or_false_and_nothing_else(void **state)
{
    static const struct {
        const char *word;
        bool value;
    } good[] = {{"true", true},   {"yes", true}, {"on", true},
                {"false", false}, {"no", false}, {"off", false}};
    static const char *const bad[] = {"maybe", "1", "disabled", "''"};
    char text[100];

    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        struct config c;
        snprintf(text, sizeof text, "data: /x\nunsafe-disk: %s\n",
                 good[i].word);
        c = read_good("", "-c", file_with(*state, text), NULL);
        assert_int_equal(c.node.unsafe_disk, good[i].value);
        c = read_good("", "-c", file_with(*state, text), "--unsafe-disk",
                      NULL);
        assert_true(c.node.unsafe_disk);
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(text, sizeof text, "data: /x\nunsafe-disk: %s\n", bad[i]);
        read_bad("unsafe-disk", "true or false", "-c",
                 file_with(*state, text), NULL);
    }
}

/* Would break: an address that no one can connect to, found much later. */
static void bad_addresses_and_levels_are_named(void **state)
{
    static const char *const names[] = {"listen", "peer-listen",
                                        "redis-listen", "http-listen",
                                        "advertise-client",
                                        "advertise-peer"};
    static const char *const bad[] = {"host", ":7410", "host:", "host:x",
                                      "host:65536", "host:-1", "", "a b:1"};
    char option[300];

    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
            snprintf(option, sizeof option, "--%s=%s", names[n], bad[i]);
            read_bad(names[n], bad[i], "--data", "/x", option, NULL);
        }
    read_bad("log-level", "debug, info, warn or error", "--data", "/x",
             "--log-level", "loud", NULL);
}

/* Would break: other nodes and clients would be told "any address", or a port
 * that the node does not have. */
static void advertised_address_must_be_one_that_others_can_use(void **state)
{
    struct config c;

    read_bad("advertise-client", "every address", "--data", *state,
             "--listen", "0.0.0.0:7410", NULL);
    read_bad("advertise-peer", "every address", "--data", *state,
             "--peer-listen", "[::]:7411", NULL);
    read_bad("advertise-client", "every address", "--data", *state,
             "--advertise-client", "0.0.0.0:7410", NULL);
    read_bad("advertise-client", "any free port", "--data", *state,
             "--listen", "127.0.0.1:0", NULL);
    c = read_good("", "--data", *state, "--listen", "0.0.0.0:7410",
                  "--advertise-client", "db1.example:7410", "--peer-listen",
                  "[::]:7411", "--advertise-peer", "[fd00::1]:7411", NULL);
    must_be(&c.node.client_listen, "0.0.0.0:7410");
    assert_string_equal(c.node.client_advertise, "db1.example:7410");
    assert_string_equal(c.node.peer_advertise, "[fd00::1]:7411");
    c = read_good("", "--data", *state, "--listen", "10.1.2.3:99", NULL);
    assert_string_equal(c.node.client_advertise, "10.1.2.3:99");
}

/* Would break: data in a place nobody chose; a name cut to another one. */
static void data_directory_has_to_be_given(void **state)
{
    char name[5000];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    read_bad("a data directory is needed", "--data", "--log-level", "info",
             NULL);
    read_bad("a data directory is needed", "--data", "--data", "", NULL);
    read_bad("data", "", "--data", name, NULL);
}

/* Would break: --check-config would start a node, or not look at the file. */
static void check_config_reads_all_and_starts_nothing(void **state)
{
    struct config c = read_good("", "--data", *state, "--check-config", NULL);

    assert_true(c.check_only);
    read_bad("log-level", "", "--check-config", "-c",
             file_with(*state, "data: /x\nlog-level: loud\n"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        T(help_is_asked_for_by_name_or_letter),
        T(defaults_are_those_of_the_help),
        T(file_sets_everything_it_names),
        T(command_line_wins_over_the_file),
        T(file_without_any_setting_is_good),
        T(unknown_settings_are_named),
        T(unreadable_files_are_named),
        T(numbers_out_of_range_are_named),
        T(numbers_at_their_limits_are_good),
        T(flags_are_true_or_false_and_nothing_else),
        T(bad_addresses_and_levels_are_named),
        T(advertised_address_must_be_one_that_others_can_use),
        T(data_directory_has_to_be_given),
        T(check_config_reads_all_and_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
