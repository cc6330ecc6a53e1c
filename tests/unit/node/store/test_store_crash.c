/* test_store_crash.c - kill -9 in the middle of applying leaves whole entries.
 *
 * RocksDB's threads do not survive a fork, so the parent never touches it:
 * writers and checkers are children, the parent only kills and compares. */
#include "tests/unit/node/store/fixture.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/store/store_iter.h"
#include "proto/base/rng.h"

enum { KEYS = 500, PUTS_PER_ENTRY = 8, VALUE_BYTES = 200 };

/* Small memtables: flushes run all the time. */
static const struct store_env_options small = {.group_flush_bytes = 64 * 1024};

/* What entry `index` writes, the same each time it is applied: some keys of
 * KEYS get `index` as their value's stamp. */
static void entry_keys(uint64_t index, unsigned keys[PUTS_PER_ENTRY])
{
    struct rng rng;

    rng_init(&rng, index);
    for (int i = 0; i < PUTS_PER_ENTRY; i++)
        keys[i] = (unsigned)rng_below(&rng, KEYS);
}

static enum status apply_entry(struct store *s, struct write_set *w,
                               uint64_t index)
{
    struct group_record r = {.applied_index = index, .applied_term = 1};
    unsigned keys[PUTS_PER_ENTRY];
    char key[16];
    uint8_t value[VALUE_BYTES];

    memset(value, (int)index, sizeof value);
    put_u64(value, index);
    write_set_clear(w);
    entry_keys(index, keys);
    for (int i = 0; i < PUTS_PER_ENTRY; i++) {
        int n = snprintf(key, sizeof key, "k%03u", keys[i]);
        write_set_put(w, slice_of(key, (size_t)n),
                      slice_of(value, sizeof value));
    }
    group_record_write(write_set_put_reserve(w, layout_single_key(LAYOUT_GROUP),
                                             group_record_bytes(&r)), &r);
    return store_apply(s, w);
}

/* In a child: cmocka's assertions belong to the parent. */
static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "child: %s\n", what);
        _exit(1);
    }
}

static struct store *child_open_env(const char *dir, struct store_env **env,
                                    const struct store_env_options *env_options)
{
    struct store_options options = {.dir = dir, .mode = STORE_OPEN_OR_CREATE};
    struct store *s;
    char error[256] = "";

    *env = store_env_new(env_options);
    if (store_open(*env, &options, &s, error, sizeof error) != STATUS_OK)
        need(false, error);
    return s;
}

static struct store *child_open(const char *dir, struct store_env **env)
{
    return child_open_env(dir, env, &small);
}

static uint64_t record_index(struct store *s, bool flushed)
{
    struct buf bytes = {0};
    struct group_record r;
    enum status status = flushed ? store_flushed_record(s, &bytes, &r)
                                 : store_group_record(s, NULL, &bytes, &r);

    need(status == STATUS_OK || status == STATUS_NOT_FOUND, "group record");
    buf_release(&bytes);
    return status == STATUS_OK ? r.applied_index : 0;
}

struct progress {
    uint64_t applied;
    uint64_t flushed;
};

/* Apply from where the store is until killed, reporting each step. */
static void writer(const char *dir, int report)
{
    struct store_env *env;
    struct store *s = child_open(dir, &env);
    struct progress p = {record_index(s, false), 0};
    struct write_set w = {0};

    for (;;) {
        enum status status = apply_entry(s, &w, p.applied + 1);

        if (status == STATUS_STALLED) {
            sched_yield();
            continue;
        }
        need(status == STATUS_OK, "apply");
        p.applied++;
        if (p.applied % 16 == 0)
            p.flushed = record_index(s, true);
        if (store_flush_wanted(s)) {
            status = store_flush_begin(s);
            need(status == STATUS_OK || status == STATUS_STALLED, "flush");
        }
        if (write(report, &p, sizeof p) != sizeof p)
            _exit(0);
    }
}

/* Does the store hold exactly entries 1..index, by every key? Exits 0 or 1.
 * Reports the index. */
static void checker(const char *dir, int report)
{
    static uint64_t stamp[KEYS];
    struct store_env *env;
    struct store *s = child_open(dir, &env);
    struct progress p = {record_index(s, false), record_index(s, true)};
    unsigned keys[PUTS_PER_ENTRY];
    struct store_value v;
    char key[16];

    for (uint64_t i = 1; i <= p.applied; i++) {
        entry_keys(i, keys);
        for (int k = 0; k < PUTS_PER_ENTRY; k++)
            stamp[keys[k]] = i;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof key, "k%03u", i);
        enum status status = store_get(s, NULL, slice_of(key, (size_t)n),
                                       STORE_ANY, &v);
        if (!stamp[i]) {
            need(status == STATUS_NOT_FOUND, "a key too many");
            continue;
        }
        need(status == STATUS_OK && v.bytes.size == VALUE_BYTES, "a key lost");
        need(get_u64(v.bytes.data) == stamp[i], "a key of another entry");
        store_value_release(&v);
    }
    need(write(report, &p, sizeof p) == sizeof p, "report");
    store_close(s);
    store_env_free(env);
    _exit(0);
}

static pid_t start(void (*child)(const char *, int), const char *dir, int *from)
{
    int fds[2];
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child(dir, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    *from = fds[0];
    return pid;
}

/* Everything the child managed to report; the last one in *last. */
static unsigned drain(int from, struct progress *last, unsigned until)
{
    unsigned n = 0;

    while (n < until && read(from, last, sizeof *last) == sizeof *last)
        n++;
    return n;
}

static struct progress check(const char *dir)
{
    struct progress found = {0};
    int from, status;
    pid_t pid = start(checker, dir, &from);

    assert_int_equal(drain(from, &found, 1), 1);
    close(from);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return found;
}

/* After a crash the Raft log is applied from the record on: an entry half
 * there, or a record ahead of its data, would be wrong for ever. */
static void a_kill_leaves_a_prefix_of_whole_entries(void **state)
{
    enum { KILLS = 8 };
    struct progress last, found, before = {0};
    char root[256], dir[300];

    (void)state;
    temp_root(root, sizeof root);
    snprintf(dir, sizeof dir, "%s/store", root);
    for (int i = 0; i < KILLS; i++) {
        unsigned steps = 700 + 431 * (unsigned)i;
        int from, status;
        pid_t pid = start(writer, dir, &from);

        assert_int_equal(drain(from, &last, steps), steps);
        /* However slow the disk is, a flush has ended in between. */
        while (last.flushed <= before.applied)
            assert_int_equal(drain(from, &last, 1), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        drain(from, &last, UINT32_MAX);
        close(from);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        found = check(dir);
        /* One more may have been applied than was reported. */
        assert_true(found.applied <= last.applied + 1);
        assert_true(found.applied >= last.flushed);
        assert_true(found.applied > before.applied);
        assert_true(found.flushed == found.applied);
        before = found;
    }
    remove_tree(root);
}

/* Flush once, apply more, report what counts as flushed, die. */
static void writer_that_stops(const char *dir, int report)
{
    struct store_env *env;
    struct store *s = child_open(dir, &env);
    struct progress p = {0};
    struct write_set w = {0};

    for (p.applied = 1; p.applied <= 60; p.applied++) {
        need(apply_entry(s, &w, p.applied) == STATUS_OK, "apply");
        if (p.applied == 40)
            need(store_flush_begin(s) == STATUS_OK, "flush");
    }
    while (store_flush_busy(s))
        sched_yield();
    p.flushed = record_index(s, true);
    need(write(report, &p, sizeof p) == sizeof p, "report");
    raise(SIGKILL);
}

/* The log is cut by what store_flushed_record says: it has to be exactly what
 * is found after the crash. */
static void the_flushed_record_is_what_survives(void **state)
{
    struct progress last = {0}, found;
    char root[256], dir[300];
    int from, status;
    pid_t pid;

    (void)state;
    temp_root(root, sizeof root);
    snprintf(dir, sizeof dir, "%s/store", root);
    pid = start(writer_that_stops, dir, &from);
    assert_int_equal(drain(from, &last, 1), 1);
    close(from);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(last.flushed, 40);
    found = check(dir);
    assert_int_equal(found.applied, 40);
    remove_tree(root);
}

/* Where the next writer dies. */
static struct {
    enum store_flush_step step;
    unsigned flush; /* which one */
} death;

static void die_there(enum store_flush_step step, void *arg)
{
    static unsigned flushes;

    (void)arg;
    flushes += step == STORE_FLUSH_WRITING;
    if (step == death.step && flushes == death.flush)
        raise(SIGKILL);
}

/* Flush after every 30 entries; report before each flush. */
static void writer_that_dies_in_a_flush(const char *dir, int report)
{
    struct store_env_options options = {.on_flush_step = die_there};
    struct store_env *env;
    struct store *s = child_open_env(dir, &env, &options);
    struct progress p = {record_index(s, false), record_index(s, true)};
    struct write_set w = {0};

    for (;;) {
        for (int i = 0; i < 30; i++)
            need(apply_entry(s, &w, ++p.applied) == STATUS_OK, "apply");
        need(write(report, &p, sizeof p) == sizeof p, "report");
        need(store_flush_wait(s) == STATUS_OK, "flush");
        p.flushed = record_index(s, true);
        need(p.flushed == p.applied, "flushed record");
    }
}

/* The file is written, taken in, or just counted: before that nothing of it is
 * there after a crash, behind it all of it is. */
static void a_kill_at_any_step_of_a_flush_is_before_or_behind_it(void **state)
{
    (void)state;
    for (int step = STORE_FLUSH_WRITING; step <= STORE_FLUSH_INGESTED; step++) {
        char root[256], dir[300];

        temp_root(root, sizeof root);
        snprintf(dir, sizeof dir, "%s/store", root);
        /* Again and again on the same store: leftovers meet leftovers. */
        for (unsigned flush = 1; flush <= 4; flush++) {
            struct progress last = {0}, found;
            int from, status;
            pid_t pid;

            death.step = (enum store_flush_step)step;
            death.flush = flush;
            pid = start(writer_that_dies_in_a_flush, dir, &from);
            assert_int_equal(drain(from, &last, UINT32_MAX), flush);
            close(from);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFSIGNALED(status));
            found = check(dir);
            assert_int_equal(found.applied, step == STORE_FLUSH_INGESTED
                                                ? last.applied
                                                : last.flushed);
        }
        remove_tree(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_leaves_a_prefix_of_whole_entries),
        cmocka_unit_test(the_flushed_record_is_what_survives),
        cmocka_unit_test(a_kill_at_any_step_of_a_flush_is_before_or_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
