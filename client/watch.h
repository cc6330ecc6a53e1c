/* watch.h - the inside of a watch; its public face is coatcheck_stream.h.
 *
 * Each group is a STRAND: one request at a time to whoever leads it, answered
 * by parts. Parts wait in one queue in the order in which they came, and are
 * taken apart event by event; where a strand stands moves with the events that
 * were handed out, so that a cursor is always exact. A strand asks again, from
 * there, when its parts have been handed out.
 *
 *   watch.c        strands, parts, events
 *   watch_tools.c  the public functions; cursors; waiting */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "client/flow.h"
#include "proto/watch.h"

struct strand {
    struct coat_watch *watch;
    uint32_t group;
    uint16_t slot;
    uint64_t asked;       /* request under way; 0: none */
    instant ask_at;       /* not before */
    unsigned failures;    /* in a row */
    unsigned quiet;       /* ticks since it was heard of */
    unsigned queued;      /* parts that wait to be handed out */
    bool heard;           /* a part has come */
    bool known;           /* where it stands; before: from now on */
    bool ready;           /* counted among n_ready */
    uint64_t version;     /* all up to here was handed out */
    uint64_t in_progress; /* of this version (0: none) ... */
    uint32_t count;       /* ... so many events */
    uint64_t skip_version; /* of this one so many came before it was asked */
    uint32_t skip;
};

/* A part that waits. */
struct queued {
    struct queued *next;
    struct strand *strand;
    struct watch_part part; /* its rows move on */
    bool empty;             /* had no events */
    size_t size;
    uint8_t bytes[];
};

struct coat_watch {
    struct flow flow;
    struct coat_session *session; /* of a blocking one */
    coat_on_event *on_event;
    coat_on_end *on_end;
    void *user;

    char keyspace[KEYSPACE_NAME_MAX + 1];
    enum watch_kind kind;
    unsigned flags;         /* watch_flag */
    unsigned progress;
    struct buf begin, end, tag;
    uint32_t identity;
    uint64_t after;         /* the version it begins behind; 0: none */
    struct buf cursor;      /* the body it began from; empty: none */
    instant deadline;       /* for the map to come */

    struct strand *strands; /* NULL: no map yet */
    unsigned n_strands, n_heard, n_ready;
    bool told_ready;
    struct queued *first, **last;
    size_t queued_bytes;

    bool pumping, gone;
    enum status failed;
    char detail[COAT_ERROR_MAX];
};

MUST_CHECK enum status watch_new(struct coat_client *c,
                                 const struct coat_watch_options *options,
                                 struct coat_watch **out);
/* Not from inside its own callbacks: coat_watch_stop() is for these. */
void watch_free(struct coat_watch *w);
/* The next event; false: none is here. Borrowed until the next pull. */
bool watch_pull(struct coat_watch *w, struct coat_event *e);
/* Hand out what there is, and the end. May free the watch. */
void watch_pump(struct coat_watch *w);

/* The version of which only a part was handed out, 0: none, and how many. */
uint64_t strand_rest(const struct strand *x, uint32_t *count);

/* For link.c: a part has come for the request whose user this is. */
void watch_on_part(void *strand, struct slice payload);

#endif
