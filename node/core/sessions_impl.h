/* sessions_impl.h - the insides of the sessions table, for its two files. */
#ifndef NODE_CORE_SESSIONS_IMPL_H
#define NODE_CORE_SESSIONS_IMPL_H

#include "node/core/sessions.h"

enum {
    RECORD_FORMAT = 1,
    RECORD_HEADER = 24,
    RESULT_HEADER = 20,
    RECORD_FULL = 1 << 20,    /* then the next part begins */
    RECORD_OVERHEAD = 128,    /* what a record costs beside its bytes */
    CLIENT_OVERHEAD = 256,
    DROP_PER_ENTRY = 2,       /* of a client that writes one */
    DROP_BY_TIME = 32,        /* of all others, per entry */
};

/* One record of the store, in memory. */
struct session_record {
    struct session_record *next; /* of the client, by key */
    uint64_t index;
    uint16_t part;
    uint16_t n;
    uint64_t sequence_max;       /* of its results */
    uint64_t not_after;
    struct buf bytes;            /* as in the store */
};

struct session_client {
    uint8_t id[16];
    uint64_t hash;
    uint64_t acknowledged;
    uint64_t not_after_max;      /* of all it ever had since it is known */
    struct session_record *head, *tail;
    struct session_record *open; /* first of this entry's, part of the list */
    uint64_t told;               /* acknowledged, as this entry says */
    size_t bytes;
    uint32_t time_at;            /* place in the heap */
    uint32_t next_free;          /* place + 1 */
    bool touched;
};

/* A result: where it stands. */
struct session_row {
    uint64_t sequence;
    uint32_t client;
    uint32_t offset;             /* of the result's header in the bytes */
    struct session_record *record; /* NULL: an empty row */
};

/* ---- sessions_index.c: clients by id and by time, results by sequence ---- */
#define SESSION_NOBODY UINT32_MAX

uint32_t session_find(struct sessions *s, const uint8_t *id);
uint32_t session_add(struct sessions *s, const uint8_t *id);
/* It has no records any more. */
void session_remove(struct sessions *s, uint32_t client);
/* not_after_max was raised. */
void session_later(struct sessions *s, uint32_t client);
/* The client whose time is over first; NOBODY when there is none. */
uint32_t session_first(const struct sessions *s);

struct session_row *session_row(const struct sessions *s, uint32_t client,
                                uint64_t sequence);
void session_row_add(struct sessions *s, const struct session_row *row);
void session_row_remove(struct sessions *s, uint32_t client,
                        uint64_t sequence);

#endif
