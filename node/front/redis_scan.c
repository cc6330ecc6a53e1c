/* redis_scan.c - KEYS, SCAN, DBSIZE, RANDOMKEY, FLUSHDB: the whole cluster, not
 * one node of it.
 *
 * Each group is walked in pages, all groups at the same time; a page is one
 * part that is asked for again with the next position. What the node holds for
 * a command is bounded: a page per group and, for KEYS, the keys themselves up
 * to KEYS_BYTES_MAX. */
#include "node/front/redis.h"

#include <stdlib.h>

#include "node/front/redis_cursor.h"
#include "proto/glob.h"
#include "proto/scan.h"

enum {
    KEYS_BYTES_MAX = 64 << 20,
    SCAN_COUNT = 10,      /* of SCAN without COUNT */
    SCAN_COUNT_MAX = 10000,
    FLUSH_KEYS = 100,     /* deleted by one transaction */
    RANDOM_BYTES = 8,
    RANDOM_KEYS = 256,    /* behind the random point: one of so many */
};

/* How one group is walked. */
struct walk_part {
    uint32_t group;
    unsigned database;
    bool deleting;
    bool more;
    uint32_t keys;      /* in `ask`, of a transaction */
    struct buf next;    /* the key to go on with; empty: from the start */
    struct buf ask;     /* the encoded scan or transaction */
    struct buf first;   /* a key that the transaction goes to */
};

struct walk {
    unsigned flags;     /* of scan.h */
    uint32_t keys_max;
    struct buf pattern;
    uint32_t n;
    uint64_t cursor;    /* of SCAN: the next one */
    uint32_t group;     /* of SCAN: its place in the map */
    unsigned tries;     /* of RANDOMKEY: groups found empty */
    uint8_t stage;      /* of RANDOMKEY */
    struct buf low, high; /* ... the first and the last key */
    struct walk_part v[];
};

static void walk_release(struct redis_cmd *cmd)
{
    struct walk *w = cmd->state;

    for (uint32_t i = 0; i < w->n; i++) {
        buf_release(&w->v[i].next);
        buf_release(&w->v[i].ask);
        buf_release(&w->v[i].first);
    }
    buf_release(&w->pattern);
    buf_release(&w->low);
    buf_release(&w->high);
}

/* The node's map, or NULL: the command has been ended. */
static const struct cluster_map *map_of(struct redis_cmd *cmd)
{
    const struct loop *l = cmd->client->door->l;

    if (l->shard)
        return shard_map(l->shard);
    redis_status_error(redis_begin(cmd), STATUS_NOT_INITIALISED);
    redis_end(cmd);
    return NULL;
}

static struct walk *walk_new(struct redis_cmd *cmd, uint32_t n)
{
    struct walk *w = xcalloc(1, sizeof *w + n * sizeof w->v[0]);

    w->n = n;
    cmd->state = w;
    cmd->release = walk_release;
    return w;
}

/* One part for every group, the meta group has no keys. */
static struct walk *walk_all(struct redis_cmd *cmd,
                             const struct cluster_map *map,
                             unsigned databases)
{
    struct walk *w = walk_new(cmd, (map->n_groups - 1) * databases);
    uint32_t n = 0;

    for (unsigned i = 0; i < map->n_groups; i++)
        for (unsigned d = 0; d < databases && map->groups[i].id; d++) {
            w->v[n].group = map->groups[i].id;
            w->v[n++].database = databases > 1 ? d : cmd->database;
        }
    return w;
}

static void walk_ask(struct redis_cmd *cmd, uint32_t i, struct operation *o)
{
    struct walk *w = cmd->state;
    struct walk_part *p = &w->v[i];
    struct scan s = {
        .group = p->group,
        .flags = w->flags,
        .keys_max = w->keys_max,
        .begin = buf_slice(&p->next),
        .pattern = buf_slice(&w->pattern),
    };

    cmd->database = p->database;
    if (p->deleting) {
        o->op = OP_TRANSACT;
        o->key = buf_slice(&p->first);
    } else {
        o->op = OP_SCAN;
        if (w->flags & SCAN_REVERSE)
            s.begin = slice_of("", 0);
        buf_clear(&p->ask);
        scan_encode(&s, &p->ask);
    }
    o->value = buf_slice(&p->ask);
}

/* A page has come: where to go on. */
static void walk_on(struct redis_cmd *cmd, struct walk_part *p,
                    const struct scan_page *page)
{
    p->more = page->flags & SCAN_PAGE_MORE;
    buf_clear(&p->next);
    buf_append(&p->next, page->next.data, page->next.size);
    cmd->repeat = p->more;
}

/* ---- DBSIZE ---- */

static bool count_gather(struct redis_cmd *cmd, uint32_t part,
                         const struct operation_reply *r)
{
    struct walk *w = cmd->state;
    struct scan_page page;

    if (r->status != STATUS_OK ||
        scan_page_decode(r->value, &page) != STATUS_OK)
        return false;
    cmd->sum += (int64_t)page.counted;
    walk_on(cmd, &w->v[part], &page);
    return true;
}

static void sum_joined(struct redis_cmd *cmd, struct buf *out)
{
    resp_integer(out, cmd->sum);
}

void redis_dbsize(struct redis_cmd *cmd, const struct redis_args *a)
{
    const struct cluster_map *map = map_of(cmd);
    struct walk *w;

    (void)a;
    if (!map)
        return;
    w = walk_all(cmd, map, 1);
    w->flags = SCAN_COUNT_ONLY;
    redis_go_parts(cmd, w->n, walk_ask, count_gather, sum_joined);
}

/* ---- KEYS ---- */

static bool keys_gather(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *r)
{
    struct walk *w = cmd->state;
    struct scan_page page;
    struct scan_record k;

    if (r->status != STATUS_OK ||
        scan_page_decode(r->value, &page) != STATUS_OK)
        return false;
    while (scan_page_record(&page, &k)) {
        if (w->stage && !glob_match(redis_kept_arg(cmd, 1), k.key))
            continue;
        cmd->sum++;
        resp_bulk(&cmd->gathered, k.key);
    }
    if (cmd->gathered.size > KEYS_BYTES_MAX) {
        cmd->failed = STATUS_TOO_LARGE;
        return true;
    }
    walk_on(cmd, &w->v[part], &page);
    return true;
}

static void keys_joined(struct redis_cmd *cmd, struct buf *out)
{
    resp_array(out, (size_t)cmd->sum);
    buf_append(out, cmd->gathered.data, cmd->gathered.size);
}

/* Where the pattern is matched: by the groups, unless it is too long for them
 * or they would refuse it; then here. */
static void take_pattern(struct walk *w, struct slice pattern)
{
    if (pattern.size > SCAN_PATTERN_BYTES_MAX || glob_check(pattern))
        w->stage = 1;
    else if (!slice_equal(pattern, slice_str("*")))
        buf_append(&w->pattern, pattern.data, pattern.size);
}

void redis_keys(struct redis_cmd *cmd, const struct redis_args *a)
{
    const struct cluster_map *map = map_of(cmd);
    struct walk *w;

    if (!map)
        return;
    if (!redis_arg(a, 1).size) { /* matches the empty key, which is none */
        resp_array(redis_begin(cmd), 0);
        redis_end(cmd);
        return;
    }
    redis_keep(cmd, a);
    w = walk_all(cmd, map, 1);
    w->flags = SCAN_KEYS_ONLY;
    take_pattern(w, redis_arg(a, 1));
    redis_go_parts(cmd, w->n, walk_ask, keys_gather, keys_joined);
}

/* ---- SCAN ---- */

static bool scan_gather(struct redis_cmd *cmd, uint32_t part,
                        const struct operation_reply *r)
{
    struct redis_client *c = cmd->client;
    struct walk *w = cmd->state;
    const struct cluster_map *map = shard_map(c->door->l->shard);
    struct slice next = slice_of("", 0);
    uint32_t place = w->group;
    struct scan_page page;
    struct scan_record k;

    (void)part;
    if (r->status != STATUS_OK ||
        scan_page_decode(r->value, &page) != STATUS_OK)
        return false;
    while (scan_page_record(&page, &k)) {
        if (w->stage && !glob_match(redis_kept_arg(cmd, cmd->flags), k.key))
            continue;
        cmd->sum++;
        resp_bulk(&cmd->gathered, k.key);
    }
    if (page.flags & SCAN_PAGE_MORE)
        next = page.next;
    else
        place++;
    if (place < map->n_groups)
        w->cursor = redis_cursors_put(c->door->l->node->redis_cursors,
                                      map->groups[place].id, next);
    return true;
}

static void scan_joined(struct redis_cmd *cmd, struct buf *out)
{
    struct walk *w = cmd->state;
    char text[RESP_INTEGER_SIZE];

    resp_array(out, 2);
    resp_bulk(out, slice_of(text, resp_from_integer(text,
                                                    (int64_t)w->cursor)));
    keys_joined(cmd, out);
}

/* Where to begin: the place of a group in the map, and a key. */
static bool scan_from(struct redis_cmd *cmd, const struct cluster_map *map,
                      struct walk *w, int64_t cursor)
{
    uint32_t group;

    w->group = map->groups[0].id ? 0 : 1;
    if (cursor && (cursor < 0 ||
                   !redis_cursors_find(
                       cmd->client->door->l->node->redis_cursors,
                       (uint64_t)cursor, &group, &w->v[0].next)))
        return false;
    if (cursor) {
        const struct map_group *g = map_group_find(map, group);
        if (!g)
            return false;
        w->group = (uint32_t)(g - map->groups);
    }
    w->v[0].group = map->groups[w->group].id;
    w->v[0].database = cmd->database;
    return true;
}

/* MATCH, COUNT, TYPE. `cmd->flags`: which argument is the pattern. Gives an
 * error text or NULL. */
static const char *scan_options(struct redis_cmd *cmd, struct walk *w,
                                const struct redis_args *a, bool *nothing)
{
    int64_t n;

    w->keys_max = SCAN_COUNT;
    for (uint32_t i = 2; i + 1 < a->n; i += 2) {
        if (redis_arg_is(a, i, "COUNT")) {
            if (!resp_to_integer(redis_arg(a, i + 1), &n))
                return "ERR value is not an integer or out of range";
            if (n < 1)
                return "ERR syntax error";
            w->keys_max = (uint32_t)MIN_OF(n, SCAN_COUNT_MAX);
        } else if (redis_arg_is(a, i, "MATCH")) {
            cmd->flags = i + 1;
        } else if (redis_arg_is(a, i, "TYPE")) {
            *nothing |= !redis_arg_is(a, i + 1, "STRING");
        } else {
            return "ERR syntax error";
        }
    }
    return a->n % 2 ? "ERR syntax error" : NULL;
}

void redis_scan(struct redis_cmd *cmd, const struct redis_args *a)
{
    const struct cluster_map *map = map_of(cmd);
    const char *error;
    bool nothing = false;
    int64_t cursor;
    struct walk *w;

    if (!map)
        return;
    if (!resp_to_integer(redis_arg(a, 1), &cursor)) {
        redis_fail(cmd, "ERR invalid cursor");
        return;
    }
    w = walk_new(cmd, 1);
    error = scan_options(cmd, w, a, &nothing);
    if (!error && !scan_from(cmd, map, w, cursor))
        error = "ERR invalid cursor: it is another node's or too old; begin "
                "again with 0";
    if (error) {
        redis_fail(cmd, error);
        return;
    }
    if (nothing) { /* there are only strings */
        scan_joined(cmd, redis_begin(cmd));
        redis_end(cmd);
        return;
    }
    w->flags = SCAN_KEYS_ONLY;
    if (cmd->flags)
        take_pattern(w, redis_arg(a, cmd->flags));
    redis_keep(cmd, a);
    redis_go_parts(cmd, 1, walk_ask, scan_gather, scan_joined);
}

/* ---- RANDOMKEY ---- */

/* The first key of a group, its last one, then one of those behind a random
 * point between them. An empty group: the next one. */
enum { STAGE_LOW, STAGE_HIGH, STAGE_MIDDLE };

/* A key's place between two others, in `to`: equal beginnings stay, then comes
 * a random byte between theirs, then random ones. */
static void between(struct rng *rng, struct slice low, struct slice high,
                    struct buf *to)
{
    size_t n = 0;
    uint8_t from, until;

    while (n < low.size && n < high.size && low.data[n] == high.data[n])
        n++;
    from = n < low.size ? low.data[n] : 0;
    until = n < high.size ? high.data[n] : 0;
    buf_clear(to);
    buf_append(to, low.data, n);
    if (until > from)
        buf_u8(to, (uint8_t)(from + rng_below(rng, until - from + 1u)));
    /* What follows is made of the bytes between the least and the greatest of
     * the last key: digits behind digits. */
    from = 255;
    until = 0;
    for (size_t i = n; i < high.size; i++) {
        from = MIN_OF(from, high.data[i]);
        until = MAX_OF(until, high.data[i]);
    }
    for (unsigned i = 0; from < until && i < RANDOM_BYTES; i++)
        buf_u8(to, (uint8_t)(from + rng_below(rng, until - from + 1u)));
}

static void random_next_group(struct redis_cmd *cmd, struct walk *w)
{
    const struct cluster_map *map = shard_map(cmd->client->door->l->shard);

    do
        w->group = (w->group + 1) % map->n_groups;
    while (!map->groups[w->group].id);
    w->v[0].group = map->groups[w->group].id;
    cmd->repeat = ++w->tries < map->n_groups - 1;
}

static bool random_gather(struct redis_cmd *cmd, uint32_t part,
                          const struct operation_reply *r)
{
    struct walk *w = cmd->state;
    struct scan_page page;
    struct scan_record k;
    bool found;

    if (r->status != STATUS_OK ||
        scan_page_decode(r->value, &page) != STATUS_OK)
        return false;
    found = scan_page_record(&page, &k);
    if (!found && page.flags & SCAN_PAGE_MORE && !(w->flags & SCAN_REVERSE)) {
        walk_on(cmd, &w->v[part], &page);
        return true;
    }
    if (w->stage == STAGE_LOW && !found) {
        buf_clear(&w->v[part].next);
        random_next_group(cmd, w);
    } else if (w->stage == STAGE_LOW) {
        buf_append(&w->low, k.key.data, k.key.size);
        buf_append(&cmd->gathered, k.key.data, k.key.size);
        w->stage = STAGE_HIGH;
        w->flags = SCAN_KEYS_ONLY | SCAN_REVERSE;
        cmd->repeat = true;
    } else if (w->stage == STAGE_HIGH && found) {
        buf_append(&w->high, k.key.data, k.key.size);
        between(&cmd->client->door->rng, buf_slice(&w->low),
                buf_slice(&w->high), &w->v[part].next);
        w->stage = STAGE_MIDDLE;
        w->keys_max = RANDOM_KEYS;
        w->flags = SCAN_KEYS_ONLY;
        cmd->repeat = true;
    } else {
        struct slice key = found ? k.key : buf_slice(&w->high);
        uint64_t skip = found ? rng_below(&cmd->client->door->rng,
                                          page.records) : 0;
        while (skip-- && scan_page_record(&page, &k))
            key = k.key;
        if (key.size) {
            buf_clear(&cmd->gathered);
            buf_append(&cmd->gathered, key.data, key.size);
        }
    }
    return true;
}

static void random_joined(struct redis_cmd *cmd, struct buf *out)
{
    if (cmd->gathered.size)
        resp_bulk(out, buf_slice(&cmd->gathered));
    else
        resp_null(out, cmd->protocol);
}

void redis_randomkey(struct redis_cmd *cmd, const struct redis_args *a)
{
    const struct cluster_map *map = map_of(cmd);
    struct walk *w;

    (void)a;
    if (!map)
        return;
    w = walk_new(cmd, 1);
    w->flags = SCAN_KEYS_ONLY;
    w->keys_max = 1;
    w->v[0].database = cmd->database;
    w->group = (uint32_t)rng_below(&cmd->client->door->rng, map->n_groups);
    random_next_group(cmd, w);
    w->tries = 0;
    cmd->repeat = false;
    redis_go_parts(cmd, 1, walk_ask, random_gather, random_joined);
}

/* ---- FLUSHDB, FLUSHALL ---- */

/* The keys of a page as one transaction that deletes them. */
static void delete_page(struct walk_part *p, struct scan_page *page)
{
    struct operation o = {.op = OP_DELETE};
    struct scan_record k;

    buf_clear(&p->ask);
    buf_clear(&p->first);
    transaction_begin(&p->ask, 0, page->records, 0);
    while (scan_page_record(page, &k)) {
        if (!p->first.size)
            buf_append(&p->first, k.key.data, k.key.size);
        o.key = k.key;
        operation_encode(&o, &p->ask);
    }
}

static bool flush_gather(struct redis_cmd *cmd, uint32_t part,
                         const struct operation_reply *r)
{
    struct walk *w = cmd->state;
    struct walk_part *p = &w->v[part];
    struct scan_page page;

    if (p->deleting) {
        p->deleting = false;
        cmd->repeat = p->more;
        return r->status == STATUS_OK;
    }
    if (r->status == STATUS_NO_KEYSPACE && p->database)
        return true;
    if (r->status != STATUS_OK ||
        scan_page_decode(r->value, &page) != STATUS_OK)
        return false;
    walk_on(cmd, p, &page);
    if (page.records) {
        delete_page(p, &page);
        p->deleting = true;
        cmd->repeat = true;
    }
    return true;
}

static void flush_joined(struct redis_cmd *cmd, struct buf *out)
{
    (void)cmd;
    resp_simple(out, "OK");
}

static void flush(struct redis_cmd *cmd, const struct redis_args *a,
                  unsigned databases)
{
    const struct cluster_map *map;
    struct walk *w;

    if (a->n > 2 || (a->n == 2 && !redis_arg_is(a, 1, "ASYNC") &&
                     !redis_arg_is(a, 1, "SYNC"))) {
        redis_fail(cmd, "ERR syntax error");
        return;
    }
    map = map_of(cmd);
    if (!map)
        return;
    w = walk_all(cmd, map, databases);
    w->flags = SCAN_KEYS_ONLY;
    w->keys_max = FLUSH_KEYS;
    redis_go_parts(cmd, w->n, walk_ask, flush_gather, flush_joined);
}

void redis_flushdb(struct redis_cmd *cmd, const struct redis_args *a)
{
    flush(cmd, a, 1);
}

void redis_flushall(struct redis_cmd *cmd, const struct redis_args *a)
{
    flush(cmd, a, REDIS_DATABASES);
}
