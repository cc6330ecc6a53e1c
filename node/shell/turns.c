/* turns.c - see turns.h. */
#include "node/shell/turns.h"

#include "proto/base/planted.h"

static void turn(struct turns *t)
{
    uv_idle_stop(&t->idle);
    t->run(t->arg);
}

static void on_check(uv_check_t *c)
{
    turn(c->data);
}

static void on_idle(uv_idle_t *i)
{
    (void)i;
}

static void on_timer(uv_timer_t *timer)
{
    struct turns *t = timer->data;

    if (PLANTED(L22_TIMER))
        turn(t);
    else
        uv_idle_start(&t->idle, on_idle); /* the poll must not wait now */
}

void turns_init(struct turns *t, uv_loop_t *uv, void (*run)(void *arg),
                void *arg)
{
    t->run = run;
    t->arg = arg;
    uv_check_init(uv, &t->check);
    uv_timer_init(uv, &t->timer);
    uv_idle_init(uv, &t->idle);
    t->check.data = t->timer.data = t->idle.data = t;
    uv_check_start(&t->check, on_check);
}

void turns_within(struct turns *t, uint64_t ms)
{
    uv_update_time(t->timer.loop);
    uv_timer_start(&t->timer, on_timer, ms, 0);
}

void turns_unset(struct turns *t)
{
    uv_timer_stop(&t->timer);
}
