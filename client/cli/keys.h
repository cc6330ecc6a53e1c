/* keys.h - what the commands about keys share: a session, and how a result or
 * an error about one key is written. */
#ifndef CLIENT_CLI_KEYS_H
#define CLIENT_CLI_KEYS_H

#include "client/cli/cli.h"
#include "client/cli/report.h"

struct keys {
    struct cli *cli;
    struct coat_session *session;
};

/* A session that connects with its first request. False: it was said why; the
 * exit code is EXIT_USAGE. */
MUST_CHECK bool keys_open(struct keys *k, struct cli *cli);
void keys_close(struct keys *k);

/* Wait for what was submitted with coat_session_reply and the session. */
enum coat_status keys_wait(struct keys *k, enum coat_status submitted,
                           const struct coat_reply **reply);

/* "coatcheck: VERB KEY: ..." on stderr; gives the exit code. */
int keys_fail(struct keys *k, const char *verb, struct slice key,
              enum coat_status status);

/* The value that a command was given: FILE's content, or the argument, or
 * standard input if that is "-". Gives the exit code of what went wrong, and
 * has said it. */
MUST_CHECK int keys_read_value(struct cli *cli, const char *argument,
                               const char *file, struct buf *out);

/* The worse of two exit codes. */
static inline int worse(int a, int b)
{
    return a > b ? a : b;
}

/* {"key": ..., "status": "OK"}, with a version if there is one. */
json_t *key_object(struct slice key, enum coat_status status,
                   uint64_t version);

/* How long the key has left, in ms, if it expires; as its group's clock was. */
uint64_t keys_ttl(const struct coat_reply *reply);

/* "ttl_ms" and "deadline_ms", null for a key that never expires. */
void json_set_expiry(json_t *object, const struct coat_reply *reply);

/* The value as it is; in table mode with a newline behind it on a terminal,
 * where JSON objects and arrays are indented. */
void keys_print_value(struct cli *cli, struct slice value);

/* Part of a line: as it is with -o raw, else escaped (words.h). */
void text_print(struct cli *cli, struct slice bytes);

#endif
