/* scan_tools.c - what is made of scans: counting, deleting, waiting. */
#include <stdio.h>
#include <stdlib.h>

#include "client/scan.h"
#include "client/session.h"

/* ---- counting ---- */

struct counting {
    struct coat_scan *scan;
    coat_on_count *on_count;
    void *user;
};

static void on_counted(enum coat_status status, const char *detail, void *user)
{
    struct counting *c = user;

    c->on_count(status, c->scan->counted, detail, c->user);
    free(c);
}

static void on_no_entry(const struct coat_entry *entry UNUSED,
                        void *user UNUSED)
{
}

static struct coat_scan_options copy_of(const struct coat_scan_options *given)
{
    struct coat_scan_options o = {.size = sizeof o};

    if (given)
        memcpy(&o, given, MIN_OF(given->size, sizeof o));
    o.size = sizeof o;
    return o;
}

enum coat_status coat_count(struct coat_client *client,
                            const struct coat_scan_options *options,
                            coat_on_count *on_count, void *user)
{
    struct coat_scan_options o = copy_of(options);
    struct counting *c = xcalloc(1, sizeof *c);
    enum status rv;

    o.limit = 0;
    o.page_keys = 0;
    o.flags &= ~(unsigned)COAT_REVERSE;
    o.cursor = NULL;
    rv = scan_new(client, &o, SCAN_COUNT_ONLY, &c->scan);
    if (rv != STATUS_OK) {
        free(c);
        return (enum coat_status)rv;
    }
    c->on_count = on_count;
    c->user = user;
    c->scan->on_entry = on_no_entry;
    c->scan->on_end = on_counted;
    c->scan->user = c;
    return COAT_OK;
}

/* ---- deleting ---- */

enum { DELETES_MAX = 512 }; /* under way at a time */

struct deleting {
    struct coat_client *client;
    struct coat_scan *scan; /* NULL: it has ended */
    bool dry_run;
    unsigned under_way;
    struct buf held;        /* a key that found no room */
    uint64_t count;
    enum coat_status status;
    char detail[COAT_ERROR_MAX];
    coat_on_count *on_count;
    void *user;
};

static void go_wrong(struct deleting *d, enum coat_status status,
                     const char *detail)
{
    if (!d->status) {
        d->status = status;
        snprintf(d->detail, sizeof d->detail, "%s", detail);
    }
    if (d->scan)
        coat_scan_cancel(d->scan);
    d->scan = NULL;
}

static void end_if_done(struct deleting *d)
{
    if (d->scan || d->under_way)
        return;
    d->on_count(d->status, d->count, d->detail, d->user);
    buf_release(&d->held);
    free(d);
}

static void delete_one(struct deleting *d, struct slice key);

static void on_deleted(const struct coat_reply *reply, void *user)
{
    struct deleting *d = user;

    d->under_way--;
    if (reply->status == COAT_OK)
        d->count++;
    else if (reply->status != COAT_NOT_FOUND)
        go_wrong(d, reply->status, reply->detail);
    if (d->scan && d->held.size) {
        struct buf key = d->held;
        d->held = (struct buf){0};
        delete_one(d, buf_slice(&key));
        buf_release(&key);
    }
    if (d->scan && !d->held.size && d->under_way < DELETES_MAX / 2)
        coat_scan_resume(d->scan);
    end_if_done(d);
}

static void delete_one(struct deleting *d, struct slice key)
{
    enum coat_status rv =
        coat_delete(d->client, COAT_BYTES(key.data, key.size), NULL,
                    on_deleted, d);

    if (rv == COAT_BUSY && d->under_way) {
        buf_append(&d->held, key.data, key.size);
        coat_scan_pause(d->scan);
        return;
    }
    if (rv) {
        go_wrong(d, rv, coat_status_text(rv));
        return;
    }
    if (++d->under_way >= DELETES_MAX)
        coat_scan_pause(d->scan);
}

static void on_entry_to_delete(const struct coat_entry *entry, void *user)
{
    struct deleting *d = user;

    if (d->dry_run)
        d->count++;
    else
        delete_one(d, slice_of(entry->key.data, entry->key.size));
    if (!d->scan)
        end_if_done(d); /* it went wrong at once */
}

static void on_scanned(enum coat_status status, const char *detail, void *user)
{
    struct deleting *d = user;

    d->scan = NULL;
    if (status)
        go_wrong(d, status, detail);
    end_if_done(d);
}

enum coat_status coat_delete_range(struct coat_client *client,
                                   const struct coat_scan_options *options,
                                   int dry_run, coat_on_count *on_count,
                                   void *user)
{
    struct coat_scan_options o = copy_of(options);
    struct deleting *d;
    enum status rv;

    /* Deletes go to the client's keyspace. */
    client->why = "deletes go to the client's keyspace";
    if (o.keyspace && strcmp(o.keyspace, client->settings.keyspace))
        return COAT_INVALID;
    o.flags |= COAT_KEYS_ONLY;
    d = xcalloc(1, sizeof *d);
    rv = scan_new(client, &o, 0, &d->scan);
    if (rv != STATUS_OK) {
        free(d);
        return (enum coat_status)rv;
    }
    d->client = client;
    d->dry_run = dry_run;
    d->on_count = on_count;
    d->user = user;
    d->scan->on_entry = on_entry_to_delete;
    d->scan->on_end = on_scanned;
    d->scan->user = d;
    return COAT_OK;
}

/* ---- waiting ---- */

struct awaited {
    struct coat_session *session;
    bool done;
    enum coat_status status;
    uint64_t count;
};

static void on_count(enum coat_status status, uint64_t count,
                     const char *detail, void *user)
{
    struct awaited *w = user;

    w->done = true;
    w->status = status;
    w->count = count;
    session_say(w->session, detail);
}

static enum coat_status await(struct awaited *w, enum coat_status submitted,
                              uint64_t *count)
{
    *count = 0;
    if (submitted) {
        session_say(w->session,
                    coat_client_refusal(session_client(w->session)));
        return submitted;
    }
    while (!w->done)
        session_turn(w->session);
    *count = w->count;
    return w->status;
}

enum coat_status coat_count_wait(struct coat_session *session,
                                 const struct coat_scan_options *options,
                                 uint64_t *count)
{
    struct awaited w = {.session = session};

    session_begin(session);
    return await(&w, coat_count(session_client(session), options, on_count, &w),
                 count);
}

enum coat_status coat_delete_range_wait(struct coat_session *session,
                                        const struct coat_scan_options *options,
                                        int dry_run, uint64_t *count)
{
    struct awaited w = {.session = session};

    session_begin(session);
    return await(&w,
                 coat_delete_range(session_client(session), options, dry_run,
                                   on_count, &w),
                 count);
}

enum coat_status coat_scan_open(struct coat_session *session,
                                const struct coat_scan_options *options,
                                struct coat_scan **scan)
{
    enum status rv;

    session_begin(session);
    *scan = NULL;
    rv = scan_new(session_client(session), options, 0, scan);
    if (rv == STATUS_OK)
        (*scan)->session = session;
    else
        session_say(session, coat_client_refusal(session_client(session)));
    return (enum coat_status)rv;
}

enum coat_status coat_scan_next(struct coat_scan *scan,
                                struct coat_entry *entry)
{
    enum pulled pulled;

    while ((pulled = scan_pull(scan, entry)) == PULL_WAIT)
        session_turn(scan->session);
    if (pulled == PULL_ENTRY)
        return COAT_OK;
    session_say(scan->session, scan->detail);
    return scan->failed ? (enum coat_status)scan->failed : COAT_NOT_FOUND;
}

void coat_scan_close(struct coat_scan *scan)
{
    if (scan)
        scan_free(scan);
}
