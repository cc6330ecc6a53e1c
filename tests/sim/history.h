/* history.h - what clients asked and were answered, and whether it can be true.
 *
 * Values are unique, versions order the writes of a key, so linearizability is
 * a matter of sorting: in real time, and along one connection, versions may
 * never go back; what was read was written under that version; what is absent
 * was deleted or never written. What was refused never happened; what has an
 * unknown outcome may have happened at any time after it was asked. */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include "node/core/event.h"

enum past_state {
    PAST_PENDING,
    PAST_ANSWERED,
    PAST_GONE, /* its connection died before an answer */
};

struct past {
    enum op op;
    enum read_mode mode;
    unsigned key;
    uint64_t conn;
    uint64_t invoked, returned; /* places in one order of all */
    enum past_state state;
    enum status status;
    uint64_t value;   /* written: its own number; read: whose it was */
    uint64_t version; /* told, or found out by the check; 0 unknown */
};

/* A request's number is its place in `v`. Zero-initialised is empty. */
struct history {
    struct past *v;
    size_t n, cap;
    uint64_t order;
    char error[256];
};

void history_release(struct history *h);
/* Gives the request's number. */
size_t history_ask(struct history *h, enum op op, enum read_mode mode,
                   unsigned key, uint64_t conn);
/* False: this one was answered before. `value` is what a get returned. */
bool history_answer(struct history *h, size_t number, enum status status,
                    uint64_t value, uint64_t version);
void history_gone(struct history *h, size_t number);

/* NULL, or what cannot be. Fills versions in; call once, at the end. */
const char *history_check(struct history *h);

#endif
