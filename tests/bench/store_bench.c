/* store_bench.c - what node/store costs: CPU per put and per get, idle memory.
 *
 *     store_bench [-d DIR] [-g GROUPS] [-k KEYS] [-b BATCH] [-v BYTES]
 *                 [-c CACHE_MIB] [-r ROUNDS]
 *
 * Opens GROUPS stores in one process below DIR (default: a temporary directory
 * in the working directory), writes KEYS random keys in batches of BATCH as the
 * node would (a group record in each, flushes when wanted), overwrites them
 * ROUNDS times at random, and reads. CPU is
 * this thread's ("own") and the whole process's ("all": flushes and compactions
 * too), user and system, per operation. For people; never a timed test. */
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "node/store/store_iter.h"
#include "node/store/store_view.h"
#include "proto/base/rng.h"

enum { GROUPS_MAX = 64 };

struct bench {
    char root[256];
    unsigned groups;
    unsigned keys;
    unsigned batch;
    unsigned value_bytes;
    unsigned cache_mib; /* 0: the default */
    unsigned rounds;
    struct store_env *env;
    struct store *stores[GROUPS_MAX];
    struct rng rng;
};

struct meter {
    double own;
    double all;
    double wall;
};

static double seconds(struct timeval user, struct timeval system)
{
    return (double)(user.tv_sec + system.tv_sec) +
           1e-6 * (double)(user.tv_usec + system.tv_usec);
}

static struct meter meter_now(void)
{
    struct rusage own, all;
    struct timespec t;

    getrusage(RUSAGE_THREAD, &own);
    getrusage(RUSAGE_SELF, &all);
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct meter){seconds(own.ru_utime, own.ru_stime),
                          seconds(all.ru_utime, all.ru_stime),
                          (double)t.tv_sec + 1e-9 * (double)t.tv_nsec};
}

static void report(const char *what, struct meter from, double n)
{
    struct meter to = meter_now();

    printf("%-46s %8.2f us own  %8.2f us all  %8.0f /s\n", what,
           1e6 * (to.own - from.own) / n, 1e6 * (to.all - from.all) / n,
           n / (to.wall - from.wall));
}

static double resident_mib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

static void need(enum status status, const char *what)
{
    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", what, status_text(status));
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Key number n; its group is n % groups. Spread like real keys by a hash. */
static struct slice key_of(uint8_t *at, uint64_t n)
{
    struct rng hash;
    char text[32];
    int size;

    rng_init(&hash, n);
    size = snprintf(text, sizeof text, "key:%016llx",
                    (unsigned long long)rng_next(&hash));
    return slice_of(at, layout_data_key(at, 0, slice_of(text, (size_t)size)));
}

static void open_all(struct bench *b)
{
    double before = resident_mib();
    struct store_env_options shared = {
        .cache_bytes = (uint64_t)b->cache_mib * 1024 * 1024};

    b->env = store_env_new(&shared);
    for (unsigned g = 0; g < b->groups; g++) {
        char dir[300], error[256] = "";
        struct store_options options = {.dir = dir,
                                        .mode = STORE_OPEN_OR_CREATE,
                                        .tag = g};
        snprintf(dir, sizeof dir, "%s/group-%u", b->root, g);
        if (store_open(b->env, &options, &b->stores[g], error,
                       sizeof error) != STATUS_OK) {
            fprintf(stderr, "%s\n", error);
            exit(1);
        }
    }
    printf("idle: %u stores, resident %.1f MiB (%.1f before)\n", b->groups,
           resident_mib(), before);
}

static void close_all(struct bench *b)
{
    for (unsigned g = 0; g < b->groups; g++) {
        need(store_flush_wait(b->stores[g]), "flush");
        store_close(b->stores[g]);
    }
    store_env_free(b->env);
}

static void apply(struct store *s, const struct write_set *w)
{
    enum status status;

    while ((status = store_apply(s, w)) == STATUS_STALLED) {
        if (store_flush_wanted(s) && store_flush_begin(s) == STATUS_OK)
            continue;
        usleep(1000);
    }
    need(status, "apply");
    if (store_flush_wanted(s)) {
        status = store_flush_begin(s);
        if (status != STATUS_STALLED)
            need(status, "flush");
    }
}

/* Batches go round the groups; `random` numbers repeat keys, as overwrites. */
static void put_all(struct bench *b, const char *what, bool random)
{
    struct group_record r = {.applied_term = 1,
                             .members = slice_str("members")};
    struct layout_value v = {.version = 1};
    struct write_set w = {0};
    uint8_t *value = xcalloc(1, LAYOUT_VALUE_HEADER_BYTES + b->value_bytes);
    uint8_t key[64];
    struct meter from = meter_now();
    unsigned done = 0, turn = 0;

    layout_value_header(value, &v);
    for (; done < b->keys; turn++) {
        unsigned g = turn % b->groups;

        write_set_clear(&w);
        for (unsigned i = 0; i < b->batch && done < b->keys; i++, done++) {
            uint64_t n = random ? rng_below(&b->rng, b->keys) / b->groups *
                                          b->groups + g
                                : (uint64_t)(turn / b->groups * b->batch + i) *
                                          b->groups + g;
            put_u64(value + LAYOUT_VALUE_HEADER_BYTES, rng_next(&b->rng));
            write_set_put(&w, key_of(key, n),
                          slice_of(value, LAYOUT_VALUE_HEADER_BYTES +
                                              b->value_bytes));
        }
        r.applied_index = turn + 1;
        group_record_write(write_set_put_reserve(
                               &w, layout_single_key(LAYOUT_GROUP),
                               group_record_bytes(&r)), &r);
        apply(b->stores[g], &w);
    }
    report(what, from, b->keys);
    write_set_release(&w);
    free(value);
}

static void get_some(struct bench *b, const char *what, enum store_tier tier,
                     uint64_t from_key, bool view)
{
    unsigned n = MIN_OF(b->keys, 200000u), hits = 0, incomplete = 0;
    struct meter from = meter_now();
    char line[96];
    uint8_t key[64];

    for (unsigned i = 0; i < n; i++) {
        uint64_t k = from_key + rng_below(&b->rng, b->keys);
        struct store *s = b->stores[k % b->groups];
        struct store_view *v = view ? store_view_take(s) : NULL;
        struct store_value value;
        enum status status = store_get(s, v, key_of(key, k), tier, &value);

        hits += status == STATUS_OK;
        incomplete += status == STATUS_INCOMPLETE;
        store_value_release(&value);
        store_view_unref(v);
    }
    snprintf(line, sizeof line, "get %s (%.0f%% hit, %.0f%% inc.)", what,
             100.0 * hits / n, 100.0 * incomplete / n);
    report(line, from, n);
}

static void multi_get_some(struct bench *b, unsigned at_once)
{
    unsigned n = MIN_OF(b->keys, 200000u);
    struct meter from = meter_now();
    uint8_t bytes[64][64];
    struct slice keys[64];
    struct store_value values[64];
    enum status statuses[64];

    for (unsigned i = 0; i < n; i += at_once) {
        unsigned g = i / at_once % b->groups;

        for (unsigned j = 0; j < at_once; j++)
            keys[j] = key_of(bytes[j], rng_below(&b->rng, b->keys) /
                                           b->groups * b->groups + g);
        need(store_multi_get(b->stores[g], NULL, keys, at_once, STORE_ANY,
                             values, statuses), "multi_get");
        for (unsigned j = 0; j < at_once; j++)
            store_value_release(&values[j]);
    }
    report("multi_get 16 from tables", from, n);
}

static void views(struct bench *b)
{
    struct meter from = meter_now();
    struct write_set w = {0};
    unsigned n = 100000;

    write_set_put(&w, slice_str("g"), slice_str("x"));
    for (unsigned i = 0; i < n; i++) {
        need(store_apply(b->stores[0], &w), "apply");
        store_view_unref(store_view_take(b->stores[0]));
    }
    report("apply of 1 record and a new view", from, n);
    from = meter_now();
    for (unsigned i = 0; i < n; i++)
        need(store_apply(b->stores[0], &w), "apply");
    report("apply of 1 record", from, n);
    write_set_release(&w);
}

static void scan(struct bench *b)
{
    struct store_iter_options options = {.tier = STORE_ANY};
    struct meter from = meter_now();
    double n = 0;

    for (unsigned g = 0; g < b->groups; g++) {
        struct store_view *v = store_view_take(b->stores[g]);
        struct store_iter *it = store_iter_new(v, &options);

        for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
            n += store_iter_key(it).size > 0;
        need(store_iter_status(it), "scan");
        store_iter_free(it);
        store_view_unref(v);
    }
    report("scan, per record", from, n);
}

static void settle(struct bench *b)
{
    struct store_stats stats;

    for (unsigned g = 0; g < b->groups; g++) {
        need(store_flush_wait(b->stores[g]), "flush");
        do {
            usleep(20000);
            store_stats(b->stores[g], &stats);
        } while (stats.pending_compaction_bytes);
    }
}

static void run(struct bench *b)
{
    struct meter from;
    struct bench small = *b;

    open_all(b);
    /* What fits into memtables: reads before any flush. */
    memcpy(small.stores, b->stores, sizeof small.stores);
    small.env = b->env;
    small.keys = MIN_OF(b->keys, 15000u * b->groups);
    put_all(&small, "put, small", false);
    get_some(&small, "from memtables", STORE_CACHE_ONLY, 0, false);
    get_some(&small, "absent, past memtables", STORE_CACHE_ONLY,
             1u << 30, false);

    put_all(b, "put, new keys", false);
    from = meter_now();
    for (unsigned i = 0; i < b->rounds; i++)
        put_all(b, "put, overwriting", true);
    printf("resident %.1f MiB\n", resident_mib());
    settle(b);
    report("overwriting, flushed and compacted to the end", from,
           (double)b->keys * b->rounds);
    get_some(b, "tables, first time", STORE_ANY, 0, false);
    get_some(b, "tables, any tier", STORE_ANY, 0, false);
    get_some(b, "tables, cache only", STORE_CACHE_ONLY, 0, false);
    get_some(b, "tables, any tier, view", STORE_ANY, 0, true);
    get_some(b, "absent, past tables", STORE_ANY, 1u << 30, false);
    multi_get_some(b, 16);
    scan(b);
    views(b);
    printf("resident %.1f MiB\n", resident_mib());
    close_all(b);
}

int main(int argc, char **argv)
{
    struct bench b = {.root = "store-bench-XXXXXX", .groups = 6,
                      .keys = 1000000, .batch = 64, .value_bytes = 128,
                      .rounds = 1};
    int c;

    while ((c = getopt(argc, argv, "d:g:k:b:v:c:r:")) != -1) {
        switch (c) {
        case 'd':
            snprintf(b.root, sizeof b.root, "%s/store-bench-XXXXXX", optarg);
            break;
        case 'g':
            b.groups = (unsigned)atoi(optarg);
            break;
        case 'k':
            b.keys = (unsigned)atoi(optarg);
            break;
        case 'b':
            b.batch = (unsigned)atoi(optarg);
            break;
        case 'v':
            b.value_bytes = (unsigned)atoi(optarg);
            break;
        case 'c':
            b.cache_mib = (unsigned)atoi(optarg);
            break;
        case 'r':
            b.rounds = (unsigned)atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    if (b.groups < 1 || b.groups > GROUPS_MAX || b.keys < 1 || b.batch < 1 ||
        b.value_bytes < 8 || !mkdtemp(b.root)) {
        fprintf(stderr, "bad argument, or no such directory\n");
        return 2;
    }
    rng_init(&b.rng, 1);
    run(&b);
    nftw(b.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
