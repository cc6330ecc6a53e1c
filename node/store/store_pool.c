/* store_pool.c - see store_pool.h. */
#include "node/store/store_pool.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "node/store/patient.h"
#include "node/store/store_private.h"
#include "proto/base/log.h"

void store_pool_init(struct store_env *e)
{
    pthread_cond_init(&e->pool.work, NULL);
    pthread_cond_init(&e->pool.ended, NULL);
    e->pool.last = &e->pool.first;
}

static void *thread_main(void *arg)
{
    struct store_env *e = arg;
    struct store_pool *p = &e->pool;

    (void)patient_begin();
    pthread_mutex_lock(&e->mutex);
    for (;;) {
        struct store *s = p->first;
        if (!s) {
            if (p->stopping)
                break;
            pthread_cond_wait(&p->work, &e->mutex);
            continue;
        }
        p->first = s->job.next;
        if (!p->first)
            p->last = &p->first;
        s->job.queued = false;
        s->job.running++;
        pthread_mutex_unlock(&e->mutex);
        store_flush_run(s);
        pthread_mutex_lock(&e->mutex);
        /* From here on the store may be closed and gone. */
        s->job.running--;
        pthread_cond_broadcast(&p->ended);
    }
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

/* One more thread, which takes no signals: they are the loops'. */
static void thread_add(struct store_env *e)
{
    struct store_pool *p = &e->pool;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&p->threads[p->thread_count], NULL, thread_main, e)) {
        log_error("store_thread", "cannot make a thread");
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    p->thread_count++;
}

void store_pool_add(struct store_env *e, struct store *s)
{
    struct store_pool *p = &e->pool;
    unsigned most = MIN_OF(e->options.flush_threads,
                           (unsigned)STORE_POOL_THREADS_MAX);

    pthread_mutex_lock(&e->mutex);
    assert(!s->job.queued);
    s->job.next = NULL;
    s->job.queued = true;
    *p->last = s;
    p->last = &s->job.next;
    if (p->thread_count < most)
        thread_add(e);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&e->mutex);
}

void store_pool_cancel(struct store_env *e, struct store *s)
{
    struct store_pool *p = &e->pool;

    pthread_mutex_lock(&e->mutex);
    if (s->job.queued) {
        struct store **at = &p->first;
        while (*at != s)
            at = &(*at)->job.next;
        *at = s->job.next;
        if (!*at)
            p->last = at;
        s->job.queued = false;
    }
    while (s->job.running)
        pthread_cond_wait(&p->ended, &e->mutex);
    pthread_mutex_unlock(&e->mutex);
}

void store_pool_release(struct store_env *e)
{
    struct store_pool *p = &e->pool;

    pthread_mutex_lock(&e->mutex);
    p->stopping = true;
    assert(!p->first);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&e->mutex);
    for (unsigned i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ended);
}
