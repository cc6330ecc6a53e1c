/* redis_server.c - what a node says of itself to Redis clients, and what they
 * say of themselves: PING, HELLO, SELECT, INFO, CONFIG, CLIENT ... */
#include "node/front/redis.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/glob.h"

/* As whom we pass: clients look at it to know what they may use. */
#define REDIS_VERSION "7.0.15"

/* In capitals. */
static void shout(const char *word, char *text, size_t size)
{
    size_t n = 0;

    for (; word[n] && n + 1 < size; n++)
        text[n] = (char)(word[n] - ('a' - 'A'));
    text[n] = 0;
}

static void sub_help(const struct redis_sub *table, unsigned n,
                     const char *command, struct buf *out)
{
    char text[80], name[20];

    shout(command, name, sizeof name);
    snprintf(text, sizeof text, "%s <subcommand> [...]. Subcommands are:",
             name);
    resp_array(out, n + 2);
    resp_simple(out, text);
    for (unsigned i = 0; i < n; i++)
        resp_simple(out, table[i].name);
    resp_simple(out, "HELP");
}

void redis_sub(const struct redis_sub *table, unsigned n, const char *command,
               struct redis_client *c, const struct redis_args *a,
               struct buf *out)
{
    struct slice name = redis_arg(a, 1);
    char text[160], loud[20];

    if (redis_is(name, "HELP") && a->n == 2) {
        sub_help(table, n, command, out);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        const struct redis_sub *s = &table[i];
        if (!redis_is(name, s->name))
            continue;
        if (s->arity < 0 ? a->n < (uint32_t)-s->arity
                         : a->n != (uint32_t)s->arity) {
            snprintf(text, sizeof text,
                     "ERR wrong number of arguments for '%s|%s' command",
                     command, s->small);
            redis_error(out, text);
        } else {
            s->run(c, a, out);
        }
        return;
    }
    shout(command, loud, sizeof loud);
    snprintf(text, sizeof text, "ERR unknown subcommand '%.*s'. Try %s HELP.",
             (int)MIN_OF(name.size, (size_t)64), (const char *)name.data,
             loud);
    redis_error(out, text);
}

/* ---- the connection ---- */

void redis_ping(struct redis_client *c, const struct redis_args *a,
                struct buf *out)
{
    (void)c;
    if (a->n > 2)
        redis_arity_error(out, "ping");
    else if (a->n == 2)
        resp_bulk(out, redis_arg(a, 1));
    else
        resp_simple(out, "PONG");
}

void redis_echo(struct redis_client *c, const struct redis_args *a,
                struct buf *out)
{
    (void)c;
    resp_bulk(out, redis_arg(a, 1));
}

void redis_auth(struct redis_client *c, const struct redis_args *a,
                struct buf *out)
{
    (void)c;
    if (a->n > 3)
        redis_error(out, "ERR syntax error");
    else
        redis_error(out, "ERR AUTH <password> called without any password "
                         "configured for the default user. Are you sure your "
                         "configuration is correct?");
}

/* A database number is a keyspace: 0 the default one, n the one of the name
 * "db<n>", which has to exist. */
static bool database_exists(const struct redis_client *c, int64_t n)
{
    char name[REDIS_KEYSPACE_SIZE];

    if (n <= 0 || n >= REDIS_DATABASES || !c->door->l->shard)
        return n == 0;
    return map_keyspace_named(shard_map(c->door->l->shard),
                              redis_keyspace((unsigned)n, name));
}

void redis_select(struct redis_client *c, const struct redis_args *a,
                  struct buf *out)
{
    int64_t n;

    if (!resp_to_integer(redis_arg(a, 1), &n)) {
        redis_error(out, "ERR value is not an integer or out of range");
    } else if (n < INT32_MIN || n > INT32_MAX) {
        redis_error(out, "ERR value is out of range, value must between "
                         "-2147483648 and 2147483647");
    } else if (!database_exists(c, n)) {
        redis_error(out, "ERR DB index is out of range");
    } else {
        c->database = (unsigned)n;
        resp_simple(out, "OK");
    }
}

void redis_quit(struct redis_client *c, const struct redis_args *a,
                struct buf *out)
{
    (void)a;
    c->ending = true;
    resp_simple(out, "OK");
}

static void rename_client(char **place, struct slice name)
{
    free(*place);
    *place = NULL;
    if (name.size) {
        *place = xmalloc(name.size + 1);
        memcpy(*place, name.data, name.size);
        (*place)[name.size] = 0;
    }
}

void redis_reset(struct redis_client *c, const struct redis_args *a,
                 struct buf *out)
{
    (void)a;
    c->protocol = 2;
    c->database = 0;
    rename_client(&c->name, slice_of("", 0));
    resp_simple(out, "RESET");
}

void redis_readonly(struct redis_client *c, const struct redis_args *a,
                    struct buf *out)
{
    (void)c;
    (void)a;
    resp_simple(out, "OK");
}

static bool name_fits(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return false;
    return name.size <= REDIS_NAME_MAX;
}

static void hello_reply(const struct redis_client *c, struct buf *out)
{
    resp_map(out, c->protocol, 7);
    resp_bulk_text(out, "server");
    resp_bulk_text(out, "redis");
    resp_bulk_text(out, "version");
    resp_bulk_text(out, REDIS_VERSION);
    resp_bulk_text(out, "proto");
    resp_integer(out, c->protocol);
    resp_bulk_text(out, "id");
    resp_integer(out, (int64_t)c->id);
    resp_bulk_text(out, "mode");
    resp_bulk_text(out, "cluster");
    resp_bulk_text(out, "role");
    resp_bulk_text(out, "master");
    resp_bulk_text(out, "modules");
    resp_array(out, 0);
}

void redis_hello(struct redis_client *c, const struct redis_args *a,
                 struct buf *out)
{
    struct slice name = {0};
    char text[160];
    int64_t version = c->protocol;

    if (a->n > 1 && !resp_to_integer(redis_arg(a, 1), &version)) {
        redis_error(out,
                    "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2 && version != 3) {
        redis_error(out, "NOPROTO unsupported protocol version");
        return;
    }
    for (uint32_t i = 2; i < a->n; i++) {
        struct slice word = redis_arg(a, i);
        if (redis_is(word, "AUTH") && i + 2 < a->n) {
            redis_error(out, "ERR HELLO AUTH is refused: this cluster has no "
                             "users and passwords; connect without");
            return;
        }
        if (redis_is(word, "SETNAME") && i + 1 < a->n) {
            name = redis_arg(a, ++i);
            if (name_fits(name))
                continue;
            redis_error(out, "ERR Client names cannot contain spaces, "
                             "newlines or special characters.");
            return;
        }
        snprintf(text, sizeof text, "ERR Syntax error in HELLO option '%.*s'",
                 (int)MIN_OF(word.size, (size_t)64), (const char *)word.data);
        redis_error(out, text);
        return;
    }
    if (name.data)
        rename_client(&c->name, name);
    c->protocol = (unsigned)version;
    hello_reply(c, out);
}

/* ---- CLIENT ---- */

static void client_id(struct redis_client *c, const struct redis_args *a,
                      struct buf *out)
{
    (void)a;
    resp_integer(out, (int64_t)c->id);
}

static void client_setname(struct redis_client *c, const struct redis_args *a,
                           struct buf *out)
{
    if (!name_fits(redis_arg(a, 2))) {
        redis_error(out, "ERR Client names cannot contain spaces, newlines "
                         "or special characters.");
        return;
    }
    rename_client(&c->name, redis_arg(a, 2));
    resp_simple(out, "OK");
}

static void client_getname(struct redis_client *c, const struct redis_args *a,
                           struct buf *out)
{
    (void)a;
    if (c->name)
        resp_bulk_text(out, c->name);
    else
        resp_null(out, c->protocol);
}

static void client_setinfo(struct redis_client *c, const struct redis_args *a,
                           struct buf *out)
{
    struct slice what = redis_arg(a, 2), value = redis_arg(a, 3);
    bool lib = redis_is(what, "LIB-NAME");
    char text[160];

    if (!lib && !redis_is(what, "LIB-VER")) {
        snprintf(text, sizeof text, "ERR Unrecognized option '%.*s'",
                 (int)MIN_OF(what.size, (size_t)64), (const char *)what.data);
        redis_error(out, text);
    } else if (!name_fits(value)) {
        snprintf(text, sizeof text, "ERR %s cannot contain spaces, newlines "
                                    "or special characters.",
                 lib ? "lib-name" : "lib-ver");
        redis_error(out, text);
    } else {
        rename_client(lib ? &c->lib_name : &c->lib_version, value);
        resp_simple(out, "OK");
    }
}

static void client_info(struct redis_client *c, const struct redis_args *a,
                        struct buf *out)
{
    char peer[ADDRESS_MAX + 1], text[4 * REDIS_NAME_MAX + ADDRESS_MAX + 300];
    int n;

    (void)a;
    conn_peer(c->conn, peer);
    n = snprintf(text, sizeof text,
                 "id=%" PRIu64 " addr=%s name=%s age=%" PRIu64
                 " flags=N db=%u sub=0 psub=0 ssub=0 multi=-1 cmd=client|info"
                 " user=default redir=-1 resp=%u lib-name=%s lib-ver=%s\n",
                 c->id, peer, c->name ? c->name : "",
                 (node_now().ms - c->since_ms) / 1000, c->database,
                 c->protocol, c->lib_name ? c->lib_name : "",
                 c->lib_version ? c->lib_version : "");
    resp_verbatim(out, c->protocol, slice_of(text, (size_t)n));
}

/* NO-EVICT, NO-TOUCH: nothing is ever evicted here. */
static void client_on_off(struct redis_client *c, const struct redis_args *a,
                          struct buf *out)
{
    (void)c;
    if (redis_arg_is(a, 2, "ON") || redis_arg_is(a, 2, "OFF"))
        resp_simple(out, "OK");
    else
        redis_error(out, "ERR syntax error");
}

void redis_client_command(struct redis_client *c, const struct redis_args *a,
                          struct buf *out)
{
    static const struct redis_sub subs[] = {
        {"ID", "id", 2, client_id},
        {"SETNAME", "setname", 3, client_setname},
        {"GETNAME", "getname", 2, client_getname},
        {"SETINFO", "setinfo", 4, client_setinfo},
        {"INFO", "info", 2, client_info},
        {"NO-EVICT", "no-evict", 3, client_on_off},
        {"NO-TOUCH", "no-touch", 3, client_on_off},
    };

    redis_sub(subs, ARRAY_LEN(subs), "client", c, a, out);
}

/* ---- CONFIG ---- */

/* What clients and tools ask for; nothing is changed through this door. */
static unsigned settings(const struct redis_client *c, bool write,
                         const struct redis_args *a, struct buf *out)
{
    const struct node_options *o = &c->door->l->node->o;
    char port[8], clients[16], bulk[16];
    const char *const pairs[][2] = {
        {"save", ""},
        {"appendonly", "yes"},
        {"appendfsync", "always"},
        {"maxmemory", "0"},
        {"maxmemory-policy", "noeviction"},
        {"databases", "16"},
        {"timeout", "0"},
        {"cluster-enabled", "yes"},
        {"port", port},
        {"bind", o->redis_listen.host},
        {"maxclients", clients},
        {"proto-max-bulk-len", bulk},
    };
    unsigned n = 0;

    snprintf(port, sizeof port, "%u", o->redis_listen.port);
    snprintf(clients, sizeof clients, "%u",
             o->conns_max ? o->conns_max : 10000);
    snprintf(bulk, sizeof bulk, "%d", VALUE_BYTES_MAX);
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++)
        for (uint32_t k = 2; k < a->n; k++) {
            if (!glob_match(redis_arg(a, k), slice_str(pairs[i][0])))
                continue;
            n++;
            if (write) {
                resp_bulk_text(out, pairs[i][0]);
                resp_bulk_text(out, pairs[i][1]);
            }
            break;
        }
    return n;
}

static void config_get(struct redis_client *c, const struct redis_args *a,
                       struct buf *out)
{
    resp_map(out, c->protocol, settings(c, false, a, out));
    settings(c, true, a, out);
}

static void config_set(struct redis_client *c, const struct redis_args *a,
                       struct buf *out)
{
    (void)c;
    (void)a;
    redis_error(out, "ERR CONFIG SET is refused: settings are in the "
                     "configuration of coatcheckd");
}

void redis_config(struct redis_client *c, const struct redis_args *a,
                  struct buf *out)
{
    static const struct redis_sub subs[] = {
        {"GET", "get", -3, config_get},
        {"SET", "set", -4, config_set},
    };

    redis_sub(subs, ARRAY_LEN(subs), "config", c, a, out);
}

/* ---- INFO ---- */

static void line(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
static void line(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf((char *)buf_reserve(b, 400), 398, fmt, ap);
    va_end(ap);
    b->size += (size_t)MIN_OF(n, 397);
    buf_append(b, "\r\n", 2);
}

static void info_server(struct redis_client *c, struct buf *b)
{
    const struct node *n = c->door->l->node;
    uint64_t up = (node_now().ms - n->started_ms) / 1000;

    line(b, "redis_version:%s", REDIS_VERSION);
    line(b, "redis_mode:cluster");
    line(b, "server_name:coatcheck");
    line(b, "coatcheck_version:%s", COAT_VERSION);
    line(b, "arch_bits:%u", (unsigned)sizeof(void *) * 8);
    line(b, "process_id:%ld", (long)getpid());
    line(b, "tcp_port:%u", n->o.redis_listen.port);
    line(b, "uptime_in_seconds:%" PRIu64, up);
    line(b, "uptime_in_days:%" PRIu64, up / 86400);
}

static void info_clients(struct redis_client *c, struct buf *b)
{
    line(b, "connected_clients:%u", c->door->open);
    line(b, "maxclients:%u", c->door->l->node->o.conns_max
                                 ? c->door->l->node->o.conns_max
                                 : 10000);
}

static void info_memory(struct redis_client *c, struct buf *b)
{
    unsigned long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    (void)c;
    if (f && fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    resident *= (unsigned long)sysconf(_SC_PAGESIZE);
    line(b, "used_memory:%lu", resident);
    line(b, "used_memory_rss:%lu", resident);
    line(b, "maxmemory:0");
    line(b, "maxmemory_policy:noeviction");
}

static void info_persistence(struct redis_client *c, struct buf *b)
{
    (void)c;
    line(b, "loading:0");
    line(b, "aof_enabled:1");
}

static void info_stats(struct redis_client *c, struct buf *b)
{
    line(b, "total_connections_received:%" PRIu64, c->door->accepted);
    line(b, "total_commands_processed:%" PRIu64, c->door->commands);
}

static void info_replication(struct redis_client *c, struct buf *b)
{
    (void)c;
    line(b, "role:master");
    line(b, "connected_slaves:0");
}

static void info_cluster(struct redis_client *c, struct buf *b)
{
    (void)c;
    line(b, "cluster_enabled:1");
}

void redis_info(struct redis_client *c, const struct redis_args *a,
                struct buf *out)
{
    static const struct {
        const char *name, *title;
        void (*write)(struct redis_client *c, struct buf *b);
    } sections[] = {
        {"SERVER", "Server", info_server},
        {"CLIENTS", "Clients", info_clients},
        {"MEMORY", "Memory", info_memory},
        {"PERSISTENCE", "Persistence", info_persistence},
        {"STATS", "Stats", info_stats},
        {"REPLICATION", "Replication", info_replication},
        {"CLUSTER", "Cluster", info_cluster},
    };
    struct buf b = {0};

    for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
        bool wanted = a->n == 1;
        for (uint32_t k = 1; k < a->n; k++)
            wanted |= redis_arg_is(a, k, sections[i].name) ||
                      redis_arg_is(a, k, "ALL") ||
                      redis_arg_is(a, k, "EVERYTHING") ||
                      redis_arg_is(a, k, "DEFAULT");
        if (!wanted)
            continue;
        if (b.size)
            line(&b, "%s", "");
        line(&b, "# %s", sections[i].title);
        sections[i].write(c, &b);
    }
    resp_verbatim(out, c->protocol, buf_slice(&b));
    buf_release(&b);
}
