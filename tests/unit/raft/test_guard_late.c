/* test_guard_late.c - L18, second half: answers of an earlier election. See
 * test_guard.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "raft/guard.h"
#include "raw_raft.h"

static const int voters[] = {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER};

/* The election in term 2 is lost, its third pre-vote comes only now. */
static void late_agreement_counts(void)
{
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raft_set_pre_vote(&x.r, true);
    x.now = raft_timeout(&x.r);
    raw_event(&x, RAFT_TIMEOUT);
    raw_vote_result(&x, 2, 2, true);
    x.now = raft_timeout(&x.r);
    guard_ask_first(&x.r);
    raw_event(&x, RAFT_TIMEOUT);
    if (x.r.current_term != 2)
        return;
    raw_vote_result(&x, 3, 2, true);
    seen_if(x.r.current_term == 3);
}

static void L18_a_late_agreement_is_not_counted(void **state)
{
    struct message *m = message_new(MESSAGE_VOTE_RESULT, 0);
    struct raft r = {.state = RAFT_CANDIDATE, .current_term = 2};

    (void)state;
    assert_true(hazard_shows(late_agreement_counts));
    r.candidate_state.in_pre_vote = true;
    m->term = 2;
    m->vote_result.granted = true;
    assert_false(guard_vote_result(m, &r));
    m->term = 3;
    assert_true(guard_vote_result(m, &r));
    /* In the election itself libraft looks at the term by itself. */
    r.candidate_state.in_pre_vote = false;
    m->term = 2;
    assert_true(guard_vote_result(m, &r));
    message_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(L18_a_late_agreement_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
