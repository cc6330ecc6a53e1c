/* raw_raft.c - see raw_raft.h. What it allocates dies with the child. */
#include "raw_raft.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool hazard_shows(void (*f)(void))
{
    pid_t child = fork();
    int status;

    if (child < 0)
        abort();
    if (child == 0) {
        /* Not cmocka's handlers, which would go on with the next test. */
        static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
        for (unsigned i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
            signal(deadly[i], SIG_DFL);
        int quiet = open("/dev/null", O_WRONLY);
        if (quiet >= 0)
            dup2(quiet, STDERR_FILENO);
        f();
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child)
        abort();
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void seen_if(bool hazard)
{
    _exit(hazard ? HAZARD_SEEN : 0);
}

static char *name_of(int id)
{
    char *text = malloc(16);

    snprintf(text, 16, "%d", id);
    return text;
}

struct raft_buffer raw_conf(int n, const int *roles)
{
    struct raft_configuration c;
    struct raft_buffer b;

    raft_configuration_init(&c);
    for (int i = 0; i < n; i++) {
        if (raft_configuration_add(&c, (raft_id)i + 1, name_of(i + 1),
                                   roles[i]))
            abort();
    }
    if (raft_configuration_encode(&c, &b))
        abort();
    raft_configuration_close(&c);
    return b;
}

struct raft_entry *raw_entries(int n, raft_term term,
                               const struct raft_buffer *conf)
{
    struct raft_entry *e = raft_calloc((size_t)n, sizeof *e);
    void *batch = raft_malloc(8);

    for (int i = 0; i < n; i++) {
        e[i].term = term;
        e[i].type = RAFT_COMMAND;
        e[i].batch = batch;
    }
    if (conf) {
        e[n - 1].type = RAFT_CHANGE;
        e[n - 1].buf = *conf;
    }
    return e;
}

int raw_step(struct raw *x, struct raft_event *e)
{
    e->time = x->now;
    e->capacity = 60000;
    memset(&x->update, 0, sizeof x->update);
    return raft_step(&x->r, e, &x->update);
}

int raw_event(struct raw *x, int type)
{
    struct raft_event e = {.type = (enum raft_event_type)type};

    return raw_step(x, &e);
}

int raw_persisted(struct raw *x, raft_index index)
{
    struct raft_event e = {.type = RAFT_PERSISTED_ENTRIES};

    e.persisted_entries.index = index;
    return raw_step(x, &e);
}

void raw_start(struct raw *x, int id, raft_term term, int last,
               raft_term log_term, int n, const int *roles)
{
    struct raft_event e = {.type = RAFT_START};
    struct raft_buffer conf = raw_conf(n, roles);
    struct raft_entry *log = raw_entries(last, log_term, NULL);

    memset(x, 0, sizeof *x);
    x->now = 1000;
    if (raft_init(&x->r, NULL, NULL, (raft_id)id, name_of(id)))
        abort();
    x->r.tracer = NULL;
    raft_seed(&x->r, 42);
    log[0].type = RAFT_CHANGE;
    log[0].term = 1;
    log[0].buf = conf;
    e.start.term = term;
    e.start.start_index = 1;
    e.start.entries = log;
    e.start.n_entries = (unsigned)last;
    if (raw_step(x, &e))
        abort();
}

static int receive(struct raw *x, int from, struct raft_message *m)
{
    struct raft_event e = {.type = RAFT_RECEIVE};

    m->server_id = (raft_id)from;
    m->server_address = name_of(from);
    e.receive.message = m;
    return raw_step(x, &e);
}

int raw_append(struct raw *x, int from, raft_term term, raft_index prev,
               raft_term prev_term, raft_index commit,
               struct raft_entry *entries, int n)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};

    m.append_entries.term = term;
    m.append_entries.prev_log_index = prev;
    m.append_entries.prev_log_term = prev_term;
    m.append_entries.leader_commit = commit;
    m.append_entries.entries = entries;
    m.append_entries.n_entries = (unsigned)n;
    return receive(x, from, &m);
}

int raw_result(struct raw *x, int from, raft_index rejected, raft_index last)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT};

    m.append_entries_result.version = 2;
    m.append_entries_result.term = x->r.current_term;
    m.append_entries_result.rejected = rejected;
    m.append_entries_result.last_log_index = last;
    m.append_entries_result.features = 1;
    m.append_entries_result.capacity = 60000;
    return receive(x, from, &m);
}

int raw_vote_result(struct raw *x, int from, raft_term term, bool pre_vote)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT};

    m.request_vote_result.version = 2;
    m.request_vote_result.term = term;
    m.request_vote_result.vote_granted = true;
    m.request_vote_result.pre_vote = pre_vote;
    return receive(x, from, &m);
}

int raw_submit(struct raw *x, struct raft_entry *entries, int n)
{
    struct raft_event e = {.type = RAFT_SUBMIT};

    e.submit.entries = entries;
    e.submit.n = (unsigned)n;
    return raw_step(x, &e);
}

int raw_snapshot(struct raw *x, raft_index index, unsigned trailing)
{
    struct raft_event e = {.type = RAFT_SNAPSHOT};

    e.snapshot.metadata.index = index;
    e.snapshot.trailing = trailing;
    return raw_step(x, &e);
}

void raw_elect(struct raw *x)
{
    x->now = raft_timeout(&x->r);
    raw_event(x, RAFT_TIMEOUT);
    raw_vote_result(x, 2, x->r.current_term, false);
    if (x->r.state != RAFT_LEADER)
        abort();
    if (raft_last_index(&x->r) > x->r.last_stored)
        raw_persisted(x, raft_last_index(&x->r));
}
