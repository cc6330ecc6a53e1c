/* keys.c - see keys.h. */
#include "client/cli/keys.h"

#include <string.h>

#include "client/cli/words.h"
#include "client/session.h"

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

json_t *key_object(struct slice key, enum coat_status status, uint64_t version)
{
    json_t *j = json_object();

    json_set_bytes(j, "key", key);
    json_object_set_new(j, "status", json_string(coat_status_name(status)));
    if (version)
        json_object_set_new(j, "version", json_u64(version));
    return j;
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
