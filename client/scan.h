/* scan.h - the inside of a scan; its public face is coatcheck_stream.h.
 *
 * Each group is a SOURCE: it holds at most two pages, the one that is being
 * read and the next. An entry goes out only when every source either stands at
 * one or has no more: then the smallest of them is the next one.
 *
 *   scan.c        pages asked for, merged, handed out; cursors
 *   scan_tools.c  counting, deleting, waiting */
#ifndef CLIENT_SCAN_H
#define CLIENT_SCAN_H

#include "client/merge.h"
#include "client/flow.h"
#include "proto/scan.h"

struct source {
    struct coat_scan *scan;
    uint32_t group;
    uint16_t slot;          /* of that group: routes the requests */
    struct buf pages[2];
    unsigned front;         /* pages[front] is being read */
    struct scan_page page;  /* of the front */
    bool has_next;          /* the other one is there, unread */
    struct scan_record entry;
    bool has_entry;
    bool done;              /* the last page has arrived */
    uint64_t asked;         /* request under way; 0: none */
    bool busy;              /* one should be; the next tick tries */
    struct buf bound;       /* where the next page begins (backwards: ends) */
};

struct coat_scan {
    struct flow flow;
    struct coat_session *session; /* of a blocking one */
    coat_on_entry *on_entry;
    coat_on_end *on_end;
    void *user;

    char keyspace[KEYSPACE_NAME_MAX + 1];
    unsigned flags;         /* enum scan_flag */
    struct buf begin, end, pattern, tag;
    uint32_t identity;
    uint64_t limit, delivered;
    uint64_t limit_bytes, delivered_bytes;
    unsigned page_keys, page_bytes, timeout;
    enum consistency consistency;
    instant deadline;       /* for the map to come */

    struct source *sources; /* NULL: no map yet */
    unsigned n_sources, waiting;
    struct merge merge;
    bool taken;             /* the top was handed out and has to move on */
    struct buf last;        /* the key handed out last, or the cursor's */
    bool has_last;
    uint64_t counted;       /* with SCAN_COUNT_ONLY */

    bool paused, pumping, gone;
    enum status failed;     /* OK: nothing is wrong */
    char detail[COAT_ERROR_MAX];
};

/* A scan that hands nothing out by itself while on_entry and on_end are NULL.
 * `flags` (scan_flag) are added. INVALID, BAD_CURSOR, CLOSED... */
MUST_CHECK enum status scan_new(struct coat_client *c,
                                const struct coat_scan_options *options,
                                unsigned flags, struct coat_scan **out);
/* Not from inside its own callbacks: coat_scan_cancel() is for these. */
void scan_free(struct coat_scan *s);

enum pulled { PULL_ENTRY, PULL_WAIT, PULL_END };
/* The next entry, valid until the next pull. END: s->failed says how. */
enum pulled scan_pull(struct coat_scan *s, struct coat_entry *entry);

#endif
