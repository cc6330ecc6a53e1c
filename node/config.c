/* config.c - see config.h. The file is YAML, read by libcyaml against a schema:
 * an unknown key is an error that names it. */
#include "node/config.h"

#include <argp.h>
#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in the file; NULL and 0 mean "not given". */
struct file {
    char *data;
    char *listen, *peer_listen, *redis_listen, *http_listen;
    char *advertise_client, *advertise_peer;
    char *log_level;
    bool unsafe_disk;
    uint32_t segment_mib;
    uint32_t cache_mib;
    uint32_t connections_max;
    uint32_t election_ms;
    uint32_t disk_reserve_mib;
    uint32_t threads;
};

#define TEXT(key, member)                                                      \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,      \
                           struct file, member, 0, 4000)
#define NUMBER(key, member)                                                    \
    CYAML_FIELD_UINT(key, CYAML_FLAG_OPTIONAL, struct file, member)

static const cyaml_schema_field_t fields[] = {
    TEXT("data", data),
    TEXT("listen", listen),
    TEXT("peer-listen", peer_listen),
    TEXT("redis-listen", redis_listen),
    TEXT("http-listen", http_listen),
    TEXT("advertise-client", advertise_client),
    TEXT("advertise-peer", advertise_peer),
    TEXT("log-level", log_level),
    CYAML_FIELD_BOOL("unsafe-disk", CYAML_FLAG_OPTIONAL, struct file,
                     unsafe_disk),
    NUMBER("segment-mib", segment_mib),
    NUMBER("cache-mib", cache_mib),
    NUMBER("connections-max", connections_max),
    NUMBER("election-ms", election_ms),
    NUMBER("disk-reserve-mib", disk_reserve_mib),
    NUMBER("threads", threads),
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
     "reserved for the Redis door; nothing listens there yet", 0},
    {"http-listen", OPT_HTTP_LISTEN, "HOST:PORT", 0,
     "reserved for health and metrics; nothing listens there yet", 0},
    {"advertise-client", OPT_ADVERTISE_CLIENT, "HOST:PORT", 0,
     "address that clients are told (as --listen)", 0},
    {"advertise-peer", OPT_ADVERTISE_PEER, "HOST:PORT", 0,
     "address that other nodes are told (as --peer-listen)", 0},
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
    {"threads", OPT_THREADS, "N", 0, "loop threads; 1 in this version", 0},
    {"check-config", OPT_CHECK, NULL, 0, "read the settings, then exit", 0},
    {0},
};

struct reading {
    struct file file;      /* from the command line */
    const char *config;
    bool check;
};

static uint32_t number(struct argp_state *state, const char *text,
                       const char *name)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (!*text || *end || v > 1000000 || *text == '-')
        argp_failure(state, 2, 0, "--%s: '%s' is not a number in 0..1000000",
                     name, text);
    return (uint32_t)v;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct reading *r = state->input;
    struct file *f = &r->file;

    switch (key) {
    case 'c': r->config = arg; break;
    case OPT_DATA: f->data = arg; break;
    case OPT_LISTEN: f->listen = arg; break;
    case OPT_PEER_LISTEN: f->peer_listen = arg; break;
    case OPT_REDIS_LISTEN: f->redis_listen = arg; break;
    case OPT_HTTP_LISTEN: f->http_listen = arg; break;
    case OPT_ADVERTISE_CLIENT: f->advertise_client = arg; break;
    case OPT_ADVERTISE_PEER: f->advertise_peer = arg; break;
    case OPT_LOG_LEVEL: f->log_level = arg; break;
    case OPT_UNSAFE_DISK: f->unsafe_disk = true; break;
    case OPT_CHECK: r->check = true; break;
    case OPT_SEGMENT_MIB:
        f->segment_mib = number(state, arg, "segment-mib");
        break;
    case OPT_CACHE_MIB:
        f->cache_mib = number(state, arg, "cache-mib");
        break;
    case OPT_CONNECTIONS_MAX:
        f->connections_max = number(state, arg, "connections-max");
        break;
    case OPT_ELECTION_MS:
        f->election_ms = number(state, arg, "election-ms");
        break;
    case OPT_DISK_RESERVE_MIB:
        f->disk_reserve_mib = number(state, arg, "disk-reserve-mib");
        break;
    case OPT_THREADS:
        f->threads = number(state, arg, "threads");
        break;
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

static bool read_file(const char *path, struct file *over)
{
    cyaml_config_t how = {
        .log_level = CYAML_LOG_ERROR,
        .log_fn = print_cyaml,
        .log_ctx = (void *)(uintptr_t)path,
        .mem_fn = cyaml_mem,
    };
    struct file *f = NULL;
    cyaml_err_t err =
        cyaml_load_file(path, &how, &schema, (cyaml_data_t **)&f, NULL);

    if (err != CYAML_OK) {
        fprintf(stderr, "coatcheckd: cannot use %s: %s\n", path,
                cyaml_strerror(err));
        return false;
    }
    /* The command line wins. The file's memory stays for the process's life. */
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
    TAKE(log_level);
    TAKE(unsafe_disk);
    TAKE(segment_mib);
    TAKE(cache_mib);
    TAKE(connections_max);
    TAKE(election_ms);
    TAKE(disk_reserve_mib);
    TAKE(threads);
#undef TAKE
    return true;
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
    address_format(&a, out);
    return true;
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
        (f->redis_listen &&
         !take_address("redis-listen", f->redis_listen, &unused)) ||
        (f->http_listen &&
         !take_address("http-listen", f->http_listen, &unused)) ||
        !take_advertised("advertise-client", f->advertise_client,
                         &o->client_listen, o->client_advertise) ||
        !take_advertised("advertise-peer", f->advertise_peer,
                         &o->peer_listen, o->peer_advertise) ||
        !take_level(f->log_level, &c->log_level))
        return false;
    /* The largest entry has to fit a segment several times. */
    if (f->segment_mib && (f->segment_mib < 32 || f->segment_mib > 1024))
        return bad("segment-mib", "use 32..1024");
    if (f->election_ms && (f->election_ms < 200 || f->election_ms > 60000))
        return bad("election-ms", "use 200..60000");
    if (f->threads > 1)
        return bad("threads", "this version has one loop thread");
    o->unsafe_disk = f->unsafe_disk;
    o->segment_bytes = f->segment_mib << 20;
    o->cache_bytes = (uint64_t)f->cache_mib << 20;
    o->conns_max = f->connections_max;
    o->election_ms = f->election_ms;
    o->disk_reserve_bytes =
        (uint64_t)(f->disk_reserve_mib ? f->disk_reserve_mib : 256) << 20;
    return true;
}

const char *argp_program_version = "coatcheckd " COAT_VERSION;

int config_read(int argc, char **argv, struct config *c)
{
    static const struct argp argp = {
        options, parse, NULL,
        "The Coatcheck daemon: one node of a replicated key-value cluster.",
        NULL, NULL, NULL};
    struct reading r = {0};

    *c = (struct config){0};
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &r))
        return 2;
    if (r.config && !read_file(r.config, &r.file))
        return 2;
    if (!take(&r.file, c))
        return 2;
    c->check_only = r.check;
    return 0;
}
