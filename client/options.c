/* options.c - see options.h. */
#include "client/options.h"

#include <stdio.h>
#include <string.h>

#include "proto/codec.h"

_Static_assert((int)COAT_ERROR_MAX >= (int)ADDRESS_ERROR_SIZE, "too short");

static unsigned or_default(unsigned given, unsigned otherwise)
{
    return given ? given : otherwise;
}

static enum status refuse(char *error, const char *text)
{
    snprintf(error, COAT_ERROR_MAX, "%s", text);
    return STATUS_INVALID;
}

static enum status endpoints_read(const char *text, struct settings *out,
                                  char *error)
{
    return address_parse_list(slice_str(text ? text : "127.0.0.1:7410"), 7410,
                              out->endpoints, ENDPOINTS_MAX,
                              &out->n_endpoints, error);
}

static enum status numbers_check(const struct settings *s, char *error)
{
    if (s->timeout.ms > COAT_TIMEOUT_MAX ||
        s->attempt_timeout.ms > COAT_TIMEOUT_MAX ||
        s->connect_timeout.ms > COAT_TIMEOUT_MAX)
        return refuse(error, "a timeout is longer than a day");
    if (s->connections_per_node > CONNECTIONS_MAX)
        return refuse(error, "connections_per_node is above 1024");
    if (s->requests_max > 16u << 20)
        return refuse(error, "requests_max is above 16777216");
    return STATUS_OK;
}

enum status settings_from(const struct coat_options *options,
                          struct settings *out, char *error)
{
    struct coat_options o = {0};
    struct slice keyspace;

    if (options)
        memcpy(&o, options, MIN_OF(options->size, sizeof o));
    if (options && options->size < sizeof(size_t))
        return refuse(error, "initialise the options with COAT_OPTIONS");
    *out = (struct settings){
        .consistency = o.consistency == COAT_STALE ? CONSISTENCY_STALE
                                                   : CONSISTENCY_LINEARIZABLE,
        .timeout = MS(or_default(o.timeout, 5000)),
        .attempt_timeout = MS(or_default(o.attempt_timeout, 1000)),
        .connect_timeout = MS(or_default(o.connect_timeout, 2000)),
        .attempts_max = or_default(o.attempts_max, 64),
        .connections_per_node = or_default(o.connections_per_node, 1),
        .requests_max = or_default(o.requests_max, 65536),
        .bytes_max = o.bytes_max ? o.bytes_max : (size_t)256 << 20,
        .seed = o.seed,
        .at_most_once = o.at_most_once,
    };
    if (o.at_most_once > 1)
        return refuse(error, "at_most_once is 0 or 1");
    if ((unsigned)o.consistency > COAT_STALE)
        return refuse(error, "the consistency is none of the listed ones");
    keyspace = slice_str(o.keyspace ? o.keyspace : "");
    if (keyspace_check(keyspace))
        return refuse(error, "a keyspace is named by at most 64 of A-Z a-z "
                             "0-9 . _ -");
    memcpy(out->keyspace, keyspace.data, keyspace.size);
    if (endpoints_read(o.endpoints, out, error))
        return STATUS_INVALID;
    return numbers_check(out, error);
}
