/* range_options.c - see range_options.h. */
#include "client/cli/range_options.h"

#include <string.h>

#include "proto/glob.h"

enum { KEY_PREFIX = 700, KEY_MATCH, KEY_FROM, KEY_TO, KEY_TAG, KEY_STALE };

static const struct argp_option options[] = {
    {"prefix", KEY_PREFIX, "PREFIX", 0, "Keys that begin so", 0},
    {"match", KEY_MATCH, "PATTERN", 0,
     "Keys that match: * any bytes, ? one, [a-c] [^a] one of, \\x itself", 0},
    {"from", KEY_FROM, "KEY", 0, "This key and those behind it", 0},
    {"to", KEY_TO, "KEY", 0, "Keys before this one", 0},
    {"tag", KEY_TAG, "KEY", 0,
     "Only in the group of this key, as {cart7}: cheaper than the whole "
     "cluster", 0},
    {"stale", KEY_STALE, NULL, 0, "From any replicas; maybe a little old", 0},
    {0},
};

void range_refuse_empty(const struct argp_option *list, const char *all,
                        int key, const char *arg, struct argp_state *state)
{
    for (unsigned i = 0; list[i].name; i++)
        if (list[i].key == key && list[i].arg && !*arg)
            argp_error(state, "--%s is empty (all keys are %s)", list[i].name,
                       all);
}

static void refuse_malformed(const char *pattern, struct argp_state *state)
{
    const char *why = pattern ? glob_check(slice_str(pattern)) : NULL;

    if (why)
        argp_error(state, "'%s': %s", pattern, why);
}

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct range_options *r = state->input;

    range_refuse_empty(options, "--match '*'", key, arg, state);
    switch (key) {
    case KEY_PREFIX:
        r->prefix = arg;
        return 0;
    case KEY_MATCH:
        r->match = arg;
        return 0;
    case KEY_FROM:
        r->from = arg;
        return 0;
    case KEY_TO:
        r->to = arg;
        return 0;
    case KEY_TAG:
        r->tag = arg;
        return 0;
    case KEY_STALE:
        r->stale = true;
        return 0;
    case ARGP_KEY_END:
        refuse_malformed(r->match, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp range_argp = {.options = options, .parser = take};

bool range_given(const struct range_options *r)
{
    return r->prefix || r->match || r->from || r->to;
}

void range_take(struct range_options *r, const char *keys)
{
    if (strpbrk(keys, "*?["))
        r->match = keys;
    else
        r->prefix = keys;
}

static struct coat_bytes bytes_of(const char *text)
{
    return text ? COAT_STR(text) : COAT_BYTES(NULL, 0);
}

struct coat_scan_options range_scan(const struct range_options *r)
{
    struct coat_scan_options o = COAT_SCAN_OPTIONS;

    o.prefix = bytes_of(r->prefix);
    o.pattern = bytes_of(r->match);
    o.begin = bytes_of(r->from);
    o.end = bytes_of(r->to);
    o.tag = bytes_of(r->tag);
    o.consistency = r->stale ? COAT_STALE : COAT_DEFAULT;
    return o;
}
