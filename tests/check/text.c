/* text.c - see text.h. */
#include "tests/check/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/bytes.h"

static const char *const kinds[] = {"get", "set", "delete",
                                    "add", "cas", "swap"};
static const char *const outcomes[] = {"yes", "no", "either", "unknown"};

enum { WORDS_MAX = 12 };

/* ---- reading ---- */

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text && !*end && !errno && *out <= max;
}

static bool word_of(const char *text, const char *const *words, size_t n,
                    uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

static bool value_of(const char *text, uint64_t *out)
{
    if (strcmp(text, "absent") == 0)
        *out = CHECK_ABSENT;
    else if (strcmp(text, "present") == 0)
        *out = CHECK_PRESENT;
    else
        return number(text, UINT64_MAX, out) &&
               (*out < CHECK_ABSENT || *out > CHECK_ABSENT + 3);
    return true;
}

static bool place_of(char *text, struct check_operation *op)
{
    char *index = strchr(text, '/');
    char *position = index ? strchr(index + 1, '/') : NULL;
    uint64_t group, at = CHECK_LAST;

    if (!position)
        return false;
    *index++ = *position++ = '\0';
    if (!number(text, UINT32_MAX, &group) ||
        !number(index, UINT64_MAX, &op->index) ||
        (strcmp(position, "last") != 0 && !number(position, UINT32_MAX, &at)))
        return false;
    op->group = (uint32_t)group;
    op->position = (uint32_t)at;
    return true;
}

static bool named(char *word, struct check_operation *op)
{
    char *value = strchr(word, '=');

    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(word, "value") == 0)
        return value_of(value, &op->value);
    if (strcmp(word, "expect") == 0)
        return value_of(value, &op->expect);
    if (strcmp(word, "seen") == 0)
        return value_of(value, &op->seen);
    return strcmp(word, "at") == 0 && place_of(value, op);
}

static const char *operation_of(char *const *word, size_t n,
                                struct check_operation *op)
{
    uint64_t key, process;

    *op = (struct check_operation){.seen = CHECK_UNSEEN};
    if (n < 6)
        return "fewer than six words";
    if (!word_of(word[0], kinds, ARRAY_LEN(kinds), &op->kind))
        return "no such kind";
    if (!number(word[1], UINT32_MAX, &key) ||
        !number(word[2], UINT32_MAX, &process) ||
        !number(word[3], UINT64_MAX - 1, &op->called))
        return "key, process and times are numbers";
    op->key = (uint32_t)key;
    op->process = (uint32_t)process;
    op->returned = CHECK_NEVER;
    if (strcmp(word[4], "-") != 0 &&
        !number(word[4], UINT64_MAX - 1, &op->returned))
        return "the time of return is a number or -";
    if (op->returned < op->called)
        return "returned before it was called";
    if (!word_of(word[5], outcomes, ARRAY_LEN(outcomes), &op->outcome))
        return "no such outcome";
    if (op->outcome == CHECK_UNKNOWN)
        op->returned = CHECK_NEVER;
    for (size_t i = 6; i < n; i++)
        if (!named(word[i], op))
            return "not value=, expect=, seen= or at=";
    return NULL;
}

static enum status refuse(char error[CHECK_ERROR_MAX], const char *why,
                          const char *line)
{
    snprintf(error, CHECK_ERROR_MAX, "%s: '%.100s'", why, line);
    return STATUS_INVALID;
}

enum status check_text_parse(const char *line, struct check_history *h,
                             char error[CHECK_ERROR_MAX])
{
    char copy[CHECK_LINE_MAX], *word[WORDS_MAX], *rest = NULL;
    struct check_operation op;
    const char *why;
    size_t n = 0;

    if (strlen(line) >= sizeof copy)
        return refuse(error, "the line is too long", line);
    memcpy(copy, line, strlen(line) + 1);
    for (char *w = strtok_r(copy, " \t\r", &rest); w;
         w = strtok_r(NULL, " \t\r", &rest)) {
        if (n == WORDS_MAX)
            return refuse(error, "too many words", line);
        word[n++] = w;
    }
    if (!n || word[0][0] == '#')
        return STATUS_OK;
    if (n == 2 && strcmp(word[0], "places") == 0) {
        if (strcmp(word[1], "index") == 0)
            h->places = CHECK_PLACES_INDEX;
        else if (strcmp(word[1], "version") == 0)
            h->places = CHECK_PLACES_VERSION;
        else
            return refuse(error, "places are index or version", line);
        return STATUS_OK;
    }
    why = operation_of(word, n, &op);
    if (why)
        return refuse(error, why, line);
    check_history_add(h, &op);
    return STATUS_OK;
}

/* ---- writing ---- */

PRINTF(2, 3)
static void append(char line[CHECK_LINE_MAX], const char *format, ...)
{
    size_t used = strlen(line);
    va_list args;

    va_start(args, format);
    vsnprintf(line + used, CHECK_LINE_MAX - used, format, args);
    va_end(args);
}

static void append_value(char line[CHECK_LINE_MAX], const char *name,
                         uint64_t value)
{
    if (value == CHECK_ABSENT)
        append(line, " %s=absent", name);
    else if (value == CHECK_PRESENT)
        append(line, " %s=present", name);
    else if (value != CHECK_UNSEEN)
        append(line, " %s=%" PRIu64, name, value);
}

void check_text_write(const struct check_operation *op,
                      char line[CHECK_LINE_MAX])
{
    char returned[24] = "-";

    if (op->returned != CHECK_NEVER)
        snprintf(returned, sizeof returned, "%" PRIu64, op->returned);
    snprintf(line, CHECK_LINE_MAX, "%s %" PRIu32 " %" PRIu32 " %" PRIu64
             " %s %s", kinds[op->kind], op->key, op->process, op->called,
             returned, outcomes[op->outcome]);
    if (op->kind != CHECK_GET && op->kind != CHECK_DELETE)
        append_value(line, "value", op->value);
    if (op->kind == CHECK_CAS)
        append_value(line, "expect", op->expect);
    append_value(line, "seen", op->seen);
    if (op->index && op->position == CHECK_LAST)
        append(line, " at=%" PRIu32 "/%" PRIu64 "/last", op->group, op->index);
    else if (op->index)
        append(line, " at=%" PRIu32 "/%" PRIu64 "/%" PRIu32, op->group,
               op->index, op->position);
}
