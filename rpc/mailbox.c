/* mailbox.c - see mailbox.h. */
#include "rpc/mailbox.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

struct mailbox {
    uv_mutex_t lock; /* guards the next three */
    struct letters letters;
    bool closed;
    uv_cond_t came; /* when waiting */

    unsigned count_max;
    bool waiting;
    uv_async_t async; /* when not waiting */
    mailbox_on_letters *on_letters;
    void *user;
};

void letters_push(struct letters *l, struct letter *letter)
{
    letter->next = NULL;
    if (l->last)
        l->last->next = letter;
    else
        l->first = letter;
    l->last = letter;
    l->count++;
}

struct letter *letters_pop(struct letters *l)
{
    struct letter *letter = l->first;

    if (!letter)
        return NULL;
    l->first = letter->next;
    if (!l->first)
        l->last = NULL;
    l->count--;
    letter->next = NULL;
    return letter;
}

/* Append all of `more`, which is empty afterwards. */
static void letters_join(struct letters *l, struct letters *more)
{
    if (!more->first)
        return;
    if (l->last)
        l->last->next = more->first;
    else
        l->first = more->first;
    l->last = more->last;
    l->count += more->count;
    *more = (struct letters){0};
}

void mailbox_take(struct mailbox *m, struct letters *l)
{
    uv_mutex_lock(&m->lock);
    *l = m->letters;
    m->letters = (struct letters){0};
    uv_mutex_unlock(&m->lock);
}

static void on_async(uv_async_t *async)
{
    struct mailbox *m = async->data;
    struct letters l;

    mailbox_take(m, &l);
    if (l.count)
        m->on_letters(m, &l, m->user);
}

static struct mailbox *new_common(unsigned count_max)
{
    struct mailbox *m = xcalloc(1, sizeof *m);

    assert(count_max > 0);
    m->count_max = count_max;
    if (uv_mutex_init(&m->lock) || uv_cond_init(&m->came))
        abort(); /* without memory only */
    return m;
}

struct mailbox *mailbox_new(uv_loop_t *loop, unsigned count_max,
                            mailbox_on_letters *on_letters, void *user)
{
    struct mailbox *m = new_common(count_max);

    m->on_letters = on_letters;
    m->user = user;
    if (uv_async_init(loop, &m->async, on_async))
        abort(); /* no descriptor at the start of a thread: nothing works */
    m->async.data = m;
    return m;
}

struct mailbox *mailbox_new_waiting(unsigned count_max)
{
    struct mailbox *m = new_common(count_max);

    m->waiting = true;
    return m;
}

enum status mailbox_post_all(struct mailbox *m, struct letters *l)
{
    enum status s = STATUS_OK;
    bool was_empty;

    if (!l->count)
        return STATUS_OK;
    uv_mutex_lock(&m->lock);
    was_empty = m->letters.count == 0;
    if (m->closed)
        s = STATUS_CLOSED;
    else if (l->count > m->count_max - m->letters.count)
        s = STATUS_BUSY;
    else
        letters_join(&m->letters, l);
    /* Whoever finds it empty wakes the receiver; the others know that a
     * wake-up is on its way. Inside the lock, as the receiver may free the
     * mailbox once it has seen the last letter. */
    if (s == STATUS_OK && was_empty) {
        if (m->waiting)
            uv_cond_signal(&m->came);
        else
            uv_async_send(&m->async);
    }
    uv_mutex_unlock(&m->lock);
    return s;
}

enum status mailbox_post(struct mailbox *m, struct letter *letter)
{
    struct letters one = {0};

    letters_push(&one, letter);
    return mailbox_post_all(m, &one);
}

enum status mailbox_wait(struct mailbox *m, struct letters *l)
{
    assert(m->waiting);
    uv_mutex_lock(&m->lock);
    while (!m->letters.count && !m->closed)
        uv_cond_wait(&m->came, &m->lock);
    *l = m->letters;
    m->letters = (struct letters){0};
    uv_mutex_unlock(&m->lock);
    return l->count ? STATUS_OK : STATUS_CLOSED;
}

void mailbox_close(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    m->closed = true;
    if (m->waiting)
        uv_cond_signal(&m->came);
    uv_mutex_unlock(&m->lock);
}

static void release(struct mailbox *m)
{
    uv_cond_destroy(&m->came);
    uv_mutex_destroy(&m->lock);
    free(m);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void mailbox_free(struct mailbox *m)
{
    if (!m)
        return;
    assert(!m->letters.count);
    if (m->waiting)
        release(m);
    else
        uv_close((uv_handle_t *)&m->async, on_closed);
}
