/* rocks_error.h - RocksDB's error texts become statuses, in this one place.
 *
 * The C API has no codes: the text begins with the class of error and may name
 * the cause behind it. Files of a format that is newer than RocksDB are
 * Corruption to it, as it cannot tell them from damage; so they are to us.
 * Private to node/store. */
#ifndef NODE_STORE_ROCKS_ERROR_H
#define NODE_STORE_ROCKS_ERROR_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"

/* The status of an error text; NULL is OK. Pure. A text that matches nothing
 * is IO_ERROR: never take an unknown error for a harmless one. */
enum status rocks_status(const char *text);

/* Where an error happened, for the log. */
struct rocks_place {
    const char *dir;
    uint64_t tag;
    atomic_int *last; /* the last status logged here, so that a failing store
                       * is one line, not one per request; may be NULL */
};

/* Translate and free `errptr` (as RocksDB gave it; NULL is OK). Logs anything
 * worse than STALLED and INCOMPLETE. Copies the text to `error` unless NULL. */
enum status rocks_error(struct rocks_place place, const char *what,
                        char *errptr, char *error, size_t error_size);

#endif
