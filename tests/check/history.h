/* history.h - what clients asked, what they were told, and when: the input of
 * every checker of this folder.
 *
 * A history is a list of operations on keys. A key is a register that holds a
 * value or nothing (CHECK_ABSENT, its first state). Values are numbers: whoever
 * records gives each written byte string a number of its own (equal bytes,
 * equal number); a counter's value is its 64-bit number.
 *
 * All times of one history are of one clock, so that "A had returned before B
 * was called" means something; two equal times count as overlapping. An
 * operation that ended without a known outcome (timeout, lost connection,
 * still under way at the end) is CHECK_UNKNOWN: it may take effect at any time
 * after its call, or never. One that certainly was not executed is left out,
 * and so is a read that was allowed to be stale.
 *
 * An expiry is no operation of a client, but can be told as one: a CHECK_CAS
 * from the value that was to expire to CHECK_ABSENT, called at the earliest
 * moment it may happen, returned at the latest, outcome CHECK_EITHER. */
#ifndef TESTS_CHECK_HISTORY_H
#define TESTS_CHECK_HISTORY_H

#include <stddef.h>
#include <stdint.h>

/* Values that no operation writes; ordinary ones are all the others. */
#define CHECK_ABSENT ((uint64_t)1 << 63)        /* the key is not there */
#define CHECK_PRESENT (CHECK_ABSENT + 1)        /* `expect`: any value */
#define CHECK_UNSEEN (CHECK_ABSENT + 2)         /* `seen`: was not told */
#define CHECK_NEVER UINT64_MAX                  /* `returned`: it did not */

enum check_kind {
    CHECK_GET,    /* gave `seen`; outcome YES, also when nothing was there */
    CHECK_SET,    /* wrote `value` */
    CHECK_DELETE, /* YES: something was there; NO: nothing was */
    CHECK_ADD,    /* added `value` (wraps; nothing counts as 0), gave `seen` */
    CHECK_CAS,    /* wrote `value` if `expect` was there: YES or NO. `value`
                     may be CHECK_ABSENT (delete if), `expect` CHECK_ABSENT
                     (if absent) or CHECK_PRESENT. On NO `seen` may tell what
                     was there instead */
    CHECK_SWAP,   /* wrote `value`, gave what was there before as `seen` */
    CHECK_KINDS,
};

enum check_outcome {
    CHECK_YES,     /* done; a condition, if it has one, held */
    CHECK_NO,      /* done; nothing was there, or the condition did not hold */
    CHECK_EITHER,  /* done between call and return; result not known */
    CHECK_UNKNOWN, /* done at any time after its call, or never */
};

struct check_operation {
    uint64_t called, returned; /* returned: CHECK_NEVER if UNKNOWN */
    uint32_t process;          /* who asked; only for messages */
    uint32_t key;
    uint8_t kind;    /* enum check_kind */
    uint8_t outcome; /* enum check_outcome */

    /* The witness: where the operation stands in its group's own order, if
     * that is known: index 0 if not. An entry's n-th command has position n;
     * a read of the state after entry `index` has CHECK_LAST. */
    uint32_t group, position;
    uint64_t index;

    uint64_t value, expect, seen; /* by kind; see there */
};

#define CHECK_LAST UINT32_MAX

/* What `index` is. */
enum check_places {
    /* The entry at which a write was applied, or that a read's state contains
     * last. Orders all operations of a group, whatever their key. */
    CHECK_PLACES_INDEX,
    /* The version of the key's value that an operation wrote or read, position
     * 0 for writes and CHECK_LAST for reads: all that a client can know.
     * Orders the operations of one key. */
    CHECK_PLACES_VERSION,
};

/* Zero-initialised is empty and valid. */
struct check_history {
    struct check_operation *v;
    size_t n, capacity;
    enum check_places places;
};

void check_history_release(struct check_history *h);
/* Copies `op`; gives its number, so that its end can be filled in later: until
 * then outcome is CHECK_UNKNOWN and returned CHECK_NEVER. Aborts when out of
 * memory. */
size_t check_history_add(struct check_history *h,
                         const struct check_operation *op);

enum check_verdict {
    CHECK_LINEARIZABLE,
    CHECK_VIOLATION,
    CHECK_UNDECIDED, /* the work ran out: counts as a failure */
};

struct check_limits {
    size_t configurations_max; /* of one key in wing_gong.h; 0: 2 million */
    unsigned checks;           /* CHECK_BY_...; 0: all */
};

enum {
    CHECK_BY_WITNESS = 1, /* where operations have an index */
    CHECK_BY_TIME = 2,    /* ignoring indexes: registers.h, else wing_gong.h */
};

struct check_report {
    enum check_verdict verdict;
    uint32_t key;           /* the first one that failed */
    char text[400];         /* which check, which operations; "" if all well */
    size_t keys;            /* looked at */
    size_t by_registers;    /* of them, how many each checker decided */
    size_t by_wing_gong;
    size_t configurations;  /* the most that one key took in wing_gong.h */
};

/* Check all keys, one by one, stopping at the first that fails. Does not change
 * the history. */
enum check_verdict check_history_verify(const struct check_history *h,
                                        const struct check_limits *limits,
                                        struct check_report *report);

/* "set key 7 by process 3 [12,18] value 9 ..." in one line. */
void check_operation_text(const struct check_operation *op, char *text,
                          size_t size);

#endif
