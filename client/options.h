/* options.h - struct coat_options, checked and with its defaults filled in.
 *
 * Pure. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "client/coatcheck.h"
#include "proto/base/time.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "rpc/address.h"

enum { ENDPOINTS_MAX = 64, CONNECTIONS_MAX = 1024 };

struct settings {
    struct address endpoints[ENDPOINTS_MAX];
    unsigned n_endpoints;
    char keyspace[KEYSPACE_NAME_MAX + 1]; /* "" is the default one */
    enum consistency consistency;
    duration timeout, attempt_timeout, connect_timeout;
    unsigned attempts_max, connections_per_node, requests_max;
    size_t bytes_max;
    uint64_t seed; /* 0: the caller has to find one */
    bool at_most_once;
};

/* STATUS_INVALID: `error` (COAT_ERROR_MAX bytes) says which option is wrong.
 * Options of a shorter struct, from an older header, count as zero. */
MUST_CHECK enum status settings_from(const struct coat_options *options,
                                     struct settings *out, char *error);

#endif
