/* mailbox.h - letters from any thread to one thread.
 *
 * Letters are intrusive: whoever posts one gives it away and the receiver owns
 * it; nothing is allocated. The receiver takes all at once, in the order they
 * were posted (per sender; senders interleave). A loop is woken once per batch,
 * not per letter. The receiver is either a uv loop (mailbox_new) or a plain
 * thread that waits (mailbox_new_waiting). */
#ifndef RPC_MAILBOX_H
#define RPC_MAILBOX_H

#include <uv.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"

struct mailbox;

/* The first field, or any field (CONTAINER_OF), of whatever is sent. */
struct letter {
    struct letter *next;
};

/* A chain of letters; all zero is empty. */
struct letters {
    struct letter *first;
    struct letter *last;
    unsigned count;
};

/* Append one / take the first (NULL when empty). No locking. */
void letters_push(struct letters *l, struct letter *letter);
struct letter *letters_pop(struct letters *l);

/* All letters that have come; on the loop's thread, from the loop. The
 * receiver owns them; `*l` is borrowed until return. */
typedef void mailbox_on_letters(struct mailbox *m, struct letters *l,
                                void *user);

/* A mailbox read by `loop`; call on its thread. At most `count_max` letters
 * wait. An open mailbox keeps the loop alive. */
struct mailbox *mailbox_new(uv_loop_t *loop, unsigned count_max,
                            mailbox_on_letters *on_letters, void *user);

/* A mailbox read with mailbox_wait. */
struct mailbox *mailbox_new_waiting(unsigned count_max);

/* Any thread. Gives the letter away; on error it stays the caller's.
 * STATUS_BUSY    count_max letters wait.
 * STATUS_CLOSED  mailbox_close was called. */
MUST_CHECK enum status mailbox_post(struct mailbox *m, struct letter *letter);

/* The same for a chain, with one lock and one wake-up: all or none. `*l` is
 * empty afterwards. */
MUST_CHECK enum status mailbox_post_all(struct mailbox *m, struct letters *l);

/* For the thread of a waiting mailbox: wait for letters and take all.
 * STATUS_CLOSED  closed, and none is left; `*l` is empty. */
MUST_CHECK enum status mailbox_wait(struct mailbox *m, struct letters *l);

/* Take what is there, maybe nothing, without waiting. Receiver's thread only;
 * for the rest when closing. */
void mailbox_take(struct mailbox *m, struct letters *l);

/* Any thread: refuse letters from now on. A waiting receiver still gets those
 * that are there. */
void mailbox_close(struct mailbox *m);

/* Receiver's thread, when no other uses it any more and nothing is left in it
 * (mailbox_take first): close and free. A loop's mailbox goes when the loop
 * runs on. NULL is legal. */
void mailbox_free(struct mailbox *m);

#endif
