/* machine_remember.c - REMEMBER: for a while changes are listed with what was
 * before, for watches that ask (proto/watch.h, PREVIOUS). See machine_state.h.
 *
 * Its record: u8 format | 7 x 0 | u64 until, on the group clock. */
#include "node/core/machine_state.h"

enum { RECORD_FORMAT = 1, RECORD_BYTES = 16 };

enum status machine_remember_known(const struct operation *o)
{
    return o->argument && o->argument <= REMEMBER_MAX_MS
               ? STATUS_OK
               : STATUS_WRONG_VERSION;
}

void machine_remember(struct doing *d, const struct operation *o)
{
    uint64_t until = d->s->clock_ms + o->argument;
    uint8_t *at;

    if (until <= d->m->remember_until)
        return;
    d->m->remember_until = until;
    at = write_set_put_reserve(&d->s->set, layout_single_key(LAYOUT_REMEMBER),
                               RECORD_BYTES);
    memset(at, 0, 8);
    at[0] = RECORD_FORMAT;
    put_u64(at + 8, until);
}

enum status machine_remember_load(struct machine *m, struct slice value)
{
    if (!value.size)
        return STATUS_CORRUPT;
    if (value.data[0] != RECORD_FORMAT)
        return STATUS_WRONG_VERSION;
    if (value.size != RECORD_BYTES)
        return STATUS_CORRUPT;
    m->remember_until = get_u64(value.data + 8);
    return STATUS_OK;
}

void machine_remember_need(struct machine_step *s, struct slice key)
{
    if (s->needs_previous)
        view_wish(&s->view, key,
                  LAYOUT_VALUE_HEADER_BYTES + WATCH_PREVIOUS_BYTES_MAX);
}
