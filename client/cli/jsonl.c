/* jsonl.c - see jsonl.h. */
#include "client/cli/jsonl.h"

#include <jansson.h>
#include <string.h>

#include "client/cli/parse.h"
#include "client/cli/report.h"

void jsonl_release(struct jsonl *l)
{
    buf_release(&l->key);
    buf_release(&l->value);
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Four digits become three bytes; = fills the last four up. */
static bool base64_read(const char *text, size_t size, struct buf *out)
{
    size_t fill = 0;

    if (size % 4)
        return false;
    while (fill < 2 && fill < size && text[size - 1 - fill] == '=')
        fill++;
    for (size_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        uint32_t v = 0;
        uint8_t bytes[3];
        for (size_t k = 0; k < 4; k++) {
            int d = last && k >= 4 - fill ? 0 : digit(text[i + k]);
            if (d < 0)
                return false;
            v = v << 6 | (uint32_t)d;
        }
        bytes[0] = (uint8_t)(v >> 16);
        bytes[1] = (uint8_t)(v >> 8);
        bytes[2] = (uint8_t)v;
        buf_append(out, bytes, last ? 3 - fill : 3);
    }
    return true;
}

static bool bytes_read(const json_t *object, const char *name,
                       const char *base64_name, struct buf *out)
{
    json_t *text = json_object_get(object, name);

    buf_clear(out);
    if (json_is_string(text)) {
        buf_append(out, json_string_value(text), json_string_length(text));
        return true;
    }
    text = json_object_get(object, base64_name);
    return json_is_string(text) &&
           base64_read(json_string_value(text), json_string_length(text), out);
}

/* A number or a text that is one; missing or null is 0. */
static bool number_read(const json_t *object, const char *name, uint64_t *out)
{
    json_t *j = json_object_get(object, name);

    *out = 0;
    if (!j || json_is_null(j))
        return true;
    if (json_is_string(j))
        return parse_u64(json_string_value(j), out);
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return false;
    *out = (uint64_t)json_integer_value(j);
    return true;
}

const char *jsonl_read(struct slice line, struct jsonl *out)
{
    json_t *j = json_loadb((const char *)line.data, line.size,
                           JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    const char *why = NULL;

    if (!json_is_object(j))
        why = "it is no JSON object";
    else if (!bytes_read(j, "key", "key_base64", &out->key))
        why = "\"key\" (a text) or \"key_base64\" is missing or malformed";
    else if (!bytes_read(j, "value", "value_base64", &out->value))
        why = "\"value\" (a text) or \"value_base64\" is missing or malformed";
    else if (!number_read(j, "deadline_ms", &out->deadline) ||
             !number_read(j, "ttl_ms", &out->ttl))
        why = "\"deadline_ms\" and \"ttl_ms\" are numbers";
    else if (out->deadline && out->ttl)
        why = "\"deadline_ms\" or \"ttl_ms\", not both";
    json_decref(j);
    return why;
}

void jsonl_write(FILE *f, struct slice key, struct slice value,
                 uint64_t deadline)
{
    json_t *j = json_object();

    json_set_bytes(j, "key", key);
    json_set_bytes(j, "value", value);
    if (deadline)
        json_object_set_new(j, "deadline_ms", json_u64(deadline));
    json_print_line(j, f);
}
