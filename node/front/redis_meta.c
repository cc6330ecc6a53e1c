/* redis_meta.c - COMMAND: what the table says, for clients that route by it. */
#include "node/front/redis.h"

#include <stdio.h>

#include "proto/glob.h"

static void reply_flags(struct redis_client *c, const struct redis_command *w,
                        struct buf *out)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {REDIS_WRITE, "write"},       {REDIS_READONLY, "readonly"},
        {REDIS_DENYOOM, "denyoom"},   {REDIS_ADMIN, "admin"},
        {REDIS_NOSCRIPT, "noscript"}, {REDIS_LOADING, "loading"},
        {REDIS_STALE, "stale"},       {REDIS_FAST, "fast"},
    };
    unsigned n = 0;

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        n += (w->flags & names[i].flag) != 0;
    resp_set(out, c->protocol, n);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (w->flags & names[i].flag)
            resp_simple(out, names[i].name);
}

/* Where the keys are, once more: as the newer clients want it told. */
static void reply_key_specs(struct redis_client *c,
                            const struct redis_command *w, struct buf *out)
{
    unsigned p = c->protocol;

    resp_set(out, p, w->first ? 1 : 0);
    if (!w->first)
        return;
    resp_map(out, p, 3);
    resp_bulk_text(out, "flags");
    resp_set(out, p, 1);
    resp_simple(out, w->flags & REDIS_WRITE ? "RW" : "RO");
    resp_bulk_text(out, "begin_search");
    resp_map(out, p, 2);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, "index");
    resp_bulk_text(out, "spec");
    resp_map(out, p, 1);
    resp_bulk_text(out, "index");
    resp_integer(out, w->first);
    resp_bulk_text(out, "find_keys");
    resp_map(out, p, 2);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, "range");
    resp_bulk_text(out, "spec");
    resp_map(out, p, 3);
    resp_bulk_text(out, "lastkey");
    resp_integer(out, w->last < 0 ? w->last : w->last - w->first);
    resp_bulk_text(out, "keystep");
    resp_integer(out, w->step);
    resp_bulk_text(out, "limit");
    resp_integer(out, 0);
}

static void reply_info(struct redis_client *c, const struct redis_command *w,
                       struct buf *out)
{
    resp_array(out, 10);
    resp_bulk_text(out, w->name);
    resp_integer(out, w->arity);
    reply_flags(c, w, out);
    resp_integer(out, w->first);
    resp_integer(out, w->last);
    resp_integer(out, w->step);
    resp_set(out, c->protocol, 0); /* categories of access lists: none yet */
    resp_set(out, c->protocol, 0); /* hints */
    reply_key_specs(c, w, out);
    resp_array(out, 0); /* subcommands are not listed */
}

static void command_info(struct redis_client *c, const struct redis_args *a,
                         struct buf *out)
{
    const struct redis_command *w;

    if (a->n < 3) {
        resp_array(out, redis_commands_count);
        for (unsigned i = 0; i < redis_commands_count; i++)
            reply_info(c, &redis_commands[i], out);
        return;
    }
    resp_array(out, a->n - 2);
    for (uint32_t i = 2; i < a->n; i++) {
        w = redis_command_find(redis_arg(a, i));
        if (w && !(w->flags & REDIS_ATTACK))
            reply_info(c, w, out);
        else if (c->protocol < 3)
            buf_append(out, "*-1\r\n", 5);
        else
            resp_null(out, 3);
    }
}

static void command_count(struct redis_client *c, const struct redis_args *a,
                          struct buf *out)
{
    (void)c;
    (void)a;
    resp_integer(out, redis_commands_count);
}

static void reply_docs(struct redis_client *c, const struct redis_command *w,
                       struct buf *out)
{
    const char *const pairs[][2] = {{"summary", w->summary},
                                    {"since", w->since},
                                    {"group", w->group},
                                    {"complexity", w->complexity}};

    resp_bulk_text(out, w->name);
    resp_map(out, c->protocol, ARRAY_LEN(pairs));
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        resp_bulk_text(out, pairs[i][0]);
        resp_bulk_text(out, pairs[i][1]);
    }
}

static void command_docs(struct redis_client *c, const struct redis_args *a,
                         struct buf *out)
{
    const struct redis_command *w;
    unsigned n = 0;

    if (a->n < 3) {
        resp_map(out, c->protocol, redis_commands_count);
        for (unsigned i = 0; i < redis_commands_count; i++)
            reply_docs(c, &redis_commands[i], out);
        return;
    }
    for (unsigned write = 0; write < 2; write++) {
        if (write)
            resp_map(out, c->protocol, n);
        for (uint32_t i = 2; i < a->n; i++) {
            w = redis_command_find(redis_arg(a, i));
            if (!w || w->flags & REDIS_ATTACK)
                continue;
            n++;
            if (write)
                reply_docs(c, w, out);
        }
    }
}

static void command_getkeys(struct redis_client *c, const struct redis_args *a,
                            struct buf *out)
{
    const struct redis_command *w = redis_command_find(redis_arg(a, 2));
    int n = (int)a->n - 2, last;

    (void)c;
    if (!w || w->flags & REDIS_ATTACK) {
        redis_error(out, "ERR Invalid command specified");
        return;
    }
    if (!w->first) {
        redis_error(out, "ERR The command has no key arguments");
        return;
    }
    if (!redis_arity_fits(w, (uint32_t)n)) {
        redis_error(out,
                    "ERR Invalid number of arguments specified for command");
        return;
    }
    last = w->last < 0 ? n + w->last : w->last;
    resp_array(out, (size_t)((last - w->first) / w->step + 1));
    for (int i = w->first; i <= last; i += w->step)
        resp_bulk(out, redis_arg(a, (uint32_t)i + 2));
}

/* All, or FILTERBY PATTERN p; the other filters know nothing here. */
static void command_list(struct redis_client *c, const struct redis_args *a,
                         struct buf *out)
{
    bool by_pattern = a->n == 5 && redis_arg_is(a, 2, "FILTERBY") &&
                      redis_arg_is(a, 3, "PATTERN");
    unsigned n = 0;

    if (a->n != 2 && !by_pattern) {
        redis_error(out, "ERR syntax error");
        return;
    }
    for (unsigned write = 0; write < 2; write++) {
        if (write)
            resp_set(out, c->protocol, n);
        for (unsigned i = 0; i < redis_commands_count; i++) {
            const char *name = redis_commands[i].name;
            if (by_pattern && !glob_match(redis_arg(a, 4), slice_str(name)))
                continue;
            n++;
            if (write)
                resp_bulk_text(out, name);
        }
    }
}

void redis_command(struct redis_client *c, const struct redis_args *a,
                   struct buf *out)
{
    static const struct redis_sub subs[] = {
        {"COUNT", "count", 2, command_count},
        {"DOCS", "docs", -2, command_docs},
        {"INFO", "info", -2, command_info},
        {"LIST", "list", -2, command_list},
        {"GETKEYS", "getkeys", -3, command_getkeys},
    };

    if (a->n == 1)
        command_info(c, a, out);
    else
        redis_sub(subs, ARRAY_LEN(subs), "command", c, a, out);
}
