/* test_cmd_keys.c - set, get and del. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Broken: bytes would be added to a value or lost from it. */
static void raw_is_exactly_the_value(void **state)
{
    static const char bytes[] = "a\nb\xff\xfe\n";
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    r = run_cli_input(bytes, sizeof bytes - 1, false,
                      (const char *const[]){"-e", e, "set", "k", "-", NULL});
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "ok\n");
    free(r);
    r = RUN("-e", e, "-o", "raw", "get", "k");
    assert_int_equal(r->code, 0);
    assert_int_equal(r->out_size, sizeof bytes - 1);
    assert_memory_equal(r->out, bytes, sizeof bytes - 1);
    free(r);
    RUN_CODE(0, "-e", e, "set", "empty", "");
    r = RUN("-e", e, "-o", "raw", "get", "empty");
    assert_int_equal(r->code, 0);
    assert_int_equal(r->out_size, 0);
    free(r);
    nodes_stop(t);
}

/* Broken: the prompt would stand behind the value; or a pipe would get a byte
 * that is not in it. */
static void only_a_terminal_gets_an_end_of_line(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    RUN_CODE(0, "-e", e, "set", "k", "v");
    r = run_cli_input(NULL, 0, true,
                      (const char *const[]){"-e", e, "get", "k", NULL});
    assert_string_equal(r->out, "v\r\n"); /* as terminals make it */
    free(r);
    r = RUN("-e", e, "get", "k");
    assert_string_equal(r->out, "v");
    free(r);
    r = run_cli_input(NULL, 0, true,
                      (const char *const[]){"-e", e, "-o", "raw", "get", "k",
                                            NULL});
    assert_string_equal(r->out, "v");
    free(r);
    nodes_stop(t);
}

/* Broken: a script would read other fields than are documented. */
static void json_has_key_status_version_and_value(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;
    json_t *j;

    (void)state;
    e = t->f.endpoints;
    r = RUN("-e", e, "-o", "json", "set", "k", "v");
    j = json_loads(r->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "key")), "k");
    assert_string_equal(json_string_value(json_object_get(j, "status")), "OK");
    assert_string_equal(json_string_value(json_object_get(j, "version")), "1");
    json_decref(j);
    free(r);
    r = RUN("-e", e, "-o", "json", "get", "-s", "k");
    j = json_loads(r->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "value")), "v");
    json_decref(j);
    free(r);
    r = RUN("-e", e, "-o", "json", "del", "k", "missing");
    assert_int_equal(r->code, 1);
    assert_string_equal(r->out, /* a line each, as of mget and mset */
                        "{\"key\":\"k\",\"status\":\"OK\"}\n"
                        "{\"key\":\"missing\",\"status\":\"NOT_FOUND\"}\n");
    free(r);
    nodes_stop(t);
}

/* Broken: who wants a value and its deadline would have to ask twice, of what
 * may have changed between. */
static void json_tells_when_a_value_expires(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    RUN_CODE(0, "-e", e, "set", "k", "v", "--ttl", "90s");
    r = RUN("-e", e, "-o", "json", "get", "k");
    assert_has(r->out, "\"value\": \"v\"");
    assert_has(r->out, "\"ttl_ms\": 90000");
    assert_has(r->out, "\"deadline_ms\": \"");
    free(r);
    RUN_CODE(0, "-e", e, "set", "k", "v");
    r = RUN("-e", e, "-o", "json", "get", "k");
    assert_null(strstr(r->out, "_ms"));
    free(r);
    nodes_stop(t);
}

/* Broken: what is not there would look like a failure, or the other way. */
static void missing_keys_exit_with_1(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    RUN_CODE(1, "-e", e, "get", "k");
    RUN_CODE(0, "-e", e, "set", "a", "1");
    RUN_CODE(0, "-e", e, "set", "b", "1");
    r = RUN("-e", e, "del", "a", "missing", "b");
    assert_int_equal(r->code, 1);
    assert_string_equal(r->out, "2 deleted\n");
    assert_has(r->err, "del missing: not found");
    assert_one_line(r->err);
    free(r);
    RUN_CODE(1, "-e", e, "get", "b");
    RUN_CODE(2, "-e", e, "get", "");
    nodes_stop(t);
}

/* Broken: a file would hold something else than the value. */
static void a_value_can_go_into_a_file(void **state)
{
    struct nodes *t = nodes_start(1);
    char path[] = "test_get_file.XXXXXX", got[16] = "";
    int fd = mkstemp(path);

    (void)state;
    e = t->f.endpoints;
    assert_true(fd >= 0);
    RUN_CODE(0, "-e", e, "set", "k", "to file");
    RUN_CODE(0, "-e", e, "get", "k", "--file", path);
    close(fd);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, got, sizeof got), 7);
    assert_string_equal(got, "to file");
    close(fd);
    unlink(path);
    RUN_CODE(4, "-e", e, "get", "k", "--file", "/no/such/folder/file");
    nodes_stop(t);
}

/* Broken: `--file /dev/null` would put a plain file in the device's place, and
 * a file behind a link would stay as it was. */
static void only_files_are_replaced_and_keep_what_they_are(void **state)
{
    struct nodes *t = nodes_start(1);
    char folder[] = "test_get_file.XXXXXX", fifo[64], file[64], link[64],
         got[16] = "";
    struct stat st;
    int fd;

    (void)state;
    e = t->f.endpoints;
    assert_non_null(mkdtemp(folder));
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("file", link), 0);
    fd = open(file, O_WRONLY | O_CREAT, 0640);
    assert_int_equal(fchmod(fd, 0640), 0);
    close(fd);
    RUN_CODE(0, "-e", e, "set", "k", "value");
    fd = open(fifo, O_RDWR);
    RUN_CODE(0, "-e", e, "get", "k", "--file", fifo);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(fd, got, sizeof got), 5);
    assert_string_equal(got, "value");
    close(fd);
    RUN_CODE(0, "-e", e, "get", "k", "--file", link);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(file, &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
    nodes_stop(t);
}

/* Broken: files would be cut, or a missing one stored as nothing. */
static void a_value_can_come_from_a_file(void **state)
{
    struct nodes *t = nodes_start(1);
    char path[] = "test_cmd_keys.XXXXXX";
    int fd = mkstemp(path);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "from\nfile", 9), 9);
    close(fd);
    RUN_CODE(0, "-e", e, "set", "k", "--file", path);
    assert_int_equal(unlink(path), 0);
    r = RUN("-e", e, "-o", "raw", "get", "k");
    assert_string_equal(r->out, "from\nfile");
    free(r);
    r = RUN("-e", e, "set", "k", "--file", path);
    assert_int_equal(r->code, 2);
    assert_has(r->err, path);
    free(r);
    RUN_CODE(2, "-e", e, "set", "k", "v", "--file", path);
    nodes_stop(t);
}

/* Broken: a write of unknown fate would look like one that failed. */
static void an_unknown_outcome_exits_with_5(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct run *r;

    (void)state;
    t->f.nodes[0].mode = FAKE_DROP;
    fake_thread_start(&t->f);
    e = t->f.endpoints;
    r = RUN("-e", e, "set", "k", "v");
    assert_int_equal(r->code, 5);
    assert_one_line(r->err);
    assert_has(r->err, "may have been done");
    free(r);
    nodes_stop(t);
}

/* Broken: a refusal would look like an absence. */
static void a_refusal_exits_with_4_and_an_absence_with_3(void **state)
{
    struct nodes *t = nodes_prepare(1);
    static char gone[300];

    (void)state;
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_DISK_FULL;
    t->f.nodes[0].refusals = 1;
    fake_thread_start(&t->f);
    snprintf(gone, sizeof gone, "%.290s", t->f.endpoints);
    RUN_CODE(4, "-e", gone, "set", "k", "v");
    nodes_stop(t);
    RUN_CODE(3, "-e", gone, "--timeout", "100", "set", "k", "v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_is_exactly_the_value),
        cmocka_unit_test(only_a_terminal_gets_an_end_of_line),
        cmocka_unit_test(json_has_key_status_version_and_value),
        cmocka_unit_test(json_tells_when_a_value_expires),
        cmocka_unit_test(missing_keys_exit_with_1),
        cmocka_unit_test(a_value_can_go_into_a_file),
        cmocka_unit_test(only_files_are_replaced_and_keep_what_they_are),
        cmocka_unit_test(a_value_can_come_from_a_file),
        cmocka_unit_test(an_unknown_outcome_exits_with_5),
        cmocka_unit_test(a_refusal_exits_with_4_and_an_absence_with_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
