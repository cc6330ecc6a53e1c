/* change.h - what applying an entry did to users' keys, for watches.
 *
 * machine_apply() lists the changes of its entries in the order in which they
 * were made; recent.h keeps the last of them on every replica. All changes of
 * one command have its version, also those of a transaction; a key that was
 * found expired gets its EXPIRE before what was done to it. Versions never
 * decrease from one change to the next. What only moves a deadline is no
 * change. What was before is listed while the group REMEMBERs
 * (machine_remember.c), then with every change.
 *
 * Slices borrow: from the entry's payload, the step's write set or its view. */
#ifndef NODE_CORE_CHANGE_H
#define NODE_CORE_CHANGE_H

#include "proto/base/bytes.h"
#include "proto/watch.h"

struct change {
    enum change_kind kind;
    unsigned flags;        /* watch_event_flag: what was before; 0: nobody
                              looked */
    uint32_t keyspace;
    struct slice key;      /* the user's */
    struct slice value;    /* of PUT: the user's bytes */
    struct slice previous; /* the user's bytes, with WATCH_HAD_PREVIOUS */
    uint64_t version;
};

#endif
