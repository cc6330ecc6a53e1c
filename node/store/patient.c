/* patient.c - see patient.h. The C library knows nothing of slices yet: the
 * system calls are made here. */
#include "node/store/patient.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS UINT64_C(100000000) /* the longest there is */

/* False: the thread does not have `policy`, or the kernel refuses. */
static bool change(uint32_t policy, uint32_t to, uint64_t slice_ns)
{
    struct sched_attr a;

    memset(&a, 0, sizeof a);
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) ||
        a.sched_policy != policy)
        return false;
    a.sched_policy = to;
    a.sched_runtime = slice_ns; /* 0: the kernel's default */
    return !syscall(SYS_sched_setattr, 0, &a, 0);
}

bool patient_begin(void)
{
    return change(SCHED_NORMAL, SCHED_BATCH, SLICE_NS);
}

void patient_end(void)
{
    (void)change(SCHED_BATCH, SCHED_NORMAL, 0);
}
