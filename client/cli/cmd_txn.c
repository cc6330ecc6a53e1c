/* cmd_txn.c - the command txn: compare, then, else, over one group's keys. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/keys.h"
#include "client/cli/parse.h"
#include "client/cli/words.h"

struct txn_args {
    char **clauses;
    unsigned n;
};

static error_t take(int key, char *arg UNUSED, struct argp_state *state)
{
    struct txn_args *a = state->input;

    switch (key) {
    case ARGP_KEY_ARGS:
        a->clauses = state->argv + state->next;
        a->n = (unsigned)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which clauses? See --help");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    NULL, take, "CLAUSE...|-",
    "Execute a transaction over keys of one group (keys that share a hash tag, "
    "{cart7}a and {cart7}b, do), atomically: if all conditions hold what comes "
    "behind then, else what comes behind else. Each CLAUSE is one argument, or "
    "with - one line of standard input.\v"
    "Clauses:\n"
    "  if version KEY =|!=|<|> NUMBER\n"
    "  if value KEY =|!=|<|> VALUE\n"
    "  if absent KEY\n"
    "  if present KEY\n"
    "  if fence KEY TOKEN\n"
    "  then|else get KEY\n"
    "  then|else set KEY VALUE [ttl TIME]\n"
    "  then|else del KEY\n"
    "  then|else incr KEY [DELTA]\n"
    "  then|else append KEY VALUE\n"
    "  then|else expire KEY TIME\n"
    "Words with blanks stand in \"...\" or '...'. Those of then come before "
    "those of else. Exits with 0 if then ran, with 1 if else did. "
    "With a fence a lock's TOKEN is presented for KEY: if a newer one was "
    "before, nothing is done and it exits with 4.\n"
    "Example:\n"
    "  coatcheck txn 'if value {a}x = 5' 'then incr {a}x -1' 'then incr {a}y' "
    "'else get {a}x'",
    cli_common, NULL, NULL};

/* ---- building ---- */

struct building {
    struct coat_transaction *t;
    struct words words;
    bool in_else;
    unsigned n;            /* operations so far */
    struct verb {
        char text[8];
        struct buf key;
        bool in_else;
    } verbs[128];          /* what each operation was, to name its result */
};

static struct coat_bytes bytes_at(const struct words *w, unsigned i)
{
    struct slice s = word(w, i);

    return COAT_BYTES(s.data, s.size);
}

static bool relation_of(const struct words *w, unsigned i,
                        enum coat_relation *out)
{
    static const char *const names[] = {"=", "!=", "<", ">"};

    for (unsigned k = 0; k < ARRAY_LEN(names); k++)
        if (word_is(w, i, names[k])) {
            *out = (enum coat_relation)(COAT_EQUAL + k);
            return true;
        }
    return false;
}

static const char *add_fence(struct building *b)
{
    const struct words *w = &b->words;
    uint64_t token;

    if (!parse_u64(word_text(w, 3), &token) || !token)
        return "if fence KEY TOKEN: a token is what `coatcheck lock` printed";
    coat_transaction_if_fence(b->t, bytes_at(w, 2), token);
    return NULL;
}

static const char *add_condition(struct building *b)
{
    const struct words *w = &b->words;
    enum coat_relation relation;
    uint64_t version;

    if (b->n)
        return "conditions come before then and else";
    if (w->n == 3 && word_is(w, 1, "absent")) {
        coat_transaction_if_version(b->t, bytes_at(w, 2), COAT_EQUAL, 0);
        return NULL;
    }
    if (w->n == 3 && word_is(w, 1, "present")) {
        coat_transaction_if_version(b->t, bytes_at(w, 2), COAT_GREATER, 0);
        return NULL;
    }
    if (w->n == 4 && word_is(w, 1, "fence"))
        return add_fence(b);
    if (w->n != 5 || !relation_of(w, 3, &relation))
        return "if version|value KEY =|!=|<|> WHAT, if absent KEY, if present "
               "KEY, or if fence KEY TOKEN";
    if (word_is(w, 1, "value")) {
        coat_transaction_if_value(b->t, bytes_at(w, 2), relation,
                                  bytes_at(w, 4));
        return NULL;
    }
    if (!word_is(w, 1, "version") || !parse_u64(word_text(w, 4), &version))
        return "a version is a number";
    coat_transaction_if_version(b->t, bytes_at(w, 2), relation, version);
    return NULL;
}

static const char *add_set(struct building *b)
{
    const struct words *w = &b->words;
    struct coat_write with = {0};

    if (w->n == 6 && word_is(w, 4, "ttl")) {
        if (!parse_duration(word_text(w, 5), &with.ttl))
            return "a ttl is a time such as 1500 or 90s";
    } else if (w->n != 4) {
        return "set KEY VALUE [ttl TIME]";
    }
    coat_transaction_set(b->t, bytes_at(w, 2), bytes_at(w, 3), &with);
    return NULL;
}

static const char *add_operation(struct building *b)
{
    const struct words *w = &b->words;
    struct coat_write with = {0};
    int64_t delta = 1;

    if (w->n < 3)
        return "then|else get|set|del|incr|append|expire KEY ...";
    if (word_is(w, 1, "set"))
        return add_set(b);
    if (word_is(w, 1, "get") && w->n == 3) {
        coat_transaction_get(b->t, bytes_at(w, 2));
    } else if (word_is(w, 1, "del") && w->n == 3) {
        coat_transaction_delete(b->t, bytes_at(w, 2), NULL);
    } else if (word_is(w, 1, "incr") && w->n <= 4) {
        if (w->n == 4 && !parse_i64(word_text(w, 3), &delta))
            return "incr adds a whole number";
        coat_transaction_incr(b->t, bytes_at(w, 2), delta, NULL);
    } else if (word_is(w, 1, "append") && w->n == 4) {
        coat_transaction_append(b->t, bytes_at(w, 2), bytes_at(w, 3), NULL);
    } else if (word_is(w, 1, "expire") && w->n == 4) {
        if (!parse_duration(word_text(w, 3), &with.ttl))
            return "a time is such as 1500 or 90s";
        coat_transaction_expire(b->t, bytes_at(w, 2), &with);
    } else {
        return "get KEY, set KEY VALUE, del KEY, incr KEY [DELTA], append KEY "
               "VALUE or expire KEY TIME";
    }
    return NULL;
}

static const char *add_clause(struct building *b, struct slice clause)
{
    const char *why = words_split(&b->words, clause);
    struct verb *v;

    if (why || !b->words.n || word_text(&b->words, 0)[0] == '#')
        return why; /* an empty line or a comment */
    if (word_is(&b->words, 0, "if"))
        return add_condition(b);
    if (word_is(&b->words, 0, "else") && !b->in_else) {
        b->in_else = true;
        coat_transaction_else(b->t);
    } else if (!word_is(&b->words, 0, b->in_else ? "else" : "then")) {
        return "a clause begins with if, then or else, in this order";
    }
    why = add_operation(b);
    if (why || b->n >= ARRAY_LEN(b->verbs))
        return why; /* too many: coat_transact says so */
    v = &b->verbs[b->n++];
    snprintf(v->text, sizeof v->text, "%s", word_text(&b->words, 1));
    buf_append(&v->key, word(&b->words, 2).data, word(&b->words, 2).size);
    v->in_else = b->in_else;
    return NULL;
}

static int bad_clause(struct cli *cli, struct slice clause, const char *why)
{
    return cli_error(cli, EXIT_USAGE, "txn: '%.*s': %s",
                     (int)MIN_OF(clause.size, (size_t)100),
                     (const char *)clause.data, why);
}

static int build(struct cli *cli, struct building *b, const struct txn_args *a)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    const char *why = NULL;
    int code = EXIT_DONE;

    if (a->n != 1 || strcmp(a->clauses[0], "-") != 0) {
        for (unsigned i = 0; i < a->n && !code; i++) {
            why = add_clause(b, slice_str(a->clauses[i]));
            if (why)
                code = bad_clause(cli, slice_str(a->clauses[i]), why);
        }
        return code;
    }
    while (!code && (n = getline(&line, &cap, stdin)) >= 0) {
        struct slice clause = slice_of(line, (size_t)n);
        why = add_clause(b, clause);
        if (why)
            code = bad_clause(cli, clause, why);
    }
    free(line);
    return code;
}

/* ---- results ---- */

static void print_results(struct cli *cli, const struct building *b,
                          const struct coat_reply *results, unsigned n,
                          bool first)
{
    json_t *list = json_array(), *j;
    unsigned at = 0;

    for (unsigned i = 0; i < b->n && at < n; i++) {
        const struct coat_reply *r = &results[at];
        struct slice value = slice_of(r->value.data, r->value.size);
        if (b->verbs[i].in_else == first)
            continue;
        at++;
        if (cli->output == OUTPUT_JSON) {
            j = key_object(buf_slice(&b->verbs[i].key), r->status, r->version);
            json_object_set_new(j, "op", json_string(b->verbs[i].text));
            if (r->has_value)
                json_set_bytes(j, "value", value);
            json_array_append_new(list, j);
            continue;
        }
        text_print(cli, buf_slice(&b->verbs[i].key));
        fprintf(cli->out, "\t%s", b->verbs[i].text);
        if (r->status)
            fprintf(cli->out, "\t(%s)", coat_status_text(r->status));
        if (r->has_value) {
            fputc('\t', cli->out);
            text_print(cli, value);
        }
        fputc('\n', cli->out);
    }
    if (cli->output == OUTPUT_JSON) {
        j = json_object();
        json_object_set_new(j, "ran", json_string(first ? "then" : "else"));
        json_object_set(j, "results", list);
        json_print(j, cli->out);
    }
    json_decref(list);
}

static int transact(struct cli *cli, const struct building *b)
{
    static struct coat_reply results[128];
    const struct coat_reply *reply;
    struct keys k;
    enum coat_status rv;
    int first = 0, n, code;

    if (!keys_open(&k, cli))
        return EXIT_USAGE;
    rv = coat_transact(coat_session_client(k.session), b->t, NULL,
                       coat_session_reply, k.session);
    rv = keys_wait(&k, rv, &reply);
    if (rv) {
        code = cli_fail(cli, "txn", rv, coat_session_detail(k.session));
    } else {
        n = coat_transaction_results(reply->value, &first, results,
                                     ARRAY_LEN(results));
        print_results(cli, b, results, n > 0 ? (unsigned)n : 0, first);
        code = first ? EXIT_DONE : EXIT_NOT_FOUND;
    }
    keys_close(&k);
    return code;
}

int cmd_txn(struct cli *cli, int argc, char **argv)
{
    struct txn_args a = {0};
    struct building *b;
    int code;

    if (cli_parse(cli, &argp, argc, argv, &a))
        return EXIT_USAGE;
    b = xcalloc(1, sizeof *b);
    b->t = coat_transaction_new();
    code = build(cli, b, &a);
    if (!code)
        code = transact(cli, b);
    for (unsigned i = 0; i < b->n; i++)
        buf_release(&b->verbs[i].key);
    words_release(&b->words);
    coat_transaction_free(b->t);
    free(b);
    return code;
}
