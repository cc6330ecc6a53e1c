/* test_cmd_watch.c - watch. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Where a watch of this key or prefix, or of all keys, would go on from now;
 * freed by the caller. A library's cursor is good for the command. */
static char *cursor_now(const char *key, const char *prefix)
{
    struct coat_options options = COAT_OPTIONS;
    struct coat_watch_options o = COAT_WATCH_OPTIONS;
    char error[COAT_ERROR_MAX], *cursor;
    struct coat_session *s;
    struct coat_watch *w;

    options.endpoints = e;
    o.key = key ? COAT_STR(key) : COAT_BYTES(NULL, 0);
    o.prefix = prefix ? COAT_STR(prefix) : COAT_BYTES(NULL, 0);
    s = coat_connect(&options, error, sizeof error);
    assert_non_null(s);
    assert_int_equal(coat_watch_open(s, &o, &w), COAT_OK);
    cursor = coat_watch_cursor(w);
    coat_watch_close(w);
    coat_disconnect(s);
    return cursor;
}

static void each_change_is_a_line(void **state)
{
    struct nodes *t = nodes_start(3);
    char *cursor;
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    cursor = cursor_now("k", NULL);
    RUN_CODE(0, "-e", e, "set", "k", "a\tb");
    RUN_CODE(0, "-e", e, "set", "other", "1");
    RUN_CODE(0, "-e", e, "del", "k");
    r = RUN("-e", e, "watch", "k", "-n", "2", "--cursor", cursor);
    assert_int_equal(r->code, 0);
    assert_has(r->out, "put\tk\t");
    assert_has(r->out, "\ta\\tb\ndelete\tk\t");
    assert_null(strstr(r->out, "other"));
    free(r);
    r = RUN("-e", e, "-o", "json", "watch", "k", "-n", "1", "--cursor",
            cursor);
    assert_int_equal(r->code, 0);
    assert_has(r->out, "{\"event\":\"put\",\"key\":\"k\",\"version\":\"");
    assert_has(r->out, "\"value\":\"a\\tb\"");
    assert_one_line(r->out);
    free(r);
    free(cursor);
    nodes_stop(t);
}

/* Broken: who read a value before would miss what came between. */
static void a_version_says_behind_what_to_begin(void **state)
{
    struct nodes *t = nodes_start(3);
    char *cursor, version[24];
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    cursor = cursor_now("k", NULL);
    RUN_CODE(0, "-e", e, "set", "k", "1");
    RUN_CODE(0, "-e", e, "set", "k", "2");
    RUN_CODE(0, "-e", e, "del", "k");
    r = RUN("-e", e, "watch", "k", "-n", "1", "--cursor", cursor);
    assert_int_equal(r->code, 0);
    assert_int_equal(sscanf(r->out, "put\tk\t%23[0-9]", version), 1);
    free(r);
    r = RUN("-e", e, "watch", "k", "-n", "2", "--after", version);
    assert_int_equal(r->code, 0);
    assert_null(strstr(r->out, version));
    assert_has(r->out, "\t2\ndelete\tk\t");
    free(r);
    RUN_CODE(2, "-e", e, "watch", "k*", "--after", version);
    RUN_CODE(2, "-e", e, "watch", "k", "--after", "soon");
    RUN_CODE(2, "-e", e, "watch", "k", "--after", version, "--cursor",
             cursor);
    free(cursor);
    nodes_stop(t);
}

/* Broken: an interrupted one would lose or repeat what comes behind. */
static void a_cursor_goes_on_where_a_watch_ended(void **state)
{
    struct nodes *t = nodes_start(3);
    char *first, second[512];
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    first = cursor_now(NULL, "u");
    RUN_CODE(0, "-e", e, "mset", "u{1}a", "1", "u{1}b", "2", "u{1}c", "3");
    r = RUN("-e", e, "watch", "u*", "--count", "1", "--cursor", first);
    assert_int_equal(r->code, 0);
    assert_has(r->out, "put\tu{1}a\t");
    assert_int_equal(sscanf(r->err, "cursor: %511s", second), 1);
    free(r);
    r = RUN("-e", e, "watch", "--prefix", "u", "--count", "2", "--cursor",
            second);
    assert_int_equal(r->code, 0);
    assert_int_equal(strncmp(r->out, "put\tu{1}b\t", 10), 0);
    assert_has(r->out, "\nput\tu{1}c\t");
    free(r);
    RUN_CODE(4, "-e", e, "watch", "v*", "--cursor", second);
    RUN_CODE(4, "-e", e, "watch", "--cursor", "nonsense");
    free(first);
    nodes_stop(t);
}

/* It prints a change at once, and being interrupted is a good end. */
static void an_interrupt_ends_it_with_a_cursor(void **state)
{
    struct nodes *t = nodes_start(3);
    char *cursor, first = 0;
    int out[2], status;
    FILE *err = tmpfile();
    char text[512];
    pid_t child;

    (void)state;
    e = t->f.endpoints;
    cursor = cursor_now(NULL, NULL);
    RUN_CODE(0, "-e", e, "set", "k", "v");
    assert_int_equal(pipe(out), 0);
    child = fork();
    assert_true(child >= 0);
    if (!child) {
        dup2(out[1], 1);
        dup2(fileno(err), 2);
        execl(COATCHECK, COATCHECK, "-e", e, "watch", "--cursor", cursor,
              (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    assert_int_equal(read(out[0], &first, 1), 1);
    assert_int_equal(first, 'p');
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(out[0]);
    rewind(err);
    assert_non_null(fgets(text, sizeof text, err));
    assert_has(text, "cursor: ");
    fclose(err);
    free(cursor);
    nodes_stop(t);
}

/* Broken: a pattern that a scan finds keys with would watch the one key that is
 * named so, for ever and in silence; or a key with a * could not be watched. */
static void of_patterns_only_a_prefix_can_be_watched(void **state)
{
    static const char *const patterns[] = {"a?b", "*a", "a*b*", "a[bc]",
                                           "a**"};
    struct nodes *t = nodes_start(3);
    char *cursor;
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        r = RUN("-e", e, "watch", patterns[i]);
        assert_int_equal(r->code, 2);
        assert_has(r->err, patterns[i]);
        free(r);
    }
    cursor = cursor_now("a*[b", NULL);
    RUN_CODE(0, "-e", e, "set", "a*[b", "v");
    RUN_CODE(0, "-e", e, "watch", "a\\*\\[b", "-n", "1", "--cursor", cursor);
    free(cursor);
    cursor = cursor_now(NULL, "a*");
    RUN_CODE(0, "-e", e, "set", "a*[b", "w");
    RUN_CODE(0, "-e", e, "watch", "a\\**", "-n", "1", "--cursor", cursor);
    free(cursor);
    cursor = cursor_now("c:\\d", NULL); /* no pattern: no escape */
    RUN_CODE(0, "-e", e, "set", "c:\\d", "v");
    RUN_CODE(0, "-e", e, "watch", "c:\\d", "-n", "1", "--cursor", cursor);
    free(cursor);
    nodes_stop(t);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    e = "127.0.0.1:1";
    RUN_CODE(2, "-e", e, "watch", "a", "b");
    RUN_CODE(2, "-e", e, "watch", "");
    RUN_CODE(2, "-e", e, "watch", "a", "--prefix", "b");
    RUN_CODE(2, "-e", e, "watch", "a*", "--from", "b");
    RUN_CODE(2, "-e", e, "watch", "a*", "--prefix", "b");
    RUN_CODE(2, "-e", e, "watch", "-n", "0");
    /* An empty variable of a script: not all keys. */
    RUN_CODE(2, "-e", e, "watch", "--prefix", "");
    RUN_CODE(2, "-e", e, "watch", "--tag", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_a_line),
        cmocka_unit_test(a_version_says_behind_what_to_begin),
        cmocka_unit_test(a_cursor_goes_on_where_a_watch_ended),
        cmocka_unit_test(an_interrupt_ends_it_with_a_cursor),
        cmocka_unit_test(of_patterns_only_a_prefix_can_be_watched),
        cmocka_unit_test(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
