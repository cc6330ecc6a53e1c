/* machine_state.h - the inside of the machine, for machine_*.c only. */
#ifndef NODE_CORE_MACHINE_STATE_H
#define NODE_CORE_MACHINE_STATE_H

#include "node/core/machine.h"

enum { NUMBER_TEXT_MAX = 64 }; /* a longer value is no number */

/* A command being executed. */
struct doing {
    struct machine *m;
    struct machine_step *s;
    uint32_t keyspace;
    uint64_t version;
};

/* A key's record as the command finds it: expired ones are gone already. */
struct current {
    struct view_row *row;
    bool present;
    bool cut;                /* the value is shorter than was wanted */
    uint32_t size;           /* of the user's value */
    struct layout_value v;   /* `bytes`: as much of it as is known. Moves when
                                something is written */
    struct piece value;      /* the same, does not move */
};

/* ---- machine.c ---- */

/* The store key of a user's key, in the step's scratch. */
struct slice machine_data_key(struct machine_step *s, uint32_t keyspace,
                              struct slice key);
/* The key's record now; it was named. If it has expired that happens first. */
void machine_current(struct doing *d, struct slice key, struct current *out);
/* The meta group's map is another one now. */
void machine_map_changed(struct machine *m, struct machine_step *s);
/* Before a row is changed: a transaction may have to take it back. */
void machine_touch(struct machine_step *s, const struct view_row *row);
/* Write a record: gives the place of its `size` bytes, to be filled before
 * anything else is written, and in `value` where they are. `old_deadline`: of
 * the record that was there; 0: none, or nobody knows. `row` may be NULL. */
uint8_t *machine_put(struct doing *d, struct slice key, struct view_row *row,
                     uint64_t old_deadline, uint64_t version,
                     uint64_t deadline, size_t size, struct piece *value);
void machine_remove(struct doing *d, struct slice key, struct view_row *row,
                    uint64_t old_deadline);
/* List a change. `before`: what was there; looked at only by an entry that
 * lists it. */
void machine_change(struct doing *d, enum change_kind kind, struct slice key,
                    struct piece value, const struct current *before);
/* May this entry write `size` more bytes? */
bool machine_room(const struct machine_step *s, size_t size);
/* Is this key of a transaction the group's? `route` is the command's own, which
 * is. */
bool machine_owns_key(const struct machine *m, struct slice route,
                      struct slice key);
/* May this entry's replies hold `size` more bytes? */
bool machine_reply_room(const struct machine_step *s, size_t size);
/* One operation of a user's key, not TRANSACT. */
void machine_execute(struct doing *d, const struct operation *o,
                     struct result *r);

/* ---- machine_needs.c ---- */

/* A set that looks at nothing: not even its deadline has come already. */
bool machine_blind(const struct operation *o, uint64_t clock_ms);
/* Does it want the whole previous value? */
static inline bool machine_whole(const struct operation *o)
{
    return o->flags & OPERATION_PREVIOUS || o->op == OP_APPEND ||
           o->op == OP_SET_RANGE || o->op == OP_EXPIRE ||
           (o->op == OP_GET && !(o->flags & OPERATION_META));
}

/* ---- machine_condition.c ---- */

/* Do all conditions hold, but the fence? OK, NOT_MET, BUSY (cut off). */
enum status machine_conditions(const struct operation *o,
                               const struct current *c);
/* Present the operation's fence, if it has one: OK or FENCED. */
enum status machine_fence(struct doing *d, const struct operation *o);
void machine_fence_need(struct machine_step *s, uint32_t keyspace,
                        const struct operation *o);

/* ---- machine_write.c ---- */

void machine_set(struct doing *d, const struct operation *o,
                 struct result *r);
void machine_delete(struct doing *d, const struct operation *o,
                    struct result *r);
void machine_append(struct doing *d, const struct operation *o,
                    struct result *r);
void machine_set_range(struct doing *d, const struct operation *o,
                       struct result *r);
/* Look at the key and its conditions, for an operation that is not blind.
 * False: it ends here, with `r`. */
bool machine_begin(struct doing *d, const struct operation *o,
                   struct current *c, struct result *r);
/* Store `size` bytes as the key's new value: gives their place (see
 * machine_put), or NULL: it was removed for its deadline has come, or there is
 * no room; `r` says which. */
uint8_t *machine_store(struct doing *d, const struct operation *o,
                       const struct current *c, size_t size,
                       struct result *r);

/* ---- machine_number.c ---- */

void machine_incr(struct doing *d, const struct operation *o,
                  struct result *r);
void machine_incr_float(struct doing *d, const struct operation *o,
                        struct result *r);
/* Asserts that the process writes numbers as everybody does. */
void machine_number_locale(void);

/* ---- machine_expire.c ---- */

/* The deadline that `o` gives; 0: none, `kept`: the one that is there. */
uint64_t machine_deadline(const struct operation *o, uint64_t clock_ms,
                          uint64_t kept);
/* Is the deadline that `o` gives not after the clock? */
bool machine_due(const struct operation *o, uint64_t clock_ms);
void machine_expire(struct doing *d, const struct operation *o,
                    struct result *r);
/* The key's record has expired: it goes. */
void machine_expired(struct doing *d, struct slice key,
                     const struct current *c);
/* Keep the index of deadlines: this one comes, or goes. `kind`: of the record,
 * LAYOUT_DATA or LAYOUT_FENCE. */
void machine_due_add(struct doing *d, uint8_t kind, struct slice key,
                     uint64_t deadline);
void machine_due_drop(struct doing *d, uint8_t kind, struct slice key,
                      uint64_t deadline);

/* ---- machine_session.c ---- */

/* Is this the first of its kind? False: `r` is what comes instead. */
bool machine_session_first(struct machine *m, struct machine_step *s,
                           const struct session *q, struct result *r);
/* That came of it. */
void machine_session_remember(struct machine *m, struct machine_step *s,
                              const struct session *q,
                              const struct result *r);

/* ---- machine_sweep.c ---- */

/* Name the records that have to be read; CORRUPT, WRONG_VERSION. */
enum status machine_sweep_need(struct machine *m, struct machine_step *s,
                               const struct operation *o);
void machine_sweep(struct doing *d, const struct operation *o,
                   struct result *r);

/* ---- machine_remember.c ---- */

/* REMEMBER: an entry with a clock before `remember_until` names the whole old
 * values of all data that it names, as a wish, and lists them with its changes.
 * It is part of the state, and holds from the next entry on, so that replicas
 * list the same. */
enum status machine_remember_known(const struct operation *o);
void machine_remember(struct doing *d, const struct operation *o);
/* CORRUPT, WRONG_VERSION */
enum status machine_remember_load(struct machine *m, struct slice value);
/* The store key of some data: if this entry lists what was before. */
void machine_remember_need(struct machine_step *s, struct slice key);

/* ---- machine_keyspace.c ---- */

/* Commands about keyspaces: OP_KEYSPACE (of the meta group: the map's change;
 * of others: limits), OP_PURGE. Are they whole? WRONG_VERSION. */
enum status machine_keyspace_known(const struct machine *m,
                                   const struct operation *o);
void machine_keyspace(struct doing *d, const struct operation *o,
                      struct result *r);
/* Is this keyspace's size counted, so that every change of it looks? */
static inline bool machine_counted(const struct machine *m, uint32_t keyspace)
{
    const struct group_keyspace *g =
        m->keyspaces.n ? keyspaces_find(&m->keyspaces, keyspace) : NULL;

    return g && !g->purged;
}
/* May the key's value have `size` bytes? QUOTA. */
enum status machine_quota(const struct doing *d, struct slice key,
                          const struct view_row *row, size_t size);
/* The key's record is about to have `size` bytes of value; -1: to go. */
void machine_count(struct doing *d, struct slice key,
                   const struct view_row *row, long size);

/* ---- machine_transact.c ---- */

void machine_transact(struct doing *d, const struct operation *o,
                      struct result *r);
void machine_get(struct doing *d, const struct operation *o,
                 struct result *r);

#endif
