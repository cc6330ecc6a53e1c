/* redis_table.c - the commands there are, found by name.
 *
 * Names, arities, flags and key positions are those of Redis 7.0, so that
 * clients which ask COMMAND route as they are used to. */
#include "node/front/redis.h"

#include <assert.h>

enum {
    W = REDIS_WRITE,
    R = REDIS_READONLY,
    D = REDIS_DENYOOM,
    A = REDIS_ADMIN,
    F = REDIS_FAST,
    L = REDIS_LOADING,
    S = REDIS_STALE,
    N = REDIS_NOSCRIPT,
    ALONE = REDIS_ALONE,
};

const struct redis_command redis_commands[] = {
    {"get", 2, R | F, 1, 1, 1, NULL, redis_get,
     "string", "1.0.0", "O(1)",
     "The value of a key"},
    {"set", -3, W | D, 1, 1, 1, NULL, redis_set,
     "string", "1.0.0", "O(1)",
     "Sets a key, with conditions and a time to live"},
    {"setex", 4, W | D, 1, 1, 1, NULL, redis_setex,
     "string", "2.0.0", "O(1)",
     "Sets a key and its time to live in seconds"},
    {"psetex", 4, W | D, 1, 1, 1, NULL, redis_psetex,
     "string", "2.6.0", "O(1)",
     "Sets a key and its time to live in milliseconds"},
    {"setnx", 3, W | D | F, 1, 1, 1, NULL, redis_setnx,
     "string", "1.0.0", "O(1)",
     "Sets a key that does not exist yet"},
    {"getset", 3, W | D | F, 1, 1, 1, NULL, redis_getset,
     "string", "1.0.0", "O(1)",
     "Sets a key, gives what it held before"},
    {"getdel", 2, W | F, 1, 1, 1, NULL, redis_getdel,
     "string", "6.2.0", "O(1)",
     "Deletes a key, gives what it held"},
    {"getex", -2, W | F, 1, 1, 1, NULL, redis_getex,
     "string", "6.2.0", "O(1)",
     "The value of a key; changes its time to live"},
    {"mget", -2, R | F, 1, -1, 1, NULL, redis_mget,
     "string", "1.0.0", "O(N)",
     "The values of several keys"},
    {"mset", -3, W | D, 1, -1, 2, NULL, redis_mset,
     "string", "1.0.1", "O(N)",
     "Sets several keys, each for itself"},
    {"incr", 2, W | D | F, 1, 1, 1, NULL, redis_incr,
     "string", "1.0.0", "O(1)",
     "Adds one to an integer"},
    {"decr", 2, W | D | F, 1, 1, 1, NULL, redis_decr,
     "string", "1.0.0", "O(1)",
     "Takes one from an integer"},
    {"incrby", 3, W | D | F, 1, 1, 1, NULL, redis_incrby,
     "string", "1.0.0", "O(1)",
     "Adds to an integer"},
    {"decrby", 3, W | D | F, 1, 1, 1, NULL, redis_decrby,
     "string", "1.0.0", "O(1)",
     "Takes from an integer"},
    {"incrbyfloat", 3, W | D | F, 1, 1, 1, NULL, redis_incrbyfloat,
     "string", "2.6.0", "O(1)",
     "Adds to a floating-point number"},
    {"append", 3, W | D | F, 1, 1, 1, NULL, redis_append,
     "string", "2.0.0", "O(1)",
     "Puts bytes behind a value"},
    {"strlen", 2, R | F, 1, 1, 1, NULL, redis_strlen,
     "string", "2.2.0", "O(1)",
     "The size of a value"},
    {"getrange", 4, R, 1, 1, 1, NULL, redis_getrange,
     "string", "2.4.0", "O(N)",
     "A part of a value"},
    {"setrange", 4, W | D, 1, 1, 1, NULL, redis_setrange,
     "string", "2.2.0", "O(N)",
     "Overwrites a part of a value"},
    {"del", -2, W, 1, -1, 1, NULL, redis_del,
     "generic", "1.0.0", "O(N)",
     "Deletes keys"},
    {"unlink", -2, W | F, 1, -1, 1, NULL, redis_del,
     "generic", "4.0.0", "O(N)",
     "Deletes keys"},
    {"exists", -2, R | F, 1, -1, 1, NULL, redis_exists,
     "generic", "1.0.0", "O(N)",
     "How many of these keys exist"},
    {"type", 2, R | F, 1, 1, 1, NULL, redis_type,
     "generic", "1.0.0", "O(1)",
     "What kind of value a key holds"},
    {"expire", -3, W | F, 1, 1, 1, NULL, redis_expire,
     "generic", "1.0.0", "O(1)",
     "Sets a time to live in seconds"},
    {"pexpire", -3, W | F, 1, 1, 1, NULL, redis_pexpire,
     "generic", "2.6.0", "O(1)",
     "Sets a time to live in milliseconds"},
    {"expireat", -3, W | F, 1, 1, 1, NULL, redis_expireat,
     "generic", "1.2.0", "O(1)",
     "Sets a deadline in seconds"},
    {"pexpireat", -3, W | F, 1, 1, 1, NULL, redis_pexpireat,
     "generic", "2.6.0", "O(1)",
     "Sets a deadline in milliseconds"},
    {"ttl", 2, R | F, 1, 1, 1, NULL, redis_ttl,
     "generic", "1.0.0", "O(1)",
     "The time a key has left in seconds"},
    {"pttl", 2, R | F, 1, 1, 1, NULL, redis_pttl,
     "generic", "2.6.0", "O(1)",
     "The time a key has left in milliseconds"},
    {"expiretime", 2, R | F, 1, 1, 1, NULL, redis_expiretime,
     "generic", "7.0.0", "O(1)",
     "A key's deadline in seconds"},
    {"pexpiretime", 2, R | F, 1, 1, 1, NULL, redis_pexpiretime,
     "generic", "7.0.0", "O(1)",
     "A key's deadline in milliseconds"},
    {"persist", 2, W | F, 1, 1, 1, NULL, redis_persist,
     "generic", "2.2.0", "O(1)",
     "Removes a deadline"},
    {"keys", 2, R | ALONE, 0, 0, 0, NULL, redis_keys,
     "generic", "1.0.0", "O(N)",
     "All keys that match a pattern"},
    {"scan", -2, R | ALONE, 0, 0, 0, NULL, redis_scan,
     "generic", "2.8.0", "O(1)",
     "Some keys, and where to go on"},
    {"dbsize", 1, R | F | ALONE, 0, 0, 0, NULL, redis_dbsize,
     "server", "1.0.0", "O(N)",
     "How many keys there are"},
    {"randomkey", 1, R | ALONE, 0, 0, 0, NULL, redis_randomkey,
     "generic", "1.0.0", "O(1)",
     "Any one key"},
    {"flushdb", -1, W | ALONE, 0, 0, 0, NULL, redis_flushdb,
     "server", "1.0.0", "O(N)",
     "Deletes all keys of the keyspace"},
    {"flushall", -1, W | ALONE, 0, 0, 0, NULL, redis_flushall,
     "server", "1.0.0", "O(N)",
     "Deletes all keys of all numbered keyspaces"},
    {"ping", -1, F, 0, 0, 0, redis_ping, NULL,
     "connection", "1.0.0", "O(1)",
     "Answers PONG or what it was given"},
    {"echo", 2, F | L | S, 0, 0, 0, redis_echo, NULL,
     "connection", "1.0.0", "O(1)",
     "Answers what it was given"},
    {"hello", -1, F | L | S | N, 0, 0, 0, redis_hello, NULL,
     "connection", "6.0.0", "O(1)",
     "Chooses the protocol's version"},
    {"auth", -2, F | L | S | N, 0, 0, 0, redis_auth, NULL,
     "connection", "1.0.0", "O(1)",
     "Refused: there are no passwords yet"},
    {"select", 2, F | L | S, 0, 0, 0, redis_select, NULL,
     "connection", "1.0.0", "O(1)",
     "Chooses a keyspace by number"},
    {"quit", -1, F | L | S | N, 0, 0, 0, redis_quit, NULL,
     "connection", "1.0.0", "O(1)",
     "Closes the connection"},
    {"reset", 1, F | L | S | N, 0, 0, 0, redis_reset, NULL,
     "connection", "6.2.0", "O(1)",
     "Makes the connection like a new one"},
    {"command", -1, L | S, 0, 0, 0, redis_command, NULL,
     "server", "2.8.13", "O(N)",
     "What this table says of commands"},
    {"info", -1, L | S, 0, 0, 0, redis_info, NULL,
     "server", "1.0.0", "O(1)",
     "What the node says of itself"},
    {"config", -2, A | L, 0, 0, 0, redis_config, NULL,
     "server", "2.0.0", "O(N)",
     "What clients ask of settings"},
    {"client", -2, L, 0, 0, 0, redis_client_command, NULL,
     "connection", "2.4.0", "O(1)",
     "About this connection"},
    {"readonly", 1, F | L | S, 0, 0, 0, redis_readonly, NULL,
     "cluster", "3.0.0", "O(1)",
     "Accepted: every node serves every key"},
    {"readwrite", 1, F | L | S, 0, 0, 0, redis_readonly, NULL,
     "cluster", "3.0.0", "O(1)",
     "Accepted: every node serves every key"},
    {"cluster", -2, L | S, 0, 0, 0, redis_cluster, NULL,
     "cluster", "3.0.0", "O(N)",
     "Nodes, slots and who serves them"},
};
const unsigned redis_commands_count = ARRAY_LEN(redis_commands);

/* What a browser that was made to send a request here says: whoever made it
 * must not get commands in by the lines behind. */
static const struct redis_command attacks[] = {
    {.name = "post", .flags = REDIS_ATTACK,
     .summary = "an HTTP request came to the Redis port"},
    {.name = "host:", .flags = REDIS_ATTACK,
     .summary = "an HTTP request came to the Redis port"},
};

enum { NAME_MAX_SIZE = 20, TABLE_SIZE = 256 };

static unsigned hash(const uint8_t *name, size_t size)
{
    unsigned h = 5381;

    for (size_t i = 0; i < size; i++)
        h = h * 33 ^ (name[i] | 0x20); /* capitals and small alike */
    return (h ^ h >> 8) % TABLE_SIZE;
}

static const struct redis_command *table[TABLE_SIZE];

static void table_add(const struct redis_command *c)
{
    unsigned at = hash((const uint8_t *)c->name, strlen(c->name));

    assert(strlen(c->name) <= NAME_MAX_SIZE);
    while (table[at])
        at = (at + 1) % TABLE_SIZE;
    table[at] = c;
}

void redis_table_init(void)
{
    if (table[hash((const uint8_t *)"get", 3)])
        return;
    assert(redis_commands_count < TABLE_SIZE / 2);
    for (unsigned i = 0; i < redis_commands_count; i++)
        table_add(&redis_commands[i]);
    for (unsigned i = 0; i < ARRAY_LEN(attacks); i++)
        table_add(&attacks[i]);
}

static bool same(struct slice name, const char *small)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (!small[i] || c != (uint8_t)small[i])
            return false;
    }
    return !small[name.size];
}

const struct redis_command *redis_command_find(struct slice name)
{
    unsigned at;

    if (name.size > NAME_MAX_SIZE)
        return NULL;
    at = hash(name.data, name.size);
    for (; table[at]; at = (at + 1) % TABLE_SIZE)
        if (same(name, table[at]->name))
            return table[at];
    return NULL;
}

bool redis_arity_fits(const struct redis_command *what, uint32_t n)
{
    return what->arity < 0 ? n >= (uint32_t)-what->arity
                           : n == (uint32_t)what->arity;
}
