/* raw_raft.h - libraft driven directly, without our guard, to show what it
 * does to itself. Only for tests. */
#ifndef TESTS_UNIT_RAFT_RAW_RAFT_H
#define TESTS_UNIT_RAFT_RAW_RAFT_H

#include <raft.h>
#include <stdbool.h>

struct raw {
    struct raft r;
    raft_time now;
    struct raft_update update; /* of the latest step */
};

/* What a child process exits with when it has seen the hazard. */
enum { HAZARD_SEEN = 42 };

/* Run `f` in a child. True: it exited with HAZARD_SEEN, or died of it (an
 * assertion of libraft, a sanitizer, a signal). */
bool hazard_shows(void (*f)(void));
/* In the child: the hazard is there. */
void seen_if(bool hazard);

/* A list of `n` servers with ids 1 .. n and these roles. */
struct raft_buffer raw_conf(int n, const int *roles);
/* Replica `id` of a group whose log has one CHANGE to that list in term 1 and
 * then commands in `log_term`, `last` entries in all; started in `term`. */
void raw_start(struct raw *x, int id, raft_term term, int last,
               raft_term log_term, int n, const int *roles);
int raw_step(struct raw *x, struct raft_event *e);
int raw_event(struct raw *x, int type);
int raw_persisted(struct raw *x, raft_index index);
/* `n` entries: commands in `term`; `conf` (may be NULL) makes the last one a
 * CHANGE. */
struct raft_entry *raw_entries(int n, raft_term term,
                               const struct raft_buffer *conf);
int raw_append(struct raw *x, int from, raft_term term, raft_index prev,
               raft_term prev_term, raft_index commit,
               struct raft_entry *entries, int n);
int raw_result(struct raw *x, int from, raft_index rejected, raft_index last);
int raw_vote_result(struct raw *x, int from, raft_term term, bool pre_vote);
int raw_submit(struct raw *x, struct raft_entry *entries, int n);
int raw_snapshot(struct raw *x, raft_index index, unsigned trailing);
/* Time out and win with the vote of 2; everything in the log is durable. */
void raw_elect(struct raw *x);

#endif
