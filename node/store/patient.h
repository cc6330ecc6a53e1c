/* patient.h - threads whose work may wait a moment for others.
 *
 * Flushes, compactions and walks through an index use a processor for many
 * milliseconds without a pause, beside loops that have to answer within one. A
 * loop that wakes up while all processors are busy waits until somebody's slice
 * is over, or for the next tick: 4 ms and more. A patient thread asks the
 * kernel for long slices and to be treated as a batch job (SCHED_BATCH), so
 * that whoever wakes up goes first. Its share of the processor stays the same:
 * unlike with a lower priority nothing starves when all are busy, and no
 * privilege is needed to become as before.
 *
 * Long slices mean something from Linux 6.12 on. It is a wish: a kernel that
 * does not grant it, or a thread that somebody has given another policy, is
 * left as it is. What a patient thread starts is patient, too. */
#ifndef NODE_STORE_PATIENT_H
#define NODE_STORE_PATIENT_H

#include <stdbool.h>

/* Make the calling thread patient. False: it is as it was. */
bool patient_begin(void);

/* Make it as it was before a patient_begin() that gave true. */
void patient_end(void);

#endif
