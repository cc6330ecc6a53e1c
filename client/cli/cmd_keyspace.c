/* cmd_keyspace.c - the command keyspace: create, alter, drop and list. */
#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"
#include "proto/codec.h"

enum { KEY_KEYS = 300, KEY_BYTES, KEY_TTL };

struct keyspace_args {
    const char *verb, *name;
    struct coat_keyspace settings;
};

static const struct argp_option options[] = {
    {"keys-max", KEY_KEYS, "N", 0, "At most so many keys (0: no limit)", 0},
    {"bytes-max", KEY_BYTES, "SIZE", 0,
     "At most so many bytes of keys and values, as 1500000, 64K, 20M, 3G (0: "
     "no limit)", 0},
    {"default-ttl", KEY_TTL, "TIME", 0,
     "For sets that give none: 1500, 90s, 30m, 12h, 7d (0: none)", 0},
    {0},
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct keyspace_args *a = state->input;
    struct coat_keyspace *k = &a->settings;
    bool list;

    switch (key) {
    case KEY_KEYS:
        k->set |= COAT_KEYSPACE_KEYS;
        if (!parse_u64(arg, &k->keys_max))
            argp_error(state, "--keys-max is a number, not '%s'", arg);
        return 0;
    case KEY_BYTES:
        k->set |= COAT_KEYSPACE_BYTES;
        if (!parse_size(arg, &k->bytes_max))
            argp_error(state, "--bytes-max is a size such as 20M, not '%s'",
                       arg);
        return 0;
    case KEY_TTL:
        k->set |= COAT_KEYSPACE_TTL;
        if (strcmp(arg, "0") != 0 && !parse_duration(arg, &k->default_ttl))
            argp_error(state, "--default-ttl is a time such as 30m, not '%s'",
                       arg);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "one keyspace, please");
        *(state->arg_num ? &a->name : &a->verb) = arg;
        return 0;
    case ARGP_KEY_END:
        if (!a->verb)
            argp_error(state, "create, alter, drop or list?");
        list = !strcmp(a->verb, "list");
        if (!list && strcmp(a->verb, "create") != 0 &&
            strcmp(a->verb, "alter") != 0 && strcmp(a->verb, "drop") != 0)
            argp_error(state, "create, alter, drop or list, not '%s'",
                       a->verb);
        if (list == (a->name != NULL))
            argp_error(state, list ? "list takes no name" : "which keyspace?");
        if (a->name && keyspace_check(slice_str(a->name)))
            argp_error(state, "a keyspace is named by 1 to 64 of A-Z a-z 0-9 "
                              ". _ -, not '%.100s'", a->name);
        if (k->set && (list || !strcmp(a->verb, "drop")))
            argp_error(state, "%s takes no settings", a->verb);
        if (!k->set && !strcmp(a->verb, "alter"))
            argp_error(state, "alter what?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, take, "create|alter|drop NAME\nlist",
    "Keyspaces are namespaces of keys of their own; every command works in one "
    "with -k NAME. create makes one, alter changes its limits and default ttl, "
    "drop removes it with all its data, list shows all.\v"
    "Only a keyspace that was created with --keys-max or --bytes-max (0 will "
    "do) can be limited later.",
    cli_common, NULL, NULL};

/* What the cluster means when it calls a change invalid. */
static const char *meaning(const struct keyspace_args *a)
{
    if (!strcmp(a->verb, "drop"))
        return "this keyspace stays";
    return "its keys were never counted: only a keyspace that was created "
           "with --keys-max or --bytes-max (0 will do) can be limited";
}

static int change(struct keys *k, const struct keyspace_args *a)
{
    struct coat_client *c = coat_session_client(k->session);
    enum coat_status rv;
    char what[128];

    if (!strcmp(a->verb, "create"))
        rv = coat_keyspace_create(c, a->name, &a->settings, NULL,
                                  coat_session_reply, k->session);
    else if (!strcmp(a->verb, "alter"))
        rv = coat_keyspace_alter(c, a->name, &a->settings, NULL,
                                 coat_session_reply, k->session);
    else
        rv = coat_keyspace_drop(c, a->name, NULL, coat_session_reply,
                                k->session);
    rv = keys_wait(k, rv, NULL);
    snprintf(what, sizeof what, "keyspace %s %.100s", a->verb, a->name);
    if (rv)
        return cli_fail(k->cli, what, rv,
                        rv == COAT_INVALID ? meaning(a)
                                           : coat_session_detail(k->session));
    if (k->cli->output == OUTPUT_JSON) {
        json_t *j = json_object();
        json_object_set_new(j, "keyspace", json_string(a->name));
        json_object_set_new(j, "status", json_string("OK"));
        json_print(j, k->cli->out);
    } else if (k->cli->output == OUTPUT_TABLE) {
        fprintf(k->cli->out, "ok\n");
    }
    return EXIT_DONE;
}

/* ---- list ---- */

struct listing {
    struct report report;
    json_t *json;
};

static void list_one(const char *name, const struct coat_keyspace *k,
                     void *user)
{
    struct listing *l = user;
    json_t *j = json_object();
    char keys[24] = "", bytes[24] = "", ttl[32] = "";

    if (k->keys_max)
        snprintf(keys, sizeof keys, "%" PRIu64, k->keys_max);
    if (k->bytes_max)
        size_format(k->bytes_max, bytes);
    if (k->default_ttl)
        duration_format(k->default_ttl, ttl);
    report_row(&l->report, (const char *const[]){
                               name, keys, bytes, ttl,
                               k->dropping ? "being removed" : ""});
    json_object_set_new(j, "name", json_string(name));
    json_object_set_new(j, "id", json_integer(k->id));
    json_object_set_new(j, "keys_max", json_u64(k->keys_max));
    json_object_set_new(j, "bytes_max", json_u64(k->bytes_max));
    json_object_set_new(j, "default_ttl_ms", json_u64(k->default_ttl));
    json_object_set_new(j, "dropping", json_boolean(k->dropping));
    json_array_append_new(l->json, j);
}

static int list(struct keys *k)
{
    static const struct report_column columns[] = {{"KEYSPACE", false},
                                                   {"KEYS MAX", true},
                                                   {"BYTES MAX", true},
                                                   {"DEFAULT TTL", true},
                                                   {"", false}};
    struct listing l = {.json = json_array()};
    enum coat_status rv;
    int code = EXIT_DONE;

    report_init(&l.report, columns, ARRAY_LEN(columns));
    rv = coat_keyspaces_wait(k->session, list_one, &l);
    if (rv)
        code = cli_fail(k->cli, "keyspace list", rv,
                        coat_session_detail(k->session));
    else if (k->cli->output == OUTPUT_JSON)
        json_print(json_incref(l.json), k->cli->out);
    else
        report_print(&l.report, k->cli->out);
    report_release(&l.report);
    json_decref(l.json);
    return code;
}

int cmd_keyspace(struct cli *cli, int argc, char **argv)
{
    struct keyspace_args a = {0};
    struct keys k;
    int code;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    cli->keyspace = NULL; /* the one of -k need not exist */
    if (!keys_open(&k, cli))
        return EXIT_USAGE;
    code = strcmp(a.verb, "list") ? change(&k, &a) : list(&k);
    keys_close(&k);
    return code;
}
