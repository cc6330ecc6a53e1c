/* view.h - what entries about to be applied have to know of the store.
 *
 * A step first names keys (view_need), the shell fetches their records (FETCH,
 * view_fill), the machine then looks rows up by key and notes in them what it
 * writes (the overlay), so that an entry sees what entries before it in the
 * same step did. Keys nobody named need no note. Pure; reused between steps,
 * nothing is allocated once it has grown. The hash is seeded: clients choose
 * the keys.
 *
 * Of a record only its beginning is kept, as many bytes as somebody wanted; and
 * not even that when the records before it are large already (FETCH's
 * bytes_max): such a row is cut.
 *
 * A wish is less than a need: it is asked for behind everything that is needed,
 * so that it takes nothing away, and a row whose wish was cut off is not cut
 * because of that. */
#ifndef NODE_CORE_VIEW_H
#define NODE_CORE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "node/core/event.h"
#include "node/core/result.h"

enum {
    VIEW_WHOLE = INT32_MAX,     /* wanted: the whole record */
    VIEW_BYTES_MAX = 32 << 20,  /* fetched for one step; then rows are cut */
    VIEW_KEEP_BYTES = 1 << 20,  /* kept between steps */
};

/* A key's record now. */
struct view_state {
    bool present;
    bool cut;            /* `record` is shorter than was wanted */
    uint32_t size;       /* of the whole record */
    struct piece record; /* its beginning, up to what was wanted */
};

struct view_row {
    uint64_t hash;
    uint32_t offset, size; /* the key's */
    uint32_t want;         /* 0: only wished for */
    uint32_t wish;         /* that much would be nice; 0: no wish */
    struct view_state now;
};

struct view {
    uint64_t seed;
    struct buf bytes;        /* the keys' bytes */
    struct buf records;      /* what was fetched */
    struct view_row *rows;   /* unique keys, in the order they were named */
    unsigned n, cap;
    unsigned n_wishes;       /* rows that may have one */
    unsigned asked;          /* what view_keys() gave */
    uint32_t *table;         /* open addressing: row number + 1 */
    unsigned table_size;     /* a power of two, 0 or at least 2 n */
    struct slice *keys;      /* view_keys() */
    uint32_t *wants;
    unsigned keys_cap;
};

void view_init(struct view *v, uint64_t seed);
void view_release(struct view *v);
void view_clear(struct view *v);

/* The step has to know the first `want` bytes of this store key's record.
 * Copies the key; naming it again is harmless, the larger `want` holds. */
void view_need(struct view *v, struct slice key, uint32_t want);
/* It would be good to know so many of its bytes; at least
 * FETCH_CUT_BYTES of them will be. */
void view_wish(struct view *v, struct slice key, uint32_t wish);
static inline bool view_empty(const struct view *v)
{
    return v->n == 0;
}
/* What to ask for: the needed keys, behind them those with a wish for more,
 * v->asked of them; and how much of each. Valid until the view changes. */
const struct slice *view_keys(struct view *v);
const uint32_t *view_wants(const struct view *v);
/* What was fetched for what view_keys() gave. Copies. False: something is cut,
 * be it a wish. */
bool view_fill(struct view *v, const struct fetched *records);

/* Bytes that were fetched and kept. */
static inline size_t view_fetched_bytes(const struct view *v)
{
    return v->records.size;
}

/* The row of a key, or NULL when nobody named it. */
struct view_row *view_find(const struct view *v, struct slice key);

#endif
