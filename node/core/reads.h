/* reads.h - linearizable reads of one group, from the door to the store.
 *
 * NEXT     arrived; waits for a round to be started
 * ASKING   a majority is being asked whether the term still holds
 * READY    confirmed; waits until `index` is applied and the writes that its
 *          connection sent before it are decided
 *
 * A read's index is the highest commit index known when its round started,
 * which is not before it arrived. Reads leave READY in order. Memory comes from
 * a pool shared by the shard, keys up to READ_KEY_INLINE bytes need no malloc.
 * Pure.
 *
 * Source: Ongaro's thesis, section 6.4; hazard L3 (no read index before the
 * barrier of the term committed) is raft/group's. */
#ifndef NODE_CORE_READS_H
#define NODE_CORE_READS_H

#include "node/core/event.h"

enum { READ_KEY_INLINE = 80 };

struct read {
    struct read *next;
    struct read *out_next, **out_slot; /* the pool's list of all that are out */
    struct origin from;
    enum op op;          /* OP_GET, OP_SCAN, OP_WATCH */
    instant deadline;
    uint32_t group;
    uint32_t keyspace;   /* of OP_SCAN, OP_WATCH */
    uint32_t key_size;
    uint16_t slot;       /* of OP_GET */
    bool meta;           /* only what is known of the value */
    uint64_t clock_ms;   /* the group clock when the store was asked */
    uint64_t index;      /* applied must reach it */
    uint64_t after;      /* so must the connection's batch of this number */
    uint8_t *key;        /* the store key; of the other two the request */
    uint8_t inlined[READ_KEY_INLINE];
};

struct read_list {
    struct read *head, **tail;
    unsigned n;
};

/* The shard's pool. */
struct read_pool {
    struct read *free, *first_out;
    unsigned out, max, kept;
    size_t key_bytes, key_bytes_max; /* of keys that are not inlined */
};

void read_pool_init(struct read_pool *p, unsigned max, size_t key_bytes_max);
/* Frees also what is out: nobody has it any more. */
void read_pool_release(struct read_pool *p);
/* A read with room for a store key of `key_size` bytes at ->key, or NULL when
 * `max` or `key_bytes_max` are out. */
struct read *read_new(struct read_pool *p, size_t key_size);
void read_free(struct read_pool *p, struct read *r);

void read_list_init(struct read_list *l);
void read_list_add(struct read_list *l, struct read *r);
struct read *read_list_pop(struct read_list *l); /* NULL when empty */
/* Move all of `from` behind `to`. */
void read_list_move(struct read_list *to, struct read_list *from);

struct reads {
    struct read_list next, asking, ready;
    uint64_t asking_seq;     /* the asking set's number, grows */
    uint64_t asking_term;
    uint32_t confirmed;      /* bit per voter position */
    unsigned needed;         /* voters besides the leader itself */
    instant asked_at;
    bool hedged;
};

void reads_init(struct reads *r);

static inline unsigned reads_count(const struct reads *r)
{
    return r->next.n + r->asking.n + r->ready.n;
}

/* NEXT becomes ASKING (which is empty) at `index`. */
void reads_start(struct reads *r, instant now, uint64_t index, uint64_t term,
                 unsigned needed);
/* A voter said yes to set `seq`. True when that completes the majority: the
 * set is READY now. */
bool reads_confirm(struct reads *r, uint64_t seq, unsigned voter);

/* The next READY read that may run, or NULL. */
struct read *reads_runnable(struct reads *r, uint64_t applied, uint64_t done);

/* Take out every read, or those past their deadline, and answer it. */
typedef void reads_answer(void *arg, struct read *r, enum status why);
void reads_fail(struct reads *r, enum status why, reads_answer *a, void *arg);
instant reads_expire(struct reads *r, instant now, reads_answer *a, void *arg);

#endif
