/* store_pool.h - the threads that carry flushes out; for node/store only.
 *
 * A few threads of the env, made when the first flush begins. A store stands
 * in the queue at most once. Everything here is guarded by env->mutex. */
#ifndef NODE_STORE_STORE_POOL_H
#define NODE_STORE_STORE_POOL_H

#include <pthread.h>
#include <stdbool.h>

struct store;
struct store_env;

enum { STORE_POOL_THREADS_MAX = 4 };

struct store_pool {
    pthread_t threads[STORE_POOL_THREADS_MAX];
    unsigned thread_count;
    bool stopping;
    pthread_cond_t work;  /* something was queued, or stopping */
    pthread_cond_t ended; /* a job has ended */
    struct store *first, **last;
};

/* A store's place in the queue. */
struct store_job {
    struct store *next;
    bool queued;
    unsigned running; /* jobs; the next may begin as the last one returns */
};

void store_pool_init(struct store_env *env);

/* Ends the threads; nothing is queued any more. */
void store_pool_release(struct store_env *env);

/* Have store_flush_run called for `s`. It must not be queued. */
void store_pool_add(struct store_env *env, struct store *s);

/* Take `s` out of the queue, or WAIT until its job has ended. */
void store_pool_cancel(struct store_env *env, struct store *s);

#endif
