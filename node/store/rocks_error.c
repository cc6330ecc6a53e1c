/* rocks_error.c - see rocks_error.h. */
#include "node/store/rocks_error.h"

#include <inttypes.h>
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/log.h"

struct rule {
    const char *prefix; /* of the text; "" is any */
    const char *inside; /* has to stand somewhere in it */
    enum status status;
};

/* The first match wins: causes before classes. */
static const struct rule rules[] = {
    {"", "No space left on device", STATUS_DISK_FULL},
    {"", "Disk quota exceeded", STATUS_DISK_FULL},
    {"", "Max allowed space was reached", STATUS_DISK_FULL},
    {"IO error", "lock hold by current process", STATUS_BUSY},
    {"IO error", "While lock file", STATUS_BUSY},
    {"Result incomplete", "Write stall", STATUS_STALLED},
    {"Result incomplete", "", STATUS_INCOMPLETE},
    {"Corruption", "", STATUS_CORRUPT},
    {"NotFound", "", STATUS_NOT_FOUND},
    {"Invalid argument", "error_if_exists is true", STATUS_EXISTS},
    {"Invalid argument", "create_if_missing is false", STATUS_NOT_FOUND},
    {"Invalid argument", "Directory exists", STATUS_EXISTS},
    {"Invalid argument", "", STATUS_INTERNAL},
    {"Not implemented", "", STATUS_INTERNAL}, /* we ask what it cannot do */
    {"Shutdown in progress", "", STATUS_CLOSED},
    {"IO error", "", STATUS_IO_ERROR},
};

enum status rocks_status(const char *text)
{
    if (!text)
        return STATUS_OK;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rule *r = &rules[i];
        if (!strncmp(text, r->prefix, strlen(r->prefix)) &&
            strstr(text, r->inside))
            return r->status;
    }
    return STATUS_IO_ERROR;
}

static bool harmless(enum status status)
{
    return status == STATUS_OK || status == STATUS_STALLED ||
           status == STATUS_INCOMPLETE || status == STATUS_NOT_FOUND;
}

enum status rocks_error(struct rocks_place place, const char *what,
                        char *errptr, char *error, size_t error_size)
{
    enum status status = rocks_status(errptr);

    if (!errptr)
        return STATUS_OK;
    if (error && error_size)
        snprintf(error, error_size, "%s", errptr);
    if (!harmless(status) &&
        (!place.last || atomic_exchange(place.last, (int)status) !=
                            (int)status))
        log_error("store_error", "store=%" PRIu64 " dir=%s op=%s status=%s "
                  "text=\"%s\"", place.tag, place.dir, what,
                  status_name(status), errptr);
    rocksdb_free(errptr);
    return status;
}
