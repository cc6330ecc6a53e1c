/* progress.c - see progress.h. */
#include "client/cli/progress.h"

#include <inttypes.h>
#include <time.h>

enum { BAR = 30 };

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, FILE *out, bool shown,
                    const char *what)
{
    *p = (struct progress){out, shown, what, now_ms(), 0};
}

static double per_second(const struct progress *p, uint64_t count,
                         uint64_t now)
{
    return (double)count * 1000 / (double)(now > p->began ? now - p->began : 1);
}

void progress_at(struct progress *p, uint64_t count, uint64_t part,
                 uint64_t whole)
{
    uint64_t now = now_ms();

    if (!p->shown || now - p->last < PROGRESS_EVERY_MS)
        return;
    p->last = now;
    fputc('\r', p->out);
    if (whole) {
        unsigned full = (unsigned)(part * BAR / whole);
        fputc('[', p->out);
        for (unsigned i = 0; i < BAR; i++)
            fputc(i < full ? '#' : ' ', p->out);
        fprintf(p->out, "] %3u%% ", (unsigned)(part * 100 / whole));
    }
    fprintf(p->out, "%" PRIu64 " %s, %.0f/s   ", count, p->what,
            per_second(p, count, now));
    fflush(p->out);
}

void progress_end(struct progress *p, uint64_t count)
{
    uint64_t now = now_ms();

    if (p->shown && p->last)
        fprintf(p->out, "\r%*s\r", BAR + 50, "");
    fprintf(p->out, "%" PRIu64 " %s in %.1f s: %.0f per second\n", count,
            p->what, (double)(now - p->began) / 1000,
            per_second(p, count, now));
}
