/* config.c - see config.h. The file is YAML, read by libcyaml against a schema:
 * an unknown key is an error that names it. */
#include "node/config.h"

#include <argp.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/shell/failpoint.h"

/* As in the file, all of it as text: the library reads "1.5" as the number 1
 * and any word it does not know as true. NULL means "not given". */
struct file {
    char *data;
    char *listen, *peer_listen, *redis_listen, *http_listen;
    char *advertise_client, *advertise_peer, *advertise_redis;
    char *log_level;
    char *unsafe_disk;
    char *segment_mib, *cache_mib, *connections_max, *election_ms;
    char *disk_reserve_mib, *threads;
};

#define TEXT(key, member)                                                      \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,      \
                           struct file, member, 0, 4000)

static const cyaml_schema_field_t fields[] = {
    TEXT("data", data),
    TEXT("listen", listen),
    TEXT("peer-listen", peer_listen),
    TEXT("redis-listen", redis_listen),
    TEXT("http-listen", http_listen),
    TEXT("advertise-client", advertise_client),
    TEXT("advertise-peer", advertise_peer),
    TEXT("advertise-redis", advertise_redis),
    TEXT("log-level", log_level),
    TEXT("unsafe-disk", unsafe_disk),
    TEXT("segment-mib", segment_mib),
    TEXT("cache-mib", cache_mib),
    TEXT("connections-max", connections_max),
    TEXT("election-ms", election_ms),
    TEXT("disk-reserve-mib", disk_reserve_mib),
    TEXT("threads", threads),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, fields),
};

enum {
    OPT_DATA = 256,
    OPT_LISTEN,
    OPT_PEER_LISTEN,
    OPT_REDIS_LISTEN,
    OPT_HTTP_LISTEN,
    OPT_ADVERTISE_CLIENT,
    OPT_ADVERTISE_PEER,
    OPT_ADVERTISE_REDIS,
    OPT_LOG_LEVEL,
    OPT_UNSAFE_DISK,
    OPT_SEGMENT_MIB,
    OPT_CACHE_MIB,
    OPT_CONNECTIONS_MAX,
    OPT_ELECTION_MS,
    OPT_DISK_RESERVE_MIB,
    OPT_THREADS,
    OPT_CHECK,
};

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "YAML file with any of the settings below", 0},
    {"data", OPT_DATA, "DIR", 0, "data directory (needed)", 0},
    {"listen", OPT_LISTEN, "HOST:PORT", 0,
     "where clients connect (127.0.0.1:7410)", 0},
    {"peer-listen", OPT_PEER_LISTEN, "HOST:PORT", 0,
     "where other nodes connect (127.0.0.1:7411)", 0},
    {"redis-listen", OPT_REDIS_LISTEN, "HOST:PORT", 0,
     "where Redis clients connect (nowhere, if it is not given)", 0},
    {"http-listen", OPT_HTTP_LISTEN, "HOST:PORT", 0,
     "reserved for health and metrics; nothing listens there yet", 0},
    {"advertise-client", OPT_ADVERTISE_CLIENT, "HOST:PORT", 0,
     "address that clients are told (as --listen)", 0},
    {"advertise-peer", OPT_ADVERTISE_PEER, "HOST:PORT", 0,
     "address that other nodes are told (as --peer-listen)", 0},
    {"advertise-redis", OPT_ADVERTISE_REDIS, "HOST:PORT", 0,
     "address that Redis clients are told (as --redis-listen)", 0},
    {"log-level", OPT_LOG_LEVEL, "LEVEL", 0, "debug, info, warn or error", 0},
    {"unsafe-disk", OPT_UNSAFE_DISK, NULL, 0,
     "accept a file system that does not keep what is synced", 0},
    {"segment-mib", OPT_SEGMENT_MIB, "N", 0, "size of a log segment (64)", 0},
    {"cache-mib", OPT_CACHE_MIB, "N", 0, "block cache of the stores (64)", 0},
    {"connections-max", OPT_CONNECTIONS_MAX, "N", 0,
     "client connections at once (10000)", 0},
    {"election-ms", OPT_ELECTION_MS, "N", 0, "election timeout (500)", 0},
    {"disk-reserve-mib", OPT_DISK_RESERVE_MIB, "N", 0,
     "refuse sets when less is free on the disk (256)", 0},
    {"threads", OPT_THREADS, "N", 0,
     "loop threads, one shard of groups each (1)", 0},
    {"check-config", OPT_CHECK, NULL, 0, "read the settings, then exit", 0},
    {NULL, 'h', NULL, 0, "As --help", -1}, /* argp's own letter is '?' */
    {0},
};

struct reading {
    struct file file;      /* from the command line */
    const char *config;
    bool check;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static char yes[] = "true";
    struct reading *r = state->input;
    struct file *f = &r->file;

    switch (key) {
    case 'c': r->config = arg; break;
    case 'h':
        argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
        break;
    case OPT_DATA: f->data = arg; break;
    case OPT_LISTEN: f->listen = arg; break;
    case OPT_PEER_LISTEN: f->peer_listen = arg; break;
    case OPT_REDIS_LISTEN: f->redis_listen = arg; break;
    case OPT_HTTP_LISTEN: f->http_listen = arg; break;
    case OPT_ADVERTISE_CLIENT: f->advertise_client = arg; break;
    case OPT_ADVERTISE_PEER: f->advertise_peer = arg; break;
    case OPT_ADVERTISE_REDIS: f->advertise_redis = arg; break;
    case OPT_LOG_LEVEL: f->log_level = arg; break;
    case OPT_UNSAFE_DISK: f->unsafe_disk = yes; break;
    case OPT_CHECK: r->check = true; break;
    case OPT_SEGMENT_MIB: f->segment_mib = arg; break;
    case OPT_CACHE_MIB: f->cache_mib = arg; break;
    case OPT_CONNECTIONS_MAX: f->connections_max = arg; break;
    case OPT_ELECTION_MS: f->election_ms = arg; break;
    case OPT_DISK_RESERVE_MIB: f->disk_reserve_mib = arg; break;
    case OPT_THREADS: f->threads = arg; break;
    case ARGP_KEY_ARG:
        argp_failure(state, 2, 0, "unexpected argument '%s'", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void print_cyaml(cyaml_log_t level, void *ctx, const char *fmt,
                        va_list ap)
{
    const char *path = ctx;

    (void)level;
    fprintf(stderr, "coatcheckd: %s: ", path);
    vfprintf(stderr, fmt, ap);
}

static const cyaml_config_t *cyaml_config(const char *path)
{
    static cyaml_config_t how = {
        .log_level = CYAML_LOG_ERROR,
        .log_fn = print_cyaml,
        .mem_fn = cyaml_mem,
    };

    how.log_ctx = (void *)(uintptr_t)path;
    return &how;
}

/* `*f` is NULL when the file holds nothing (comments, say); else free it with
 * cyaml_free() when what was taken over from it is no longer used. */
static bool read_file(const char *path, struct file **f)
{
    cyaml_err_t err = cyaml_load_file(path, cyaml_config(path), &schema,
                                      (cyaml_data_t **)f, NULL);

    if (err != CYAML_OK)
        fprintf(stderr, "coatcheckd: cannot use %s: %s\n", path,
                cyaml_strerror(err));
    return err == CYAML_OK;
}

/* The command line wins. Borrows the texts. */
static void take_over(const struct file *f, struct file *over)
{
#define TAKE(member)                                                           \
    if (!over->member)                                                         \
    over->member = f->member
    TAKE(data);
    TAKE(listen);
    TAKE(peer_listen);
    TAKE(redis_listen);
    TAKE(http_listen);
    TAKE(advertise_client);
    TAKE(advertise_peer);
    TAKE(advertise_redis);
    TAKE(log_level);
    TAKE(unsafe_disk);
    TAKE(segment_mib);
    TAKE(cache_mib);
    TAKE(connections_max);
    TAKE(election_ms);
    TAKE(disk_reserve_mib);
    TAKE(threads);
#undef TAKE
}

static bool bad(const char *what, const char *why)
{
    fprintf(stderr, "coatcheckd: %s: %s\n", what, why);
    return false;
}

static bool take_address(const char *name, const char *text,
                         struct address *out)
{
    char error[ADDRESS_ERROR_SIZE];

    if (address_parse(slice_str(text), 0, out, error) != STATUS_OK)
        return bad(name, error);
    return true;
}

static bool take_advertised(const char *name, const char *text,
                            const struct address *listen, char *out)
{
    struct address a = *listen;

    if (text && !take_address(name, text, &a))
        return false;
    if (!strcmp(a.host, "0.0.0.0") || !strcmp(a.host, "::"))
        return bad(name, "listening on every address: say which one others "
                         "shall use");
    if (!a.port)
        return bad(name, "listening on any free port: say which one others "
                         "shall use");
    address_format(&a, out);
    return true;
}

static bool take_redis(const struct file *f, struct node_options *o)
{
    if (!f->redis_listen)
        return !f->advertise_redis ||
               bad("advertise-redis", "there is no Redis door: redis-listen "
                                      "says where it shall be");
    return take_address("redis-listen", f->redis_listen, &o->redis_listen) &&
           take_advertised("advertise-redis", f->advertise_redis,
                           &o->redis_listen, o->redis_advertise);
}

static bool take_level(const char *text, enum log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    *out = LOG_LEVEL_INFO;
    if (!text)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(text, names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    return bad("log-level", "use debug, info, warn or error");
}

static bool take_flag(const char *name, const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off", "on"};

    *out = false;
    for (unsigned i = 0; text && i < ARRAY_LEN(words); i++)
        if (!strcmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return !text || bad(name, "use true or false");
}

/* Decimal digits, min..max; 0 and nothing at all give 0, the default. */
static bool take_number(const char *name, const char *text, uint32_t min,
                        uint32_t max, uint32_t *out)
{
    char why[80];
    uint64_t v = 0;
    bool good = !text || *text;

    for (const char *p = text; good && p && *p; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
        good = *p >= '0' && *p <= '9' && v <= max;
    }
    *out = (uint32_t)v;
    if (good && (!v || v >= min))
        return true;
    snprintf(why, sizeof why, "'%.20s' is not a number in %u..%u", text, min,
             max);
    return bad(name, why);
}

static bool take_numbers(const struct file *f, struct node_options *o)
{
    enum { ANY = 1000000 };
    uint32_t segment, cache, reserve;

    /* The largest entry has to fit a segment several times. */
    if (!take_number("segment-mib", f->segment_mib, 32 / FAILPOINT_SCALE,
                     1024, &segment) ||
        !take_number("cache-mib", f->cache_mib, 1, ANY, &cache) ||
        !take_number("connections-max", f->connections_max, 1, ANY,
                     &o->conns_max) ||
        !take_number("election-ms", f->election_ms, 200, 60000,
                     &o->election_ms) ||
        !take_number("disk-reserve-mib", f->disk_reserve_mib, 1, ANY,
                     &reserve) ||
        !take_number("threads", f->threads, 1, LOOPS_MAX, &o->threads))
        return false;
    o->segment_bytes = segment << 20;
    o->cache_bytes = (uint64_t)cache << 20;
    o->disk_reserve_bytes = (uint64_t)(reserve ? reserve : 256) << 20;
    return true;
}

static bool take(const struct file *f, struct config *c)
{
    struct node_options *o = &c->node;
    struct address unused;

    if (!f->data || !*f->data || strlen(f->data) >= sizeof o->data)
        return bad("data", "a data directory is needed (--data DIR)");
    snprintf(o->data, sizeof o->data, "%s", f->data);
    if (!take_address("listen", f->listen ? f->listen : "127.0.0.1:7410",
                      &o->client_listen) ||
        !take_address("peer-listen",
                      f->peer_listen ? f->peer_listen : "127.0.0.1:7411",
                      &o->peer_listen) ||
        !take_redis(f, o) ||
        (f->http_listen &&
         !take_address("http-listen", f->http_listen, &unused)) ||
        !take_advertised("advertise-client", f->advertise_client,
                         &o->client_listen, o->client_advertise) ||
        !take_advertised("advertise-peer", f->advertise_peer,
                         &o->peer_listen, o->peer_advertise) ||
        !take_level(f->log_level, &c->log_level) ||
        !take_flag("unsafe-disk", f->unsafe_disk, &o->unsafe_disk))
        return false;
    return take_numbers(f, o);
}

const char *argp_program_version = "coatcheckd " COAT_VERSION;

int config_read(int argc, char **argv, struct config *c)
{
    static const struct argp argp = {
        options, parse, NULL,
        "The Coatcheck daemon: one node of a replicated key-value cluster.",
        NULL, NULL, NULL};
    struct reading r = {0};
    struct file *f = NULL;
    bool good;

    *c = (struct config){0};
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &r))
        return 2;
    if (r.config && !read_file(r.config, &f))
        return 2;
    if (f)
        take_over(f, &r.file);
    good = take(&r.file, c);
    if (f)
        cyaml_free(cyaml_config(r.config), &schema, f, 0);
    c->check_only = r.check;
    return good ? 0 : 2;
}
