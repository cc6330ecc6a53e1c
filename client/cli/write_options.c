/* write_options.c - see write_options.h. */
#include "client/cli/write_options.h"

#include "client/cli/cli.h"
#include "client/cli/parse.h"

enum {
    KEY_ABSENT = 500,
    KEY_PRESENT,
    KEY_VERSION,
    KEY_VALUE,
    KEY_FENCE,
    KEY_PREVIOUS,
    KEY_TTL,
    KEY_DEADLINE,
};

static const struct argp_option condition_options[] = {
    {"if-absent", KEY_ABSENT, NULL, 0, "Only if there is no such key", 0},
    {"if-present", KEY_PRESENT, NULL, 0, "Only if there is one", 0},
    {"if-version", KEY_VERSION, "VERSION", 0,
     "Only if the key has this version; 0: is absent", 0},
    {"if-value", KEY_VALUE, "VALUE", 0, "Only if this is its value", 0},
    {"if-fence", KEY_FENCE, "TOKEN", 0,
     "Only if no higher fencing token was presented for the key before (see "
     "coatcheck lock)", 0},
    {0},
};

static error_t take_condition(int key, char *arg, struct argp_state *state)
{
    struct coat_write *w = state->input;
    bool absent, present;

    switch (key) {
    case KEY_ABSENT:
        w->flags |= COAT_IF_ABSENT;
        return 0;
    case KEY_PRESENT:
        w->flags |= COAT_IF_PRESENT;
        return 0;
    case KEY_VERSION:
        w->flags |= COAT_IF_VERSION;
        if (!parse_u64(arg, &w->if_version))
            argp_error(state, "--if-version is a number, not '%s'", arg);
        return 0;
    case KEY_VALUE:
        w->flags |= COAT_IF_VALUE;
        w->if_value = COAT_STR(arg);
        return 0;
    case KEY_FENCE:
        w->flags |= COAT_IF_FENCE;
        if (!parse_u64(arg, &w->fence) || !w->fence)
            argp_error(state, "--if-fence is a lock's token, not '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        absent = w->flags & COAT_IF_ABSENT ||
                 (w->flags & COAT_IF_VERSION && !w->if_version);
        present = w->flags & (COAT_IF_PRESENT | COAT_IF_VALUE) ||
                  (w->flags & COAT_IF_VERSION && w->if_version);
        if (absent && present)
            argp_error(state, "these conditions can never hold together");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option previous_options[] = {
    {"previous", KEY_PREVIOUS, NULL, 0, "Print the value there was before", 0},
    {0},
};

static error_t take_previous(int key, char *arg UNUSED,
                             struct argp_state *state)
{
    struct coat_write *w = state->input;

    if (key != KEY_PREVIOUS)
        return ARGP_ERR_UNKNOWN;
    w->flags |= COAT_PREVIOUS;
    return 0;
}

static const struct argp_option deadline_options[] = {
    {"ttl", KEY_TTL, "TIME", 0,
     "The key expires after this time: 1500 or 1500ms, 90s, 30m, 12h, 7d", 0},
    {"deadline", KEY_DEADLINE, "MOMENT", 0,
     "The key expires then: milliseconds since 1970, or "
     "2030-01-31T12:00:00Z", 0},
    {0},
};

static error_t take_deadline(int key, char *arg, struct argp_state *state)
{
    struct coat_write *w = state->input;

    switch (key) {
    case KEY_TTL:
        if (!parse_duration(arg, &w->ttl))
            argp_error(state, "--ttl is a time such as 1500 or 90s, not '%s'",
                       arg);
        return 0;
    case KEY_DEADLINE:
        if (!parse_moment(arg, &w->deadline))
            argp_error(state, "--deadline is milliseconds since 1970 or "
                              "2030-01-31T12:00:00Z, not '%s'", arg);
        return 0;
    case ARGP_KEY_END:
        if (w->ttl && w->deadline)
            argp_error(state, "--ttl or --deadline, not both");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp write_conditions = {.options = condition_options,
                                      .parser = take_condition};
const struct argp write_deadlines = {.options = deadline_options,
                                     .parser = take_deadline};
const struct argp write_previous = {.options = previous_options,
                                    .parser = take_previous};

const struct argp_child write_children[] = {
    {&write_conditions, 0, "Conditions:", 5},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};

const struct argp_child set_children[] = {
    {&write_conditions, 0, "Conditions:", 5},
    {&write_deadlines, 0, "Expiry:", 6},
    {&cli_common_argp, 0, CLI_COMMON_TITLE, 10},
    {0},
};
