/* hiredis.c - the C client of Redis, unmodified, against the Redis door. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int good, const char *what, const redisReply *r)
{
    if (good)
        return;
    fprintf(stderr, "%s: type %d, %s\n", what, r ? r->type : -1,
            r && r->str ? r->str : "-");
    exit(1);
}

static redisReply *ask(redisContext *c, const char *line)
{
    redisReply *r = redisCommand(c, line);

    must(r != NULL, line, NULL);
    return r;
}

static void expect_text(redisContext *c, const char *line, int type,
                        const char *text)
{
    redisReply *r = ask(c, line);

    must(r->type == type && r->str && !strncmp(r->str, text, strlen(text)),
         line, r);
    freeReplyObject(r);
}

static void expect_number(redisContext *c, const char *line, long long n)
{
    redisReply *r = ask(c, line);

    must(r->type == REDIS_REPLY_INTEGER && r->integer == n, line, r);
    freeReplyObject(r);
}

static void binary_values_pass(redisContext *c)
{
    static const char value[] = "a\0b\r\n\xff";
    redisReply *r = redisCommand(c, "SET %b %b", "bin\0key", (size_t)7, value,
                                 sizeof value);

    must(r && r->type == REDIS_REPLY_STATUS, "SET %b", r);
    freeReplyObject(r);
    r = redisCommand(c, "GET %b", "bin\0key", (size_t)7);
    must(r && r->type == REDIS_REPLY_STRING && r->len == sizeof value &&
             !memcmp(r->str, value, sizeof value),
         "GET %b", r);
    freeReplyObject(r);
}

static void pipelines_keep_their_order(redisContext *c)
{
    enum { MANY = 2000 };
    redisReply *r;

    for (int i = 0; i < MANY; i++) {
        redisAppendCommand(c, "SET pipe%d %d", i % 100, i);
        redisAppendCommand(c, "GET pipe%d", i % 100);
    }
    for (int i = 0; i < MANY; i++) {
        must(redisGetReply(c, (void **)&r) == REDIS_OK &&
                 r->type == REDIS_REPLY_STATUS,
             "SET in a pipeline", r);
        freeReplyObject(r);
        must(redisGetReply(c, (void **)&r) == REDIS_OK &&
                 r->type == REDIS_REPLY_STRING && atoll(r->str) == i,
             "GET in a pipeline", r);
        freeReplyObject(r);
    }
}

int main(int argc, char **argv)
{
    redisContext *c = redisConnect("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    redisReply *r;

    if (!c || c->err) {
        fprintf(stderr, "cannot connect: %s\n", c ? c->errstr : "no memory");
        return 1;
    }
    expect_text(c, "PING", REDIS_REPLY_STATUS, "PONG");
    expect_text(c, "SET h v EX 100", REDIS_REPLY_STATUS, "OK");
    expect_text(c, "GET h", REDIS_REPLY_STRING, "v");
    r = ask(c, "TTL h"); /* time goes by on a busy machine */
    must(r->type == REDIS_REPLY_INTEGER && r->integer > 50 && r->integer <= 100,
         "TTL h", r);
    freeReplyObject(r);
    expect_number(c, "INCRBY counter 5", 5);
    expect_text(c, "INCR h", REDIS_REPLY_ERROR,
                "ERR value is not an integer or out of range");
    expect_text(c, "NONSENSE", REDIS_REPLY_ERROR,
                "ERR unknown command 'NONSENSE'");
    r = ask(c, "GET none");
    must(r->type == REDIS_REPLY_NIL, "GET none", r);
    freeReplyObject(r);
    r = ask(c, "MGET h none counter");
    must(r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
             r->element[1]->type == REDIS_REPLY_NIL &&
             !strcmp(r->element[2]->str, "5"),
         "MGET", r);
    freeReplyObject(r);
    expect_number(c, "DEL h none counter", 2);
    binary_values_pass(c);
    pipelines_keep_their_order(c);
    redisFree(c);
    printf("hiredis: ok\n");
    return 0;
}
