/* address.h - "host:port", "[v6]:port" and lists of them: reading and writing.
 *
 * Pure. A host is a name, an IPv4 or an IPv6 address; it is not looked up. */
#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/limits.h"

/* Room for any error text of this file. */
enum { ADDRESS_ERROR_SIZE = 200 };

struct address {
    char host[ADDRESS_MAX + 1]; /* without brackets; ends with a NUL */
    uint16_t port;
};

/* Read one address. `port_default` stands in for a missing port; 0 means the
 * port has to be there. Port 0 itself is accepted (for binding).
 *
 * STATUS_INVALID  `error[ADDRESS_ERROR_SIZE]` says what is wrong, with the
 *                 text in quotes; `*out` is untouched. */
MUST_CHECK enum status address_parse(struct slice text, uint16_t port_default,
                                     struct address *out, char *error);

/* Read a list separated by commas, spaces around them allowed, into out[max];
 * `*n` is how many. Doubles are errors: they are typing mistakes.
 *
 * STATUS_INVALID  as above; also for an empty list or more than `max`. */
MUST_CHECK enum status address_parse_list(struct slice text,
                                          uint16_t port_default,
                                          struct address *out, unsigned max,
                                          unsigned *n, char *error);

/* "host:port", IPv6 in brackets, into text[ADDRESS_MAX + 1]. Every parsed
 * address fits. */
void address_format(const struct address *a, char *text);

bool address_equal(const struct address *a, const struct address *b);

#endif
