/* redis.h - the Redis door from inside: connections, commands under way.
 *
 * A client's commands are answered strictly in their order, although the shard
 * answers out of order: each command that has to ask the shard is a struct
 * redis_cmd in its client's queue. The first in the queue writes its reply
 * straight into the connection's output; one that is done before its turn keeps
 * its reply until then.
 *
 * ORDER. The shard keeps a connection's writes in order, and a read behind the
 * writes before it. What is left to the door:
 *   - a write waits while a read of one of its keys is under way (a key is
 *     known by one of 64 buckets), or the read could see it;
 *   - a command over the whole keyspace waits for all before it, and all behind
 *     wait for it; so does one of more keys than are asked for at once;
 *   - what was certainly not executed (no leader, a limit) is asked again for
 *     some time, in the order of commands, but not if a later command with one
 *     of its keys was executed meanwhile; redis_again.c;
 *   - what may have been executed is asked again too, and is executed once all
 *     the same: every write has a session; redis_once.c.
 * A command that has to wait stays unparsed in the connection's input.
 *
 * BOUNDS per client: CMDS_MAX commands and KEEP_BYTES of their arguments under
 * way; above, nothing is read from it. For all clients of a loop: KEEP_ALL of
 * arguments, and a bound of what MGET and KEYS gather; above, TRYAGAIN.
 *
 * For node/front/redis*.c only. */
#ifndef NODE_FRONT_REDIS_H
#define NODE_FRONT_REDIS_H

#include <sys/queue.h>

#include "node/front/redis_keys.h"
#include "node/front/room.h"
#include "node/shell/node.h"
#include "proto/base/rng.h"
#include "proto/identity.h"
#include "proto/operation.h"
#include "rpc/resp.h"

struct redis_client;
struct redis_cmd;
struct redis_command;

enum {
    REDIS_NAME_MAX = 256,   /* of CLIENT SETNAME, SETINFO */
    REDIS_DATABASES = 16,
    REDIS_PORT_OFFSET = 2,  /* from the clients' port, unless told otherwise */
};

/* The arguments of a command; [0] is its name. */
struct redis_args {
    const struct resp_parser *parser;
    uint32_t n;
};

static inline struct slice redis_arg(const struct redis_args *a, uint32_t i)
{
    return resp_argument(a->parser, i);
}
/* Is argument `i` this word? `word` is in capitals, case does not count. */
bool redis_is(struct slice text, const char *word);
static inline bool redis_arg_is(const struct redis_args *a, uint32_t i,
                                const char *word)
{
    return redis_is(redis_arg(a, i), word);
}

/* The name of a database's keyspace; empty: the default one. */
enum { REDIS_KEYSPACE_SIZE = 16 };
struct slice redis_keyspace(unsigned database, char *text);

/* ---- the table of commands: redis_table.c ---- */

enum redis_flag {
    REDIS_WRITE = 1u << 0,
    REDIS_READONLY = 1u << 1,
    REDIS_DENYOOM = 1u << 2,
    REDIS_ADMIN = 1u << 3,
    REDIS_FAST = 1u << 4,
    REDIS_LOADING = 1u << 5,
    REDIS_STALE = 1u << 6,
    REDIS_NOSCRIPT = 1u << 7,
    REDIS_ALONE = 1u << 8,  /* ours: about the whole keyspace */
    REDIS_ATTACK = 1u << 9, /* ours: another protocol; the client is closed */
};

/* Answer at once, into `out`. */
typedef void redis_now(struct redis_client *c, const struct redis_args *a,
                       struct buf *out);
/* Begin: fill in `cmd` and call redis_go() or redis_go_parts(), as the last
 * thing; or redis_fail(). */
typedef void redis_start(struct redis_cmd *cmd, const struct redis_args *a);

struct redis_command {
    const char *name;       /* small letters */
    int arity;              /* with the name; negative: at least */
    unsigned flags;
    int first, last, step;  /* positions of keys, as COMMAND tells them */
    redis_now *now;         /* one of the two */
    redis_start *start;
    const char *group, *since, *complexity, *summary;
};

extern const struct redis_command redis_commands[];
extern const unsigned redis_commands_count;
/* Once, before the loops have threads. */
void redis_table_init(void);
/* NULL: there is none of this name. */
const struct redis_command *redis_command_find(struct slice name);
bool redis_arity_fits(const struct redis_command *what, uint32_t n);

/* A subcommand; `arity` counts the command's name too. */
struct redis_sub {
    const char *name, *small; /* in capitals, in small letters */
    int arity;
    redis_now *run;
};
/* Run the one that argument 1 names, or say what is wrong. redis_server.c */
void redis_sub(const struct redis_sub *table, unsigned n, const char *command,
               struct redis_client *c, const struct redis_args *a,
               struct buf *out);

/* ---- clients ---- */

TAILQ_HEAD(redis_cmds, redis_cmd);

/* What the next command waits for. */
enum redis_stall {
    REDIS_STALL_NONE,
    REDIS_STALL_ROOM,    /* fewer or smaller commands under way */
    REDIS_STALL_EMPTY,   /* none under way */
    REDIS_STALL_BUCKETS, /* no reads under way in some buckets */
};

enum {
    REDIS_CMDS_MAX = 1024,         /* under way, of a client */
    REDIS_KEEP_BYTES = 4 << 20,    /* of their arguments */
    REDIS_KEEP_ALL = 256 << 20,    /* ... of all clients of a loop */
    REDIS_WINDOW = 256,            /* parts of a command, asked at once */
    REDIS_GIVE_UP_MS = 10000,      /* then its outcome is unknown */
};

/* An EFFECT_READ whose client has no room for the value. */
struct redis_held {
    STAILQ_ENTRY(redis_held) next;
    struct effect effect;
};

struct redis_client {
    struct redis *door;
    struct conn *conn;      /* NULL: the place is free */
    uint32_t place, generation;
    uint32_t next_free;     /* index + 1 */
    struct resp_parser parser;

    uint64_t id;            /* as CLIENT ID tells */
    unsigned protocol;      /* 2 or 3 */
    unsigned database;
    uint64_t since_ms;
    char *name, *lib_name, *lib_version; /* NULL: none */

    struct redis_cmds cmds; /* oldest first */
    unsigned count;         /* of them */
    unsigned reads;         /* of them: reads not done */
    size_t kept;            /* bytes of their arguments */
    size_t early;           /* bytes of replies before their turn */
    size_t usual;           /* size of values it was sent lately */
    unsigned fetching;      /* reads on workers */
    STAILQ_HEAD(, redis_held) held; /* reads there is no room for now */
    TAILQ_ENTRY(redis_client) in_holding; /* while `held` is not empty */
    struct room_taking taking;
    uint16_t reading[64];   /* reads under way, by bucket */
    bool alone;             /* one under way wants to be alone */
    unsigned retrying;
    struct redis_keys again; /* of writes to be asked again: how many */
    uint64_t retried;       /* door->round when it was looked at last */
    uint8_t stalled;        /* enum redis_stall */
    uint64_t stalled_for;   /* ... these buckets */
    bool ending;            /* nothing more is taken; close when all is said */
};

/* Results and parts. */

struct redis_part {
    uint32_t at, size; /* its encoded reply in cmd->gathered */
};

/* The shard's answer to a part: true if it was an answer that this command
 * expects; else a general error text is made of the status. */
typedef bool redis_answer(struct redis_cmd *cmd,
                          const struct operation_reply *r, struct buf *out);
/* The same of one of many; nothing is written before redis_joined. With
 * cmd->repeat set the part is asked for once more (redis_part_of says how). */
typedef bool redis_gather(struct redis_cmd *cmd, uint32_t part,
                          const struct operation_reply *r);
/* All parts have been answered, none with an error. */
typedef void redis_joined(struct redis_cmd *cmd, struct buf *out);
/* The operation that part `i` of a command stands for. */
typedef void redis_part_of(struct redis_cmd *cmd, uint32_t i,
                           struct operation *out);

typedef void redis_release(struct redis_cmd *cmd);

/* A write that is under way, to the cluster: redis_once.c. */
struct redis_write {
    struct request_id id;
    struct identity *by;    /* whose; NULL: it was not sent yet */
    bool lost;              /* it may have been executed */
};

struct redis_cmd {
    TAILQ_ENTRY(redis_cmd) next;        /* of its client; in the free list */
    TAILQ_ENTRY(redis_cmd) in_retrying;
    struct redis_client *client;        /* NULL: free */
    const struct redis_command *what;
    uint32_t place, generation;
    unsigned protocol, database;
    bool done, is_retrying, issuing, is_read;
    uint64_t buckets;
    instant begun;
    struct buf reply;                   /* before its turn */

    /* What it asks the shard for. */
    struct buf keep;                    /* copies of arguments */
    size_t kept;                        /* counted in client->kept */
    struct operation op;                /* of a command of one part */
    redis_answer *answer;
    uint32_t n_parts, issued, answered;
    uint32_t first;                     /* parts below it are answered, ... */
    uint64_t over[REDIS_WINDOW / 64];   /* ... these too, modulo the window */
    struct redis_write write;           /* of a command of one part */
    struct redis_write *writes;         /* of parts, modulo n_writes */
    uint32_t n_writes;
    uint32_t n_args;                    /* in `keep`: redis_kept_arg() */
    uint8_t where;                      /* its reply is being written */
    redis_part_of *part_of;
    redis_gather *gather;
    redis_joined *joined;
    struct buf gathered;
    size_t counted;                     /* of it, in door->gathered */
    struct redis_part *parts;           /* when their replies have an order */
    uint32_t *again;                    /* parts to ask for again */
    uint32_t n_again, again_cap;
    uint32_t marked;                    /* its first keys, in client->again */
    enum status refused;                /* why they have to be */
    bool touched;                       /* a part of it was executed */
    bool lost;                          /* an attempt had no answer */
    uint8_t verdict;                    /* on asking again; redis_again.c */

    /* What the answers are turned into. */
    enum status failed;                 /* the first error, or OK */
    int64_t sum;
    uint64_t number;                    /* of the command's own */
    uint32_t flags;                     /* of the command's own */
    bool repeat;                        /* set by gather: this part again */
    void *state;                        /* of the command's own; malloc'ed */
    redis_release *release;             /* what `state` holds; NULL: nothing */
};

/* ---- the door ---- */

TAILQ_HEAD(redis_retrying, redis_cmd);

/* By whom writes are sent, by group. */
struct redis_senders {
    struct identity **v;    /* NULL: nothing was sent there yet */
    uint32_t n;
};

struct redis {
    struct loop *l;
    struct listener *listener;
    struct redis_client **clients;
    uint32_t n_clients, cap_clients, free_client; /* index + 1 */
    unsigned open;
    uint64_t accepted, commands;

    struct redis_cmd **cmds;
    uint32_t n_cmds, cap_cmds;
    struct redis_cmds free_cmds;
    struct redis_retrying retrying;
    struct redis_senders senders;
    uint64_t round;         /* of asking again */
    size_t looked;          /* at so many keys in this round */
    uint64_t seed;          /* of hashes of keys */
    uv_timer_t retry;
    TAILQ_HEAD(, redis_client) holding;
    size_t early, kept;     /* of all clients */
    size_t gathered;        /* of all commands */
    struct rng rng;         /* of RANDOMKEY */
    struct buf sink;        /* replies that nobody will read */
};

/* ---- redis_cmd.c: commands under way ---- */

/* Take one; NULL when there are too many on this loop. Zeroed but for its
 * buffers; last in the client's queue. */
struct redis_cmd *redis_cmd_new(struct redis_client *c,
                                const struct redis_command *what);
/* It reads: a write to its buckets waits until it is done. */
void redis_count_read(struct redis_cmd *cmd);
/* The client has gone: forget all of its commands. */
void redis_cmds_drop(struct redis_client *c);
/* A client that is stalled may go on. */
void redis_resume(struct redis_client *c);
/* It does not take its replies. */
void redis_cut_off(struct redis_client *c);

/* Of an origin's id; NULL: it has gone. */
struct redis_cmd *redis_cmd_of(struct redis *d, uint64_t id);

/* What part `part` stands for. */
void redis_part_operation(struct redis_cmd *cmd, uint32_t part,
                          struct operation *o);
/* Ask the shard. May answer at once: `cmd` may be gone on return. */
void redis_submit(struct redis_cmd *cmd, uint32_t part,
                  const struct operation *o);
/* Ask for the parts that it is time for; end the command behind the last. */
void redis_issue(struct redis_cmd *cmd);
void redis_part_answered(struct redis_cmd *cmd, uint32_t part);

/* ---- redis_again.c: what is asked again ---- */

/* The shard's answer to a part. `cmd` may be gone on return. */
void redis_result(struct redis_cmd *cmd, uint32_t part,
                  const struct operation_reply *r);
enum redis_verdict { REDIS_RETRY_NOW, REDIS_RETRY_WAIT, REDIS_RETRY_NEVER };
/* What the client is told of this answer. `w` NULL: it is no write. */
enum status redis_outcome(const struct redis_write *w,
                          const struct operation_reply *r);
/* May this answer be another one the next time? */
bool redis_is_worth_it(const struct redis_write *w,
                       const struct operation_reply *r);
/* When an attempt is over that goes out now; `own`: to a group that is led by
 * this node. */
instant redis_attempt_ends(const struct redis_cmd *cmd, enum op op, bool own,
                           instant now);
/* May each of the client's commands that are to be asked again be asked, with
 * what is behind it? The answers are in their `verdict`. */
void redis_look_behind(struct redis_client *c);
/* It is not one of those to be asked again any more. */
void redis_retry_ends(struct redis_cmd *cmd);
void redis_on_retry(uv_timer_t *t);

/* ---- redis_once.c: each write at most once ---- */

void redis_senders_release(struct redis_senders *s);
/* What goes with a write for this group now; the same each time. `clock_ms`:
 * the cluster's time as far as is known. */
void redis_write_session(struct redis_senders *s, struct redis_write *w,
                         uint32_t group, instant now, uint64_t clock_ms,
                         struct session *out);
/* The group's clock, from a reply. */
void redis_write_told(struct redis_write *w, instant now, uint64_t clock_ms);
/* Its outcome is known, or nobody waits for it. */
void redis_write_end(struct redis_write *w);
/* Where a part's is kept. */
struct redis_write *redis_write_place(struct redis_cmd *cmd, uint32_t part);
/* A part's; NULL: it is no write. */
struct redis_write *redis_write_of(struct redis_cmd *cmd, uint32_t part);
void redis_writes_forget(struct redis_cmd *cmd);

/* ---- redis_room.c: reads wait while their client has much to take ---- */

enum { REDIS_HOLD_BYTES = 4 << 20 };

/* Does so much wait for the client that it should not ask for more? */
bool redis_is_full(const struct redis_client *c);
/* A reply with a value of this size has come; false: there is no room at all
 * for it. */
bool redis_takes(struct redis_cmd *cmd, size_t size);
void redis_room_init(struct redis_client *c);
/* The client has gone. */
void redis_forget_held(struct redis_client *c);

/* ---- for commands: redis_cmd.c ---- */

/* The error reply for a status, "ERR ..." and so on, appended. */
void redis_status_error(struct buf *out, enum status why);
void redis_error(struct buf *out, const char *text);
/* "ERR wrong number of arguments for 'get' command" */
void redis_arity_error(struct buf *out, const char *name);

/* End a command that has just begun with an error. */
void redis_fail(struct redis_cmd *cmd, const char *text);
/* Where its reply goes; then redis_end(). Nothing else may be done between. */
struct buf *redis_begin(struct redis_cmd *cmd);
void redis_end(struct redis_cmd *cmd);

/* Ask for cmd->op (whose slices are copied) and let `answer` reply. */
void redis_go(struct redis_cmd *cmd, redis_answer *answer);
/* Keep all arguments; redis_kept_arg() gives them. */
void redis_keep(struct redis_cmd *cmd, const struct redis_args *a);
struct slice redis_kept_arg(const struct redis_cmd *cmd, uint32_t i);
/* Ask for n_parts parts. */
void redis_go_parts(struct redis_cmd *cmd, uint32_t n_parts,
                    redis_part_of *part_of, redis_gather *gather,
                    redis_joined *joined);

/* ---- commands: redis_string.c, redis_key.c, redis_server.c ... ---- */

redis_start redis_get, redis_set, redis_setex, redis_psetex, redis_setnx,
    redis_getset, redis_getdel, redis_getex, redis_mget, redis_mset,
    redis_incr, redis_decr, redis_incrby, redis_decrby, redis_incrbyfloat,
    redis_append, redis_strlen, redis_getrange, redis_setrange;
redis_start redis_del, redis_exists, redis_type, redis_expire, redis_pexpire,
    redis_expireat, redis_pexpireat, redis_ttl, redis_pttl, redis_expiretime,
    redis_pexpiretime, redis_persist;
redis_start redis_keys, redis_scan, redis_dbsize, redis_randomkey,
    redis_flushdb, redis_flushall;
redis_now redis_ping, redis_echo, redis_hello, redis_select, redis_quit,
    redis_reset, redis_command, redis_info, redis_config, redis_client_command,
    redis_readonly, redis_auth;
redis_now redis_cluster;

/* The slot table and who leads: redis_cluster.c */
/* A node's id as Redis has them: 40 hexadecimal digits and a NUL. */
enum { REDIS_NODE_ID_SIZE = 41 };
void redis_node_id(const struct map_node *m, char *text);

#endif
