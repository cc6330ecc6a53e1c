/* keyspace.h - creating, changing and dropping keyspaces.
 *
 * An operation OP_KEYSPACE for the meta group: its key is the keyspace's name,
 * its value
 *
 *   u8 action | u8 0 | u16 set | u64 keys max | u64 bytes max |
 *   u64 default ttl | then, with PURGED: u32 keyspace | u32 group
 *
 * `set` says which of the three fields are given. Its reply's argument is the
 * keyspace's id; its version the map's epoch. All actions may be repeated.
 *
 *   CREATE  OK, also if it exists with the same settings; EXISTS with others;
 *           INVALID: a name that is not allowed; TOO_LARGE: too many keyspaces
 *   ALTER   changes the fields given. NO_KEYSPACE. INVALID: limits for a
 *           keyspace that was created without: nobody has counted its keys
 *   DROP    from now on nobody finds it, its name is free; its data is removed
 *           behind it. NO_KEYSPACE. INVALID: "default". BUSY: many at once
 *   PURGED  internal: a group has removed the data of a dropped keyspace; when
 *           all have the map forgets it
 *
 * LIMITS are about the whole keyspace: so many keys, so many bytes (of keys and
 * values). Each group decides by a share of its own, which its leader makes
 * larger or smaller by what the groups tell each other that they hold
 * (node/core/quota.h). A write that does not fit into the keyspace any more is
 * refused with QUOTA; one that does not fit into its group's share with BUSY,
 * until the share is larger, some milliseconds later. While the nodes hear of
 * each other within milliseconds the whole exceeds a limit by at most one write
 * for each other group (of keys: by the number of groups less one, if writes
 * are of one key): groups that ask in the same moment may each take in what is
 * the last one. What is deleted makes room in other groups within a second.
 * Groups that nothing is heard of for 3 s keep what they were last known to
 * hold, never heard of: an equal part of the limit; until these 3 s are over
 * what grows is BUSY. Deletes are never refused.
 *
 * The DEFAULT TTL is given to a SET that creates or replaces a key without a
 * deadline of its own or KEEP_TTL; also inside of transactions.
 *
 * Pure. */
#ifndef PROTO_KEYSPACE_H
#define PROTO_KEYSPACE_H

#include "proto/map.h"

enum keyspace_action {
    KEYSPACE_CREATE = 1,
    KEYSPACE_ALTER = 2,
    KEYSPACE_DROP = 3,
    KEYSPACE_PURGED = 4,
};
enum keyspace_set {
    KEYSPACE_SET_KEYS = 1,
    KEYSPACE_SET_BYTES = 2,
    KEYSPACE_SET_TTL = 4,
};

struct keyspace_change {
    enum keyspace_action action;
    uint32_t set;
    uint64_t keys_max, bytes_max; /* 0: no limit */
    uint64_t default_ttl_ms;      /* 0: none */
    uint32_t keyspace, group;     /* of PURGED */
};

void keyspace_change_encode(const struct keyspace_change *c, struct buf *out);
/* BAD_MESSAGE; INVALID: a client may not ask for it (`client`), or a field
 * beyond its bounds. */
MUST_CHECK enum status keyspace_change_decode(struct slice bytes, bool client,
                                              struct keyspace_change *out);

/* Change `map`, its epoch by one if anything changed. Statuses as above;
 * `*id` is the keyspace's. */
MUST_CHECK enum status keyspace_apply(struct cluster_map *map,
                                      struct slice name,
                                      const struct keyspace_change *c,
                                      uint32_t *id);

#endif
