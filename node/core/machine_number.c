/* machine_number.c - INCR and INCR_FLOAT.
 *
 * An integer is what a counter's own text looks like: an optional minus, no
 * leading zeroes, within 64 bits. A float is decimal digits with an optional
 * sign, point and exponent. The text of a result is the shortest that reads
 * back as the same number; equal on all replicas, since strtod() and snprintf()
 * round exactly. Both ask the process' locale for the decimal point: the daemon
 * never sets one, machine_number_locale() asserts it. */
#include "node/core/machine_state.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- integers ---- */

static bool parse_integer(struct slice text, int64_t *out)
{
    const uint8_t *at = text.data, *end = at + text.size;
    bool minus = text.size && *at == '-';
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + minus;

    at += minus;
    if (at == end || end - at > 19 || (*at == '0' && (end - at > 1 || minus)))
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        v = v * 10 + (uint64_t)(*at - '0'); /* 19 digits fit into 64 bits */
    }
    if (v > limit)
        return false;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* ---- floats ---- */

static const char *digits(const char *at)
{
    while (*at >= '0' && *at <= '9')
        at++;
    return at;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before the exponent. */
static bool looks_decimal(const char *at)
{
    const char *from, *to;
    size_t n;

    at += *at == '+' || *at == '-';
    from = at;
    to = digits(at);
    n = (size_t)(to - from);
    if (*to == '.') {
        from = to + 1;
        to = digits(from);
        n += (size_t)(to - from);
    }
    if (!n)
        return false;
    if (*to == 'e' || *to == 'E') {
        from = to + 1;
        from += *from == '+' || *from == '-';
        to = digits(from);
        if (to == from)
            return false;
    }
    return !*to;
}

static bool parse_float(struct slice text, double *out)
{
    char copy[NUMBER_TEXT_MAX + 1];

    if (!text.size || text.size > NUMBER_TEXT_MAX)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (strlen(copy) != text.size || !looks_decimal(copy))
        return false;
    *out = strtod(copy, NULL);
    return isfinite(*out);
}

/* The fewest digits that read back as `v`: d.ddde[+-]xx. */
static void shortest(double v, char *text, size_t size)
{
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, size, "%.*e", precision, v);
        if (precision == 16 || strtod(text, NULL) == v)
            return;
    }
}

/* As people write it: without an exponent from 1e-7 up to 1e21. */
static unsigned print_float(double v, char *out, size_t size)
{
    char text[40], all[20];
    unsigned n = 0;
    int exponent, length;
    const char *sign = v < 0 ? "-" : "";

    if (v == 0)
        return (unsigned)snprintf(out, size, "0"); /* -0 too */
    shortest(fabs(v), text, sizeof text);
    for (const char *at = text; *at != 'e'; at++)
        if (*at != '.')
            all[n++] = *at;
    exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    while (n > 1 && all[n - 1] == '0')
        n--;
    all[n] = 0;
    if (exponent < -7 || exponent >= 21)
        length = snprintf(out, size, "%s%c%s%se%+d", sign, all[0],
                          n > 1 ? "." : "", all + 1, exponent);
    else if (exponent < 0)
        length = snprintf(out, size, "%s0.%.*s%s", sign, -exponent - 1,
                          "0000000", all);
    else if ((int)n > exponent + 1)
        length = snprintf(out, size, "%s%.*s.%s", sign, exponent + 1, all,
                          all + exponent + 1);
    else
        length = snprintf(out, size, "%s%s%.*s", sign, all,
                          exponent + 1 - (int)n, "000000000000000000000");
    assert(length > 0 && (size_t)length < size);
    return (unsigned)length;
}

void machine_number_locale(void)
{
    char text[8];

    snprintf(text, sizeof text, "%.1f", 0.5);
    assert(!strcmp(text, "0.5"));
}

/* ---- the operations ---- */

/* Is the whole text there that the number would be? A longer one is none. */
static bool readable(const struct current *c, struct result *r)
{
    if (c->size > NUMBER_TEXT_MAX) {
        r->status = STATUS_NOT_A_NUMBER;
        return false;
    }
    if (c->v.bytes.size < c->size) { /* cut off */
        r->status = STATUS_BUSY;
        return false;
    }
    return true;
}

static void store_text(struct doing *d, const struct operation *o,
                       const struct current *c, const char *text,
                       unsigned size, struct result *r)
{
    uint8_t *at = machine_store(d, o, c, size, r);

    if (r->status != STATUS_OK)
        return;
    if (at)
        memcpy(at, text, size);
    r->value = (struct piece){.where = PIECE_OUT, .size = size,
                              .offset = d->s->out.size};
    buf_append(&d->s->out, text, size);
}

void machine_incr(struct doing *d, const struct operation *o,
                  struct result *r)
{
    struct current c;
    int64_t number = 0;
    char text[24];

    if (!machine_begin(d, o, &c, r) || (c.present && !readable(&c, r)))
        return;
    if (c.present && !parse_integer(c.v.bytes, &number)) {
        r->status = STATUS_NOT_A_NUMBER;
        return;
    }
    if (__builtin_add_overflow(number, (int64_t)o->argument, &number)) {
        r->status = STATUS_OVERFLOW;
        return;
    }
    store_text(d, o, &c, text,
               (unsigned)snprintf(text, sizeof text, "%lld",
                                  (long long)number),
               r);
}

void machine_incr_float(struct doing *d, const struct operation *o,
                        struct result *r)
{
    struct current c;
    double number = 0, delta;
    char text[NUMBER_TEXT_MAX];

    if (!machine_begin(d, o, &c, r) || (c.present && !readable(&c, r)))
        return;
    memcpy(&delta, &o->argument, sizeof delta);
    if (c.present && !parse_float(c.v.bytes, &number)) {
        r->status = STATUS_NOT_A_NUMBER;
        return;
    }
    number += delta;
    if (!isfinite(number)) {
        r->status = STATUS_OVERFLOW;
        return;
    }
    store_text(d, o, &c, text, print_float(number, text, sizeof text), r);
}
