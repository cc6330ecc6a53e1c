/* test_guard_states.c - hazards L10 .. L25 of libraft's list; see test_guard.c.
 * Roles, elections, timers, snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raft/guard.h"
#include "raw_raft.h"

static const int voters[] = {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER};
static const int two_and_standby[] = {RAFT_VOTER, RAFT_VOTER, RAFT_STANDBY};
static const int two_and_spare[] = {RAFT_VOTER, RAFT_VOTER, RAFT_SPARE};

static struct message *append_of(unsigned n, uint64_t prev, uint64_t term)
{
    struct message *m = message_new(MESSAGE_APPEND, n);

    m->from = 1;
    m->to = 2;
    m->term = m->append.prev_term = term;
    m->append.prev_index = prev;
    for (unsigned i = 0; i < n; i++) {
        m->entries[i].term = term;
        m->entries[i].type = ENTRY_COMMAND;
    }
    return m;
}

/* ---- L10, L11, L12, L13, L14 ---- */

static bool commit_goes_back(bool guarded)
{
    struct raw x;

    raw_start(&x, 2, 1, 20, 1, 3, voters);
    raw_append(&x, 1, 1, 20, 1, 15, NULL, 0);
    raw_append(&x, 1, 1, 10, 1, 18, NULL, 0);
    if (guarded)
        guard_keep_commit(&x.r, 15);
    return x.r.commit_index < 15;
}

static void old_heartbeat(void)
{
    seen_if(commit_goes_back(false));
}

static void old_heartbeat_guarded(void)
{
    seen_if(commit_goes_back(true));
}

static void L10_only_what_is_durable_here_is_applied(void **state)
{
    (void)state;
    assert_true(hazard_shows(old_heartbeat));
    assert_false(hazard_shows(old_heartbeat_guarded));
    assert_int_equal(guard_commit(10, 7, false), 7);
    assert_int_equal(guard_commit(7, 10, false), 7);
    assert_int_equal(guard_commit(10, 10, true), 0);
}

static void catch_up_as_follower(void)
{
    struct raft_event e = {.type = RAFT_CATCH_UP};
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    e.catch_up.server_id = 3;
    raw_step(&x, &e);
    /* The leader's id was overwritten by a number of a round. */
    seen_if(x.r.follower_state.current_leader.id != 1);
}

static void catch_up_who_has_all(void)
{
    struct raft_event e = {.type = RAFT_CATCH_UP};
    int status = RAFT_CATCH_UP_RUNNING;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, two_and_standby);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_result(&x, 3, 0, 11);
    e.catch_up.server_id = 3;
    raw_step(&x, &e);
    for (int i = 0; i < 100 && status == RAFT_CATCH_UP_RUNNING; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 11);
        raw_result(&x, 3, 0, 11);
        raw_event(&x, RAFT_TIMEOUT);
        raft_catch_up(&x.r, 3, &status);
    }
    seen_if(status == RAFT_CATCH_UP_ABORTED);
}

static void L11_promotion_is_decided_without_catch_up(void **state)
{
    (void)state;
    assert_true(hazard_shows(catch_up_as_follower));
    assert_true(hazard_shows(catch_up_who_has_all));
    assert_true(guard_promotable(true, 10, 10, 10));
    assert_true(guard_promotable(true, 10, 10 + GUARD_PROMOTE_LAG_MAX, 9));
    assert_false(guard_promotable(true, 10, 11 + GUARD_PROMOTE_LAG_MAX, 9));
    assert_false(guard_promotable(false, 10, 10, 9));
    assert_false(guard_promotable(true, 0, 5, 0));
    /* It would not know that it may vote: see test_group_cluster.c. */
    assert_false(guard_promotable(true, 10, 11, 11));
}

static void timeout_now_too_early(void)
{
    struct raft_event e = {.type = RAFT_TRANSFER};
    unsigned sent = 0;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 6);
    raw_result(&x, 3, 0, 6);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    e.transfer.server_id = 2;
    raw_step(&x, &e);
    for (raft_index acked = 7; acked <= 8; acked++) {
        raw_result(&x, 2, 0, acked);
        for (unsigned i = 0; i < x.update.messages.n; i++) {
            if (x.update.messages.batch[i].type == RAFT_TIMEOUT_NOW)
                sent = (unsigned)acked;
        }
    }
    /* Sent when it had 7 of 8 and so would refuse; never again. */
    seen_if(sent == 7);
}

static void L12_leadership_goes_to_who_has_everything(void **state)
{
    (void)state;
    assert_true(hazard_shows(timeout_now_too_early));
    assert_true(guard_transfer_ready(8, 8, 8));
    assert_false(guard_transfer_ready(7, 8, 8));
    assert_false(guard_transfer_ready(8, 8, 7));
}

static void failed_submit_leaves_an_entry(void)
{
    struct raft_buffer four = raw_conf(4, voters);
    struct raft_buffer three = raw_conf(3, voters);
    raft_index last;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    raw_submit(&x, raw_entries(1, 2, &four), 1);
    last = raft_last_index(&x.r);
    seen_if(raw_submit(&x, raw_entries(2, 2, &three), 2) != 0 &&
            raft_last_index(&x.r) > last);
}

/* The guard is to submit a CHANGE alone: see test_group_lead.c. */
static void L13_a_change_is_submitted_alone(void **state)
{
    (void)state;
    assert_true(hazard_shows(failed_submit_leaves_an_entry));
}

static void truncate_while_installing(void)
{
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT};
    struct raft_event e = {.type = RAFT_RECEIVE};
    struct raft_buffer b = raw_conf(3, voters);
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    m.server_id = 3;
    m.server_address = "3";
    m.install_snapshot.term = 3;
    m.install_snapshot.last_index = 50;
    m.install_snapshot.last_term = 3;
    m.install_snapshot.conf_index = 1;
    if (raft_configuration_decode(&b, &m.install_snapshot.conf))
        abort();
    e.receive.message = &m;
    raw_step(&x, &e);
    raw_snapshot(&x, 4, 1);
    seen_if(x.r.trail.snapshot.index == 4);
}

static void L14_no_truncation_meanwhile(void **state)
{
    (void)state;
    assert_true(hazard_shows(truncate_while_installing));
    assert_true(guard_may_truncate(false, false, 5, 4, 5));
    assert_false(guard_may_truncate(true, false, 5, 4, 5));
    assert_false(guard_may_truncate(false, true, 5, 4, 5));
    assert_false(guard_may_truncate(false, false, 4, 4, 5));
    assert_false(guard_may_truncate(false, false, 6, 4, 5));
}

/* ---- L16, L17 ---- */

static void spare_spins(void)
{
    int past = 0;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, two_and_standby);
    raw_elect(&x);
    raw_result(&x, 2, 0, 6);
    struct raft_buffer spare = raw_conf(3, two_and_spare);
    raw_submit(&x, raw_entries(1, 2, &spare), 1);
    raw_persisted(&x, 7);
    raw_result(&x, 2, 0, 7);
    for (int i = 0; i < 50; i++) {
        x.now += 50;
        raw_result(&x, 2, 0, 7);
        raw_event(&x, RAFT_TIMEOUT);
        past += raft_timeout(&x.r) <= x.now;
    }
    seen_if(past > 40);
}

static void L16_timers_are_never_in_the_past(void **state)
{
    const duration grid = MS(50);

    (void)state;
    assert_true(hazard_shows(spare_spins));
    assert_int_equal(guard_deadline(3, (instant){1000}, grid).ms, 1050);
    assert_int_equal(guard_deadline(1005, (instant){1045}, grid).ms, 1100);
    assert_int_equal(guard_deadline(1201, (instant){1000}, grid).ms, 1250);
    assert_int_equal(guard_deadline(1200, (instant){1000}, grid).ms, 1200);
    assert_int_equal(guard_deadline(1201, (instant){1000}, MS(1)).ms, 1201);
}

static raft_term term_after_isolation(bool guarded)
{
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raft_set_pre_vote(&x.r, true);
    x.now = raft_timeout(&x.r);
    raw_event(&x, RAFT_TIMEOUT);
    raw_vote_result(&x, 2, x.r.current_term + 1, true);
    for (int i = 0; i < 10; i++) {
        x.now = raft_timeout(&x.r);
        if (guarded)
            guard_ask_first(&x.r);
        raw_event(&x, RAFT_TIMEOUT);
    }
    return x.r.current_term;
}

static void term_inflates(void)
{
    seen_if(term_after_isolation(false) > 2);
}

static void term_inflates_guarded(void)
{
    seen_if(term_after_isolation(true) > 2);
}

static bool vote_of_a_standby(bool guarded)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_event e = {.type = RAFT_RECEIVE};
    int role = -1;
    struct raw x;

    raw_start(&x, 3, 1, 5, 1, 3, two_and_standby);
    m.server_id = m.request_vote.candidate_id = 1;
    m.server_address = "1";
    m.request_vote.version = 2;
    m.request_vote.term = 2;
    m.request_vote.last_log_index = 5;
    m.request_vote.last_log_term = 1;
    e.receive.message = &m;
    if (guarded)
        role = guard_vote_anyway(&x.r);
    raw_step(&x, &e);
    guard_vote_done(&x.r, role);
    if (x.r.configuration.servers[2].role != RAFT_STANDBY)
        abort();
    return x.update.messages.batch[0].request_vote_result.vote_granted;
}

static void standby_refuses(void)
{
    seen_if(!vote_of_a_standby(false));
}

static void standby_refuses_guarded(void)
{
    seen_if(!vote_of_a_standby(true));
}

static void L17_elections_stay_possible(void **state)
{
    (void)state;
    assert_true(hazard_shows(term_inflates));
    assert_false(hazard_shows(term_inflates_guarded));
    assert_true(hazard_shows(standby_refuses));
    assert_false(hazard_shows(standby_refuses_guarded));
}

/* ---- L18 .. L23 ---- */

static void vote_result_as_follower(void)
{
    char *address = NULL;
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    /* Its second byte is what is read as "in pre-vote". */
    do
        address = raft_malloc(2);
    while (((uintptr_t)address >> 8 & 0xff) != 1);
    strcpy(address, "1");
    x.r.follower_state.current_leader.address = address;
    raw_vote_result(&x, 1, 9, false);
    seen_if(x.r.current_term != 9);
}

static void L18_results_are_for_candidates(void **state)
{
    struct message *m = message_new(MESSAGE_VOTE_RESULT, 0);
    struct raft r = {.state = RAFT_FOLLOWER, .current_term = 4};

    (void)state;
    assert_true(hazard_shows(vote_result_as_follower));
    m->term = 5;
    m->vote_result.granted = true;
    assert_false(guard_vote_result(m, &r));
    r.state = RAFT_LEADER;
    assert_false(guard_vote_result(m, &r));
    r.state = RAFT_CANDIDATE;
    r.candidate_state.in_pre_vote = true;
    assert_true(guard_vote_result(m, &r));
    m->term = 6;
    assert_false(guard_vote_result(m, &r));
    m->vote_result.granted = false;
    assert_true(guard_vote_result(m, &r));
    message_free(m);
}

#ifdef COAT_RAFT_ASSERTED
static void clock_goes_back(void)
{
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    x.now += 50;
    raw_result(&x, 2, 0, 6);
    raw_snapshot(&x, 5, 0);
    x.now -= 200;
    /* 2 asks for what is not in the log any more: is it online? */
    raw_result(&x, 2, 0, 6);
    raw_result(&x, 3, 6, 0);
    x.now += 200;
    raw_result(&x, 3, 6, 0);
    x.now -= 200;
    raw_event(&x, RAFT_TIMEOUT);
}
#endif

static void L19_time_stands_still_instead(void **state)
{
    (void)state;
#ifdef COAT_RAFT_ASSERTED
    assert_true(hazard_shows(clock_goes_back));
#endif
    assert_int_equal(guard_clock((instant){100}, (instant){99}).ms, 100);
    assert_int_equal(guard_clock((instant){100}, (instant){101}).ms, 101);
}

/* Follower 3 lags behind the log; the snapshot that libraft "sends" it is at
 * 8, then ours turns out to be at 10. */
static bool snapshot_moves_on(bool guarded)
{
    bool again = false;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_snapshot(&x, 8, 0);
    raw_result(&x, 3, 10, 2);
    if (x.update.messages.n != 1 ||
        x.update.messages.batch[0].type != RAFT_INSTALL_SNAPSHOT)
        abort();
    raw_snapshot(&x, 10, 10);
    if (guarded && guard_snapshot_moved(8, 10, 0, true))
        raw_result(&x, 3, 8, 7);
    for (int i = 0; i < 100; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 11);
        raw_event(&x, RAFT_TIMEOUT);
        /* Heartbeats are anchored at 10, which it does not have. */
        raw_result(&x, 3, 10, 2);
        for (unsigned k = 0; k < x.update.messages.n; k++)
            again |= x.update.messages.batch[k].type == RAFT_INSTALL_SNAPSHOT;
    }
    return again;
}

static void snapshot_is_stuck(void)
{
    seen_if(!snapshot_moves_on(false));
}

static void snapshot_is_stuck_guarded(void)
{
    seen_if(!snapshot_moves_on(true));
}

static void L20_a_snapshot_that_moved_is_sent_again(void **state)
{
    (void)state;
    assert_true(hazard_shows(snapshot_is_stuck));
    assert_false(hazard_shows(snapshot_is_stuck_guarded));
    assert_true(guard_snapshot_moved(8, 10, 2, true));
    assert_false(guard_snapshot_moved(8, 10, 2, false));
    assert_false(guard_snapshot_moved(10, 10, 2, true));
    assert_false(guard_snapshot_moved(8, 10, 8, true));
    assert_false(guard_snapshot_moved(0, 10, 0, true));
}

static bool pre_vote_granted(bool guarded)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_event e = {.type = RAFT_RECEIVE};
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    x.now += guarded ? x.r.election_timeout : 10 * x.r.election_timeout;
    m.server_id = m.request_vote.candidate_id = 3;
    m.server_address = "3";
    m.request_vote.version = 2;
    m.request_vote.term = 2;
    m.request_vote.last_log_index = 5;
    m.request_vote.last_log_term = 1;
    m.request_vote.pre_vote = true;
    e.receive.message = &m;
    if (guarded)
        guard_forget_leader(&x.r, (instant){x.now});
    raw_step(&x, &e);
    return x.update.messages.batch[0].request_vote_result.vote_granted;
}

static void dead_leader_is_remembered(void)
{
    seen_if(!pre_vote_granted(false));
}

static void dead_leader_is_remembered_guarded(void)
{
    seen_if(!pre_vote_granted(true));
}

static void L21_a_silent_leader_is_forgotten(void **state)
{
    struct raft r = {.state = RAFT_FOLLOWER, .election_timeout = 500};

    (void)state;
    assert_true(hazard_shows(dead_leader_is_remembered));
    assert_false(hazard_shows(dead_leader_is_remembered_guarded));
    r.election_timer_start = 1000;
    r.follower_state.current_leader.id = 1;
    guard_forget_leader(&r, (instant){1499});
    assert_int_equal(r.follower_state.current_leader.id, 1);
    guard_forget_leader(&r, (instant){1500});
    assert_int_equal(r.follower_state.current_leader.id, 0);
}

static void old_append_from_the_beginning(void)
{
    struct raw x;

    raw_start(&x, 2, 1, 10, 1, 3, voters);
    raw_append(&x, 1, 1, 10, 1, 10, NULL, 0);
    raw_snapshot(&x, 8, 0);
    /* Entries 2 and 3 come a second time, late, with 1: */
    raw_append(&x, 1, 1, 0, 0, 3, raw_entries(3, 1, NULL), 3);
    seen_if(raft_last_index(&x.r) != 10);
}

static void L23_an_old_append_begins_at_our_snapshot(void **state)
{
    struct message *m = append_of(3, 0, 1);
    unsigned skip;

    (void)state;
    assert_true(hazard_shows(old_append_from_the_beginning));
    assert_true(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 3);
    m->append.prev_index = 7;
    assert_true(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 1);
    m->append.prev_index = 8;
    assert_false(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 0);
    /* Entries are kept below the snapshot: those can be compared. */
    m->append.prev_index = 6;
    assert_false(guard_anchor(m, 5, 8, &skip));
    m->append.prev_index = 0;
    assert_false(guard_anchor(m, 1, 8, &skip));
    message_free(m);
}

/* A new follower answers everything and gets nothing, for ever. */
static void snapshot_at_one(void)
{
    bool helped = false;
    struct raw x;

    raw_start(&x, 1, 1, 1, 1, 3, voters);
    raw_append(&x, 2, 1, 1, 1, 1, NULL, 0);
    raw_elect(&x);
    raw_snapshot(&x, 1, 0);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    for (int i = 0; i < 100; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 1);
        raw_result(&x, 3, i ? 0 : 1, 0);
        raw_event(&x, RAFT_TIMEOUT);
        for (unsigned k = 0; k < x.update.messages.n; k++) {
            const struct raft_message *m = &x.update.messages.batch[k];
            helped |= m->server_id == 3 && (m->type == RAFT_INSTALL_SNAPSHOT ||
                                            m->append_entries.n_entries > 0);
        }
    }
    seen_if(!helped);
}

static void L24_no_snapshot_at_the_first_entry(void **state)
{
    (void)state;
    assert_true(hazard_shows(snapshot_at_one));
    assert_false(guard_may_truncate(false, false, 1, 0, 5));
    assert_true(guard_may_truncate(false, false, 2, 0, 5));
}

/* Only the line of versions that all of this was tried with. */
/* Replica 1 has a longer log in term 1, replica 2 is in term 4. Is 1 still in
 * term 1 after it was refused? */
static bool candidate_stays_behind(bool guarded)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_event e = {.type = RAFT_RECEIVE};
    const struct raft_request_vote_result *out;
    struct raw x, y;
    raft_term term;

    raw_start(&x, 1, 1, 9, 1, 3, voters);
    raw_start(&y, 2, 4, 5, 1, 3, voters);
    raft_set_pre_vote(&x.r, true);
    x.now = raft_timeout(&x.r);
    raw_event(&x, RAFT_TIMEOUT);
    m.request_vote = x.update.messages.batch[0].request_vote;
    m.server_id = m.request_vote.candidate_id = 1;
    m.server_address = "1";
    e.receive.message = &m;
    raw_step(&y, &e);
    out = &y.update.messages.batch[0].request_vote_result;
    if (out->vote_granted)
        abort();
    term = out->term;
    if (guarded)
        term = guard_refusal_term(true, false, term, y.r.current_term);
    m = (struct raft_message){.type = RAFT_REQUEST_VOTE_RESULT,
                              .server_id = 2, .server_address = "2"};
    m.request_vote_result = *out;
    m.request_vote_result.term = term;
    raw_step(&x, &e);
    return x.r.current_term < 4;
}

static void refused_without_a_reason(void)
{
    seen_if(candidate_stays_behind(false));
}

static void refused_with_a_reason(void)
{
    seen_if(candidate_stays_behind(true));
}

/* Two of three are left, one has the entries, the other the higher term: found
 * by the simulator. */
static void L25_who_is_refused_hears_the_term(void **state)
{
    (void)state;
    assert_true(hazard_shows(refused_without_a_reason));
    assert_false(hazard_shows(refused_with_a_reason));
    assert_int_equal(guard_refusal_term(true, false, 3, 5), 5);
    assert_int_equal(guard_refusal_term(true, false, 6, 5), 6);
    assert_int_equal(guard_refusal_term(true, true, 3, 5), 3);
    assert_int_equal(guard_refusal_term(false, false, 3, 5), 3);
}

/* L3, L17: only what they are for; everything else stays as libraft left it. */
static void states_that_are_no_hazard_are_left_alone(void **state)
{
    struct raft_server self = {.id = 4, .role = RAFT_STANDBY};
    struct raft r = {.id = 4, .state = RAFT_CANDIDATE,
                     .configuration = {.servers = &self, .n = 1}};
    (void)state;

    /* A cluster without pre-vote asks for the vote itself. */
    r.candidate_state.disrupt_leader = true;
    guard_ask_first(&r);
    assert_false(r.candidate_state.in_pre_vote);
    assert_true(r.candidate_state.disrupt_leader);
    r.pre_vote = true;
    guard_ask_first(&r);
    assert_true(r.candidate_state.in_pre_vote);
    assert_false(r.candidate_state.disrupt_leader);
    /* Only a follower is lent a vote. */
    assert_int_equal(guard_vote_anyway(&r), -1);
    r.state = RAFT_LEADER;
    assert_int_equal(guard_vote_anyway(&r), -1);
    r.state = RAFT_FOLLOWER;
    assert_int_equal(guard_vote_anyway(&r), RAFT_STANDBY);
    assert_int_equal(self.role, RAFT_VOTER);
    guard_vote_done(&r, RAFT_STANDBY);
    assert_int_equal(self.role, RAFT_STANDBY);
}

static void the_version_is_pinned(void **state)
{
    (void)state;
    assert_true(guard_version(RAFT_VERSION_NUMBER, 0));
    assert_true(guard_version(2201, 2201));
    assert_true(guard_version(2205, 2205));
    assert_false(guard_version(2201, 1500));
    assert_false(guard_version(2200, 2200));
    assert_false(guard_version(2300, 2300));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(L10_only_what_is_durable_here_is_applied),
        cmocka_unit_test(L11_promotion_is_decided_without_catch_up),
        cmocka_unit_test(L12_leadership_goes_to_who_has_everything),
        cmocka_unit_test(L13_a_change_is_submitted_alone),
        cmocka_unit_test(L14_no_truncation_meanwhile),
        cmocka_unit_test(L16_timers_are_never_in_the_past),
        cmocka_unit_test(L17_elections_stay_possible),
        cmocka_unit_test(L18_results_are_for_candidates),
        cmocka_unit_test(L19_time_stands_still_instead),
        cmocka_unit_test(L20_a_snapshot_that_moved_is_sent_again),
        cmocka_unit_test(L21_a_silent_leader_is_forgotten),
        cmocka_unit_test(L23_an_old_append_begins_at_our_snapshot),
        cmocka_unit_test(L24_no_snapshot_at_the_first_entry),
        cmocka_unit_test(L25_who_is_refused_hears_the_term),
        cmocka_unit_test(states_that_are_no_hazard_are_left_alone),
        cmocka_unit_test(the_version_is_pinned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
