/* coatcheck_stream.h - ordered scans and watches; a part of coatcheck.h, which
 * includes it.
 *
 * WHAT A SCAN PROMISES
 *  - Entries come in key order (or backwards), each key at most once, over all
 *    groups of the cluster or over one (`tag`).
 *  - It reads page by page. Every page shows its group at one moment between
 *    asking and answer, with every write that had ended before the asking
 *    (unless COAT_STALE). The pages together are not one moment: a key that
 *    exists during the whole scan comes exactly once; one that is written or
 *    removed meanwhile comes as it was at some moment in between, or not.
 *  - Memory stays bounded: two pages per group, however large the range.
 *  - Leaders may change: pages are asked for again where they belong. A cursor
 *    goes on exactly behind the last entry that was handed out, in any process.
 *
 * WHAT A WATCH PROMISES
 *  - The changes of one group come in the order of their versions, each exactly
 *    once, none left out, also across lost connections and changes of leaders.
 *    Between groups there is no order. The keys of one hash tag have one group.
 *  - Each group keeps its last changes in memory (some MiB). Who asks for older
 *    ones, or does not read for so long, gets COAT_COMPACTED: read everything
 *    anew (a scan) and watch again.
 *  - A cursor goes on behind the last event handed out, in any process. */
#ifndef CLIENT_COATCHECK_STREAM_H
#define CLIENT_COATCHECK_STREAM_H

#include "coatcheck.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- scans ---- */

struct coat_scan;

enum coat_scan_flag {
    COAT_REVERSE = 1 << 0,   /* from the last key to the first */
    COAT_KEYS_ONLY = 1 << 1, /* no values, only their sizes */
};

/* Which keys; zero is all of them. Bytes and texts are copied. */
struct coat_scan_options {
    size_t size; /* of this struct; set by COAT_SCAN_OPTIONS */

    struct coat_bytes begin;   /* from here on; empty: from the first key */
    struct coat_bytes end;     /* up to but without this; empty: to the last */
    struct coat_bytes prefix;  /* and only what begins so */
    struct coat_bytes pattern; /* and only what matches: * ? [a-c] [^a] \x */
    struct coat_bytes tag;     /* only the group of this key: "{cart7}" */
    const char *keyspace;      /* default: the client's */
    unsigned flags;            /* enum coat_scan_flag */

    uint64_t limit;       /* entries in all; 0: no limit */
    unsigned page_keys;   /* entries of a page; 0: as many as fit */
    unsigned page_bytes;  /* up to 1 MiB; 0: the library chooses */
    unsigned timeout;     /* of each page, retries included; 0: the client's */
    enum coat_consistency consistency;

    const char *cursor; /* go on here; the options have to be the same but for
                           limits, page, timeout and consistency */

    uint64_t limit_bytes; /* of keys and values; the entry that reaches it is
                             the last one. 0: no limit */
};

#define COAT_SCAN_OPTIONS {.size = sizeof(struct coat_scan_options)}

struct coat_entry {
    struct coat_bytes key;
    struct coat_bytes value; /* empty with COAT_KEYS_ONLY */
    size_t value_size;
    uint64_t version;
    uint64_t deadline; /* when it expires, ms since 1970; 0: never */
};

/* One entry, borrowed until it returns. May pause or cancel the scan. */
typedef void coat_on_entry(const struct coat_entry *entry, void *user);

/* The end: COAT_OK when all entries (or `limit`) were handed out. Comes exactly
 * once unless it was cancelled; the scan (watch) is gone on return, but its
 * cursor may still be asked for inside. */
typedef void coat_on_end(enum coat_status status, const char *detail,
                         void *user);

/* Begin. No callback comes from inside this call. `*scan` may be NULL when
 * nobody wants to pause or cancel it.
 *
 *   COAT_INVALID     an option is out of range, or a [ of the pattern has no ]
 *   COAT_BAD_CURSOR  malformed, or of a scan of something else
 *   COAT_CLOSED      the client is being closed */
enum coat_status coat_scan_start(struct coat_client *client,
                                 const struct coat_scan_options *options,
                                 coat_on_entry *on_entry, coat_on_end *on_end,
                                 void *user, struct coat_scan **scan);

/* No entries until resumed; at most the pages under way still arrive. Entries
 * that wait are handed out from the loop, not from inside coat_scan_resume. */
void coat_scan_pause(struct coat_scan *scan);
void coat_scan_resume(struct coat_scan *scan);
/* End it now; no callback comes any more. */
void coat_scan_cancel(struct coat_scan *scan);

/* Where it stands, as a text of letters, digits, - and _ (its size grows with
 * the last key's). To be freed with free(). */
char *coat_scan_cursor(const struct coat_scan *scan);

/* Blocking: open, next until it is not COAT_OK, close. */
enum coat_status coat_scan_open(struct coat_session *session,
                                const struct coat_scan_options *options,
                                struct coat_scan **scan);
/* COAT_OK: `entry` is filled, borrowed until the next call on the session.
 * COAT_NOT_FOUND: there are no more. Else what went wrong. */
enum coat_status coat_scan_next(struct coat_scan *scan,
                                struct coat_entry *entry);
void coat_scan_close(struct coat_scan *scan); /* NULL is legal */

/* ---- counting and deleting what a scan would find ---- */

/* `count` is right as far as it went also when the status is not COAT_OK. */
typedef void coat_on_count(enum coat_status status, uint64_t count,
                           const char *detail, void *user);

/* How many keys; counted where they are. limit, COAT_REVERSE and cursor are not
 * looked at. */
enum coat_status coat_count(struct coat_client *client,
                            const struct coat_scan_options *options,
                            coat_on_count *on_count, void *user);
enum coat_status coat_count_wait(struct coat_session *session,
                                 const struct coat_scan_options *options,
                                 uint64_t *count);

/* Delete all keys (up to `limit`) that the scan finds, whatever their values
 * are by then; not at once, but key by key. `dry_run`: only count them. The
 * count is of keys that were there when their turn came. COAT_INVALID: another
 * keyspace than the client's. */
enum coat_status coat_delete_range(struct coat_client *client,
                                   const struct coat_scan_options *options,
                                   int dry_run, coat_on_count *on_count,
                                   void *user);
enum coat_status coat_delete_range_wait(struct coat_session *session,
                                        const struct coat_scan_options *options,
                                        int dry_run, uint64_t *count);

/* ---- watches ---- */

struct coat_watch;

enum coat_watch_flag {
    /* Every PUT, DELETE and EXPIRE tells what was there before: `before` is
     * never UNKNOWN. Groups look at old values only while somebody asks for
     * them, and for four minutes behind the last one: writes of a group that
     * is watched so cost one read more each, and its history reaches less far.
     * A cursor of such a watch is good for that long; one that leads to changes
     * whose old values nobody looked at (as that of a watch without this flag
     * may) ends with COAT_COMPACTED. */
    COAT_WATCH_PREVIOUS = 1 << 0,
};

/* Which changes: of one key, of a prefix, of a range; of all keys if none is
 * given. Bytes and texts are copied. */
struct coat_watch_options {
    size_t size; /* of this struct; set by COAT_WATCH_OPTIONS */

    struct coat_bytes key;        /* this one; or else ... */
    struct coat_bytes prefix;     /* ... what begins so; or else ... */
    struct coat_bytes begin, end; /* ... this range, as in a scan */
    struct coat_bytes tag;        /* only the group of this key */
    const char *keyspace;         /* default: the client's */
    unsigned flags;               /* enum coat_watch_flag */
    unsigned progress; /* ms between progress marks of an idle group; 1000 */

    const char *cursor; /* go on here; NULL: from now on. The options have to
                           be the same but for flags and progress */
    uint64_t after; /* changes behind this version, as a reply or an event has
                       told it; 0: not so. Versions count in one group: only
                       with `key` or `tag`, and without a cursor.
                       COAT_COMPACTED: it is too old */
};

#define COAT_WATCH_OPTIONS {.size = sizeof(struct coat_watch_options)}

enum coat_event_kind {
    COAT_EVENT_PUT = 1,
    COAT_EVENT_DELETE = 2,
    COAT_EVENT_EXPIRE = 3,
    COAT_EVENT_PROGRESS = 4, /* nothing more up to `version` in `group` */
    COAT_EVENT_READY = 5,    /* every group is being watched: what is written
                                from now on will be told. Comes once */
};

enum coat_before {
    COAT_BEFORE_UNKNOWN, /* not asked for */
    COAT_BEFORE_NOTHING, /* the key did not exist */
    COAT_BEFORE_VALUE,   /* it had the value `previous` */
    COAT_BEFORE_LARGE,   /* it had one that is not told: of more than 1 MiB, or
                            behind 32 MiB of others that were changed in the
                            same instant, or too large to be kept or sent
                            beside the new one */
};

struct coat_event {
    enum coat_event_kind kind;
    uint32_t group;
    uint64_t version;         /* equal for all changes of one transaction */
    struct coat_bytes key;    /* of PUT, DELETE, EXPIRE */
    struct coat_bytes value;  /* of PUT */
    enum coat_before before;
    struct coat_bytes previous;
};

/* One event, borrowed until it returns. May stop the watch. */
typedef void coat_on_event(const struct coat_event *event, void *user);

/* Begin; goes on until it is stopped or something ends it for good:
 * COAT_COMPACTED, COAT_NO_KEYSPACE, COAT_DENIED... Failures that pass are not
 * told. Results as coat_scan_start. */
enum coat_status coat_watch_start(struct coat_client *client,
                                  const struct coat_watch_options *options,
                                  coat_on_event *on_event, coat_on_end *on_end,
                                  void *user, struct coat_watch **watch);
/* End it now; no callback comes any more. */
void coat_watch_stop(struct coat_watch *watch);

/* Where it stands: a version per group, as text. To be freed with free(). */
char *coat_watch_cursor(const struct coat_watch *watch);

/* Blocking. coat_watch_open returns when every group is being watched, or after
 * the session's timeout. */
enum coat_status coat_watch_open(struct coat_session *session,
                                 const struct coat_watch_options *options,
                                 struct coat_watch **watch);
/* The next event but PROGRESS and READY, borrowed until the next call on the
 * session. COAT_TIMEOUT: none within `timeout` ms. Anything else: it has
 * ended. */
enum coat_status coat_watch_next(struct coat_watch *watch, unsigned timeout,
                                 struct coat_event *event);
void coat_watch_close(struct coat_watch *watch); /* NULL is legal */

#ifdef __cplusplus
}
#endif

#endif
