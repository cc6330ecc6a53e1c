/* test_patient.c - patient threads: what they ask the kernel for, and that they
 * become as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "node/store/patient.h"

/* Would break: workers that stay patient once they were answer late for
 * ever. */
static void a_patient_thread_becomes_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    assert_true(patient_begin());
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    patient_end();
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

/* Would break: what somebody has decided about the whole daemon. */
static void a_policy_that_somebody_chose_is_left(void **state)
{
    struct sched_param p = {0};

    (void)state;
    assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &p), 0);
    assert_false(patient_begin());
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &p), 0);
}

static void *tell_policy(void *arg)
{
    int *policy = arg;

    *policy = sched_getscheduler(0);
    return NULL;
}

/* RocksDB makes its threads by itself: this is how they become patient. */
static void what_a_patient_thread_starts_is_patient(void **state)
{
    int policy = -1;
    pthread_t t;

    (void)state;
    assert_true(patient_begin());
    assert_int_equal(pthread_create(&t, NULL, tell_policy, &policy), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    patient_end();
    assert_int_equal(policy, SCHED_BATCH);
}

/* Would break: a daemon that was started with a lower priority could not go
 * back, as only some may raise it, or its workers would have another one. */
static void the_priority_stays(void **state)
{
    int nice;

    (void)state;
    nice = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(setpriority(PRIO_PROCESS, 0, nice + 1), 0);
    assert_true(patient_begin());
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice + 1);
    patient_end();
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_patient_thread_becomes_as_it_was),
        cmocka_unit_test(a_policy_that_somebody_chose_is_left),
        cmocka_unit_test(what_a_patient_thread_starts_is_patient),
        cmocka_unit_test(the_priority_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
