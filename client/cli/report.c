/* report.c - see report.h. */
#include "client/cli/report.h"

#include <assert.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void report_init(struct report *r, const struct report_column *columns,
                 unsigned n)
{
    r->table = must(scols_new_table());
    r->n = n;
    scols_table_enable_noheadings(r->table, 0);
    for (unsigned i = 0; i < n; i++)
        must(scols_table_new_column(r->table, columns[i].name, 0,
                                    columns[i].right ? SCOLS_FL_RIGHT : 0));
}

void report_row(struct report *r, const char *const *cells)
{
    struct libscols_line *line = must(scols_table_new_line(r->table, NULL));

    for (unsigned i = 0; i < r->n; i++)
        if (cells[i] && scols_line_set_data(line, i, cells[i]))
            abort();
}

void report_print(struct report *r, FILE *out)
{
    char *text = NULL;

    if (scols_print_table_to_string(r->table, &text))
        abort();
    if (text && *text)
        fprintf(out, "%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    free(text);
}

void report_release(struct report *r)
{
    scols_unref_table(r->table);
    r->table = NULL;
}

/* ---- JSON ---- */

json_t *json_u64(uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, v);
    return must(json_string(text));
}

static char *base64(struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = xmalloc((s.size + 2) / 3 * 4 + 1), *at = text;

    for (size_t i = 0; i < s.size; i += 3) {
        size_t left = s.size - i;
        uint32_t v = (uint32_t)s.data[i] << 16 |
                     (left > 1 ? (uint32_t)s.data[i + 1] << 8 : 0) |
                     (left > 2 ? s.data[i + 2] : 0);
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[v & 63] : '=';
    }
    *at = 0;
    return text;
}

void json_set_bytes(json_t *object, const char *name, struct slice bytes)
{
    json_t *text = json_stringn(bytes.size ? (const char *)bytes.data : "",
                                bytes.size);
    char long_name[64], *encoded;

    if (text) {
        json_object_set_new(object, name, text);
        return;
    }
    encoded = base64(bytes);
    snprintf(long_name, sizeof long_name, "%s_base64", name);
    json_object_set_new(object, long_name, must(json_string(encoded)));
    free(encoded);
}

void json_print(json_t *j, FILE *out)
{
    json_dumpf(j, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(j);
}

void json_print_line(json_t *j, FILE *out)
{
    json_dumpf(j, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(j);
}

/* ---- texts ---- */

void id_format(const uint8_t *id, char *text)
{
    for (unsigned i = 0; i < ID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
}

void size_format(uint64_t bytes, char *text)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB",
                                        "PiB"};
    double v = (double)bytes;
    unsigned u = 0;

    while (v >= 1024 && u < ARRAY_LEN(units) - 1) {
        v /= 1024;
        u++;
    }
    snprintf(text, 16, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

void time_format(uint64_t ms, char *text)
{
    uint64_t s = ms / 1000;

    if (s < 60)
        snprintf(text, 32, "%" PRIu64 " s", s);
    else if (s < 3600)
        snprintf(text, 32, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, 32, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
                 s % 3600 / 60);
    else
        snprintf(text, 32, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
                 s % 86400 / 3600);
}

void duration_format(uint64_t ms, char *text)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000},
                 {"ms", 1}};
    unsigned u = 0;

    while (ms % units[u].ms)
        u++;
    snprintf(text, 32, "%" PRIu64 "%s", ms / units[u].ms, units[u].name);
}
