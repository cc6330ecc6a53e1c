/* turns.h - when a loop has its turn: behind every poll, so at once when there
 * was anything to read, and at a time that was set.
 *
 * libuv lets timers fire before it polls. After a loop was held up, what came
 * meanwhile lies unread in the sockets; a leader that looked at the clock first
 * would step down, its followers' answers unread (hazard L22). So a timer that
 * fires only keeps the poll from waiting, and the turn follows the poll.
 *
 * Of the loop's thread. The turns live as long as the loop. */
#ifndef NODE_SHELL_TURNS_H
#define NODE_SHELL_TURNS_H

#include <stdint.h>
#include <uv.h>

struct turns {
    uv_check_t check;
    uv_timer_t timer;
    uv_idle_t idle;
    void (*run)(void *arg);
    void *arg;
};

/* From now on `run` is called with `arg` behind every poll. */
void turns_init(struct turns *t, uv_loop_t *uv, void (*run)(void *arg),
                void *arg);
/* The next turn comes in `ms` at the latest, instead of what was set before. */
void turns_within(struct turns *t, uint64_t ms);
/* No turn but for what there is to read. */
void turns_unset(struct turns *t);

#endif
