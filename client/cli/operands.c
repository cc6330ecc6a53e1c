/* operands.c - see operands.h. */
#include "client/cli/operands.h"

#include <stddef.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool operand_is_negative(const char *arg)
{
    return arg[0] == '-' &&
           (is_digit(arg[1]) || (arg[1] == '.' && is_digit(arg[2])));
}

/* How an option is asked for: by its letter, or by its name's first `size`
 * bytes, exactly or as an abbreviation. */
struct wanted {
    int key;
    const char *name; /* NULL: the key is meant */
    size_t size;
    bool exactly;
};

static bool is_wanted(const struct argp_option *o, const struct wanted *w)
{
    if (!w->name)
        return o->key == w->key;
    return o->name && !strncmp(o->name, w->name, w->size) &&
           !(w->exactly && o->name[w->size]);
}

static const struct argp_option *find(const struct argp *argp,
                                      const struct wanted *w)
{
    const struct argp_option *found = NULL, *o = argp->options;
    const struct argp_child *child = argp->children;

    for (; o && (o->name || o->key || o->doc); o++)
        if (is_wanted(o, w))
            return o;
    for (; !found && child && child->argp; child++)
        found = find(child->argp, w);
    return found;
}

static bool takes_one(const struct argp_option *o)
{
    return o && o->arg && !(o->flags & OPTION_ARG_OPTIONAL);
}

static int long_option_span(const struct argp *argp, const char *name)
{
    struct wanted w = {.name = name, .size = strcspn(name, "="),
                       .exactly = true};
    const struct argp_option *o = find(argp, &w);

    w.exactly = false;
    if (!o)
        o = find(argp, &w);
    return !name[w.size] && takes_one(o) ? 2 : 1;
}

/* Of how many arguments the option that begins with `arg` consists; 0: `arg` is
 * an operand. */
static int option_span(const struct argp *argp, const char *arg)
{
    if (arg[0] != '-' || !arg[1] || operand_is_negative(arg))
        return 0;
    if (arg[1] == '-')
        return long_option_span(argp, arg + 2);
    for (arg++; *arg; arg++) {
        struct wanted w = {.key = *arg};
        if (takes_one(find(argp, &w)))
            return arg[1] ? 1 : 2; /* the letters behind it are its own */
    }
    return 1;
}

/* Copy either all options or all operands. */
static int copy(const struct argp *argp, int argc, char **argv, bool options,
                char **out)
{
    bool ended = false; /* by a -- */
    int n = 0;

    for (int i = 1; i < argc;) {
        int span = ended ? 0 : option_span(argp, argv[i]);
        bool mark = !ended && !strcmp(argv[i], "--");
        ended = ended || mark;
        for (int end = i + (span ? span : 1); i < end && i < argc; i++)
            if (!mark && (span > 0) == options)
                out[n++] = argv[i];
    }
    return n;
}

int operands_last(const struct argp *argp, int argc, char **argv, char **out)
{
    static char mark[] = "--";
    int n = 0;

    out[n++] = argv[0];
    n += copy(argp, argc, argv, true, out + n);
    out[n++] = mark;
    n += copy(argp, argc, argv, false, out + n);
    out[n] = NULL;
    return n;
}
