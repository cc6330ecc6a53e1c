/* keys.c - see keys.h. */
#include "client/cli/keys.h"

#include <errno.h>
#include <string.h>

#include "client/cli/words.h"
#include "client/session.h"
#include "proto/limits.h"

bool keys_open(struct keys *k, struct cli *cli)
{
    struct coat_options o = cli_options(cli);
    char error[COAT_ERROR_MAX];

    k->cli = cli;
    k->session = session_new(&o, error, sizeof error);
    if (!k->session)
        (void)cli_error(cli, EXIT_USAGE, "%s", error);
    return k->session != NULL;
}

void keys_close(struct keys *k)
{
    coat_disconnect(k->session);
}

enum coat_status keys_wait(struct keys *k, enum coat_status submitted,
                           const struct coat_reply **reply)
{
    return coat_session_wait(k->session, submitted, reply);
}

int keys_fail(struct keys *k, const char *verb, struct slice key,
              enum coat_status status)
{
    char what[160];

    snprintf(what, sizeof what, "%s %.*s", verb,
             (int)MIN_OF(key.size, (size_t)100), (const char *)key.data);
    return cli_fail(k->cli, what, status, coat_session_detail(k->session));
}

/* All of a stream; one byte above the limit is enough to refuse it. */
static bool read_all(FILE *f, struct buf *b)
{
    size_t n;

    do {
        n = fread(buf_reserve(b, 65536), 1, 65536, f);
        b->size += n;
    } while (n && b->size <= VALUE_BYTES_MAX);
    return !ferror(f);
}

int keys_read_value(struct cli *cli, const char *argument, const char *file,
                    struct buf *out)
{
    FILE *f;
    bool read;

    if (!file && strcmp(argument, "-") != 0) {
        buf_append(out, argument, strlen(argument));
        return 0;
    }
    f = file ? fopen(file, "rb") : stdin;
    if (!f)
        return cli_error(cli, EXIT_USAGE, "cannot open %s: %s", file,
                         strerror(errno));
    read = read_all(f, out);
    if (f != stdin)
        fclose(f);
    if (!read)
        return cli_error(cli, EXIT_USAGE, "cannot read %s: %s",
                         file ? file : "standard input", strerror(errno));
    return 0;
}

json_t *key_object(struct slice key, enum coat_status status, uint64_t version)
{
    json_t *j = json_object();

    json_set_bytes(j, "key", key);
    json_object_set_new(j, "status", json_string(coat_status_name(status)));
    if (version)
        json_object_set_new(j, "version", json_u64(version));
    return j;
}

uint64_t keys_ttl(const struct coat_reply *reply)
{
    return reply->deadline > reply->clock ? reply->deadline - reply->clock : 0;
}

void json_set_expiry(json_t *object, const struct coat_reply *reply)
{
    bool never = !reply->deadline;

    json_object_set_new(object, "ttl_ms",
                        never ? json_null()
                              : json_integer((json_int_t)keys_ttl(reply)));
    json_object_set_new(object, "deadline_ms",
                        never ? json_null() : json_u64(reply->deadline));
}

/* Indented if it is a JSON object or array: for people only. */
static bool print_json(struct cli *cli, struct slice value)
{
    json_t *j;

    if (!value.size || (value.data[0] != '{' && value.data[0] != '['))
        return false;
    j = json_loadb((const char *)value.data, value.size, 0, NULL);
    if (!j)
        return false;
    json_print(j, cli->out);
    return true;
}

void keys_print_value(struct cli *cli, struct slice value)
{
    bool person = cli->output == OUTPUT_TABLE && cli->out_is_terminal;

    if (person && print_json(cli, value))
        return;
    if (value.size)
        fwrite(value.data, 1, value.size, cli->out);
    if (person)
        fputc('\n', cli->out);
}

void text_print(struct cli *cli, struct slice bytes)
{
    if (cli->output != OUTPUT_RAW)
        text_escape(bytes, cli->out);
    else if (bytes.size)
        fwrite(bytes.data, 1, bytes.size, cli->out);
}
