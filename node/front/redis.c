/* redis.c - the Redis door: its clients, and which command runs when. */
#include "node/front/redis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "node/front/redis_cursor.h"
#include "proto/base/log.h"
#include "proto/slot.h"

enum { WORDS_SHOWN = 128 };

/* ---- texts ---- */

bool redis_is(struct slice text, const char *word)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c >= 'a' && c <= 'z')
            c -= 'a' - 'A';
        if (!word[i] || c != (uint8_t)word[i])
            return false;
    }
    return !word[text.size];
}

struct slice redis_keyspace(unsigned database, char *text)
{
    int n = database ? snprintf(text, REDIS_KEYSPACE_SIZE, "db%u", database)
                     : 0;

    return slice_of(text, (size_t)n);
}

void redis_error(struct buf *out, const char *text)
{
    resp_error(out, slice_str(text));
}

void redis_arity_error(struct buf *out, const char *name)
{
    char text[100];

    snprintf(text, sizeof text,
             "ERR wrong number of arguments for '%s' command", name);
    redis_error(out, text);
}

void redis_status_error(struct buf *out, enum status why)
{
    char text[200];

    switch (why) {
    case STATUS_WRONG_TYPE:
        redis_error(out, "WRONGTYPE Operation against a key holding the wrong "
                         "kind of value");
        return;
    case STATUS_NOT_A_NUMBER:
        redis_error(out, "ERR value is not an integer or out of range");
        return;
    case STATUS_OVERFLOW:
        redis_error(out, "ERR increment or decrement would overflow");
        return;
    case STATUS_VALUE_TOO_LARGE:
        redis_error(out, "ERR string exceeds maximum allowed size "
                         "(proto-max-bulk-len)");
        return;
    case STATUS_NO_KEYSPACE:
        redis_error(out, "ERR DB index is out of range");
        return;
    case STATUS_NOT_INITIALISED:
    case STATUS_NOT_LEADER:
    case STATUS_MOVED:
    case STATUS_UNAVAILABLE:
    case STATUS_QUARANTINED:
        snprintf(text, sizeof text, "CLUSTERDOWN Hash slot not served: %s",
                 status_text(why));
        break;
    case STATUS_BUSY:
    case STATUS_STALLED:
    case STATUS_TIMEOUT:
    case STATUS_CANCELLED:
    case STATUS_CLOSED:
        snprintf(text, sizeof text, "TRYAGAIN %s", status_text(why));
        break;
    case STATUS_DISK_FULL:
    case STATUS_QUOTA:
        snprintf(text, sizeof text,
                 "OOM command not allowed: %s; deletes and reads go on",
                 status_text(why));
        break;
    case STATUS_UNKNOWN:
    case STATUS_INTERNAL:
    case STATUS_IO_ERROR:
        snprintf(text, sizeof text,
                 "UNKNOWN %s: it may or may not have been executed",
                 status_text(why));
        break;
    default:
        snprintf(text, sizeof text, "ERR %s", status_text(why));
    }
    redis_error(out, text);
}

/* What Redis shows of an argument: not beyond a NUL, nor more than `max`. */
static void show(struct buf *text, struct slice s, size_t max)
{
    buf_append(text, s.data, strnlen((const char *)s.data,
                                     MIN_OF(s.size, max)));
}

static void unknown_command(struct buf *out, const struct redis_args *a)
{
    struct buf text = {0};
    struct slice name = redis_arg(a, 0);
    size_t shown = 0;

    buf_append(&text, "ERR unknown command '", 21);
    show(&text, name, WORDS_SHOWN);
    buf_append(&text, "', with args beginning with: ", 29);
    for (uint32_t i = 1; i < a->n && shown < WORDS_SHOWN; i++) {
        size_t before = text.size;
        buf_u8(&text, '\'');
        show(&text, redis_arg(a, i), WORDS_SHOWN - shown);
        buf_append(&text, "' ", 2);
        shown += text.size - before;
    }
    resp_error(out, buf_slice(&text));
    buf_release(&text);
}

/* ---- which command runs when ---- */

static void stall(struct redis_client *c, enum redis_stall why)
{
    c->stalled = (uint8_t)why;
    conn_pause(c->conn);
}

/* Keys by their bucket; slots are hashes already, and keys that share a tag
 * are used together. */
static uint64_t buckets_of(const struct redis_command *what,
                           const struct redis_args *a)
{
    int last = what->last < 0 ? (int)a->n + what->last : what->last;
    uint64_t sum = 0;

    if (what->flags & REDIS_ALONE)
        return UINT64_MAX;
    for (int i = what->first; i && i <= last; i += what->step)
        sum |= UINT64_C(1) << (slot_of(redis_arg(a, (uint32_t)i)) & 63);
    return sum;
}

/* May a command that asks the shard begin? */
static bool may_start(struct redis_client *c, const struct redis_command *what,
                      uint64_t buckets, bool alone)
{
    if (c->alone || c->retrying || c->count >= REDIS_CMDS_MAX ||
        c->kept >= REDIS_KEEP_BYTES) {
        stall(c, REDIS_STALL_ROOM);
        return false;
    }
    if (c->count && redis_is_full(c)) {
        stall(c, REDIS_STALL_ROOM);
        return false;
    }
    if (alone && c->count) {
        stall(c, REDIS_STALL_EMPTY);
        return false;
    }
    if (!(what->flags & REDIS_WRITE) || !c->reads)
        return true;
    for (uint64_t left = buckets; left; left &= left - 1)
        if (c->reading[__builtin_ctzll(left)]) {
            c->stalled_for = buckets;
            stall(c, REDIS_STALL_BUCKETS);
            return false;
        }
    return true;
}

static bool start(struct redis_client *c, const struct redis_command *what,
                  const struct redis_args *a)
{
    uint64_t buckets = buckets_of(what, a);
    bool alone = what->flags & REDIS_ALONE ||
                 (what->step && a->n / (uint32_t)what->step > REDIS_WINDOW);
    struct redis_cmd *cmd;

    if (!may_start(c, what, buckets, alone))
        return false;
    cmd = redis_cmd_new(c, what);
    if (!cmd) {
        stall(c, REDIS_STALL_ROOM);
        return false;
    }
    if (c->door->kept > REDIS_KEEP_ALL) {
        redis_status_error(redis_begin(cmd), STATUS_BUSY);
        redis_end(cmd);
        return true;
    }
    cmd->buckets = buckets;
    c->alone = alone;
    if (!(what->flags & REDIS_WRITE))
        redis_count_read(cmd);
    what->start(cmd, a);
    return true;
}

/* What is answered at once keeps its place in the queue. `what` NULL: there is
 * no such command, or `text` is to be said. */
static bool answer(struct redis_client *c, const struct redis_command *what,
                   const struct redis_args *a, const char *text)
{
    static const struct redis_command none = {.name = ""};
    struct redis_cmd *cmd = NULL;
    struct buf *out;

    if (c->count >= REDIS_CMDS_MAX) {
        stall(c, REDIS_STALL_ROOM);
        return false;
    }
    if (c->count) {
        cmd = redis_cmd_new(c, &none);
        if (!cmd) {
            stall(c, REDIS_STALL_ROOM);
            return false;
        }
        out = redis_begin(cmd);
    } else {
        out = conn_begin_bytes(c->conn);
        if (!out) {
            redis_cut_off(c);
            return true;
        }
    }
    if (text)
        redis_error(out, text);
    else if (!what)
        unknown_command(out, a);
    else if (!redis_arity_fits(what, a->n))
        redis_arity_error(out, what->name);
    else
        what->now(c, a, out);
    if (cmd)
        redis_end(cmd);
    else
        conn_end_bytes(c->conn);
    if (c->ending && !c->count)
        conn_finish(c->conn, STATUS_CLOSED, "as the client asked");
    return true;
}

static bool run(struct redis_client *c, const struct redis_args *a)
{
    const struct redis_command *what = redis_command_find(redis_arg(a, 0));

    if (what && what->flags & REDIS_ATTACK) {
        log_warn("redis_attack", "why=\"%s\"", what->summary);
        conn_close(c->conn, STATUS_BAD_FRAME, what->summary);
        return true;
    }
    if (!what || what->now || !redis_arity_fits(what, a->n))
        return answer(c, what, a, NULL);
    return start(c, what, a);
}

static size_t on_bytes(struct conn *conn, struct slice bytes, size_t *wanted)
{
    struct redis_client *c = conn_user(conn);
    struct redis_args a = {.parser = &c->parser};
    char text[sizeof c->parser.error + 8];
    size_t size = 0;

    if (c->ending)
        return bytes.size;
    switch (resp_parse(&c->parser, bytes, &size)) {
    case RESP_INCOMPLETE:
        *wanted = size;
        return 0;
    case RESP_ERROR:
        snprintf(text, sizeof text, "ERR %s", c->parser.error);
        c->ending = true;
        if (!answer(c, NULL, &a, text))
            conn_close(conn, STATUS_BAD_FRAME, c->parser.error);
        return bytes.size;
    case RESP_COMMAND:
        break;
    }
    a.n = c->parser.n_args;
    if (a.n && !run(c, &a))
        return 0;
    c->door->commands++;
    return size;
}

/* ---- clients ---- */

static struct redis_client *client_add(struct redis *d)
{
    struct redis_client *c;

    d->open++;
    if (d->free_client) {
        c = d->clients[d->free_client - 1];
        d->free_client = c->next_free;
        return c;
    }
    if (d->n_clients == d->cap_clients) {
        d->cap_clients = d->cap_clients ? d->cap_clients * 2 : 64;
        d->clients =
            xrealloc(d->clients, d->cap_clients * sizeof *d->clients);
    }
    c = xcalloc(1, sizeof *c);
    c->door = d;
    c->place = d->n_clients;
    TAILQ_INIT(&c->cmds);
    d->clients[d->n_clients++] = c;
    return c;
}

static void on_close(struct conn *conn, enum status why, const char *detail)
{
    struct redis_client *c = conn_user(conn);
    struct redis *d = c->door;

    if (why == STATUS_BAD_FRAME)
        log_info("redis_client_refused", "detail=\"%s\"", detail);
    redis_forget_held(c);
    redis_cmds_drop(c);
    assert(!c->count && !c->reads && !c->kept && !c->retrying);
    resp_parser_release(&c->parser);
    free(c->name);
    free(c->lib_name);
    free(c->lib_version);
    c->name = c->lib_name = c->lib_version = NULL;
    c->conn = NULL;
    c->generation++;
    c->alone = c->ending = false;
    c->stalled = REDIS_STALL_NONE;
    c->next_free = d->free_client;
    d->free_client = c->place + 1;
    d->open--;
    if (d->listener)
        listener_left(d->listener);
}

static const struct conn_events callbacks = {
    .on_bytes = on_bytes,
    .on_close = on_close,
    .busy = "-TRYAGAIN too much of commands whose rest does not come\r\n",
};

static void on_accept(struct listener *l, struct stream *stream, void *user)
{
    struct redis *d = user;
    struct redis_client *c = client_add(d);

    (void)l;
    /* Unique on this node: each loop has its own residue. */
    c->id = ++d->accepted * d->l->node->n_loops + d->l->index;
    c->protocol = 2;
    c->database = 0;
    c->since_ms = node_now().ms;
    redis_room_init(c);
    c->conn = conn_new(d->l->conns, stream, &callbacks, c);
}

struct redis *redis_new(struct loop *l)
{
    struct redis *d = xcalloc(1, sizeof *d);
    uint64_t seed;

    redis_table_init(); /* the main loop's is made first, before any thread */
    d->l = l;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = node_now_us().us;
    rng_init(&d->rng, seed);
    d->seed = rng_next(&d->rng);
    if (!l->index)
        l->node->redis_cursors = redis_cursors_new(rng_next(&d->rng));
    TAILQ_INIT(&d->free_cmds);
    TAILQ_INIT(&d->retrying);
    TAILQ_INIT(&d->holding);
    uv_timer_init(l->uv, &d->retry);
    d->retry.data = d;
    return d;
}

bool redis_listen(struct loop *l, char *error)
{
    const struct node *n = l->node;
    unsigned conns_max = n->o.conns_max ? n->o.conns_max : 10000;
    struct rlimit files;
    struct listener_options o = {
        .address = n->o.redis_listen,
        .share = n->n_loops == 1 ? LISTENER_ALONE
                 : l->index      ? LISTENER_NEXT
                                 : LISTENER_FIRST,
        .refusal = slice_str("-ERR max number of clients reached\r\n"),
    };

    if (!n->o.redis_listen.host[0])
        return true; /* no Redis door is wanted */
    /* Descriptors are the log's and the stores' first, then native clients'. */
    if (!getrlimit(RLIMIT_NOFILE, &files) &&
        files.rlim_cur != RLIM_INFINITY && conns_max > files.rlim_cur / 4)
        conns_max = (unsigned)(files.rlim_cur / 4);
    o.conns_max = (conns_max + n->n_loops - 1) / n->n_loops;
    l->redis->listener = listener_new(l->uv, &o, on_accept, l->redis, error);
    return l->redis->listener != NULL;
}

void redis_stop(struct loop *l)
{
    listener_free(l->redis->listener);
    l->redis->listener = NULL;
}

void redis_loop_release(struct loop *l)
{
    redis_senders_release(&l->redis->senders);
}
